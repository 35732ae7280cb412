import { useState } from 'preact/hooks';
import { Failure, Loading } from '../../parts/messages.tsx';
import { Table } from '../../parts/table.tsx';
import { Number as NumberCell } from './cells.tsx';
import { linkFor } from './chips.tsx';
import { columnsOf, type Column } from './columns.ts';
import { labelOf } from './dimensions.ts';
import { Facts } from './facts.tsx';
import { isFoundEmpty, Nothing } from './nothing.tsx';
import { printQuery, type SpendQuery } from './query.ts';
import { askPage, type Figures, type Line, type Page } from './reports.ts';
import { useLoad } from '../../client/use-load.ts';
import type { NameOf } from './words.ts';

const STEP = 200;

interface LinesProps {
  readonly query: SpendQuery;
  readonly nameOf: NameOf;
  /** Whether nothing beside them says what is known about their days. */
  readonly hasFacts: boolean;
}

/** Every row as the API gives it, page by page. */
export function Lines({ query, nameOf, hasFacts }: LinesProps) {
  const { page, lines, error, isLoading, more } = useLines(query);
  if (error !== null && page === null) return <Failure error={error} />;
  if (page === null) return <Loading what="the lines" />;
  if (isFoundEmpty(page)) return <Nothing query={query} nameOf={nameOf} />;
  return (
    <div class="stack" aria-busy={isLoading}>
      {query.report !== 'usage' && <Order query={query} />}
      <LineTable query={query} page={page} lines={lines} />
      {error !== null && <Failure error={error} />}
      {more !== null && (
        <div>
          <button type="button" disabled={isLoading} onClick={more}>
            More
          </button>
        </div>
      )}
      {hasFacts && <Facts page={page} />}
    </div>
  );
}

function LineTable({ query, page, lines }: { query: SpendQuery; page: Page; lines: readonly Line[] }) {
  const columns = columnsOf(query);
  const shared = sharedBy(page, lines);
  const own = page.groupBy.flatMap((group, place) => (shared.includes(place) ? [] : [{ group, place }]));
  const at = page.groupBy.indexOf('currency');
  return (
    <>
      {shared.length > 0 && <p>{`In all of them: ${shared.map((place) => factOf(page, lines, place)).join(', ')}.`}</p>}
      <Table
        label="The lines"
        heads={[...own.map(({ group }) => labelOf(group)), ...columns.map(({ name }) => name)]}
        numbers={columns.map((_, index) => own.length + index)}
        foot={
          <>
            <th scope="row" colspan={own.length}>
              {`Total${page.next === null ? '' : ' of all lines'}${page.otherCurrencies.length === 0 ? '' : ', in dollars'}`}
            </th>
            <Numbers {...{ columns }} figures={page.total} currency="USD" />
          </>
        }
      >
        {lines.map((line, index) => (
          <tr key={index}>
            {own.map(({ place }) => (
              <td key={place} class={line.values[place]?.id === null ? 'muted' : 'line-value'}>
                {line.values[place]?.name}
              </td>
            ))}
            <Numbers {...{ columns }} figures={line.figures} currency={line.values[at]?.id ?? 'USD'} />
          </tr>
        ))}
        {page.other !== null && page.other.rows > 0 && (
          <tr>
            <th scope="row" colspan={own.length}>{`${page.other.rows} more`}</th>
            <Numbers {...{ columns }} figures={page.other.figures} currency="USD" />
          </tr>
        )}
      </Table>
    </>
  );
}

function Numbers(props: { columns: readonly Column[]; figures: Figures; currency: string }) {
  const { columns, figures, currency } = props;
  return (
    <>
      {columns.map((column) => (
        <NumberCell key={column.name} {...{ column, figures, currency }} />
      ))}
    </>
  );
}

/** The groups in which all lines are the same: a sentence says so once, and the table has room for the others. */
function sharedBy({ groupBy }: Page, lines: readonly Line[]): number[] {
  const same = groupBy.flatMap((_, place) =>
    lines.every((line) => line.values[place]?.id === lines[0]?.values[place]?.id) ? [place] : [],
  );
  return lines.length < 2 || same.length === groupBy.length ? [] : same;
}

function factOf({ groupBy }: Page, lines: readonly Line[], place: number): string {
  const value = lines[0]?.values[place];
  return value?.id === null ? value.name : `${labelOf(groupBy[place] ?? '')} ${value?.name ?? ''}`;
}

function Order({ query }: { query: SpendQuery }) {
  const isLargest = query.order === '-amount';
  return (
    <p class="muted">
      {isLargest ? 'The largest come first. ' : 'In the order of their groups. '}
      <a href={linkFor({ ...query, order: isLargest ? null : '-amount' })}>
        {isLargest ? 'In the order of their groups' : 'The largest first'}
      </a>
    </p>
  );
}

const MOST = 10_000;

/** The lines of a query. By size there are no pages, so more of them come with the first request repeated. */
function useLines(query: SpendQuery): {
  page: Page | null;
  lines: readonly Line[];
  error: Error | null;
  isLoading: boolean;
  more: (() => void) | null;
} {
  const key = printQuery(query);
  const isPaged = query.order !== '-amount';
  const [asked, setAsked] = useState({ key, pages: 1 });
  const pages = asked.key === key ? asked.pages : 1;
  const [former, setFormer] = useState<{ key: string; lines: readonly Line[]; after: string } | null>(null);
  const before = isPaged && former?.key === key ? former : null;
  const first = useLoad(`${key} ${isPaged ? (before?.after ?? '') : pages}`, async (signal) => ({
    page: isPaged
      ? await askPage(query, { limit: STEP, after: before?.after ?? null }, signal)
      : await askPage(query, { limit: Math.min(MOST, STEP * pages) }, signal),
    before: before?.lines ?? [],
  }));
  // The lines of another query have other columns.
  const data = first.of?.startsWith(`${key} `) === true ? first.data : null;
  const page = data?.page ?? null;
  const lines = data === null ? [] : [...data.before, ...data.page.lines];
  const next = page?.next ?? null;
  const hasMore = isPaged ? next !== null : (page?.other?.rows ?? 0) > 0 && lines.length < MOST;
  const more = (): void => {
    if (next !== null) setFormer({ key, lines, after: next });
    else setAsked({ key, pages: pages + 1 });
  };
  return { page, lines, error: first.error, isLoading: first.isLoading, more: hasMore ? more : null };
}

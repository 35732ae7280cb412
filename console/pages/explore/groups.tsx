import { Fragment } from 'preact';
import { useState } from 'preact/hooks';
import { difference, signOf, sum } from '../../format/decimal.ts';
import { percent } from '../../format/money.ts';
import { fillOf } from '../../parts/chart/geometry.ts';
import { Why, WhyLegend } from '../../parts/why.tsx';
import { Table } from '../../parts/table.tsx';
import { Number as NumberCell } from './cells.tsx';
import { columnsOf, type Column } from './columns.ts';
import { labelOf } from './dimensions.ts';
import { currencyOf, isUsd, largestOf, linkOf, valuesOf } from './picture.ts';
import { dimensionsIn, type SpendQuery } from './query.ts';
import { MAIN, type Figures, type Line, type Page } from './reports.ts';

const STEP = 100;

interface GroupsProps {
  readonly query: SpendQuery;
  readonly page: Page;
  /** Whether a chart beside it has a colour for the largest groups. */
  readonly hasChart: boolean;
}

/** The groups of a range, the largest first, up to its total. */
export function Groups({ query, page, hasChart }: GroupsProps) {
  const [shown, setShown] = useState(STEP);
  const lines = page.lines.slice(0, shown);
  const columns = columnsOf(query);
  const dimensions = dimensionsIn(query);
  const largest = hasChart ? largestOf(query, page) : [];
  const hidden = page.lines.length - lines.length;
  const left = hidden + (page.other?.rows ?? 0);
  const hasWhy = query.report === 'changes';
  return (
    <>
      <Table
        label="The groups"
        heads={[
          ...dimensions.map(labelOf),
          ...columns.flatMap(({ name }, index) => (hasWhy || index > 0 ? [name] : [name, 'Share'])),
          ...(hasWhy ? ['Why'] : []),
        ]}
        numbers={columns.map((_, index) => dimensions.length + index + (hasWhy || index === 0 ? 0 : 1))}
        foot={
          <>
            <th scope="row" colspan={dimensions.length}>
              {page.otherCurrencies.length === 0 ? 'Total' : 'Total, in dollars'}
            </th>
            <Sums {...{ columns, hasWhy }} figures={page.total} />
          </>
        }
      >
        {lines.map((line) => (
          <Group key={JSON.stringify(line.values)} {...{ query, line, columns }} total={page.total}>
            {largest.indexOf(line)}
          </Group>
        ))}
        {left > 0 && (
          <tr>
            <th scope="row" colspan={dimensions.length}>
              <i class={`swatch ${hasChart ? 'fill-other' : ''}`} /> {`${left} more`}
            </th>
            <Sums {...{ columns, hasWhy }} figures={restOf(query, page, lines, columns)} />
          </tr>
        )}
      </Table>
      {hasWhy && <WhyLegend />}
      {hidden > 0 && (
        <div>
          <button
            type="button"
            onClick={() => {
              setShown(shown + STEP);
            }}
          >{`Show ${Math.min(hidden, STEP)} more`}</button>
        </div>
      )}
    </>
  );
}

function Group(props: {
  query: SpendQuery;
  line: Line;
  columns: readonly Column[];
  total: Figures;
  /** The place of its series in the chart; −1 for none. */
  children: number;
}) {
  const { query, line, columns, total, children: series } = props;
  const link = linkOf(query, { days: null, values: valuesOf(query, line) });
  const currency = currencyOf(query, line);
  const hasWhy = query.report === 'changes';
  const [first, ...others] = line.values;
  return (
    <tr>
      <th scope="row" class="name">
        {series >= 0 && <i class={`swatch ${fillOf(series, null)}`} />} <a href={link}>{first?.name}</a>
      </th>
      {others.map(({ id, name }, index) => (
        <td key={index} class={`name ${id === null ? 'muted' : ''}`}>
          {name}
        </td>
      ))}
      {columns.map((column, index) => (
        <Fragment key={column.name}>
          <NumberCell {...{ column, currency }} figures={line.figures} />
          {!hasWhy && index === 0 && <Share {...{ query, line, total }} />}
        </Fragment>
      ))}
      {hasWhy && <td>{isUsd(query, line) && <Reason figures={line.figures} />}</td>}
    </tr>
  );
}

function Reason({ figures }: { figures: Figures }) {
  const part = (name: string): string => figures[name] ?? '0';
  return (
    <Why
      change={{
        volume: part('volume'),
        mix: part('mix'),
        price: part('price'),
        unmatched: part('unmatched'),
      }}
    />
  );
}

/** The part of the total that a group is. It says nothing where amounts of both signs add up. */
function Share({ query, line, total }: { query: SpendQuery; line: Line; total: Figures }) {
  const main = MAIN[query.report];
  const [value, whole] = [line.figures[main] ?? '0', total[main] ?? '0'];
  const share = Number(value) / Number(whole);
  if (!isUsd(query, line) || signOf(whole) <= 0 || share < 0 || share > 1) return <td class="muted">–</td>;
  return (
    <td>
      <span class="share">
        <i aria-hidden="true" style={{ width: `${share * 100}%` }} />
      </span>
      <span class="faint small num">{percent(share)}</span>
    </td>
  );
}

function Sums(props: { columns: readonly Column[]; figures: Figures; hasWhy: boolean }) {
  const { columns, figures, hasWhy } = props;
  return (
    <>
      {columns.map((column, index) => (
        <Fragment key={column.name}>
          <NumberCell {...{ column, figures }} currency="USD" />
          {!hasWhy && index === 0 && <td />}
        </Fragment>
      ))}
      {hasWhy && (
        <td>
          <Reason figures={figures} />
        </td>
      )}
    </>
  );
}

/** What the rows that are not shown add up to: the total less those that are, exactly. */
function restOf(query: SpendQuery, page: Page, shown: readonly Line[], columns: readonly Column[]): Figures {
  if (page.other !== null && shown.length === page.lines.length) return page.other.figures;
  const parts = query.report === 'changes' ? ['volume', 'mix', 'price', 'unmatched'] : [];
  const keys = [...columns.flatMap(({ adds }) => (adds === undefined ? [] : [adds])), ...parts];
  const inUsd = shown.filter((line) => isUsd(query, line));
  return Object.fromEntries(
    keys.map((key) => {
      const total = page.total[key] ?? null;
      const sums = inUsd.map((line) => line.figures[key] ?? '0');
      return [key, total === null ? null : difference(total, sum('0', ...sums))];
    }),
  );
}

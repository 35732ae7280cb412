import { addressOf, type Reply } from '../../client/client.ts';
import { useList } from '../../client/use-list.ts';
import { longMonth, shortDay } from '../../format/days.ts';
import { exact } from '../../format/money.ts';
import { Await } from '../../parts/await.tsx';
import { More } from '../../parts/more.tsx';
import { Table } from '../../parts/table.tsx';
import type { PartProps } from '../chargeback.tsx';
import { Amount } from './figure.tsx';
import { placeOf } from './place.ts';
import { centerName, NOBODY } from './words.ts';

type Line = Reply<'/v1/chargeback/{month}/lines'>['data'][number];

const PAGE = 100;

/** The lines behind a cost center, each with the rule, the pool and the share that brought it there. */
export function LinesPage({ month, query }: PartProps) {
  const center = query.get('cost_center');
  const revision = query.get('revision');
  const asked = { cost_center: center, revision };
  const list = useList('/v1/chargeback/{month}/lines', { ids: { month }, query: { ...asked, limit: PAGE } });
  const name = center === null ? 'every cost center' : centerName(center === '' ? null : center);
  return (
    <section class="card stack" aria-labelledby="lines">
      <header class="spread">
        <div>
          <h2 id="lines">{name === NOBODY ? 'The lines that belong to nobody' : `The lines of ${name}`}</h2>
          <a href={placeOf(month, 'month', { revision })}>
            <span aria-hidden="true">← </span>
            {`Back to ${longMonth(month)}`}
          </a>
        </div>
        <a
          class="button small"
          href={addressOf('/v1/chargeback/{month}/lines', { month }, { ...asked, format: 'csv' })}
          download=""
        >
          Lines as CSV
        </a>
      </header>
      <Await of={{ ...list, data: list.rows }} what="the lines">
        {(rows) =>
          rows.length === 0 ? (
            <p class="muted">{`Nothing goes there in ${longMonth(month)}. Look at the month for who owes what.`}</p>
          ) : (
            <LineTable lines={rows} hasCenter={center === null} />
          )
        }
      </Await>
      {list.more !== null && (
        <div>
          <More list={list} />
        </div>
      )}
    </section>
  );
}

function LineTable({ lines, hasCenter }: { lines: readonly Line[]; hasCenter: boolean }) {
  return (
    <Table
      label="The lines"
      heads={[
        ...(hasCenter ? ['Cost center'] : []),
        ...['Day', 'Line', 'Whole line', 'Share', 'Amount', 'Why it is here'],
      ]}
      numbers={hasCenter ? [3, 4, 5] : [2, 3, 4]}
    >
      {lines.map((line, index) => (
        <tr key={index}>
          {hasCenter && <td class="name">{centerName(line.cost_center)}</td>}
          <td class="nowrap">{shortDay(line.day)}</td>
          <th scope="row" class="name">
            {line.workspace.name}
            <div class="faint small">{line.description ?? line.model ?? line.cost_type}</div>
          </th>
          <Money line={line} />
          <td class="r num" title={exact(line.share)} data-exact={line.share}>
            {shareText(line.share)}
          </td>
          <Amount value={line.amount} />
          <td class="why-cell">
            {ruleText(line)}
            <div class="faint small">{detailText(line)}</div>
          </td>
        </tr>
      ))}
    </Table>
  );
}

function Money({ line }: { line: Line }) {
  if (line.currency === 'USD' || line.currency === null) return <Amount value={line.line_amount} />;
  return <td class="r num" data-exact={line.line_amount}>{`${exact(line.line_amount)} ${line.currency}`}</td>;
}

function shareText(share: string): string {
  return share === '1' ? 'all' : `${(Number(share) * 100).toFixed(2)} %`;
}

function ruleText({ rule }: Line): string {
  return rule === null ? 'No rule takes it' : `Rule ${rule.place}: ${rule.name}`;
}

function detailText({ pool, version, adjusts }: Line): string {
  return [
    ...(pool === null ? [] : [`shared by the pool ${pool}`]),
    ...(version === null ? ['no rules were in force'] : [`version ${version} of the rules`]),
    ...(adjusts === null ? [] : [`corrects ${longMonth(adjusts)}, which is closed`]),
  ].join(', ');
}

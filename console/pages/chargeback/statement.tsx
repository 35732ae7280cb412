import type { Reply } from '../../client/client.ts';
import { Card } from '../../parts/card.tsx';
import { instant } from '../../format/days.ts';
import { signOf } from '../../format/decimal.ts';
import { count, exact, usd, usdChange } from '../../format/money.ts';
import { Badge } from '../../parts/messages.tsx';
import { Table } from '../../parts/table.tsx';
import type { ListedMonth } from '../chargeback.tsx';
import { Amount } from './figure.tsx';
import { placeOf } from './place.ts';

type Month = Reply<'/v1/chargeback/{month}'>;

/** What a closed month says about itself. */
export function StatementFacts({ data }: { data: Month }) {
  const { statement, version } = data;
  if (statement === null) return null;
  const { by, at, override, lines, sha256, invoice_amount: invoice, invoice_difference: difference } = statement;
  const uncertain = uncertainDays(data);
  return (
    <dl>
      <dt>Closed</dt>
      <dd>{`by ${by} on ${instant(at)}`}</dd>
      <dt>Bill</dt>
      <dd class="num" title={exact(data.total)}>
        {usd(data.total)}
      </dd>
      {signOf(data.total_adjustment) !== 0 && (
        <>
          <dt>Corrections</dt>
          <dd class="num" title={exact(data.total_adjustment)}>
            {`${usdChange(data.total_adjustment)} of months that were closed before`}
          </dd>
        </>
      )}
      <dt>Invoice</dt>
      <dd class="num">
        {invoice === null || difference === null
          ? 'nobody named it'
          : `${usd(invoice)}, ${signOf(difference) === 0 ? 'the same as the bill' : `${usdChange(difference)} against the bill: tax, credits`}`}
      </dd>
      <dt>Rules</dt>
      <dd>{version === null ? 'none were in force' : `version ${version}`}</dd>
      <dt>Days</dt>
      <dd>{override === null ? 'all were final' : `${uncertain}. Closed all the same: “${override}”`}</dd>
      <dt>Lines</dt>
      <dd class="num">{count(lines)}</dd>
      <dt>SHA-256 of its lines</dt>
      <dd>
        <code>{sha256}</code>
      </dd>
    </dl>
  );
}

function uncertainDays(of: { provisional_days: number; missing_days: number; uncovered_days: number }): string {
  const parts = [
    ...phrase(of.missing_days, 'still to be read'),
    ...phrase(of.uncovered_days, 'not covered'),
    ...phrase(of.provisional_days, 'provisional'),
  ];
  return parts.length === 0 ? 'Some did not add up' : parts.join('; ');
}

function phrase(days: number, what: string): string[] {
  return days === 0 ? [] : [`${days} ${days === 1 ? 'was' : 'were'} ${what}`];
}

/** Every statement of a month, the latest first. */
export function Revisions({ of: { month, statements } }: { of: ListedMonth }) {
  if (statements.length === 0) return null;
  return (
    <Card class="stack" title="Revisions">
      <Table label="Every revision" heads={['Revision', 'Closed', 'Bill', 'Corrections', 'Reopened']} numbers={[2, 3]}>
        {statements.map((one) => (
          <tr key={one.revision}>
            <th scope="row" class="nowrap">
              <a href={placeOf(month, 'month', one.state === 'closed' ? {} : { revision: one.revision })}>
                {one.revision}
                <span class="hidden"> as it was</span>
              </a>{' '}
              {one.state === 'closed' && <Badge tone="good">in force</Badge>}
            </th>
            <td>{`${instant(one.at)} by ${one.by}`}</td>
            <Amount value={one.total} />
            <Amount value={one.total_adjustment} />
            <td class="name">
              {one.reopened === null
                ? '–'
                : `${instant(one.reopened.at)} by ${one.reopened.by}: ${one.reopened.reason}`}
            </td>
          </tr>
        ))}
      </Table>
    </Card>
  );
}

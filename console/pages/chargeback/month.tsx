import { addressOf, type Reply } from '../../client/client.ts';
import { Card } from '../../parts/card.tsx';
import { useReply } from '../../client/use-reply.ts';
import { daysBetween, instant, longMonth } from '../../format/days.ts';
import { difference, signOf, sum } from '../../format/decimal.ts';
import { exact, money, usd, usdChange } from '../../format/money.ts';
import { Completeness } from '../../parts/completeness.tsx';
import { Waiting } from '../../parts/await.tsx';
import { Failure, Note } from '../../parts/messages.tsx';
import type { PartProps } from '../chargeback.tsx';
import { GroupField } from './group-field.tsx';
import { MonthTable } from './month-table.tsx';
import { daysIn, placeOf } from './place.ts';
import { Unallocated } from './unallocated.tsx';

type Month = Reply<'/v1/chargeback/{month}'>;

/** How many rows the page loads. CSV has all. */
const ROWS = 10_000;
const REFRESH_MS = 60_000;

/** Who owes what for a month. */
export function MonthPage({ month, query, isAdmin, months }: PartProps) {
  const groupBy = groupsIn(query);
  const revision = query.get('revision');
  const asked = { revision, group_by: groupBy.join(',') };
  const isClosed = months.some((each) => each.month === month && each.state === 'closed');
  const { data, error, reload } = useReply('/v1/chargeback/{month}', {
    ids: { month },
    query: { ...asked, limit: ROWS },
    everyMs: isClosed || revision !== null ? null : REFRESH_MS,
  });
  if (data === null) {
    return <Waiting of={{ error, reload }} what="the month" />;
  }
  return (
    <>
      {error !== null && <Failure error={error} retry={reload} />}
      {data.reopened !== null && <Earlier month={data} />}
      <Summary data={data} />
      {isKnown(data) && data.version === null && data.state === 'open' && <NoRules month={month} isAdmin={isAdmin} />}
      {isKnown(data) && (
        <Card class="stack" title="Who owes what" aside={<Files month={month} asked={asked} />}>
          <GroupField month={month} groupBy={groupBy} revision={revision} />
          <MonthTable data={data} revision={revision} />
          {data.next !== null && (
            <p class="muted small">{`These are the first ${ROWS.toLocaleString('en')} rows. CSV has all of them.`}</p>
          )}
        </Card>
      )}
      {isKnown(data) && data.unallocated.largest.length > 0 && (
        <Unallocated data={data} canMakeRules={isAdmin && data.state === 'open'} />
      )}
    </>
  );
}

/** The groups of an address; cost centers alone if it names none. */
export function groupsIn(query: URLSearchParams): string[] {
  const named = (query.get('group_by') ?? '').split(',').filter((group) => group !== '');
  return named.length === 0 ? ['cost_center'] : [...new Set(named)];
}

/** Whether any day of the month is there, so that its amounts say something. */
function isKnown({ month, missing_days: missing, uncovered_days: uncovered }: Month): boolean {
  const { from, to } = daysIn(month);
  return missing + uncovered < daysBetween(from, to);
}

function Summary({ data }: { data: Month }) {
  if (!isKnown(data)) {
    return (
      <Card class="stack" title={longMonth(data.month)}>
        <p>No day of this month is known: nothing is read yet, or no connection covers it.</p>
        <Completeness of={data} />
      </Card>
    );
  }
  const whole = sum(data.total, data.total_adjustment);
  const allocated = difference(whole, data.unallocated.amount);
  const others = data.other_currencies.map(({ currency, amount }) => money(amount, currency));
  return (
    <section class="card stack" aria-label={`${longMonth(data.month)} in short`}>
      <div class="figures">
        <div>
          <h2 class="muted">Anthropic’s bill</h2>
          <div class="big num" title={exact(data.total)} data-exact={data.total}>
            {usd(data.total)}
          </div>
          {signOf(data.total_adjustment) !== 0 && (
            <div class="num" title={exact(data.total_adjustment)} data-exact={data.total_adjustment}>
              {`${usdChange(data.total_adjustment)} corrections of closed months`}
            </div>
          )}
          <Invoice data={data} />
        </div>
        <div>
          <h2 class="muted">Belongs to cost centers</h2>
          <div class="mid num" title={exact(allocated)}>
            {usd(allocated)}
          </div>
          {data.allocated_percent !== null && (
            <div class="faint num">{`${Number(data.allocated_percent).toFixed(1)} % of all`}</div>
          )}
        </div>
        <div>
          <h2 class="muted">Belongs to nobody</h2>
          <div class="mid num" title={exact(data.unallocated.amount)} data-exact={data.unallocated.amount}>
            {usd(data.unallocated.amount)}
          </div>
          {data.unallocated.largest.length > 0 && <div class="faint">see below why</div>}
        </div>
      </div>
      <div>
        <Completeness of={data} />
        {others.length > 0 && (
          <p class="muted small">{`In other currencies, and not in the sums: ${others.join(', ')}.`}</p>
        )}
        <p class="faint small">{standsAs(data)}</p>
      </div>
    </section>
  );
}

function Invoice({ data: { statement } }: { data: Month }) {
  if (statement?.invoice_amount == null || statement.invoice_difference === null) return null;
  const differs = signOf(statement.invoice_difference) !== 0;
  return (
    <div class="faint num">
      {`invoice ${usd(statement.invoice_amount)}${differs ? `, ${usdChange(statement.invoice_difference)} for tax and credits` : ''}`}
    </div>
  );
}

function standsAs({ statement, state, version }: Month): string {
  const rules = version === null ? 'No rules were in force' : `By version ${version} of the rules`;
  if (statement === null)
    return `${version === null ? 'No rules are in force' : rules}. The month is open: its numbers may still change.`;
  return `${rules}. ${state === 'closed' ? 'Closed' : 'It was closed'} by ${statement.by} on ${instant(statement.at)}.`;
}

function Earlier({ month: { month, revision, reopened } }: { month: Month }) {
  if (reopened === null) return null;
  return (
    <Note tone="warn" title={`This is revision ${revision ?? ''}, which no longer counts.`}>
      <p>{`${reopened.by} reopened the month on ${instant(reopened.at)}: ${reopened.reason}`}</p>
      <a href={placeOf(month)}>See the month as it stands</a>
    </Note>
  );
}

function NoRules({ month, isAdmin }: { month: string; isAdmin: boolean }) {
  return (
    <Note title={`No rules are in force in ${longMonth(month)}, so all of it belongs to nobody.`}>
      {isAdmin ? (
        <a class="button primary" href={placeOf(month, 'rules')}>
          Write the first rules
        </a>
      ) : (
        <p>An admin can write them.</p>
      )}
    </Note>
  );
}

function Files({ month, asked }: { month: string; asked: { revision: string | null; group_by: string } }) {
  const { revision } = asked;
  const files = [
    ['CSV', addressOf('/v1/chargeback/{month}', { month }, { ...asked, format: 'csv' })],
    ['Lines as CSV', addressOf('/v1/chargeback/{month}/lines', { month }, { revision, format: 'csv' })],
    ['Journal as CSV', addressOf('/v1/chargeback/{month}/journal', { month }, { revision, format: 'csv' })],
  ] as const;
  return (
    <div class="row">
      {files.map(([name, href]) => (
        <a key={name} class="button small" href={href} download="">
          {name}
        </a>
      ))}
    </div>
  );
}

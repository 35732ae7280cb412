import type { Reply } from '../../client/client.ts';
import { Card } from '../../parts/card.tsx';
import { useReply } from '../../client/use-reply.ts';
import { longMonth } from '../../format/days.ts';
import { usd } from '../../format/money.ts';
import { Waiting } from '../../parts/await.tsx';
import { Failure, Note } from '../../parts/messages.tsx';
import type { ListedMonth, PartProps } from '../chargeback.tsx';
import { Blockers } from './blockers.tsx';
import { CloseForm } from './close-form.tsx';
import { nextMonth, placeOf } from './place.ts';
import { Reopen } from './reopen.tsx';
import { Revisions, StatementFacts } from './statement.tsx';

type Month = Reply<'/v1/chargeback/{month}'>;

/** Closing a month: what is in its way, what a closed one says, and how to open it again. */
export function ClosePage(props: PartProps) {
  const { month, months } = props;
  const listed = months.find((each) => each.month === month);
  const { data, error, reload } = useReply('/v1/chargeback/{month}', {
    ids: { month },
    query: { group_by: 'cost_center', limit: 10_000 },
  });
  if (data === null) {
    return <Waiting of={{ error, reload }} what="the month" />;
  }
  return (
    <>
      {error !== null && <Failure error={error} retry={reload} />}
      {data.statement === null ? (
        <OpenMonth {...props} data={data} />
      ) : (
        <ClosedMonth {...props} data={data} reopenable={listed?.reopenable ?? null} />
      )}
      {listed !== undefined && <Revisions of={listed} />}
    </>
  );
}

type Shown = PartProps & { readonly data: Month };

function OpenMonth({ month, months, isAdmin, onChange, data }: Shown) {
  const { closable } = data;
  if (closable === null) return null;
  const isUncertain = closable.needs_override;
  const next = nextOf(months);
  return (
    <Card class="stack" title={`Close ${longMonth(month)}`}>
      {closable.possible ? (
        <Note tone="good" title="Nothing is in the way.">
          <p>{`Every day of ${longMonth(month)} is final and adds up to Anthropic’s own total.`}</p>
        </Note>
      ) : isUncertain ? (
        <Blockers days={closable.days} month={month} />
      ) : (
        <Note title={closable.why ?? 'This month cannot be closed.'}>
          {next !== null && next !== month && <a href={placeOf(next, 'close')}>{`Go to ${longMonth(next)}`}</a>}
        </Note>
      )}
      {(closable.possible || isUncertain) &&
        (isAdmin ? (
          <CloseForm data={data} left={leftBehind(month, months)} onClosed={onChange} />
        ) : (
          <p class="muted">An admin can close the month.</p>
        ))}
    </Card>
  );
}

/** The month that is closed next. Any can be the first, so there is none before. */
function nextOf(months: readonly ListedMonth[]): string | null {
  const last = months.find(({ state }) => state === 'closed');
  return last === undefined ? null : nextMonth(last.month);
}

/** The earliest month that can never be closed once this one is; null if there is none. */
function leftBehind(month: string, months: readonly ListedMonth[]): string | null {
  const first = months.at(-1)?.month;
  const isFirst = months.every(({ state }) => state === 'open');
  return isFirst && first !== undefined && first < month ? first : null;
}

function ClosedMonth(props: Shown & { reopenable: ListedMonth['reopenable'] }) {
  const { month, months, isAdmin, onChange, data, reopenable } = props;
  const last = months.find(({ state }) => state === 'closed')?.month ?? month;
  return (
    <section class="card stack" aria-labelledby="closed">
      <div>
        <h2 id="closed">{`${longMonth(month)} is closed`}</h2>
        <p class="muted">
          {`Its bill of ${usd(data.total)} and who owes what stay as they are, whatever Anthropic corrects and whoever changes rules, tags or names. Corrections become adjustments of the next open month.`}
        </p>
      </div>
      <StatementFacts data={data} />
      {month === last ? (
        <Last {...{ month, isAdmin, reopenable }} onReopened={onChange} />
      ) : (
        <p class="muted">
          {`It cannot be reopened: only the last closed month can, and that is `}
          <a href={placeOf(last, 'close')}>{longMonth(last)}</a>.
        </p>
      )}
    </section>
  );
}

function Last(props: {
  month: string;
  isAdmin: boolean;
  reopenable: ListedMonth['reopenable'];
  onReopened: () => void;
}) {
  const { month, isAdmin, reopenable, onReopened } = props;
  if (reopenable?.possible === false) return <p class="muted">{`It cannot be reopened. ${reopenable.why ?? ''}`}</p>;
  return isAdmin ? <Reopen {...{ month, onReopened }} /> : null;
}

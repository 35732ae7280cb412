import { ApiError, ask } from '../../client/client.ts';
import { Card } from '../../parts/card.tsx';
import { useAction } from '../../client/use-action.ts';
import { useReply } from '../../client/use-reply.ts';
import { instant, longDay, range, today } from '../../format/days.ts';
import { exact, usd } from '../../format/money.ts';
import { ActionFailure } from '../../parts/action-failure.tsx';
import { Await } from '../../parts/await.tsx';
import { Completeness } from '../../parts/completeness.tsx';
import { Confirm } from '../../parts/confirm.tsx';
import { Note, Warnings } from '../../parts/messages.tsx';
import { Table } from '../../parts/table.tsx';
import { go, linkTo } from '../../route.ts';
import { placeOf } from '../alerts/place.ts';
import { methodText } from '../overview/ahead.ts';
import { BudgetChart } from './chart.tsx';
import { State } from './list.tsx';
import { lastsText, periodText, thresholdText, useScope, type Budget } from './words.ts';

const REFRESH_MS = 60_000;
const LIST = linkTo(['budgets']);

/** A budget: what is spent, what is expected, how long it lasts, and what it told. */
export function BudgetPage({ id, isAdmin }: { id: string; isAdmin: boolean }) {
  const budget = useReply('/v1/budgets/{id}', { ids: { id }, everyMs: REFRESH_MS });
  if (budget.error instanceof ApiError && budget.error.problem.status === 404) return <NoBudget />;
  return (
    <Await of={budget} what="the budget">
      {(data) => <Shown budget={data} isAdmin={isAdmin} />}
    </Await>
  );
}

/** Says that the address names no budget. */
export function NoBudget() {
  return (
    <>
      <h1>Budgets</h1>
      <Note title="There is no such budget.">
        <a href={LIST}>See the budgets</a>
      </Note>
    </>
  );
}

function Shown({ budget, isAdmin }: { budget: Budget; isAdmin: boolean }) {
  const { name, period, matches, current } = budget;
  const now = typeof period === 'string' ? `; now ${range(current.from, current.to)}` : '';
  return (
    <>
      <div class="top">
        <div>
          <nav class="crumbs" aria-label="Where this is">
            <a href={LIST}>Budgets</a>
          </nav>
          <h1>{name}</h1>
          <span class="muted">{`${useScope(budget)}, ${periodText(period)}${now}, UTC.`}</span>
        </div>
        {isAdmin && <Actions budget={budget} />}
      </div>
      <div class="stack">
        <section class="card stack" aria-label="The period so far">
          <Figures budget={budget} />
          {!matches && (
            <Note tone="warn" title="Nothing matches it in this period so far.">
              <p>If you did not expect that, look at what it counts.</p>
            </Note>
          )}
          <Warnings of={budget} />
          <BudgetChart budget={budget} />
          <Completeness of={budget} />
        </section>
        <Card title="When it tells">
          <Thresholds budget={budget} />
        </Card>
      </div>
    </>
  );
}

function Actions({ budget: { id, name } }: { budget: Budget }) {
  const remove = useAction(async () => {
    await ask('delete', '/v1/budgets/{id}', { ids: { id } });
    go(LIST);
  });
  return (
    <div class="row">
      <a class="button" href={linkTo(['budgets', id, 'edit'])}>
        Change
      </a>
      <Confirm
        what={`Delete ${name}`}
        why="It tells nothing any more, and its open notices close."
        isBusy={remove.isBusy}
        onConfirm={remove.run}
      >
        Delete
      </Confirm>
      {remove.error !== null && <ActionFailure error={remove.error} />}
    </div>
  );
}

function Figures({ budget }: { budget: Budget }) {
  const { spent, amount, percent, is_lower_bound: isLeast, forecast } = budget;
  const { mean, low, high, reason, method, made_on: madeOn } = forecast;
  return (
    <>
      <div class="row">
        <State budget={budget} />
        <strong>{lastsText(budget, today())}</strong>
      </div>
      <div class="figures">
        <div>
          <h2 class="muted">{isLeast ? 'Spent, at least' : 'Spent so far'}</h2>
          <div class="big num" title={exact(spent)} data-exact={spent}>
            {usd(spent)}
          </div>
          <div class="muted num">{`${exact(percent)} % of ${usd(amount)}`}</div>
          {isLeast && <p class="muted small">Days are not known, so more may be spent than this.</p>}
        </div>
        <div>
          <h2 class="muted">Expected by the end</h2>
          <div class="mid num" data-exact={mean}>
            {mean === null ? '–' : usd(mean)}
          </div>
          <div class="muted num">
            {mean === null
              ? reason
              : method === 'actual'
                ? 'Every day is settled.'
                : `80 %: ${usd(low ?? mean)} to ${usd(high ?? mean)}`}
          </div>
          {madeOn !== null && method !== 'actual' && (
            <div class="faint small">{`Made on ${longDay(madeOn)}, by ${methodText(method ?? '')}.`}</div>
          )}
        </div>
      </div>
    </>
  );
}

function Thresholds({ budget: { thresholds } }: { budget: Budget }) {
  return (
    <Table label="The thresholds" heads={['Threshold', 'Comes to', 'Told']} numbers={[1]}>
      {thresholds.map((each) => (
        <tr key={thresholdText(each)}>
          <th scope="row">{thresholdText(each)}</th>
          <td class="r num">{usd(each.amount)}</td>
          <td>
            {each.fired_at === null ? 'Not in this period' : <Told at={each.fired_at} id={each.notice_id} />}
            {each.withdrawn.map(({ fired_at: at, withdrawn_at: back, notice_id: id }) => (
              <div key={id} class="muted">
                <Told at={at} id={id} />
                {`, withdrawn on ${instant(back)}: a correction undid it`}
              </div>
            ))}
          </td>
        </tr>
      ))}
    </Table>
  );
}

function Told({ at, id }: { at: string; id: string | null }) {
  return id === null ? (
    <>{instant(at)}</>
  ) : (
    <a href={placeOf('deliveries', null, { notice_id: id })}>{`on ${instant(at)}`}</a>
  );
}

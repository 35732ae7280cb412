import { useList } from '../../client/use-list.ts';
import { Card } from '../../parts/card.tsx';
import { useReply } from '../../client/use-reply.ts';
import { range } from '../../format/days.ts';
import { usd } from '../../format/money.ts';
import { Entries } from '../../parts/entries.tsx';
import { Badge, Failure, Loading, Warnings } from '../../parts/messages.tsx';
import { linkTo } from '../../route.ts';
import { Meter } from './meter.tsx';
import { expectedText, periodText, spentText, thresholdText, useScope, type Budget, type BudgetItem } from './words.ts';

/** How many budgets of the list are read in full: each costs the API a look at its whole period. */
const READ = 20;

/** Every budget: how much of it is spent, and what is expected. */
export function BudgetList({ isAdmin }: { isAdmin: boolean }) {
  const list = useList('/v1/budgets', { query: { limit: 50 } });
  return (
    <>
      <div class="top">
        <h1>Budgets</h1>
        {isAdmin && (
          <a class="button primary" href={linkTo(['budgets', 'new'])}>
            Create a budget
          </a>
        )}
      </div>
      <Card title="All budgets" aside={<span class="muted">Newest first</span>}>
        <Entries
          list={list}
          what="budgets"
          none={
            <p>
              <strong>There is no budget yet.</strong>{' '}
              <span class="muted">
                {isAdmin
                  ? 'Create one: it tells your channels when its costs reach what you name, or are expected to.'
                  : 'An admin of this Meterline can create one.'}
              </span>
            </p>
          }
          row={(budget: BudgetItem) => (
            <Entry key={budget.id} budget={budget} isRead={(list.rows ?? []).indexOf(budget) < READ} />
          )}
        />
      </Card>
    </>
  );
}

function Entry({ budget, isRead }: { budget: BudgetItem; isRead: boolean }) {
  const { id, name, amount, period, thresholds } = budget;
  const { data, error } = useReply('/v1/budgets/{id}', { ids: { id }, skip: !isRead });
  return (
    <li class="entry">
      {data !== null && <State budget={data} />}
      <h3>
        <a href={linkTo(['budgets', id])}>{name}</a>
      </h3>
      <p class="muted">{`${useScope(budget)}, ${periodText(period)}: ${usd(amount)}. It tells at ${thresholds.map(thresholdText).join(', ')}.`}</p>
      <Warnings of={budget} />
      {data !== null ? (
        <>
          <Meter budget={data} />
          <p class="num">{`${spentText(data)}, ${range(data.current.from, data.current.to)}; ${expectedText(data)}.`}</p>
        </>
      ) : error !== null ? (
        <Failure error={error} />
      ) : isRead ? (
        <Loading what="its figures" />
      ) : (
        <p class="muted">Open it for its figures.</p>
      )}
    </li>
  );
}

/** The worst that holds of a budget, in two or three words. */
export function State({ budget: { amount, spent, forecast, thresholds } }: { budget: Budget }) {
  if (Number(spent) >= Number(amount)) return <Badge tone="bad">Used up</Badge>;
  if (Number(forecast.mean ?? 0) > Number(amount)) return <Badge tone="warn">More is expected</Badge>;
  return thresholds.some(({ fired_at: at }) => at !== null) ? (
    <Badge tone="warn">Has told</Badge>
  ) : (
    <Badge tone="good">Within</Badge>
  );
}

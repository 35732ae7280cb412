import { ApiError, ask, type Reply } from '../../client/client.ts';
import { useReply } from '../../client/use-reply.ts';
import { Await } from '../../parts/await.tsx';
import { Note } from '../../parts/messages.tsx';
import { go, linkTo } from '../../route.ts';
import { NoBudget } from './budget.tsx';
import { bodyOf, budgetDraftOf, newBudget } from './draft.ts';
import { BudgetForm } from './form.tsx';

/** Creates a budget, or changes the one that `id` names. */
export function BudgetEditor({ id, isAdmin }: { id: string; isAdmin: boolean }) {
  const ids = { id };
  const isNew = id === 'new';
  const budget = useReply('/v1/budgets/{id}', { ids, skip: isNew || !isAdmin });
  if (budget.error instanceof ApiError && budget.error.problem.status === 404) return <NoBudget />;
  const leave = (to: Pick<Reply<'/v1/budgets/{id}'>, 'id'> | null): void => {
    go(linkTo(to === null ? ['budgets'] : ['budgets', to.id]));
  };
  return (
    <>
      <div class="top">
        <div>
          <nav class="crumbs" aria-label="Where this is">
            <a href={linkTo(['budgets'])}>Budgets</a>
          </nav>
          <h1>{isNew ? 'Create a budget' : `Change ${budget.data?.name ?? 'a budget'}`}</h1>
        </div>
      </div>
      {!isAdmin ? (
        <Note title="An admin of this Meterline must do this.">
          <a href={linkTo(['budgets'])}>See the budgets</a>
        </Note>
      ) : isNew ? (
        <BudgetForm
          form={id}
          start={newBudget()}
          verb="Create"
          send={async (draft) => {
            leave(await ask('post', '/v1/budgets', { body: bodyOf(draft) }));
          }}
          onGiveUp={() => {
            leave(null);
          }}
        />
      ) : (
        <Await of={budget} what="the budget">
          {(data) => (
            <BudgetForm
              form={id}
              start={budgetDraftOf(data)}
              verb="Save"
              send={async (draft) => {
                leave(await ask('patch', '/v1/budgets/{id}', { ids, body: bodyOf(draft) }));
              }}
              onGiveUp={() => {
                leave(data);
              }}
            />
          )}
        </Await>
      )}
    </>
  );
}

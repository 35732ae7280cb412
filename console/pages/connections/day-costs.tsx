import { searchOf, type Reply } from '../../client/client.ts';
import { Card } from '../../parts/card.tsx';
import { useReply } from '../../client/use-reply.ts';
import { money, usd } from '../../format/money.ts';
import { Await } from '../../parts/await.tsx';
import { Table } from '../../parts/table.tsx';
import { linkTo } from '../../route.ts';

const MOST_ROWS = 50;

/** What a day cost, by workspace and model, the largest first. */
export function DayCosts({ id, day, isRead }: { id: string; day: string; isRead: boolean }) {
  const query = { connection_id: id, from: day, to: day };
  const costs = useReply('/v1/costs', {
    query: { ...query, group_by: 'workspace,model', order: '-amount', limit: MOST_ROWS },
    skip: !isRead,
  });
  const explore = linkTo(['explore'], searchOf({ report: 'costs', ...query, group_by: 'workspace,model,token_type' }));
  return (
    <Card
      class="wide"
      title="What it cost, by workspace and model"
      aside={isRead && <a href={explore}>Explore the day</a>}
    >
      {!isRead ? (
        <p class="muted">Unknown: the cost of this day is still to be read.</p>
      ) : (
        <Await of={costs} what="costs">
          {(data) =>
            data.data.length === 0 ? <p class="muted">There is no cost on this day.</p> : <Rows costs={data} />
          }
        </Await>
      )}
    </Card>
  );
}

function Rows({ costs }: { costs: Reply<'/v1/costs'> }) {
  const { data, other, total, other_currencies } = costs;
  return (
    <>
      <Table
        label="Costs of the day"
        heads={['Workspace', 'Model', 'Cost']}
        numbers={[2]}
        foot={
          <>
            <th scope="row">Total</th>
            <td />
            <td class="r num">{usd(total)}</td>
          </>
        }
      >
        {data.map(({ workspace, model, amount }) => (
          <tr key={`${workspace?.id ?? ''} ${model ?? ''}`}>
            <th scope="row" class="name">
              {workspace?.name ?? '–'}
            </th>
            <td class="name">{model ?? 'no model'}</td>
            <td class="r num">{usd(amount)}</td>
          </tr>
        ))}
        {other !== undefined && other.rows > 0 && (
          <tr>
            <th scope="row">{`${other.rows} others`}</th>
            <td />
            <td class="r num">{usd(other.amount)}</td>
          </tr>
        )}
      </Table>
      {other_currencies.length > 0 && (
        <p class="muted small">
          {`Beside that, in other currencies: ${other_currencies.map(({ currency, amount }) => money(amount, currency)).join(', ')}.`}
        </p>
      )}
    </>
  );
}

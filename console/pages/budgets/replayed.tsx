import type { Reply } from '../../client/client.ts';
import { longDay, range } from '../../format/days.ts';
import { usd } from '../../format/money.ts';
import { Table } from '../../parts/table.tsx';
import { thresholdText } from './words.ts';

/** What a budget would have told over the stored past. */
export function Replayed({ told }: { told: Reply<'/v1/budgets/replay', 'post'> }) {
  const { from, to, settled_days: days, alerts } = told;
  return (
    <section aria-label="What it would have told" class="stack">
      <p>{`Over the ${days} settled days of ${range(from, to)}, it would have told ${alerts.length === 0 ? 'nothing' : alerts.length === 1 ? 'once' : `${alerts.length} times`}.`}</p>
      {alerts.length > 0 && (
        <Table label="The alerts" heads={['Known by the end of', 'Threshold', 'Reached by', 'Period']}>
          {alerts.map((alert) => (
            <tr key={`${alert.day} ${thresholdText(alert)} ${alert.period.from}`}>
              <th scope="row">{longDay(alert.day)}</th>
              <td>{`${thresholdText(alert)}: ${usd(alert.amount)}`}</td>
              <td class="num">{usd(alert.value)}</td>
              <td>{range(alert.period.from, alert.period.to)}</td>
            </tr>
          ))}
        </Table>
      )}
    </section>
  );
}

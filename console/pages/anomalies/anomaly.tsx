import { ApiError } from '../../client/client.ts';
import { Card } from '../../parts/card.tsx';
import { useReply } from '../../client/use-reply.ts';
import { longDay, shortDay } from '../../format/days.ts';
import { exact, usd, usdChange } from '../../format/money.ts';
import { Await } from '../../parts/await.tsx';
import { Legend, StackedBars } from '../../parts/chart.tsx';
import { Note } from '../../parts/messages.tsx';
import { Table } from '../../parts/table.tsx';
import type { Anomaly } from '../../parts/unusual.tsx';
import { Why, WhyLegend } from '../../parts/why.tsx';
import { linkTo } from '../../route.ts';
import { Marks } from '../anomalies.tsx';
import { labelOf } from '../explore/dimensions.ts';
import { Feedback } from './feedback.tsx';

const LIST = linkTo(['anomalies']);
const SERIES = ['Cost of the cause'];

/** An anomaly: what happened, why, on which days, and what people say of it. */
export function AnomalyPage({ id, isAdmin }: { id: string; isAdmin: boolean }) {
  const anomaly = useReply('/v1/anomalies/{id}', { ids: { id }, everyMs: 60_000 });
  const isGone = anomaly.error instanceof ApiError && anomaly.error.problem.status === 404;
  return (
    <>
      <div class="top">
        <div>
          <nav class="crumbs" aria-label="Where this is">
            <a href={LIST}>Anomalies</a>
          </nav>
          <h1>{anomaly.data?.subject ?? 'Anomaly'}</h1>
        </div>
      </div>
      {isGone ? (
        <Note title="There is no such anomaly.">
          <a href={LIST}>See the anomalies</a>
        </Note>
      ) : (
        <Await of={anomaly} what="the anomaly">
          {(data) => (
            <div class="stack">
              <Story anomaly={data} />
              <Days anomaly={data} />
              <Feedback anomaly={data} isAdmin={isAdmin} onChange={anomaly.reload} />
            </div>
          )}
        </Await>
      )}
    </>
  );
}

function Story({ anomaly }: { anomaly: Anomaly }) {
  const { sentence, observed, expected, excess, explained, cause, within, counterpart, change, explore } = anomaly;
  return (
    <section class="card stack" aria-label="What happened">
      <Marks anomaly={anomaly} />
      <p>{sentence}</p>
      <div class="figures">
        <Figure name="Cost of the cause" value={observed} />
        <Figure name="Expected" value={expected} />
        <Figure name="Excess" value={excess} isChange />
      </div>
      <dl>
        <dt>Cause</dt>
        <dd>{`${namesOf(cause) || 'The spend moved as a whole'} (${Math.round(explained * 100)} % of the excess)`}</dd>
        {within.length > 0 && <dt>Within it</dt>}
        {within.length > 0 && <dd>{namesOf(within)}</dd>}
        {counterpart.length > 0 && <dt>Moved the other way</dt>}
        {counterpart.length > 0 && <dd>{namesOf(counterpart)}</dd>}
        {change.compared_days > 0 && (
          <>
            <dt>Why</dt>
            <dd>
              <Why change={change} />
              <p class="faint small">{`${usdChange(change.change)}: ${daysText(change.compared_days)} against as many before.`}</p>
              <WhyLegend />
            </dd>
          </>
        )}
      </dl>
      <div>
        {/* Its address is that of the whole deployment; this page stays where it is. */}
        <a class="button" href={explore.slice(explore.indexOf('#'))}>
          Explore these days
        </a>
      </div>
    </section>
  );
}

function daysText(days: number): string {
  return days === 1 ? 'its last day' : `its last ${days} days`;
}

/** Alternatives on one dimension together: `model a or b, workspace c`. */
function namesOf(conditions: Anomaly['cause']): string {
  const dimensions = [...new Set(conditions.map(({ dimension }) => dimension))];
  return dimensions
    .map((dimension) => {
      const names = conditions.filter((each) => each.dimension === dimension).map(({ name }) => name);
      return `${labelOf(dimension)} ${names.join(' or ')}`;
    })
    .join(', ');
}

function Figure({ name, value, isChange = false }: { name: string; value: string; isChange?: boolean }) {
  return (
    <div>
      <h2 class="muted">{name}</h2>
      <div class="mid num" title={exact(value)} data-exact={value}>
        {isChange ? usdChange(value) : usd(value)}
      </div>
    </div>
  );
}

function Days({ anomaly: { days, connection } }: { anomaly: Anomaly }) {
  const bars = days.map(({ day, observed, expected, low, high }) => ({
    ...{ key: day, label: shortDay(day), title: longDay(day), state: 'final' as const, isRestated: false },
    ...{ values: [observed], total: observed, band: { low, high } },
    notes: [`Expected ${usd(expected)}, usual ${usd(low)} to ${usd(high)}`],
    link: linkTo(['connections', connection.id, 'days', day]),
  }));
  return (
    <Card class="stack" title="Its days against what was usual">
      <div>
        <StackedBars title="Cost of the cause by day" series={SERIES} bars={bars} format={usd} height={200} />
        <Legend series={SERIES} bars={bars} band="What is usual" />
      </div>
      <Table label="The days" heads={['Day', 'Cost', 'Expected', 'Usual from', 'to']} numbers={[1, 2, 3, 4]}>
        {days.map(({ day, ...amounts }) => (
          <tr key={day}>
            <th scope="row">
              <a href={linkTo(['connections', connection.id, 'days', day])}>{longDay(day)}</a>
            </th>
            {[amounts.observed, amounts.expected, amounts.low, amounts.high].map((amount, place) => (
              <td key={place} class="r num" title={exact(amount)} data-exact={amount}>
                {usd(amount)}
              </td>
            ))}
          </tr>
        ))}
      </Table>
    </Card>
  );
}

import { searchOf, type Reply, type Schema } from '../client/client.ts';
import { Card } from '../parts/card.tsx';
import { useReply } from '../client/use-reply.ts';
import * as days from '../format/days.ts';
import { difference, signOf, sum } from '../format/decimal.ts';
import { percent, percentChange, usd, usdChange } from '../format/money.ts';
import { Await, Waiting } from '../parts/await.tsx';
import { barsByDay } from '../parts/bars.ts';
import { Legend, StackedBars } from '../parts/chart.tsx';
import type { Bar } from '../parts/chart/model.ts';
import { Completeness } from '../parts/completeness.tsx';
import { Failure, Loading } from '../parts/messages.tsx';
import { NeedsYou } from '../parts/needs-you.tsx';
import { Table } from '../parts/table.tsx';
import { UnusualLinks, useAnomalies } from '../parts/unusual.tsx';
import { Why, WhyLegend } from '../parts/why.tsx';
import { linkTo, type Route } from '../route.ts';
import { barsAhead } from './overview/ahead.ts';
import { Expected } from './overview/forecast.tsx';

const REFRESH_MS = 60_000;
const MOVERS = 6;
const NO_COST = 'Nothing was spent in this month, nor in the one before.';

/** The month in one look: how much, against the month before, by day, what moved and why, and what needs a person. */
export function Overview({ route }: { route: Route }) {
  const today = days.today();
  const month = monthOf(route.query.get('month'), today);
  const from = `${month}-01`;
  const to = month === today.slice(0, 7) ? today : days.monthEnd(from);
  const connections = useReply('/v1/connections', { query: { limit: 1 }, everyMs: REFRESH_MS });
  if (connections.error !== null || connections.data === null) return <Waiting of={connections} what="the month" />;
  if (connections.data.data.length === 0) return <Welcome />;
  return (
    <>
      <div class="top">
        <div>
          <h1>{days.longMonth(month)}</h1>
          <span class="muted">{`${days.range(from, to)}, all organizations, UTC`}</span>
        </div>
        <Months month={month} thisMonth={today.slice(0, 7)} />
      </div>
      <div class="grid">
        <Month from={from} to={to} today={today} />
        <Movers from={from} to={to} />
        <Card class="third" title="Needs you">
          <NeedsYou from={from} to={to} />
        </Card>
      </div>
    </>
  );
}

function monthOf(asked: string | null, today: string): string {
  return asked !== null && /^20\d{2}-(0[1-9]|1[0-2])$/.test(asked) && asked <= today.slice(0, 7)
    ? asked
    : today.slice(0, 7);
}

function Months({ month, thisMonth }: { month: string; thisMonth: string }) {
  const before = days.addDays(`${month}-01`, -1).slice(0, 7);
  const after = days.addDays(days.monthEnd(`${month}-01`), 1).slice(0, 7);
  const link = (to: string): string => linkTo(['overview'], searchOf({ month: to }));
  return (
    <div class="row">
      <a class="button" href={link(before)}>
        <span aria-hidden="true">← </span>
        {days.longMonth(before)}
      </a>
      {month < thisMonth && (
        <a class="button" href={link(after)}>
          {days.longMonth(after)}
          <span aria-hidden="true"> →</span>
        </a>
      )}
    </div>
  );
}

function Month({ from, to, today }: { from: string; to: string; today: string }) {
  const query = { from, to, group_by: 'day', compare: 'month', limit: 100 };
  const costs = useReply('/v1/costs', { query, everyMs: REFRESH_MS });
  const coverage = useReply('/v1/coverage', { query: { from, to }, everyMs: REFRESH_MS });
  const savings = useReply('/v1/unit-costs', {
    query: { from, to, group_by: 'model', order: '-amount', limit: 100 },
    everyMs: 5 * REFRESH_MS,
  });
  const anomalies = useAnomalies({ from, to });
  const isRunning = to === today;
  // It takes its turn with the savings, and longer than they do.
  const isNext = savings.data !== null || savings.error !== null;
  const forecast = useReply('/v1/forecast', { everyMs: 5 * REFRESH_MS, skip: !isRunning || !isNext });
  const failed = costs.error ?? coverage.error;
  return (
    <section class="card wide">
      {failed !== null && <Failure error={failed} retry={costs.reload} />}
      {costs.data === null || coverage.data === null ? (
        failed === null && <Loading what="costs" />
      ) : (
        <>
          <Figures
            costs={costs.data}
            savings={savings.data}
            isRunning={isRunning}
            isKnown={
              costs.data.data.length > 0 ||
              coverage.data.data.some(({ state }) => state === 'final' || state === 'provisional')
            }
          />
          {isRunning && (
            <Await of={forecast} what="the forecast">
              {(data) => <Expected forecast={data} />}
            </Await>
          )}
          <Days
            costs={costs.data}
            bars={[
              ...barsByDay(costs.data.data, coverage.data.data, dayLink, anomalies),
              ...(forecast.data === null ? [] : barsAhead(forecast.data, today)),
            ]}
          />
          <Completeness of={costs.data} />
        </>
      )}
    </section>
  );
}

function dayLink(day: string): string {
  return linkTo(['explore'], searchOf({ report: 'costs', from: day, to: day, group_by: 'workspace,model,token_type' }));
}

function Figures(props: {
  costs: Reply<'/v1/costs'>;
  savings: Reply<'/v1/unit-costs'> | null;
  isRunning: boolean;
  /** Whether any of its days is there. */
  isKnown: boolean;
}) {
  const { costs, savings, isRunning, isKnown } = props;
  const unit = savings?.total;
  const rows = (savings?.data ?? []).filter(({ model }) => model !== null);
  return (
    <div class="figures">
      <div>
        <div class="muted">{isRunning ? 'Month to date' : 'The month'}</div>
        {isKnown ? (
          <>
            <div class="big num" title={`${costs.total} USD`}>
              {usd(costs.total)}
            </div>
            <Against costs={costs} />
            {unit?.usd_per_million == null ? null : (
              <div class="faint">{`${usd(unit.usd_per_million)} for a million tokens`}</div>
            )}
          </>
        ) : (
          <>
            <div class="big">–</div>
            <div class="muted">No day of it is here.</div>
          </>
        )}
      </div>
      <Saved name="Cache saved" rows={rows.map((row) => row.cache_savings)}>
        {unit?.cache_hit_rate == null ? 'No input tokens yet' : `Hit rate ${percent(unit.cache_hit_rate)}`}
      </Saved>
      <Saved name="Batch saved" rows={rows.map((row) => row.batch_savings)} />
    </div>
  );
}

/** What was saved, as far as it can be said: a model without a billed price to compare with is left out, and said. */
function Saved(props: { name: string; rows: readonly (string | null | undefined)[]; children?: string }) {
  const known = props.rows.filter((row) => typeof row === 'string');
  const unknown = props.rows.length - known.length;
  return (
    <div>
      <div class="muted">{props.name}</div>
      <div class="mid num">{known.length === 0 ? '–' : usd(sum('0', ...known))}</div>
      {props.children !== undefined && <div class="faint">{props.children}</div>}
      {unknown > 0 && (
        <div class="faint small">{`Without ${unknown} of ${props.rows.length} models: this month billed no price to compare with.`}</div>
      )}
    </div>
  );
}

/** Why a comparison would mean nothing; null if it means something. */
function lackingOf({
  from,
  to,
  uncovered_days: uncovered,
  missing_days: missing,
}: Schema<'ComparedRange'>): string | null {
  const lacking = uncovered + missing;
  if (lacking === 0) return null;
  return `Nothing to compare with: ${lacking} of the ${days.daysBetween(from, to)} days ${days.range(from, to)} are not here.`;
}

function Against({ costs: { total, total_previous: before = '0', compare } }: { costs: Reply<'/v1/costs'> }) {
  if (compare === undefined) return null;
  const range = days.range(compare.from, compare.to);
  const lacking = lackingOf(compare);
  if (lacking !== null) return <div class="muted">{lacking}</div>;
  const change = difference(total, before);
  return (
    <div class="num">
      <span class={`delta ${signOf(change) > 0 ? 'up' : 'down'}`}>
        {[usdChange(change), percentChange(change, before)].filter(Boolean).join(', ')}
      </span>{' '}
      <span class="muted">{`against ${range}`}</span>
    </div>
  );
}

function Days({ costs, bars }: { costs: Reply<'/v1/costs'>; bars: readonly Bar[] }) {
  return (
    <>
      <StackedBars
        title={`Cost by day, ${days.range(costs.from, costs.to)}`}
        series={['Cost']}
        bars={bars}
        format={usd}
      />
      <Legend series={['Cost']} bars={bars} />
      <details>
        <summary>The days as a table</summary>
        <Table label="Cost by day" heads={['Day', 'Cost', 'Notes']} numbers={[1]}>
          {bars.map((bar) => (
            <tr key={bar.key}>
              <th scope="row">{bar.link === null ? bar.title : <a href={bar.link}>{bar.title}</a>}</th>
              <td class="r num">{bar.total === null ? '–' : usd(bar.total)}</td>
              <td>
                {[bar.state === 'final' ? '' : bar.state, ...bar.notes].filter(Boolean).join('. ')}
                <UnusualLinks of={bar.unusual} />
              </td>
            </tr>
          ))}
        </Table>
      </details>
    </>
  );
}

function Movers({ from, to }: { from: string; to: string }) {
  const query = { from, to, compare: 'month', order: '-amount', limit: MOVERS };
  const changes = useReply('/v1/costs/changes', {
    query: { ...query, group_by: 'workspace,model' },
    everyMs: REFRESH_MS,
  });
  const all = linkTo(['explore'], searchOf({ report: 'changes', ...query, group_by: 'workspace,model', limit: null }));
  return (
    <Card class="two-thirds" title="What moved, and why" aside={<a href={all}>Explore the changes</a>}>
      <Await of={changes} what="changes">
        {({ compare, data }) => {
          const lacking = lackingOf(compare) ?? (data.length === 0 ? NO_COST : null);
          return lacking !== null ? <p class="muted">{lacking}</p> : <MoverTable rows={data} from={from} to={to} />;
        }}
      </Await>
    </Card>
  );
}

type Mover = Reply<'/v1/costs/changes'>['data'][number];

/** The days of a mover, beside those of the month before. */
function moverLink({ workspace, model }: Mover, from: string, to: string): string {
  const filters = { workspace: workspace?.id ?? 'default', model: [model ?? ''] };
  return linkTo(['explore'], searchOf({ report: 'costs', from, to, group_by: 'day', ...filters, compare: 'month' }));
}

function MoverTable({ rows, from, to }: { rows: readonly Mover[]; from: string; to: string }) {
  return (
    <>
      <Table
        label="The largest changes"
        heads={['Workspace, model', 'This month', 'Change', 'Why']}
        numbers={[1, 2]}
        class="movers"
      >
        {rows.map((row) => (
          <tr key={`${row.workspace?.id ?? ''} ${row.model ?? ''}`}>
            <th scope="row" class="name">
              <a href={moverLink(row, from, to)}>{row.workspace?.name}</a>
              <div class="faint small">{row.model ?? 'no model'}</div>
            </th>
            <td class="r num">{usd(row.after)}</td>
            <td class={`r num delta ${signOf(row.change) > 0 ? 'up' : 'down'}`}>{usdChange(row.change)}</td>
            <td>
              <Why change={row} />
            </td>
          </tr>
        ))}
      </Table>
      <WhyLegend />
    </>
  );
}

function Welcome() {
  return (
    <div class="stack">
      <h1>Welcome to Meterline</h1>
      <p>No organization is connected yet. Connect one with its Admin API key, and its last 31 days appear here.</p>
      <div>
        <a class="button primary" href="#/connect">
          Connect an organization
        </a>
      </div>
    </div>
  );
}

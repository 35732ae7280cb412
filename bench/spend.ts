import { z } from 'zod';
import { addDays, dayOf, type DayRange } from '../domain/days.ts';
import { connect } from './large.ts';
import { median, memoryOf, secondsSince } from './measure.ts';
import { SHAPES, withShape } from './shapes.ts';
import { mb, number, s, table } from './text.ts';
import { deploy, type Deployment, type Servers } from './world.ts';

const MONTH = 31;
/** The days of a month are copied so often, which makes about a year. */
const COPIES = 11;
const FOUR = 'day,workspace,model,service_tier';

/** What people ask for, and how long it may take in seconds. */
const OF_A_MONTH = [
  ['costs by two dimensions', '/v1/costs', 'workspace,token_type', 0.3],
  ['costs by four dimensions, a page', '/v1/costs', FOUR, 0.8],
  ['unit costs by model', '/v1/unit-costs', 'model', 1],
  ['unit costs by day and model', '/v1/unit-costs', 'day,model', 1],
] as const;
const OF_A_YEAR = [
  ['costs by month and model', '/v1/costs', 'month,model', 0.3],
  ['costs by day and workspace', '/v1/costs', 'day,workspace', 1],
  ['costs by four dimensions, a page', '/v1/costs', FOUR, 3],
  ['costs by four dimensions, all days together', '/v1/costs', 'workspace,model,service_tier,token_type', 3],
] as const;
const CSV_GOAL_S = 20;
const MEMORY_GOAL_MB = 250;
const BYTES_GOAL = 100;

/** Measures how long the API takes to add up a month of the steady shape, and a year made of copies of it. */
export async function spendSection(servers: Servers, runs: number): Promise<string[]> {
  return withShape(servers, SHAPES.steady, MONTH, async (upstream) => {
    const deployment = await deploy(servers, upstream);
    try {
      const { id, lines } = await connect(deployment, upstream, MONTH);
      await deployment.sql`vacuum analyze`;
      const today = dayOf(Date.now());
      const month = { from: addDays(today, 1 - MONTH), to: today };
      const ofMonth = await timesOf(deployment, OF_A_MONTH, month, runs);
      const csv = await measureCsv(deployment, month);
      const stored = await copyDays(deployment, id);
      const year = { from: addDays(today, 1 - MONTH * (COPIES + 1)), to: today };
      const ofYear = await timesOf(deployment, OF_A_YEAR, year, runs);
      return sectionOf([
        [`${MONTH} days, ${number(lines)} lines:`, '', ''],
        ...ofMonth,
        [`… every line as CSV, ${number(csv.rows)} rows`, s(csv.took, 1), s(CSV_GOAL_S, 0)],
        ['… memory of the API meanwhile, at most', mb(csv.peakMb), mb(MEMORY_GOAL_MB)],
        [`${MONTH * (COPIES + 1)} days, ${number(stored.lines)} lines:`, '', ''],
        ...ofYear,
        [
          'bytes in Postgres per line, with indexes, dimensions, cells and rollup',
          stored.bytes.toFixed(0),
          String(BYTES_GOAL),
        ],
        ['… of that, cells and rollup', stored.rollup.toFixed(1), ''],
      ]);
    } finally {
      await deployment.close();
    }
  });
}

function sectionOf(rows: readonly (readonly string[])[]): string[] {
  return [
    '## Asking for costs',
    '',
    'From the request to the whole reply, medians, all connections together. The year consists of copies of the month, so its',
    'dimensions are those of a month.',
    '',
    ...table(['what', 'measured', 'must'], rows),
  ];
}

type Asked = readonly [what: string, path: string, groupBy: string, goal: number];

async function timesOf(
  { api }: Deployment,
  asked: readonly Asked[],
  range: DayRange,
  runs: number,
): Promise<[string, string, string][]> {
  const rows: [string, string, string][] = [];
  for (const [what, path, groupBy, goal] of asked) {
    const took: number[] = [];
    for (let run = 0; run < runs; run += 1) {
      const startedAt = performance.now();
      await api.get(path, { ...range, group_by: groupBy }, z.unknown());
      took.push(secondsSince(startedAt));
    }
    rows.push([`… ${what}`, s(median(took)), s(goal, 1)]);
  }
  return rows;
}

/** Reads every line of a range as CSV. */
async function measureCsv(
  { apiUrl, token, pids }: Deployment,
  range: DayRange,
): Promise<{ took: number; rows: number; peakMb: number }> {
  const everything = 'day,workspace,model,token_type,context_window,service_tier,inference_geo,cost_type,description';
  const query = new URLSearchParams({ ...range, group_by: everything, format: 'csv' });
  const startedAt = performance.now();
  const response = await fetch(`${apiUrl}/v1/costs?${query.toString()}`, {
    headers: { authorization: `Bearer ${token}` },
  });
  if (!response.ok || response.body === null) throw new Error(`CSV was answered with ${response.status}`);
  let newlines = 0;
  for await (const chunk of response.body) {
    for (const byte of z.instanceof(Uint8Array).parse(chunk)) if (byte === 10) newlines += 1;
  }
  return { took: secondsSince(startedAt), rows: newlines - 1, peakMb: memoryOf(pids.api).peak };
}

/** Copies the stored days of cost into the past, and weighs the tables. */
async function copyDays({ sql }: Deployment, id: string): Promise<{ lines: number; bytes: number; rollup: number }> {
  await sql`
    with copied as (
      insert into days (
        connection_id, report, day, state, reconciled, lines, total, digest, attempt, read_on, sync, written_by
      )
      select connection_id, report, day - k * ${MONTH}::int, state, reconciled, lines, total, digest, attempt, read_on,
        sync, written_by
      from days, generate_series(1, ${COPIES}::int) k
      where connection_id = ${id} and report = 'cost'
      returning day_no, day
    ), pairs as materialized (
      select copied.day_no, d.day_no as original
      from copied join days d on mod(d.day - copied.day, ${MONTH}::int) = 0
      where d.connection_id = ${id} and d.report = 'cost'
    ), lines as (
      insert into cost_lines (day_no, series_no, amount)
      select pairs.day_no, l.series_no, l.amount from pairs join cost_lines l on l.day_no = pairs.original order by 1, 2
    ), cells as (
      insert into cost_cells
      select pairs.day_no, c.series_no, c.other, c.uncached_input_tokens, c.output_tokens, c.cache_read_input_tokens,
        c.cache_creation_5m, c.cache_creation_1h
      from pairs join cost_cells c on c.day_no = pairs.original order by 1, 2
    )
    insert into cost_rollup (day_no, series_no, amount)
    select pairs.day_no, r.series_no, r.amount from pairs join cost_rollup r on r.day_no = pairs.original order by 1, 2`;
  await sql`vacuum analyze`;
  const [found] = await sql`
    select
      (select sum(lines) from days where connection_id = ${id} and report = 'cost')::float8 as lines,
      (pg_total_relation_size('cost_lines') + pg_total_relation_size('cost_series'))::float8 as bytes,
      (pg_total_relation_size('cost_rollup') + pg_total_relation_size('cost_cells'))::float8 as rollup`;
  const { lines, bytes, rollup } = z.object({ lines: z.number(), bytes: z.number(), rollup: z.number() }).parse(found);
  return { lines, bytes: (bytes + rollup) / lines, rollup: rollup / lines };
}

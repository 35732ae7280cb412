import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import type { DayRange } from '../domain/days.ts';
import { memoryOf, secondsSince, until } from './measure.ts';
import { deploy, startUpstream, type Deployment, type Servers, type Upstream } from './world.ts';

/** The cost of connecting an organization, from the request to the last commit. */
export interface Connected {
  readonly id: string;
  /** Seconds until every day of cost was stored and reconciled. */
  readonly cost: number;
  /** Seconds until every day of usage was, too. */
  readonly whole: number;
  readonly lines: number;
  readonly idleMb: number;
  readonly peakMb: number;
}

const made = z.object({ id: z.string() });
const POLL_MS = 20;
/** The workflow still has its last steps to do when the last day is stored. */
const REST_MS = 1_000;

/** Connects the upstream's organization and waits until all days are stored. Throws after `withinS` seconds of a report. */
export async function connect(
  deployment: Deployment,
  upstream: Upstream,
  days: number,
  withinS = 600,
): Promise<Connected> {
  const { api, sql, pids } = deployment;
  const idleMb = memoryOf(pids.worker).now;
  const startedAt = performance.now();
  const body = { name: 'Large', admin_api_key: upstream.key, backfill_days: days };
  const { id } = await api.post('/v1/connections', body, made);
  const reconciled = async (): Promise<boolean> => {
    const [found] = await sql`
      select count(*)::int as n from days where connection_id = ${id} and report = 'cost' and reconciled`;
    return found?.['n'] === days;
  };
  await until('cost is reconciled', reconciled, { everyMs: POLL_MS, withinS });
  const cost = secondsSince(startedAt);
  const isCovered = async (): Promise<boolean> => {
    const [found] = await sql`
      select count(*)::int as n from days where connection_id = ${id} and report = 'usage' and reconciled`;
    return found?.['n'] === days;
  };
  await until('usage is reconciled', isCovered, { everyMs: POLL_MS, withinS });
  const whole = secondsSince(startedAt);
  const [stored] = await sql`select sum(lines)::int as lines from days where connection_id = ${id} and report = 'cost'`;
  return { id, cost, whole, lines: z.number().parse(stored?.['lines']), idleMb, peakMb: memoryOf(pids.worker).peak };
}

/** Asks for a sync of days that are stored already. Returns its seconds. Fails if it wrote a line. */
export async function readAgain(deployment: Deployment, id: string, range: DayRange): Promise<number> {
  await delay(REST_MS);
  const { sql, api } = deployment;
  const [last] = await sql`select max(n)::int as n from syncs where connection_id = ${id}`;
  const n = z.number().parse(last?.['n']) + 1;
  const before = await digestOfPlaces(deployment, id, range);
  const startedAt = performance.now();
  await api.post(`/v1/connections/${id}/sync`, range, z.unknown());
  const ended = async (): Promise<boolean> => {
    const [found] = await sql`
      select state, failure from syncs where connection_id = ${id} and n >= ${n} order by n limit 1`;
    if (found?.['state'] === 'failed') throw new Error(`A sync failed: ${JSON.stringify(found['failure'])}`);
    return found?.['state'] === 'succeeded';
  };
  await until('the sync ends', ended, { everyMs: POLL_MS / 4 });
  const took = secondsSince(startedAt);
  if ((await digestOfPlaces(deployment, id, range)) !== before)
    throw new Error('The sync wrote a line of an unchanged day.');
  return took;
}

/** A digest of where Postgres keeps each line of some days, and of the transactions that wrote them. */
async function digestOfPlaces({ sql }: Deployment, id: string, { from, to }: DayRange): Promise<string> {
  const [found] = await sql`
    select md5(string_agg(l.ctid::text || l.xmin::text, ',' order by l.day_no, l.series_no)) as places
    from cost_lines l join days d using (day_no)
    where d.connection_id = ${id} and d.day between ${from} and ${to}`;
  return String(found?.['places']);
}

/** The cost of a year of a large organization. */
export interface Year extends Connected {
  /** Bytes in Postgres. */
  readonly bytesPerLine: number;
  /** The part of them that the dimensions take, which are stored once. */
  readonly bytesOfSeries: number;
  readonly series: number;
}

/** Connects with a year of days and weighs the tables. */
export async function measureYear(servers: Servers, upstream: Upstream): Promise<Year> {
  const deployment = await deploy(servers, upstream);
  try {
    const connected = await connect(deployment, upstream, 365);
    const [size] = await deployment.sql`
      select
        (
          pg_total_relation_size('cost_lines') + pg_total_relation_size('cost_cells') + pg_total_relation_size('cost_rollup')
        )::float8 as lines,
        pg_total_relation_size('cost_series')::float8 as series,
        (select count(*) from cost_series)::int as count`;
    const weighed = z.object({ lines: z.number(), series: z.number(), count: z.number() }).parse(size);
    return {
      ...connected,
      bytesPerLine: (weighed.lines + weighed.series) / connected.lines,
      bytesOfSeries: weighed.series / connected.lines,
      series: weighed.count,
    };
  } finally {
    await deployment.close();
  }
}

/** Connects an organization of so many lines a day. A day of 300,000 lines is a page of 100 MB. */
export async function measureLines(servers: Servers, linesPerDay: number, days: number): Promise<Connected> {
  const args = ['--lines-per-day', String(linesPerDay), '--new-series', String(Math.round(linesPerDay / 20))];
  const upstream = await startUpstream(servers, [
    ...args,
    ...['--workspaces', '50', '--models', '30', '--days', String(days), '--prerendered'],
  ]);
  try {
    const deployment = await deploy(servers, upstream);
    try {
      return await connect(deployment, upstream, days);
    } finally {
      await deployment.close();
    }
  } finally {
    await upstream.close();
  }
}

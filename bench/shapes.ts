import { request } from 'undici';
import { addDays, daysIn, dayOf, type Day } from '../domain/days.ts';
import { measureDlt, type DltTimes } from './dlt.ts';
import { measureFloor, urlOf } from './floor.ts';
import { connect, readAgain, type Connected } from './large.ts';
import { cpuOf, secondsSince } from './measure.ts';
import { deploy, startUpstream, type Deployment, type Servers, type Upstream } from './world.ts';

const SIZE = ['--workspaces', '50', '--models', '30'];
/**
 * About 20,000 cost lines a day: 11,000 of series that occur every day, and those of 1,000 new series a day, each of which
 * is in use now and then for a fortnight.
 */
const STEADY = ['--lines-per-day', '11000', '--new-series', '1000', ...SIZE];
/** As many lines a day, of series that occur on two or three days only: 14,000 for tokens, 6,000 of agents. */
const CHURN = ['--lines-per-day', '14000', '--new-series', '2200', '--series-life', '3', ...SIZE];

/** The arguments of the simulator for each shape of an organization's data. */
export const SHAPES = { steady: STEADY, churn: CHURN, spaced: [...STEADY, '--spacing', 'spaced'] } as const;
export type Shape = keyof typeof SHAPES;

/** Seconds of the floors, see floor.ts. */
export interface Floors {
  readonly keyedInTurn: number;
  readonly keyed: number;
  readonly bareInTurn: number;
  readonly bare: number;
  /** Processor seconds of the floor with a key, its steps one after the other. */
  readonly loaderCpu: number;
  readonly postgresCpu: number;
  readonly bytes: number;
}

/** One run of all measurements with a large organization. */
export interface ShapeRun {
  readonly floors: Floors;
  /** Null without dlt. */
  readonly dlt: DltTimes | null;
  readonly connected: Connected;
  /** Processor seconds until both reports were stored. */
  readonly workerCpu: number;
  readonly postgresCpu: number;
  /** Seconds to transfer the cost of one day, and nothing else. */
  readonly transfer: number;
  /** Seconds of a sync of one unchanged day. */
  readonly oneDay: number;
  readonly threeDays: number;
  readonly longestBlockMs: number;
}

/** Starts the simulator with the pages of a shape, and stops it after the work. */
export async function withShape<T>(
  servers: Servers,
  args: readonly string[],
  days: number,
  work: (upstream: Upstream) => Promise<T>,
): Promise<T> {
  const upstream = await startUpstream(servers, [...args, '--days', String(days), '--prerendered']);
  try {
    return await work(upstream);
  } finally {
    await upstream.close();
  }
}

/** Measures so many days, right after the floors and, where it is installed, dlt. */
export async function measureShape(
  servers: Servers,
  upstream: Upstream,
  options: { days: number; withDlt: boolean; withinS: number },
): Promise<ShapeRun> {
  const today = dayOf(Date.now());
  const range = { from: addDays(today, 1 - options.days), to: today };
  const from = { upstream: upstream.url, key: upstream.key, databaseUrl: await servers.newDatabase() };
  const floors = await measureFloors(servers, { ...from, days: daysIn(range) });
  const dlt = options.withDlt ? await measureDlt({ ...from, days: range }) : null;
  const deployment = await deploy(servers, upstream);
  try {
    const { connected, ...cpu } = await connectCounting(servers, deployment, upstream, options);
    const day = addDays(today, -5);
    return {
      floors,
      dlt,
      connected,
      ...cpu,
      transfer: await transferOf(upstream, day),
      oneDay: await readAgain(deployment, connected.id, { from: day, to: day }),
      threeDays: await readAgain(deployment, connected.id, { from: addDays(day, -2), to: day }),
      longestBlockMs: deployment.longestBlockMs(),
    };
  } finally {
    await deployment.close();
  }
}

async function measureFloors(
  servers: Servers,
  from: Pick<Parameters<typeof measureFloor>[0], 'upstream' | 'key' | 'databaseUrl' | 'days'>,
): Promise<Floors> {
  const { total: bareInTurn, bytes } = await measureFloor({ ...from, inTurn: true, keyed: false });
  const { total: bare } = await measureFloor({ ...from, inTurn: false, keyed: false });
  const before = servers.cpu().postgres;
  const { total: keyedInTurn, cpu: loaderCpu } = await measureFloor({ ...from, inTurn: true, keyed: true });
  const postgresCpu = servers.cpu().postgres - before;
  const { total: keyed } = await measureFloor({ ...from, inTurn: false, keyed: true });
  return { keyedInTurn, keyed, bareInTurn, bare, loaderCpu, postgresCpu, bytes };
}

/** Connects, and counts the processor seconds that it takes. */
export async function connectCounting(
  servers: Servers,
  deployment: Deployment,
  upstream: Upstream,
  { days, withinS }: { days: number; withinS: number },
): Promise<{ connected: Connected; workerCpu: number; postgresCpu: number }> {
  const before = { worker: cpuOf(deployment.pids.worker), postgres: servers.cpu().postgres };
  const connected = await connect(deployment, upstream, days, withinS);
  return {
    connected,
    workerCpu: cpuOf(deployment.pids.worker) - before.worker,
    postgresCpu: servers.cpu().postgres - before.postgres,
  };
}

async function transferOf(upstream: Upstream, day: Day): Promise<number> {
  const startedAt = performance.now();
  const headers = { 'x-api-key': upstream.key, 'anthropic-version': '2023-06-01', 'user-agent': 'Meterline-bench/1' };
  const { body } = await request(urlOf(upstream.url, day), { headers });
  await body.arrayBuffer();
  return secondsSince(startedAt);
}

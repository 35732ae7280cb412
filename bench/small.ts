import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { cpuOf, memoryOf, percentile, secondsSince, until } from './measure.ts';
import { deploy, startUpstream, type Deployment, type Servers, type Upstream } from './world.ts';

/** Five workspaces and about 200 cost lines a day. */
export const SMALL = [
  '--workspaces',
  '5',
  '--lines-per-day',
  '180',
  '--new-series',
  '2',
  '--days',
  '31',
  '--prerendered',
];
const DAYS = 31;
const made = z.object({ id: z.string() });
const keys = z.array(z.object({ organization: z.string(), key: z.string() }));

/** Connects small organizations one by one. Returns the seconds of each until 31 days of both reports are stored. */
export async function measureSmall(servers: Servers, runs: number): Promise<number[]> {
  const upstream = await startUpstream(servers, SMALL);
  const deployment = await deploy(servers, upstream);
  try {
    const all = await organizations(upstream, runs + 1);
    const took: number[] = [];
    for (const key of all) {
      await delay(500);
      const startedAt = performance.now();
      const { id } = await deployment.api.post('/v1/connections', { name: 'Small', admin_api_key: key }, made);
      const { sql } = deployment;
      const isRead = async (): Promise<boolean> => {
        const [found] = await sql`select count(*)::int as n from days where connection_id = ${id} and reconciled`;
        return found?.['n'] === 2 * DAYS;
      };
      await until('31 days are stored', isRead, { everyMs: 5 });
      took.push(secondsSince(startedAt));
    }
    // The first one warmed the processes up.
    return took.slice(1);
  } finally {
    await deployment.close();
    await upstream.close();
  }
}

/** The cost of connecting many organizations at once. */
export interface Many {
  readonly organizations: number;
  /** Seconds until all have their 31 days. */
  readonly all: number;
  /** Milliseconds of the reading requests made meanwhile, 99th percentile. */
  readonly readP99: number;
  /** The same of the connecting requests, each of which waits for Anthropic's verdict on the key. */
  readonly connectP99: number;
  readonly workerPeakMb: number;
  readonly failed: number;
  /** Processor seconds meanwhile, by process. */
  readonly cpu: Readonly<Record<'worker' | 'temporal' | 'postgres' | 'api', number>>;
}

const CONNECTING_AT_A_TIME = 20;
const LATENCY_MS = 100;

/** Connects many small organizations at once, while Anthropic takes 100 ms for each answer. */
export async function measureMany(servers: Servers, count: number, flags: readonly string[] = []): Promise<Many> {
  const upstream = await startUpstream(servers, [...SMALL, '--latency-ms', String(LATENCY_MS)]);
  const deployment = await deploy(servers, upstream, flags);
  try {
    const left = await organizations(upstream, count);
    const readAll = new AbortController();
    const reads: number[] = [];
    const watching = watch(deployment, reads, readAll.signal);
    const connects: number[] = [];
    let failed = 0;
    const cpu = (): Many['cpu'] => ({
      ...servers.cpu(),
      worker: cpuOf(deployment.pids.worker),
      api: cpuOf(deployment.pids.api),
    });
    const before = cpu();
    const startedAt = performance.now();
    const connectNext = async (): Promise<void> => {
      for (let key = left.pop(); key !== undefined; key = left.pop()) {
        const from = performance.now();
        const body = { name: 'Small', admin_api_key: key };
        await deployment.api.post('/v1/connections', body, z.unknown()).catch(() => (failed += 1));
        connects.push(performance.now() - from);
      }
    };
    await Promise.all(Array.from({ length: CONNECTING_AT_A_TIME }, connectNext));
    const { sql } = deployment;
    const areAllRead = async (): Promise<boolean> => {
      const [found] = await sql`select count(*)::int as n from days where reconciled`;
      return found?.['n'] === 2 * DAYS * count;
    };
    await until(`${count} organizations are read`, areAllRead, { everyMs: 500, withinS: 900 });
    const all = secondsSince(startedAt);
    readAll.abort();
    await watching;
    const after = cpu();
    const { peak } = memoryOf(deployment.pids.worker);
    return {
      organizations: count,
      all,
      readP99: percentile(reads, 0.99),
      connectP99: percentile(connects, 0.99),
      workerPeakMb: peak,
      failed,
      cpu: {
        worker: after.worker - before.worker,
        temporal: after.temporal - before.temporal,
        postgres: after.postgres - before.postgres,
        api: after.api - before.api,
      },
    };
  } finally {
    await deployment.close();
    await upstream.close();
  }
}

/** Reads from the API as a watching person would, a few times a second, and adds the milliseconds of each answer to `took`. */
async function watch({ api }: Deployment, took: number[], stop: AbortSignal): Promise<void> {
  const paths: [string, Record<string, string>][] = [
    ['/v1/connections', { limit: '50' }],
    ['/v1/costs', { from: '2026-01-01', to: '2026-01-31', group_by: 'day' }],
  ];
  for (let turn = 0; !stop.aborted; turn += 1) {
    const [path, query] = paths[turn % paths.length] ?? ['', {}];
    const from = performance.now();
    await api.get(path, query, z.unknown());
    took.push(performance.now() - from);
    await delay(200);
  }
}

/** Makes organizations at the upstream. Returns a key of each. */
export async function organizations(upstream: Upstream, count: number): Promise<string[]> {
  for (let index = 1; index < count; index += 1) {
    await upstream.control.post('/_control/organizations', {}, z.unknown());
  }
  const all = await upstream.control.get('/_control/keys', {}, keys);
  return all.map(({ key }) => key).slice(0, count);
}

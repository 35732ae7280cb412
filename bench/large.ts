import { z } from 'zod';
import type { Day } from '../domain/days.ts';
import { memoryOf, secondsSince, until } from './measure.ts';
import type { Deployment, Upstream } from './world.ts';

const made = z.object({ id: z.string() });

/** What connecting an organization took, from the request to the last commit. */
export interface Connected {
  readonly id: string;
  /** Until every day of cost was stored and reconciled, in seconds. */
  readonly cost: number;
  /** Until usage was, too, and the sync had ended. */
  readonly whole: number;
  readonly workerPeakMb: number;
  readonly workerIdleMb: number;
}

/** Connects the upstream's organization and waits until all is there. */
export async function connect(deployment: Deployment, upstream: Upstream, days: number): Promise<Connected> {
  const { api, sql, pids } = deployment;
  const idle = memoryOf(pids.worker).now;
  const startedAt = performance.now();
  const { id } = await api.post(
    '/v1/connections',
    { name: 'Large', admin_api_key: upstream.key, backfill_days: days },
    made,
  );
  await until('cost is reconciled', async () => {
    const [found] =
      await sql`select count(*)::int as n from days where connection_id = ${id} and report = 'cost' and reconciled`;
    return found?.['n'] === days;
  });
  const cost = secondsSince(startedAt);
  await until('the sync ends', () => hasEnded(deployment, id, 1));
  return {
    id,
    cost,
    whole: secondsSince(startedAt),
    workerPeakMb: memoryOf(pids.worker).peak,
    workerIdleMb: idle,
  };
}

/** Asks for some days to be read again and waits until they are. Gives seconds. */
export async function readAgain(deployment: Deployment, id: string, range: { from: Day; to: Day }): Promise<number> {
  const [last] = await deployment.sql`select max(n)::int as n from syncs where connection_id = ${id}`;
  const startedAt = performance.now();
  await deployment.api.post(`/v1/connections/${id}/sync`, range, z.unknown());
  await until('the sync ends', () => hasEnded(deployment, id, z.number().parse(last?.['n']) + 1));
  return secondsSince(startedAt);
}

async function hasEnded({ sql }: Deployment, id: string, n: number): Promise<boolean> {
  const [found] =
    await sql`select state, fault from syncs where connection_id = ${id} and n >= ${n} order by n limit 1`;
  if (found?.['state'] === 'failed') throw new Error(`A sync failed: ${JSON.stringify(found['fault'])}`);
  return found?.['state'] === 'succeeded';
}

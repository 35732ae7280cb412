import { setTimeout as delay } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { z } from 'zod';
import { until } from './measure.ts';
import type { Deployment, Servers } from './world.ts';

/** How many Actions a quiet day of a connection may take. */
export const ACTIONS_GOAL = 40;
/** Temporal's metrics do not count the start of a Schedule, which Temporal Cloud bills as two Actions. */
const OF_A_SCHEDULE = 2;
/** Nothing more happens once nothing was counted for so long. */
const QUIET_MS = 3_000;
/** Reports tell at a local hour; at 23 in UTC the Schedule does not act by itself while this measures. */
const HOUR = new Date().getUTCHours() === 23 ? 4 : 23;

/** What a part of a day took. */
export interface PartOfDay {
  readonly what: string;
  readonly actions: number;
  /** How many of which type, in words. */
  readonly types: string;
}

const madeReport = z.object({ temporal: z.object({ schedule_id: z.string() }) });
const connectionShown = z.object({ temporal: z.object({ workflow_id: z.string() }) });

/**
 * Lets a quiet connection have a day: its workflow begins anew and syncs, what the sync read is assessed, and a report is
 * told by mail. Nobody else may use these servers meanwhile.
 */
export async function actionsOfDay(
  servers: Servers,
  { api, sql }: Deployment,
  connectionId: string,
): Promise<PartOfDay[]> {
  const connection = await Connection.connect({ address: servers.temporalAddress });
  const client = new Client({ connection });
  try {
    const body = { name: 'Daily', every: 'daily', hour: HOUR, time_zone: 'UTC' };
    const { temporal: ofReport } = await api.post('/v1/reports', body, madeReport);
    const { temporal } = await api.get(`/v1/connections/${connectionId}`, {}, connectionShown);
    await untilQuiet(servers);
    const [last] = await sql`select max(n)::int as n from syncs where connection_id = ${connectionId}`;
    const before = z.number().parse(last?.['n']);
    const sync = await counted(servers, 'a sync, and what is assessed after it', async () => {
      // A new run begins as it does after continue-as-new; the request takes the place of the timer until the daily sync.
      await client.workflow.getHandle(temporal.workflow_id).terminate();
      await api.post(`/v1/connections/${connectionId}/sync`, {}, z.unknown());
      await until('the sync has succeeded', async () => {
        const [found] = await sql`
          select from syncs where connection_id = ${connectionId} and n > ${before} and state = 'succeeded' and assessed`;
        return found !== undefined;
      });
    });
    const report = await counted(servers, 'a report by its Schedule, and its mail', async () => {
      await client.schedule.getHandle(ofReport.schedule_id).trigger();
      await until('the report is mailed', async () => {
        const [found] = await sql`select from deliveries where state = 'sent'`;
        return found !== undefined;
      });
    });
    return [sync, { ...report, actions: report.actions + OF_A_SCHEDULE }];
  } finally {
    await connection.close();
  }
}

async function counted(servers: Servers, what: string, work: () => Promise<void>): Promise<PartOfDay> {
  const before = await servers.actions();
  await work();
  await untilQuiet(servers);
  const after = await servers.actions();
  const added = [...after].map(([type, count]) => [type, count - (before.get(type) ?? 0)] as const);
  const counts = added.filter(([, count]) => count > 0).sort(([, a], [, b]) => b - a);
  return {
    what,
    actions: counts.reduce((sum, [, count]) => sum + count, 0),
    types: counts.map(([type, count]) => `${count} ${type.replace(/^(grpc|command)_/, '')}`).join(', '),
  };
}

async function untilQuiet(servers: Servers): Promise<void> {
  const sum = async (): Promise<number> => [...(await servers.actions()).values()].reduce((all, one) => all + one, 0);
  for (let before = await sum(); ;) {
    await delay(QUIET_MS);
    const now = await sum();
    if (now === before) return;
    before = now;
  }
}

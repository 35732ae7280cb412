import { and, eq, sql } from 'drizzle-orm';
import type { SyncPlan } from '../domain/decide.ts';
import { dayOf } from '../domain/days.ts';
import { failureKind } from '../domain/failures.ts';
import { recordFailure } from './connections.ts';
import { row, type Db } from './database.ts';
import { addEvent } from './events.ts';
import { destroySuperseded } from './keys.ts';
import { NO_FAILURE, lockLive } from './live.ts';
import { connections, syncs, type Fault } from './schema.ts';

/** A run of a sync. One that was reset in the Temporal UI has several runs. */
export interface SyncRun {
  readonly connectionId: string;
  readonly n: number;
  readonly runId: string;
}

/** The number of the connection's next sync. A number that is taken and not used is never used again. */
export async function takeSyncNumber(db: Db, connectionId: string): Promise<number> {
  const { n } = await row<{ n: number }>(
    db,
    sql`update connections set last_sync = last_sync + 1 where id = ${connectionId} returning last_sync as n`,
  );
  return n;
}

function isRun({ connectionId, n, runId }: SyncRun): ReturnType<typeof and> {
  return and(eq(syncs.connectionId, connectionId), eq(syncs.n, n), eq(syncs.runId, runId));
}

/** Keeps that a run began: now, unless told. Twice is once. */
export async function openSync(db: Db, run: SyncRun, plan: SyncPlan, startedAtMs?: number): Promise<void> {
  const { kind, from, to } = plan;
  const startedAt = startedAtMs === undefined ? sql`now()` : new Date(startedAtMs);
  await db
    .insert(syncs)
    .values({ ...run, kind, from, to, state: 'running', startedAt })
    .onConflictDoNothing();
}

/** Adds to what a run did. */
export async function addSyncProgress(
  db: Db,
  run: SyncRun,
  done: { requests: number; bytes: number; daysRead: number; daysChanged: number },
): Promise<void> {
  await db
    .update(syncs)
    .set({
      requests: sql`${syncs.requests} + ${done.requests}`,
      bytes: sql`${syncs.bytes} + ${done.bytes}`,
      daysRead: sql`${syncs.daysRead} + ${done.daysRead}`,
      daysChanged: sql`${syncs.daysChanged} + ${done.daysChanged}`,
    })
    .where(isRun(run));
}

/**
 * A run is done: failures are made good, replaced keys are destroyed where it ran wholly on the new one, and where it
 * covered the days up to the one it began on (`startedAtMs`), the recent days count as synced then.
 */
export async function succeedSync(db: Db, run: SyncRun, plan: SyncPlan, startedAtMs: number): Promise<void> {
  await db.transaction(async (tx) => {
    if ((await lockLive(tx, run.connectionId)) === null) return;
    // A run that was reset to after its first step never opened a row of its own.
    await openSync(tx, run, plan, startedAtMs);
    const [ended] = await tx
      .update(syncs)
      .set({ state: 'succeeded', endedAt: sql`clock_timestamp()`, fault: null })
      .where(isRun(run))
      .returning({ startedAt: syncs.startedAt });
    if (ended === undefined) return;
    const coversToday = !plan.everyDay && plan.to >= dayOf(startedAtMs);
    const syncedAt = sql`greatest(${connections.syncedAt}, ${new Date(startedAtMs).toISOString()}::timestamptz)`;
    await tx
      .update(connections)
      .set({ ...NO_FAILURE, ...(coversToday ? { syncedAt } : {}) })
      .where(eq(connections.id, run.connectionId));
    await destroySuperseded(tx, run.connectionId, ended.startedAt);
  });
}

/** A run failed, or was cancelled, terminated or timed out. Telling it twice counts once. */
export async function failSync(
  db: Db,
  run: SyncRun,
  plan: SyncPlan,
  failure: { fault: Fault; keyId: string | null; nowMs: number },
): Promise<void> {
  await db.transaction(async (tx) => {
    if ((await lockLive(tx, run.connectionId)) === null) return;
    await openSync(tx, run, plan);
    const failed = await tx
      .update(syncs)
      .set({ state: 'failed', endedAt: sql`clock_timestamp()`, fault: failure.fault })
      .where(and(isRun(run), eq(syncs.state, 'running')))
      .returning({ n: syncs.n });
    if (failed.length === 0) return;
    await recordFailure(tx, run.connectionId, failure);
    const { code, detail } = failure.fault;
    const message = `Sync ${run.n} (${plan.kind}) failed with ${code}: ${detail ?? failureKind(code).message}`;
    await addEvent(tx, run.connectionId, { type: 'sync_failed', message });
  });
}

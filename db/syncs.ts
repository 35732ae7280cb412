import { and, eq, lt, ne, sql } from 'drizzle-orm';
import type { SyncPlan } from '../domain/decide.ts';
import { dayOf } from '../domain/days.ts';
import { failureKind, type Fault } from '../domain/failures.ts';
import { recordFailure } from './connections.ts';
import { row, type Db } from './database.ts';
import { addEvent } from './events.ts';
import { destroySuperseded } from './keys.ts';
import { ConnectionGoneError, NO_FAILURE, lockLive, shareLive } from './live.ts';
import { connections, syncs } from './schema.ts';

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

/** A sync's run may take this long; a row that says running for longer tells of one that could not say how it ended. */
const RUN_TIMEOUT_HOURS = 12;

/** Keeps that a run began: now, unless told. Twice is once. Throws {@link ConnectionGoneError}. */
export async function openSync(db: Db, run: SyncRun, plan: SyncPlan, startedAtMs?: number): Promise<void> {
  const { kind, from, to, everyDay } = plan;
  const startedAt = startedAtMs === undefined ? sql`now()` : new Date(startedAtMs);
  await db.transaction(async (tx) => {
    if ((await shareLive(tx, run.connectionId)) === null) throw new ConnectionGoneError(run.connectionId);
    await interruptRuns(
      tx,
      and(
        eq(syncs.connectionId, run.connectionId),
        lt(syncs.startedAt, sql`now() - make_interval(hours => ${RUN_TIMEOUT_HOURS})`),
      ),
    );
    await tx
      .insert(syncs)
      .values({ ...run, kind, from, to, everyDay, state: 'running', startedAt })
      .onConflictDoNothing();
  });
}

/** Adds to what a run did. A run that was reset to after its first step has no row yet, and gets its first run's. */
export async function addSyncProgress(
  db: Db,
  { connectionId, n, runId }: SyncRun,
  done: { requests: number; bytes: number; daysRead: number; daysChanged: number },
): Promise<void> {
  await db.execute(sql`
    insert into syncs as s
      (connection_id, n, run_id, kind, state, from_day, to_day, every_day, requests, bytes, days_read, days_changed)
    select connection_id, n, ${runId}, kind, 'running', from_day, to_day, every_day,
      ${done.requests}::int, ${done.bytes}::bigint, ${done.daysRead}::int, ${done.daysChanged}::int
    from syncs where connection_id = ${connectionId} and n = ${n}
    order by run_id <> ${runId}, started_at
    limit 1
    on conflict (connection_id, n, run_id) do update set
      requests = s.requests + excluded.requests,
      bytes = s.bytes + excluded.bytes,
      days_read = s.days_read + excluded.days_read,
      days_changed = s.days_changed + excluded.days_changed
  `);
}

/** A run that was reset is over, and could not say so. */
function closeOtherRuns(tx: Db, { connectionId, n, runId }: SyncRun): Promise<void> {
  return interruptRuns(tx, and(eq(syncs.connectionId, connectionId), eq(syncs.n, n), ne(syncs.runId, runId)));
}

async function interruptRuns(tx: Db, which: ReturnType<typeof and>): Promise<void> {
  await tx
    .update(syncs)
    .set({ state: 'failed', endedAt: sql`clock_timestamp()`, fault: { code: 'sync_interrupted' } })
    .where(and(which, eq(syncs.state, 'running')));
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
    await closeOtherRuns(tx, run);
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
    await closeOtherRuns(tx, run);
    await recordFailure(tx, run.connectionId, failure);
    const { code, detail } = failure.fault;
    const message = `Sync ${run.n} (${plan.kind}) failed with ${code}: ${detail ?? failureKind(code).message}`;
    await addEvent(tx, run.connectionId, { type: 'sync_failed', message });
  });
}

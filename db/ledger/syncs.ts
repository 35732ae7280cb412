import { and, eq, lt, ne, sql, type AnyColumn, type SQL } from 'drizzle-orm';
import { z } from 'zod';
import type { SyncPlan } from '../../domain/connection/sync-plan.ts';
import { dayOf } from '../../domain/days.ts';
import { FAILURES, type Failure } from '../../domain/failures.ts';
import type { Waiting } from '../../domain/connection/waiting.ts';
import { NO_FAILURE, recordFailure } from '../connections/failure.ts';
import { preparedRows, row, type Db } from '../core/database.ts';
import { addEvent } from '../connections/events.ts';
import { destroySuperseded } from '../keys/ends.ts';
import { ConnectionGoneError, lockLive, shareLive, sharingLive } from '../connections/live.ts';
import { connections, syncs } from '../core/schema.ts';

/** A run of a sync. One that was reset in the Temporal UI has several runs. */
export interface SyncRun {
  readonly connectionId: string;
  readonly n: number;
  readonly runId: string;
}

/** The number of the connection's next sync. A number that is taken and not used is never used again. */
export async function takeSyncNumber(db: Db, connectionId: string): Promise<number> {
  const { n } = await row(
    db,
    z.object({ n: z.int() }),
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

/** A run that was reset to after its first step has no row yet: it gets its first run's. Else nothing changes. */
export async function continueSync(db: Db, { connectionId, n, runId }: SyncRun): Promise<void> {
  const [live] = await preparedRows(
    db,
    z.object({ id: z.string() }),
    sql`
      with live as (
        ${sharingLive(connectionId)}
      ), continued as (
        insert into syncs (connection_id, n, run_id, kind, state, from_day, to_day, every_day)
        select s.connection_id, s.n, ${runId}, s.kind, 'running', s.from_day, s.to_day, s.every_day
        from syncs s join live on live.id = s.connection_id
        where s.n = ${n}
        order by s.run_id <> ${runId}, s.started_at
        limit 1
        on conflict (connection_id, n, run_id) do nothing
      )
      select id from live
    `,
  );
  if (live === undefined) throw new ConnectionGoneError(connectionId);
}

/** Adds to what a run asked of Anthropic. */
export async function addSyncTraffic(db: Db, run: SyncRun, done: { requests: number; bytes: number }): Promise<void> {
  await db
    .update(syncs)
    .set({ requests: sql`${syncs.requests} + ${done.requests}`, bytes: sql`${syncs.bytes} + ${done.bytes}` })
    .where(isRun(run))
    .prepare('sync_traffic')
    .execute();
}

/**
 * The statement that keeps that a run read days, a set of them, and whether they were new or others than before. Where the
 * set is null, nothing changes. Belongs into the transaction of the days.
 */
export function addingDays({ connectionId, n, runId }: SyncRun, read: SQL, areChanged: boolean): SQL {
  return sql`
    update syncs set
      read_days = coalesce(read_days, '{}') + read.days,
      changed_days = coalesce(changed_days, '{}') + ${areChanged ? sql`read.days` : sql`'{}'::datemultirange`}
    from (select ${read} as days) read
    where connection_id = ${connectionId} and n = ${n} and run_id = ${runId} and read.days is not null
  `;
}

/** How many days a set of days holds; none, where there is no set. */
export function sizeOf(days: SQL | AnyColumn): SQL<number> {
  return sql<number>`(select coalesce(sum(upper(part) - lower(part)), 0)::int from unnest(${days}) part)`;
}

/** Keeps what a run waits for before its next attempt. It is over at its instant, or with the run. */
export async function recordWaiting(db: Db, run: SyncRun, waiting: Waiting): Promise<void> {
  await db
    .update(syncs)
    .set({ waiting })
    .where(and(isRun(run), eq(syncs.state, 'running')));
}

/** A run that was reset is over, and could not say so. */
function closeOtherRuns(tx: Db, { connectionId, n, runId }: SyncRun): Promise<void> {
  return interruptRuns(tx, and(eq(syncs.connectionId, connectionId), eq(syncs.n, n), ne(syncs.runId, runId)));
}

async function interruptRuns(tx: Db, which: ReturnType<typeof and>): Promise<void> {
  await tx
    .update(syncs)
    .set({ state: 'failed', endedAt: sql`clock_timestamp()`, failure: { code: 'sync_interrupted' } })
    .where(and(which, eq(syncs.state, 'running')));
}

/** What a run did. A day counts once, whichever of its reports it is. */
export interface SyncResult {
  readonly daysRead: number;
  readonly daysChanged: number;
  /** Of the days it read, those whose lines and totals stably disagree. */
  readonly daysFlagged: number;
}

/** Whether the sync has other runs than this one: it was reset, or started again by hand. */
function ranBefore({ connectionId, n, runId }: SyncRun): SQL<boolean> {
  return sql<boolean>`exists (
    select from syncs other where other.connection_id = ${connectionId} and other.n = ${n} and other.run_id <> ${runId}
  )`;
}

/**
 * A run is done: failures are made good, replaced keys are destroyed where it ran wholly on the new one, and where it
 * covered the days up to the one it began on (`startedAtMs`), the recent days count as synced then.
 * Returns what the run did, and whether the sync had run before; or null when the connection has ended.
 */
export async function succeedSync(
  db: Db,
  run: SyncRun,
  plan: SyncPlan,
  startedAtMs: number,
): Promise<(SyncResult & { readonly ranBefore: boolean }) | null> {
  return db.transaction(async (tx) => {
    if ((await lockLive(tx, run.connectionId)) === null) return null;
    // A run that was reset to after its first step never opened a row of its own.
    await openSync(tx, run, plan, startedAtMs);
    const [result] = await tx
      .update(syncs)
      .set({ state: 'succeeded', endedAt: sql`clock_timestamp()`, failure: null })
      .where(isRun(run))
      .returning({
        daysRead: sizeOf(syncs.readDays),
        daysChanged: sizeOf(syncs.changedDays),
        daysFlagged: sql<number>`(
          select count(distinct d.day)::int from days d
          where d.connection_id = ${run.connectionId} and d.sync = ${run.n} and d.disagrees_with is not null
        )`,
        ranBefore: ranBefore(run),
      });
    if (result === undefined) return null;
    await closeOtherRuns(tx, run);
    const coversToday = !plan.everyDay && plan.to >= dayOf(startedAtMs);
    const syncedAt = sql`greatest(${connections.syncedAt}, ${new Date(startedAtMs).toISOString()}::timestamptz)`;
    await tx
      .update(connections)
      .set({ ...NO_FAILURE, ...(coversToday ? { syncedAt } : {}) })
      .where(eq(connections.id, run.connectionId));
    await destroySuperseded(tx, run.connectionId, run.n);
    return result;
  });
}

/**
 * A run failed, or was cancelled, terminated or timed out. Telling it twice counts once. With `keyIsProven`, replaced keys
 * are destroyed as after a success. Returns whether the sync had run before.
 */
export async function failSync(
  db: Db,
  run: SyncRun,
  plan: SyncPlan,
  failure: { failure: Failure; keyId: string | null; nowMs: number; keyIsProven?: boolean },
): Promise<boolean> {
  return db.transaction(async (tx) => {
    if ((await lockLive(tx, run.connectionId)) === null) return false;
    await openSync(tx, run, plan);
    const [failed] = await tx
      .update(syncs)
      .set({ state: 'failed', endedAt: sql`clock_timestamp()`, failure: failure.failure })
      .where(and(isRun(run), eq(syncs.state, 'running')))
      .returning({ ranBefore: ranBefore(run) });
    // Told twice: whoever asks again may not have heard the first answer, and is sent to look rather than not.
    if (failed === undefined) return true;
    await closeOtherRuns(tx, run);
    await recordFailure(tx, run.connectionId, failure);
    if (failure.keyIsProven === true) await destroySuperseded(tx, run.connectionId, run.n);
    const { code, detail } = failure.failure;
    const message = `Sync ${run.n} (${plan.kind}) failed with ${code}: ${detail ?? FAILURES[code].message}`;
    await addEvent(tx, run.connectionId, { type: 'sync_failed', message });
    return failed.ranBefore;
  });
}

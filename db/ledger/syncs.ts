import { and, eq, lt, ne, sql, type AnyColumn, type SQL } from 'drizzle-orm';
import { z } from 'zod';
import type { SyncPlan } from '../../domain/connection/sync-plan.ts';
import { dayOf } from '../../domain/days.ts';
import { FAILURES, type Failure } from '../../domain/failures.ts';
import { SYNC_RUN_TIMEOUT_HOURS } from '../../domain/reading.ts';
import type { Waiting } from '../../domain/connection/waiting.ts';
import { NO_FAILURE, recordFailure } from '../connections/failure.ts';
import { preparedRows, row, type Db } from '../core/database.ts';
import { addEvent } from '../connections/events.ts';
import { destroySuperseded } from '../keys/ends.ts';
import { ConnectionGoneError, lockLive, shareLive, sharingLive } from '../connections/live.ts';
import { tellSyncEnd } from '../notices/sync-end.ts';
import { connections, syncs } from '../schema.ts';

/** A run of a sync. A sync that somebody resets in the Temporal UI has several. */
export interface SyncRun {
  readonly connectionId: string;
  readonly n: number;
  readonly runId: string;
}

/**
 * Takes the number of the connection's next sync. No number is given twice, even if no sync uses it. A sync that begins
 * takes its number, too, so this is for numbers that Temporal has used already.
 */
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

/**
 * Records that a run began, by default now, and that its number is taken. A second call changes nothing. Throws
 * {@link ConnectionGoneError}.
 */
export async function openSync(db: Db, run: SyncRun, plan: SyncPlan, startedAtMs?: number): Promise<void> {
  const { kind, from, to, everyDay } = plan;
  const startedAt = startedAtMs === undefined ? sql`now()` : new Date(startedAtMs);
  await db.transaction(async (tx) => {
    // Waits for a key that becomes active just now. Only syncs after the last number that was taken by then prove it.
    await tx
      .update(connections)
      .set({ lastSync: run.n })
      .where(and(eq(connections.id, run.connectionId), lt(connections.lastSync, run.n)));
    if ((await shareLive(tx, run.connectionId)) === null) throw new ConnectionGoneError(run.connectionId);
    // A row that is still running after the timeout belongs to a run that could not record its end.
    await interruptRuns(
      tx,
      and(
        eq(syncs.connectionId, run.connectionId),
        lt(syncs.startedAt, sql`now() - make_interval(hours => ${SYNC_RUN_TIMEOUT_HOURS})`),
      ),
    );
    await tx
      .insert(syncs)
      .values({ ...run, kind, from, to, everyDay, state: 'running', startedAt })
      .onConflictDoNothing();
  });
}

/**
 * Makes sure that a run has a row. A run that was reset to a point after its first step has none; its row is copied from
 * an earlier run. Throws {@link ConnectionGoneError}.
 */
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

/** Adds to the requests and bytes of a run. */
export async function addSyncTraffic(db: Db, run: SyncRun, done: { requests: number; bytes: number }): Promise<void> {
  await db
    .update(syncs)
    .set({ requests: sql`${syncs.requests} + ${done.requests}`, bytes: sql`${syncs.bytes} + ${done.bytes}` })
    .where(isRun(run))
    .prepare('sync_traffic')
    .execute();
}

/**
 * How many days a sync has read so far, and how many of them it wrote, from the days themselves: two reports that are read
 * side by side then share no row. `sync` is a row of syncs.
 */
export function daysSoFar(sync: { connectionId: SQL | AnyColumn; n: SQL | AnyColumn }): { read: SQL; changed: SQL } {
  const count = (by: SQL): SQL => sql`(
    select count(distinct d.day)::int from days d
    where d.connection_id = ${sync.connectionId} and d.sync = ${sync.n} and ${by}
  )`;
  return { read: count(sql`true`), changed: count(sql`d.written_by = d.sync`) };
}

/** What a run read when it ended, or has read so far. `sync` is the name of a row of syncs. */
export function daysOf(sync: 's' | 'syncs'): { read: SQL<number>; changed: SQL<number> } {
  const column = (name: string): SQL => sql.raw(`${sync}.${name}`);
  const soFar = daysSoFar({ connectionId: column('connection_id'), n: column('n') });
  const either = (stored: SQL, counted: SQL): SQL<number> =>
    sql<number>`case when ${column('state')} = 'running' then ${counted} else ${stored} end`;
  return { read: either(column('days_read'), soFar.read), changed: either(column('days_changed'), soFar.changed) };
}

/** What the row of a run that ends says of its days. */
function countedDays(): { daysRead: SQL; daysChanged: SQL } {
  const { read, changed } = daysSoFar({ connectionId: sql.raw('syncs.connection_id'), n: sql.raw('syncs.n') });
  return { daysRead: read, daysChanged: changed };
}

/** The number of days in a set of days; 0 where the set is null. */
export function sizeOf(days: SQL | AnyColumn): SQL<number> {
  return sql<number>`(select coalesce(sum(upper(part) - lower(part)), 0)::int from unnest(${days}) part)`;
}

/**
 * Records what a run waits for before its next attempt. The wait ends at its instant, or with the run. Both reports are read
 * side by side: of two waits, the run keeps the one that ends last.
 */
export async function recordWaiting(db: Db, run: SyncRun, waiting: Waiting): Promise<void> {
  const endsNoLater = sql`coalesce((${syncs.waiting} ->> 'nextTryAtMs')::numeric, 0) <= ${waiting.nextTryAtMs}`;
  await db
    .update(syncs)
    .set({ waiting })
    .where(and(isRun(run), eq(syncs.state, 'running'), endsNoLater));
}

/** A run that was reset is over, but could not record it. */
function interruptOtherRuns(tx: Db, { connectionId, n, runId }: SyncRun): Promise<void> {
  return interruptRuns(tx, and(eq(syncs.connectionId, connectionId), eq(syncs.n, n), ne(syncs.runId, runId)));
}

async function interruptRuns(tx: Db, which: ReturnType<typeof and>): Promise<void> {
  await tx
    .update(syncs)
    .set({
      ...countedDays(),
      state: 'failed',
      endedAt: sql`clock_timestamp()`,
      failure: { code: 'sync_interrupted' },
    })
    .where(and(which, eq(syncs.state, 'running')));
}

/** What a run did. A day counts once, also if the run read both of its reports. */
export interface SyncResult {
  readonly daysRead: number;
  readonly daysChanged: number;
  /** The days it read that are flagged now. */
  readonly daysFlagged: number;
}

/** Whether the sync has other runs: somebody reset it, or started it again by hand. */
function ranBefore({ connectionId, n, runId }: SyncRun): SQL<boolean> {
  return sql<boolean>`exists (
    select from syncs other where other.connection_id = ${connectionId} and other.n = ${n} and other.run_id <> ${runId}
  )`;
}

/**
 * Records that a run succeeded: it clears the connection's failure, and destroys superseded keys if all of the run used
 * the new one. If its days reach the day on which it began (`startedAtMs`), the connection is synced as of then. Returns
 * what the run did, and whether the sync ran before; null when the connection has ended.
 */
export async function succeedSync(
  db: Db,
  run: SyncRun,
  plan: SyncPlan,
  startedAtMs: number,
): Promise<(SyncResult & { readonly ranBefore: boolean }) | null> {
  return db.transaction(async (tx) => {
    const connection = await lockLive(tx, run.connectionId);
    if (connection === null) return null;
    // A run that was reset to a point after its first step has not opened a row.
    await openSync(tx, run, plan, startedAtMs);
    const [result] = await tx
      .update(syncs)
      .set({ ...countedDays(), state: 'succeeded', endedAt: sql`clock_timestamp()`, failure: null })
      .where(isRun(run))
      .returning({
        daysRead: syncs.daysRead,
        daysChanged: syncs.daysChanged,
        daysFlagged: sql<number>`(
          select count(distinct d.day)::int from days d
          where d.connection_id = ${run.connectionId} and d.sync = ${run.n} and d.disagrees_with is not null
        )`,
        ranBefore: ranBefore(run),
      });
    if (result === undefined) return null;
    await interruptOtherRuns(tx, run);
    const coversToday = !plan.everyDay && plan.to >= dayOf(startedAtMs);
    const syncedAt = sql`greatest(${connections.syncedAt}, ${new Date(startedAtMs).toISOString()}::timestamptz)`;
    await tx
      .update(connections)
      .set({ ...NO_FAILURE, ...(coversToday ? { syncedAt } : {}), troubledAt: null })
      .where(eq(connections.id, run.connectionId));
    await destroySuperseded(tx, run.connectionId, run.n);
    await tellSyncEnd(tx, { id: run.connectionId, name: connection.name }, { succeeded: true });
    return result;
  });
}

/**
 * Records that a run failed, or was cancelled, terminated or timed out. A second call changes nothing. With `keyIsProven`,
 * superseded keys are destroyed as after a success. Returns whether the sync ran before.
 */
export async function failSync(
  db: Db,
  run: SyncRun,
  plan: SyncPlan,
  failure: { failure: Failure; keyId: string | null; nowMs: number; keyIsProven?: boolean },
): Promise<boolean> {
  return db.transaction(async (tx) => {
    const connection = await lockLive(tx, run.connectionId);
    if (connection === null) return false;
    await openSync(tx, run, plan);
    const [failed] = await tx
      .update(syncs)
      .set({ ...countedDays(), state: 'failed', endedAt: sql`clock_timestamp()`, failure: failure.failure })
      .where(and(isRun(run), eq(syncs.state, 'running')))
      .returning({ ranBefore: ranBefore(run) });
    // A second call: its caller may not know the first answer. True makes it signal the connection, which does no harm.
    if (failed === undefined) return true;
    await interruptOtherRuns(tx, run);
    await recordFailure(tx, run.connectionId, failure);
    if (failure.keyIsProven === true) await destroySuperseded(tx, run.connectionId, run.n);
    const { code, detail } = failure.failure;
    const message = `Sync ${run.n} (${plan.kind}) failed with ${code}: ${detail ?? FAILURES[code].message}`;
    await addEvent(tx, run.connectionId, { type: 'sync_failed', message });
    await tellSyncEnd(tx, { id: run.connectionId, name: connection.name }, { succeeded: false });
    return failed.ranBefore;
  });
}

import { and, eq, gt, inArray, isNull, sql, type SQL } from 'drizzle-orm';
import { z } from 'zod';
import type { Day } from '../../domain/days.ts';
import type { Facts } from '../../domain/connection/decide.ts';
import { daysToSettle } from '../../domain/reading.ts';
import { lastDayBeforeDaily } from '../../domain/connection/schedule.ts';
import { FAILURES, type FailureCode, type Failure } from '../../domain/failures.ts';
import { LIVE_STATUSES, isLive, mayFollow, type Status } from '../../domain/connection/statuses.ts';
import type { AdminKey } from '../../domain/keys.ts';
import { METERLINE } from '../../domain/tokens.ts';
import { epochMs, list, rows, type Db } from '../core/database.ts';
import { addEvent } from './events.ts';
import type { KeyRing } from '../keys/key-ring.ts';
import { destroyAllKeys } from '../keys/ends.ts';
import { hasRequestedCandidate, addCandidate } from '../keys/keys.ts';
import { NO_FAILURE, UNASKED, lockLive, moveOn } from './live.ts';
import { dayJson } from '../core/json.ts';
import { connections } from '../core/schema.ts';
import { factsJson } from './schemas.ts';

/** Days that somebody asked to have read are tried for this long. */
const OWED_FOR_DAYS = 7;

/** What a connection is made of. */
export interface NewConnection {
  readonly id: string;
  readonly name: string;
  readonly began: Day;
  readonly backfillTo: Day;
  readonly keyId: string;
  readonly adminKey: AdminKey;
  readonly actor: string;
}

/** Stores a connection and its first key, sealed, in one transaction. */
export async function createConnection(db: Db, ring: KeyRing, connection: NewConnection): Promise<void> {
  await db.transaction(async (tx) => {
    const { id, name, began, backfillTo, keyId, adminKey, actor } = connection;
    await tx.insert(connections).values({ id, name, status: 'validating', began, backfillTo });
    await addEvent(tx, id, {
      type: 'created',
      actor,
      message: `Connection "${name}" is made; it keeps days from ${began} on.`,
    });
    await addCandidate(tx, ring, { connectionId: id, keyId, adminKey, requested: true, actor });
  });
}

/** What the next step of a connection depends on, or null when there is no such connection. `today` is a UTC day. */
export async function loadFacts(
  db: Db,
  connectionId: string,
  settings: { today: Day; syncHourUtc: number; restatementDays: number },
): Promise<Facts | null> {
  const settledBy = lastDayBeforeDaily(settings.today);
  const [facts] = await rows(
    db,
    z.object({ facts: factsJson }),
    sql`
      select jsonb_build_object(
        'status', c.status,
        'began', c.began,
        'backfillTo', c.backfill_to,
        'discovered', c.discovered_at is not null,
        'activeKeyId', (select k.id from keys k where k.connection_id = c.id and k.state = 'active'),
        'hasSupersededKey', exists (select from keys k where k.connection_id = c.id and k.state = 'superseded'),
        'candidates', (
          select coalesce(jsonb_agg(jsonb_build_object(
            'keyId', k.id,
            'requested', k.requested_at is not null,
            'tries', k.tries,
            'triedAtMs', ${epochMs(sql`k.tried_at`)}
          ) || jsonb_strip_nulls(jsonb_build_object('failure', k.failure)) order by k.requested_no nulls last, k.added_at), '[]')
          from (
            select * from keys k where k.connection_id = c.id and k.state = 'candidate'
            order by k.requested_no nulls last, k.added_at desc limit 100
          ) k
        ),
        'oldestUnfinished', (
          select min(asked.day::date)
          from generate_series(c.began, ${settledBy}::date, interval '1 day') as asked(day)
          where (
            select count(*) from days d
            where d.connection_id = c.id and d.report in ('cost', 'usage') and d.day = asked.day::date
              and (
                d.read_on = ${settings.today}::date
                or (d.state = 'final' and d.read_on >= d.day + ${daysToSettle(settings.restatementDays)}::int)
              )
          ) < 2
        ),
        'lastSyncFailed', coalesce((
          select s.state = 'failed' from syncs s where s.connection_id = c.id order by s.n desc, s.started_at desc limit 1
        ), false),
        'owed', (
          select jsonb_build_object('from', s.from_day, 'to', s.to_day)
          from syncs s
          where s.connection_id = c.id and s.state = 'failed' and s.every_day
            and s.started_at > now() - make_interval(days => ${OWED_FOR_DAYS})
            and not exists (
              select from syncs made where made.connection_id = c.id and made.state = 'succeeded' and made.every_day
                and made.n >= s.n and made.from_day <= s.from_day and made.to_day >= s.to_day
            )
          order by s.n
          limit 1
        ),
        'owesRecent', exists (
          select from syncs s
          where s.connection_id = c.id and s.state = 'failed' and s.kind = 'manual' and not s.every_day
            and s.started_at > now() - make_interval(days => ${OWED_FOR_DAYS})
            and not exists (
              select from syncs made where made.connection_id = c.id and made.state = 'succeeded' and not made.every_day
                and made.n >= s.n and made.to_day >= s.to_day
            )
        ),
        'syncedAtMs', ${epochMs(sql`c.synced_at`)},
        'hasFutureDays', c.backfill_to > ${settings.today}::date + 1 or exists (
          select from days d
          where d.connection_id = c.id and (d.day > ${settings.today}::date + 1 or d.read_on > ${settings.today}::date + 1)
        ),
        'failure', case when c.failure is not null then jsonb_build_object(
          'code', c.failure ->> 'code',
          'keyId', c.failure_key_id,
          'atMs', ${epochMs(sql`c.failed_at`)},
          'count', c.failure_count,
          'probedAtMs', ${epochMs(sql`c.probed_at`)},
          'answeredAtMs', ${epochMs(sql`c.answered_at`)},
          'rejectedAtMs', ${epochMs(sql`c.rejected_at`)}
        ) || jsonb_strip_nulls(jsonb_build_object('retryAfterMs', c.failure -> 'retryAfterMs')) end
      ) || (
        select jsonb_build_object(
          'oldestMissing', min(asked.day::date),
          'newestMissing', max(asked.day::date) filter (where asked.day <= c.backfill_to)
        )
        from generate_series(c.began, ${settings.today}::date, interval '1 day') as asked(day)
        where (select count(*) from days d where d.connection_id = c.id and d.report in ('cost', 'usage') and d.day = asked.day::date) < 2
      ) as facts
      from connections c
      where c.id = ${connectionId}
    `,
  );
  return facts === undefined ? null : { ...facts.facts, connectionId, syncHourUtc: settings.syncHourUtc };
}

/**
 * Has a connection keep days from `from` on, and leaves an event of who asked. A connection that begins no later stays as
 * it is: where it begins only ever moves back, whoever asks at the same time.
 */
export async function extendHistory(
  db: Db,
  connectionId: string,
  from: Day,
  actor: string,
): Promise<'extended' | 'unchanged' | 'ended'> {
  return db.transaction(async (tx) => {
    if ((await lockLive(tx, connectionId)) === null) return 'ended';
    const extended = await tx
      .update(connections)
      .set({ began: from })
      .where(and(eq(connections.id, connectionId), gt(connections.began, from)))
      .returning({ id: connections.id });
    if (extended.length === 0) return 'unchanged';
    await addEvent(tx, connectionId, { type: 'request', actor, message: `Asked to extend history back to ${from}.` });
    await moveOn(tx, connectionId, 'active', 'backfilling');
    return 'extended';
  });
}

/**
 * Connections that read, and whose first day is neither stored nor being read: nobody told the workflow that history was
 * extended. Those that a failure, a key or a pause holds up come to it by themselves.
 */
export async function listUntoldHistories(db: Db): Promise<{ connectionId: string; began: Day }[]> {
  return rows(
    db,
    z.object({ connectionId: z.string(), began: dayJson }),
    sql`
      select c.id as "connectionId", c.began::text as began
      from connections c
      where c.status in ('active', 'backfilling')
        and (select count(*) from days d where d.connection_id = c.id and d.report in ('cost', 'usage') and d.day = c.began) < 2
        and not exists (select from syncs s where s.connection_id = c.id and s.state = 'running')
    `,
  );
}

/** A daily sync that did not even begin so long after the last one. */
const OVERDUE_AFTER_HOURS = 26;

/**
 * Connections whose timer cannot be right: a clock that was ahead wrote what is kept of them, or they are active and
 * nothing was read for longer than a day. Temporal's timers end at an instant of its clock, so that one that was set
 * while this was ahead ends as much too late.
 */
export async function listOverdue(db: Db): Promise<{ connectionId: string }[]> {
  return rows(
    db,
    z.object({ connectionId: z.string() }),
    sql`
      select c.id as "connectionId"
      from connections c
      where c.status in (${list(READING.map((status) => sql`${status}`))})
        and (
          greatest(c.synced_at, c.failed_at, c.probed_at) > now() + interval '5 minutes'
          or (c.status = 'active' and c.synced_at < now() - make_interval(hours => ${OVERDUE_AFTER_HOURS}))
        )
        and not exists (select from syncs s where s.connection_id = c.id and s.state = 'running')
    `,
  );
}

const READING: readonly Status[] = ['discovering', 'backfilling', 'active', 'degraded', 'awaiting_key'];

/** Moves a connection to another status, where its present one allows it; else nothing changes. Says whether it moved. */
export async function setStatus(db: Db, connectionId: string, to: Status, actor = METERLINE): Promise<boolean> {
  return db.transaction(async (tx) => {
    const found = await lockLive(tx, connectionId);
    if (found === null || !mayFollow(found.status, to)) return false;
    // Refused is for good, so a key that was asked for since this was decided is tried first.
    if (to === 'refused' && (await hasRequestedCandidate(tx, connectionId))) return false;
    const [moved] = await tx
      .update(connections)
      .set({ status: to, ...(isLive(to) ? {} : { endedAt: sql`now()` }) })
      .where(eq(connections.id, connectionId))
      .returning({ failure: connections.failure });
    if (!isLive(to)) await destroyAllKeys(tx, connectionId);
    // Of the other statuses, a failure that is there still is not the reason.
    const isWhy = to === 'degraded' || to === 'awaiting_key';
    const why = moved?.failure == null || !isWhy ? '.' : `: ${FAILURES[moved.failure.code].message}`;
    await addEvent(tx, connectionId, { type: 'status', actor, message: `The connection is ${to}${why}` });
    return true;
  });
}

/** Notes that the organization's workspaces were read. */
export async function recordDiscovery(db: Db, connectionId: string): Promise<void> {
  await db.transaction(async (tx) => {
    await tx
      .update(connections)
      .set({ discoveredAt: sql`now()`, ...NO_FAILURE })
      .where(eq(connections.id, connectionId));
    const nothingIsRead = sql`not exists (select from days where connection_id = ${connectionId})`;
    await moveOn(tx, connectionId, 'discovering', 'backfilling', nothingIsRead);
  });
}

/** Keeps a failure until something succeeds; `nowMs` is what the next try is counted from. */
export async function recordFailure(
  db: Db,
  connectionId: string,
  failure: { failure: Failure; keyId: string | null; nowMs: number },
): Promise<void> {
  await db
    .update(connections)
    .set({
      failure: failure.failure,
      failureKeyId: failure.keyId,
      failedAt: new Date(failure.nowMs),
      failureCount: sql`${connections.failureCount} + 1`,
      ...UNASKED,
    })
    .where(and(eq(connections.id, connectionId), inArray(connections.status, LIVE_STATUSES)));
}

/** Forgets a failure. */
export async function clearFailure(db: Db, connectionId: string): Promise<void> {
  await db.update(connections).set(NO_FAILURE).where(eq(connections.id, connectionId));
}

/** Notes that Anthropic is asked about the key that its failure lies in. */
export async function recordProbe(db: Db, connectionId: string, nowMs: number): Promise<void> {
  await db
    .update(connections)
    .set({ probedAt: new Date(nowMs) })
    .where(eq(connections.id, connectionId));
}

/** A key that Anthropic was asked about since it failed. */
export interface ProbedKey {
  readonly connectionId: string;
  readonly keyId: string;
  readonly hint: string;
}

/**
 * Anthropic takes the key that failed. After a rejection that was confirmed, its failure is forgotten; before, one
 * rejection was no verdict, and the failure stays as one that does not lie in the key.
 */
export async function recordAcceptance(db: Db, { connectionId, keyId, hint }: ProbedKey, nowMs: number): Promise<void> {
  await db.transaction(async (tx) => {
    const failed = await lockFailureOf(tx, connectionId, keyId);
    if (failed === null) return;
    if (failed.rejectedAt !== null || failed.code === 'key_unreadable') {
      await clearFailure(tx, connectionId);
      await addEvent(tx, connectionId, { type: 'key_probed', message: `Anthropic takes key …${hint} again.` });
      return;
    }
    await tx
      .update(connections)
      .set({ answeredAt: new Date(nowMs) })
      .where(eq(connections.id, connectionId));
    const message = `Key …${hint} was rejected with ${failed.code} and is taken when asked about again: it goes on serving.`;
    await addEvent(tx, connectionId, { type: 'key_probed', message });
  });
}

/** Anthropic rejects the key that failed when asked about it: from the first time on, the rejection counts. */
export async function recordRejection(
  db: Db,
  { connectionId, keyId, hint }: ProbedKey,
  code: FailureCode,
  nowMs: number,
): Promise<void> {
  await db.transaction(async (tx) => {
    const failed = await lockFailureOf(tx, connectionId, keyId);
    if (failed === null) return;
    const at = new Date(nowMs);
    await tx
      .update(connections)
      .set({ answeredAt: at, rejectedAt: failed.rejectedAt ?? at })
      .where(eq(connections.id, connectionId));
    const message =
      failed.rejectedAt === null
        ? `Key …${hint} was asked about again and is rejected again with ${code}, so the rejection counts.`
        : `Key …${hint} was tried again and is still rejected with ${code}.`;
    await addEvent(tx, connectionId, { type: 'key_probed', message });
  });
}

/** The failure of a key, locked; null where there is none any more, or another key failed since. */
async function lockFailureOf(
  tx: Db,
  connectionId: string,
  keyId: string,
): Promise<{ code: FailureCode; rejectedAt: Date | null } | null> {
  const [found] = await tx
    .select({ failure: connections.failure, rejectedAt: connections.rejectedAt })
    .from(connections)
    .where(and(eq(connections.id, connectionId), eq(connections.failureKeyId, keyId)))
    .for('no key update');
  return found?.failure == null ? null : { code: found.failure.code, rejectedAt: found.rejectedAt };
}

/**
 * Puts right what a clock that was ahead left behind: instants beyond now count from now or not at all, days that are not
 * there yet are gone, and days that were read on one count as read before they were over, so that they are read again.
 */
export async function distrustClock(db: Db, connectionId: string, nowMs: number, today: Day): Promise<void> {
  const now = new Date(nowMs).toISOString();
  const capped = (column: string): SQL => {
    const name = sql.identifier(column);
    return sql`${name} = case when ${name} > ${now}::timestamptz then ${now}::timestamptz else ${name} end`;
  };
  await db.transaction(async (tx) => {
    if ((await lockLive(tx, connectionId, 'update')) === null) return;
    await tx.execute(sql`
      update connections set
        ${list(['failed_at', 'probed_at', 'answered_at', 'rejected_at'].map(capped))},
        synced_at = case when synced_at <= ${now}::timestamptz then synced_at end,
        began = began - greatest(0, backfill_to - ${today}::date),
        backfill_to = least(backfill_to, ${today}::date)
      where id = ${connectionId}
    `);
    await tx.execute(sql`update keys set ${capped('tried_at')} where connection_id = ${connectionId}`);
    const future = sql`connection_id = ${connectionId} and day > ${today}::date`;
    for (const lines of ['cost_lines', 'usage_lines']) {
      await tx.execute(sql`
        delete from ${sql.identifier(lines)} where day_no in (select day_no from days where ${future})
      `);
    }
    await tx.execute(sql`delete from days where ${future}`);
    const again = await rows(
      tx,
      z.object({ day: dayJson }),
      sql`
        update days set read_on = day, state = 'provisional'
        where connection_id = ${connectionId} and read_on > ${today}::date
        returning day::text
      `,
    );
    const days = [...new Set(again.map(({ day }) => day))].sort();
    const which = days.length === 0 ? '' : ` ${days.length} days from ${days[0] ?? ''} on are read again.`;
    const message = `The clock was ahead and was set back: instants after ${now} are not believed.${which}`;
    await addEvent(tx, connectionId, { type: 'clock', message });
  });
}

/** Gives a connection another name. False when there is no such connection. */
export async function renameConnection(db: Db, connectionId: string, name: string, actor: string): Promise<boolean> {
  return db.transaction(async (tx) => {
    const renamed = await tx
      .update(connections)
      .set({ name })
      .where(eq(connections.id, connectionId))
      .returning({ id: connections.id });
    if (renamed.length === 0) return false;
    await addEvent(tx, connectionId, {
      type: 'renamed',
      actor,
      message: `The connection is called "${name}" from now on.`,
    });
    return true;
  });
}

/** In this order: what has no day is gone whole. Lines, which are known by their days, go before all of these. */
const PURGED_TABLES = ['cost_series', 'usage_series', 'restatements', 'workspaces', 'syncs', 'days'] as const;

/**
 * Ends a connection: its keys are destroyed, and with `purge` all that was read for it is deleted, also where it was
 * disconnected before. Waits for days that are being written; none is written afterwards.
 */
export async function disconnect(db: Db, connectionId: string, purge: boolean): Promise<void> {
  await db.transaction(async (tx) => {
    const live = await lockLive(tx, connectionId, 'update');
    if (live !== null) {
      await destroyAllKeys(tx, connectionId);
      await tx
        .update(connections)
        .set({ status: 'disconnected', endedAt: sql`now()`, ...NO_FAILURE })
        .where(eq(connections.id, connectionId));
      const message = 'The connection is disconnected; its keys are destroyed.';
      await addEvent(tx, connectionId, { type: 'status', message });
    }
    if (!purge) return;
    // Years of days take their time; nobody waits for the locks of an ended connection.
    await tx.execute(sql`set local statement_timeout = 0`);
    for (const lines of ['cost_lines', 'usage_lines']) {
      await tx.execute(sql`
        delete from ${sql.identifier(lines)} l
        using days d
        where d.connection_id = ${connectionId} and l.day_no = d.day_no
      `);
    }
    for (const table of PURGED_TABLES) {
      await tx.execute(sql`delete from ${sql.identifier(table)} where connection_id = ${connectionId}`);
    }
    const purged = await tx
      .update(connections)
      .set({ purgedAt: sql`now()` })
      .where(and(eq(connections.id, connectionId), isNull(connections.purgedAt)))
      .returning({ id: connections.id });
    if (purged.length === 0) return;
    await addEvent(tx, connectionId, {
      type: 'purged',
      message: 'All that was read for this connection is deleted.',
    });
  });
}

/** Whether what was read for a connection was deleted on demand. */
export async function isPurged(db: Db, connectionId: string): Promise<boolean> {
  const [found] = await db
    .select({ purgedAt: connections.purgedAt })
    .from(connections)
    .where(eq(connections.id, connectionId));
  return found?.purgedAt != null;
}

/** The connections that have not ended, oldest first. */
export async function listLiveConnections(db: Db): Promise<{ id: string; name: string }[]> {
  return db
    .select({ id: connections.id, name: connections.name })
    .from(connections)
    .where(inArray(connections.status, LIVE_STATUSES))
    .orderBy(connections.createdAt);
}

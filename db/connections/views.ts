import { eq, and, sql, type SQL } from 'drizzle-orm';
import { alias } from 'drizzle-orm/pg-core';
import { z } from 'zod';
import type { Failure } from '../../domain/failures.ts';
import type { Day } from '../../domain/days.ts';
import type { KeyEnd, KeyState } from '../../domain/keys.ts';
import type { SyncKind } from '../../domain/reading.ts';
import type { KeyProbes } from '../../domain/connection/schedule.ts';
import type { Status } from '../../domain/connection/statuses.ts';
import { epochMs, rows, type Db } from '../core/database.ts';
import { connections, keys } from '../core/schema.ts';
import type { Waiting } from '../../domain/connection/waiting.ts';
import { sizeOf } from '../ledger/syncs.ts';
import { connectionViewJson } from './schemas.ts';

/** A connection as people see it. Instants are milliseconds since the epoch. */
export interface ConnectionView {
  readonly id: string;
  readonly name: string;
  readonly status: Status;
  readonly organizationId: string | null;
  readonly organizationName: string | null;
  readonly began: Day;
  readonly backfillTo: Day;
  readonly createdAtMs: number;
  readonly failure: (KeyProbes & { readonly failure: Failure; readonly atMs: number; readonly count: number }) | null;
  /** The key that serves; without one the candidate that is tried next. */
  readonly key: KeyView | null;
  /** The keys that somebody asked to use and that have no verdict yet, in the order in which they were asked for. */
  readonly candidates: readonly KeyView[];
  /** Why the last refused key was refused. */
  readonly refusal: { readonly failure: Failure; readonly atMs: number } | null;
  readonly coverage: CoverageView;
  readonly lastSync: SyncView | null;
}

/** A key as it may be shown. */
export interface KeyView {
  readonly id: string;
  readonly state: KeyState;
  readonly hint: string;
  readonly addedAtMs: number;
  readonly activatedAtMs: number | null;
  readonly lastUsedAtMs: number | null;
  readonly tries: number;
  readonly triedAtMs: number | null;
  readonly failure: Failure | null;
}

/** The days for which both reports are stored. */
export interface CoverageView {
  readonly from: Day | null;
  /** The last day of the unbroken run that starts where the connection began. */
  readonly through: Day | null;
  readonly backfillDaysDone: number;
  /** From where the connection began to today, or to its end. What was deleted on demand is not missing. */
  readonly missingDays: number;
  readonly hasLines: boolean;
}

/** One run of a sync. */
export interface SyncView {
  readonly n: number;
  readonly runId: string;
  readonly kind: SyncKind;
  readonly state: 'running' | 'succeeded' | 'failed';
  readonly from: Day;
  readonly to: Day;
  readonly daysRead: number;
  readonly daysChanged: number;
  readonly requests: number;
  readonly bytes: number;
  readonly failure: Failure | null;
  /** What it waits for, while it runs; over once its instant has come. */
  readonly waiting: Waiting | null;
  readonly startedAtMs: number;
  readonly endedAtMs: number | null;
}

/** Which connections are listed: those with a status, or all but refused ones; `after` is the last one seen. */
export interface ConnectionFilter {
  readonly status: Status | null;
  readonly after: string | null;
  readonly limit: number;
}

/** A connection, or null when there is none with this id. `today` is a UTC day. */
export async function loadConnectionView(db: Db, id: string, today: Day): Promise<ConnectionView | null> {
  const [view] = await loadViews(db, sql`select * from connections where id = ${id}`, today);
  return view ?? null;
}

/** Connections, newest first, in one statement. */
export async function listConnectionViews(db: Db, filter: ConnectionFilter, today: Day): Promise<ConnectionView[]> {
  const page = sql`
    select * from connections
    where ${filter.status === null ? sql`status <> 'refused'` : sql`status = ${filter.status}`}
      and ${
        filter.after === null
          ? sql`true`
          : sql`(created_at, id) < (select created_at, id from connections where id = ${filter.after})`
      }
    order by created_at desc, id desc
    limit ${filter.limit}
  `;
  return loadViews(db, page, today);
}

const KEY_VIEW = sql`jsonb_build_object(
  'id', k.id, 'state', k.state, 'hint', k.hint,
  'addedAtMs', ${epochMs(sql`k.added_at`)}, 'activatedAtMs', ${epochMs(sql`k.activated_at`)}, 'lastUsedAtMs', ${epochMs(sql`k.last_used_at`)},
  'tries', k.tries, 'triedAtMs', ${epochMs(sql`k.tried_at`)}, 'failure', k.failure
)`;

async function loadViews(db: Db, page: SQL, today: Day): Promise<ConnectionView[]> {
  const found = await rows(
    db,
    z.object({ view: connectionViewJson }),
    sql`
      select jsonb_build_object(
        'id', c.id,
        'name', c.name,
        'status', c.status,
        'organizationId', c.organization_id,
        'organizationName', c.organization_name,
        'began', c.began,
        'backfillTo', c.backfill_to,
        'createdAtMs', ${epochMs(sql`c.created_at`)},
        'failure', case when c.failure is not null then jsonb_build_object(
          'failure', c.failure, 'atMs', ${epochMs(sql`c.failed_at`)}, 'count', c.failure_count,
          'probedAtMs', ${epochMs(sql`c.probed_at`)}, 'answeredAtMs', ${epochMs(sql`c.answered_at`)},
          'rejectedAtMs', ${epochMs(sql`c.rejected_at`)}
        ) end,
        'key', coalesce(active.view, candidates.views -> 0),
        'candidates', candidates.views,
        'refusal', refusal.view,
        'coverage', coverage.view,
        'lastSync', last_sync.view
      ) as view
      from (${page}) c
      left join lateral (
        select ${KEY_VIEW} as view from keys k where k.connection_id = c.id and k.state = 'active'
      ) active on true
      left join lateral (
        select coalesce(jsonb_agg(${KEY_VIEW} order by k.requested_no, k.added_at), '[]') as views
        from keys k
        where k.connection_id = c.id and k.state = 'candidate' and k.requested_at is not null
      ) candidates on true
      left join lateral (
        select jsonb_build_object('failure', k.failure, 'atMs', ${epochMs(sql`k.ended_at`)}) as view
        from keys k
        where k.connection_id = c.id and k.state = 'refused' and k.failure is not null
        order by k.ended_at desc
        limit 1
      ) refusal on true
      left join lateral (
        select jsonb_build_object(
          'n', s.n, 'runId', s.run_id, 'kind', s.kind, 'state', s.state, 'from', s.from_day, 'to', s.to_day,
          'daysRead', ${sizeOf(sql`s.read_days`)}, 'daysChanged', ${sizeOf(sql`s.changed_days`)}, 'requests', s.requests, 'bytes', s.bytes,
          'failure', s.failure, 'waiting', case when s.state = 'running' then s.waiting end, 'startedAtMs', ${epochMs(sql`s.started_at`)}, 'endedAtMs', ${epochMs(sql`s.ended_at`)}
        ) as view
        from syncs s
        where s.connection_id = c.id
        order by s.n desc, s.started_at desc
        limit 1
      ) last_sync on true
      cross join lateral (${coverageOf(today)}) coverage
      order by c.created_at desc, c.id desc
    `,
  );
  return found.map(({ view }) => view);
}

function coverageOf(today: Day): SQL {
  return sql`
    select jsonb_build_object(
      'from', min(covered.day),
      'through', max(covered.day) filter (where covered.day = c.began + covered.place),
      'backfillDaysDone', count(*) filter (where covered.day <= c.backfill_to),
      'missingDays', case when c.purged_at is null
        then greatest(0, last.day - c.began + 1 - count(*) filter (where covered.day <= last.day))
        else 0
      end,
      'hasLines', coalesce(bool_or(covered.has_lines), false)
    ) as view
    from (select least(${today}::date, (c.ended_at at time zone 'UTC')::date) as day) last
    left join (
      select d.day, (row_number() over (order by d.day) - 1)::int as place, bool_or(d.lines > 0) as has_lines
      from days d
      where d.connection_id = c.id and d.day >= c.began
      group by d.day
      having count(*) = 2
    ) covered on true
    group by last.day, c.began, c.purged_at
  `;
}

/** What has become of a key, and of its connection, so far. */
export interface Verdict {
  readonly status: Status;
  readonly keyState: KeyState;
  /** Why it is destroyed, if it is. */
  readonly endReason: KeyEnd | null;
  /** The key that overtook it, and when; null for any other end. */
  readonly overtakenBy: { readonly keyId: string; readonly hint: string; readonly atMs: number } | null;
  readonly tries: number;
  readonly triedAtMs: number | null;
  readonly failure: Failure | null;
}

/** What has become of a key so far; null when there is no such key. Cheap enough to be asked many times a second. */
export async function loadVerdict(db: Db, connectionId: string, keyId: string): Promise<Verdict | null> {
  const later = alias(keys, 'later');
  const [verdict] = await db
    .select({
      status: connections.status,
      keyState: keys.state,
      endReason: keys.endReason,
      later: { keyId: later.id, hint: later.hint, at: later.activatedAt },
      tries: keys.tries,
      triedAt: keys.triedAt,
      failure: keys.failure,
    })
    .from(keys)
    .innerJoin(connections, eq(connections.id, keys.connectionId))
    .leftJoin(later, and(eq(later.connectionId, keys.connectionId), eq(later.id, keys.overtakenBy)))
    .where(and(eq(keys.connectionId, connectionId), eq(keys.id, keyId)));
  if (verdict === undefined) return null;
  const { triedAt, later: found, ...rest } = verdict;
  const overtakenBy = found?.at == null ? null : { keyId: found.keyId, hint: found.hint, atMs: found.at.getTime() };
  return { ...rest, overtakenBy, triedAtMs: triedAt?.getTime() ?? null };
}

/** Where a connection stands, and which days it keeps. */
export interface ConnectionState {
  readonly name: string;
  readonly status: Status;
  readonly began: Day;
  /** The UTC day on which it ended; null while it lives. */
  readonly endedOn: Day | null;
  readonly isPurged: boolean;
}

/** What every change to a connection is judged by; null when there is no such connection. */
export async function loadConnectionState(db: Db, connectionId: string): Promise<ConnectionState | null> {
  const [standing] = await db
    .select({
      name: connections.name,
      status: connections.status,
      began: connections.began,
      endedOn: sql<Day | null>`(${connections.endedAt} at time zone 'UTC')::date::text`,
      isPurged: sql<boolean>`${connections.purgedAt} is not null`,
    })
    .from(connections)
    .where(eq(connections.id, connectionId));
  return standing ?? null;
}

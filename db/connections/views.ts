import { sql, type SQL } from 'drizzle-orm';
import { z } from 'zod';
import type { Failure } from '../../domain/failures.ts';
import type { Day } from '../../domain/days.ts';
import type { KeyState } from '../../domain/keys.ts';
import type { KeyProbes } from '../../domain/connection/schedule.ts';
import type { Status } from '../../domain/connection/statuses.ts';
import { epochMs, preparedRows, rows, type Db } from '../core/database.ts';
import { coveredDays } from '../ledger/covered-days.ts';
import type { SyncView } from '../ledger/history.ts';
import { daysOf } from '../ledger/syncs.ts';
import { connectionViewJson } from './schemas.ts';

/** A connection as people see it in the API and in the Temporal UI. Instants are milliseconds since the epoch. */
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
  /** The active key; without one, the candidate that is tried next. */
  readonly key: KeyView | null;
  /** The candidates that somebody asked to use, in the order of the requests. */
  readonly candidates: readonly KeyView[];
  /** Why the last refused key was refused. */
  readonly refusal: { readonly failure: Failure; readonly atMs: number } | null;
  readonly coverage: CoverageView;
  readonly lastSync: SyncView | null;
  /** The last sync that has ended; another one may be running since. */
  readonly lastEndedSync: SyncView | null;
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

/** The days of a connection that are covered, counted from its first day on. */
export interface CoverageView {
  /** The first covered day. */
  readonly from: Day | null;
  /** The last day of the unbroken run that starts with the connection's first day. */
  readonly through: Day | null;
  readonly days: number;
  readonly backfillDays: number;
  readonly provisionalDays: number;
  readonly flaggedDays: number;
  /** The days that are not covered, up to today or to the connection's end. Purged days are not missing. */
  readonly missingDays: number;
  readonly hasLines: boolean;
}

/** Which connections are listed: those with a status, or all but refused ones; `after` is the last one seen. */
export interface ConnectionFilter {
  readonly status: Status | null;
  readonly after: string | null;
  readonly limit: number;
}

/** A connection, or null if it does not exist. `today` is a UTC day. */
export async function loadConnectionView(db: Db, id: string, today: Day): Promise<ConnectionView | null> {
  const [view] = await loadViews(db, sql`select * from connections where id = ${id}`, today, preparedRows);
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
  return loadViews(db, page, today, rows);
}

async function loadViews(db: Db, page: SQL, today: Day, ask: typeof rows): Promise<ConnectionView[]> {
  const found = await ask(
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
        'failure', case when c.failure is not null then ${FAILURE_VIEW} end,
        'key', coalesce(active.view, candidates.views -> 0),
        'candidates', candidates.views,
        'refusal', refusal.view,
        'coverage', coverage.view,
        'lastSync', last_sync.view,
        'lastEndedSync', last_ended_sync.view
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
      left join lateral (${lastSync(sql`true`)}) last_sync on true
      left join lateral (${lastSync(sql`s.ended_at is not null`)}) last_ended_sync on true
      cross join lateral (${coverageOf(today)}) coverage
      order by c.created_at desc, c.id desc
    `,
  );
  return found.map(({ view }) => view);
}

const FAILURE_VIEW = sql`jsonb_build_object(
  'failure', c.failure, 'atMs', ${epochMs(sql`c.failed_at`)}, 'count', c.failure_count,
  'probedAtMs', ${epochMs(sql`c.probed_at`)}, 'answeredAtMs', ${epochMs(sql`c.answered_at`)},
  'rejectedAtMs', ${epochMs(sql`c.rejected_at`)}
)`;

const KEY_VIEW = sql`jsonb_build_object(
  'id', k.id, 'state', k.state, 'hint', k.hint,
  'addedAtMs', ${epochMs(sql`k.added_at`)}, 'activatedAtMs', ${epochMs(sql`k.activated_at`)},
  'lastUsedAtMs', ${epochMs(sql`k.last_used_at`)},
  'tries', k.tries, 'triedAtMs', ${epochMs(sql`k.tried_at`)}, 'failure', k.failure
)`;

function lastSync(which: SQL): SQL {
  const days = daysOf('s');
  return sql`
    select jsonb_build_object(
      'n', s.n, 'runId', s.run_id, 'kind', s.kind, 'state', s.state, 'from', s.from_day, 'to', s.to_day,
      'daysRead', ${days.read}, 'daysChanged', ${days.changed},
      'requests', s.requests, 'bytes', s.bytes, 'failure', s.failure,
      'waiting', case when s.state = 'running' then s.waiting end,
      'startedAtMs', ${epochMs(sql`s.started_at`)}, 'endedAtMs', ${epochMs(sql`s.ended_at`)}
    ) as view
    from syncs s
    where s.connection_id = c.id and ${which}
    order by s.n desc, s.started_at desc
    limit 1
  `;
}

function coverageOf(today: Day): SQL {
  return sql`
    select jsonb_build_object(
      'from', min(covered.day),
      'through', max(covered.day) filter (where covered.day = c.began + covered.place),
      'days', count(covered.day),
      'backfillDays', count(*) filter (where covered.day <= c.backfill_to),
      'provisionalDays', count(*) filter (where covered.provisional),
      'flaggedDays', count(*) filter (where covered.flagged),
      'missingDays', case when c.purged_at is null
        then greatest(0, last.day - c.began + 1 - count(*) filter (where covered.day <= last.day))
        else 0
      end,
      'hasLines', coalesce(bool_or(covered.has_lines), false)
    ) as view
    from (select least(${today}::date, (c.ended_at at time zone 'UTC')::date) as day) last
    left join (
      select days.*, (row_number() over (order by days.day) - 1)::int as place
      from (${coveredDays(sql`c.id`, sql`d.day >= c.began`)}) days
    ) covered on true
    group by last.day, c.began, c.backfill_to, c.purged_at
  `;
}

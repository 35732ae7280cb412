import { sql } from 'drizzle-orm';
import { z } from 'zod';
import type { Failure } from '../../domain/failures.ts';
import type { Day } from '../../domain/days.ts';
import type { SyncKind } from '../../domain/reading.ts';
import { epochMs, rows, type Db } from '../core/database.ts';
import { sizeOf } from '../ledger/syncs.ts';
import { outlookJson } from './schemas.ts';
import type { Waiting } from '../../domain/connection/waiting.ts';

/** What a person wants to see of a connection at a glance. Plain JSON, small. */
export interface Outlook {
  readonly name: string;
  readonly organizationId: string | null;
  readonly organizationName: string | null;
  readonly daysDone: number;
  readonly daysTotal: number;
  readonly flaggedDays: number;
  readonly provisionalDays: number;
  /** The last day of the unbroken run of days that starts where the connection began. */
  readonly through: Day | null;
  /** The latest sync that is over. */
  readonly lastSync: OutlookSync | null;
  /** What a sync under way waits for; over once its instant has come. */
  readonly waiting: (Waiting & { readonly n: number }) | null;
  /** The failure that is not made good yet; while no key was accepted, what the key met; then why it had to come back. */
  readonly failure: Failure | null;
}

/** A sync that is over. */
export interface OutlookSync {
  readonly n: number;
  readonly kind: SyncKind;
  readonly from: Day;
  readonly to: Day;
  readonly state: 'succeeded' | 'failed';
  readonly daysRead: number;
  readonly daysChanged: number;
  readonly endedAtMs: number;
}

/** Reads the outlook of a connection, days counted up to `today`; null when there is none. */
export async function loadOutlook(db: Db, connectionId: string, today: Day): Promise<Outlook | null> {
  const [found] = await rows(
    db,
    z.object({ outlook: outlookJson }),
    sql`
      select jsonb_build_object(
        'name', c.name,
        'organizationId', c.organization_id,
        'organizationName', c.organization_name,
        'daysDone', covered.days,
        'provisionalDays', covered.provisional_days,
        'through', covered.through,
        'daysTotal', greatest(${today}::date, c.backfill_to) - c.began + 1,
        'flaggedDays', (select count(*) from days d where d.connection_id = c.id and d.disagrees_with is not null),
        'lastSync', (
          select jsonb_build_object(
            'n', s.n, 'kind', s.kind, 'from', s.from_day, 'to', s.to_day, 'state', s.state,
            'daysRead', ${sizeOf(sql`s.read_days`)}, 'daysChanged', ${sizeOf(sql`s.changed_days`)}, 'endedAtMs', ${epochMs(sql`s.ended_at`)}
          )
          from syncs s
          where s.connection_id = c.id and s.ended_at is not null
          order by s.ended_at desc
          limit 1
        ),
        'waiting', (
          select s.waiting || jsonb_build_object('n', s.n)
          from syncs s
          where s.connection_id = c.id and s.state = 'running' and s.waiting is not null
          order by s.n desc, s.started_at desc
          limit 1
        ),
        'failure', coalesce(c.failure, (
          select k.failure from keys k
          where k.connection_id = c.id and k.failure is not null and (c.organization_id is null or k.state = 'active')
          order by k.added_at desc limit 1
        ))
      ) as outlook
      from connections c
      cross join lateral (
        select
          count(*) as days,
          count(*) filter (where done.provisional) as provisional_days,
          max(done.day) filter (where done.day = c.began + done.place) as through
        from (
          select d.day, bool_or(d.state = 'provisional') as provisional, (row_number() over (order by d.day) - 1)::int as place
          from days d
          where d.connection_id = c.id and d.day >= c.began
          group by d.day
          having count(*) = 2
        ) done
      ) covered
      where c.id = ${connectionId}
    `,
  );
  return found?.outlook ?? null;
}

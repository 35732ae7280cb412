import { sql } from 'drizzle-orm';
import type { Fault } from '../domain/failures.ts';
import type { Day } from '../domain/days.ts';
import { rows, type Db } from './database.ts';

/** What a person wants to see of a connection at a glance. Plain JSON, small. */
export interface Outlook {
  readonly name: string;
  readonly organizationId: string | null;
  readonly organizationName: string | null;
  readonly daysDone: number;
  readonly daysTotal: number;
  readonly flaggedDays: number;
  /** The failure that is not made good yet; while no key was accepted, what the key met. */
  readonly fault: Fault | null;
}

/** Reads the outlook of a connection, days counted up to `today`; null when there is none. */
export async function loadOutlook(db: Db, connectionId: string, today: Day): Promise<Outlook | null> {
  const [found] = await rows<{ outlook: Outlook }>(
    db,
    sql`
      select jsonb_build_object(
        'name', c.name,
        'organizationId', c.organization_id,
        'organizationName', c.organization_name,
        'daysDone', (
          select count(*) from (
            select d.day from days d where d.connection_id = c.id and d.day >= c.began group by d.day having count(*) = 2
          ) done
        ),
        'daysTotal', greatest(${today}::date, c.backfill_to) - c.began + 1,
        'flaggedDays', (select count(*) from days d where d.connection_id = c.id and d.disagrees_with is not null),
        'fault', coalesce(c.failure, (
          select k.fault from keys k
          where k.connection_id = c.id and k.fault is not null and c.organization_id is null
          order by k.added_at desc limit 1
        ))
      ) as outlook
      from connections c
      where c.id = ${connectionId}
    `,
  );
  return found?.outlook ?? null;
}

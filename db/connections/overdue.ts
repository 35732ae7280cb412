import { sql } from 'drizzle-orm';
import { z } from 'zod';
import type { Day } from '../../domain/days.ts';
import { CLOCKS_DIFFER_MS } from '../../domain/connection/schedule.ts';
import type { Status } from '../../domain/connection/statuses.ts';
import { list, rows, type Db } from '../core/database.ts';
import { dayJson } from '../core/json.ts';
import { coveredDays } from '../ledger/covered-days.ts';

/**
 * Active and backfilling connections whose first day is neither covered nor being read: nobody told the workflow that
 * history was extended. In the other statuses, the workflow looks at Postgres before it goes on. So does one whose first
 * sync has not begun, and when hundreds connect at once, that takes a while.
 */
export async function listUntoldHistories(db: Db): Promise<{ connectionId: string; began: Day }[]> {
  return rows(
    db,
    z.object({ connectionId: z.string(), began: dayJson }),
    sql`
      select c.id as "connectionId", c.began::text as began
      from connections c
      where c.status in ('active', 'backfilling')
        and not exists (select from (${coveredDays(sql`c.id`)}) covered where covered.day = c.began)
        and exists (select from syncs s where s.connection_id = c.id)
        and not exists (select from syncs s where s.connection_id = c.id and s.state = 'running')
    `,
  );
}

/** A connection is overdue if its daily sync did not even begin this long after the last one. */
const OVERDUE_AFTER_HOURS = 26;

const READING: readonly Status[] = ['discovering', 'backfilling', 'active', 'degraded', 'awaiting_key'];

/**
 * Connections whose timer cannot be right: an instant stored for them lies in the future, or they are active and read
 * nothing for longer than a day. A Temporal timer ends at an instant of the server's clock, so one that was set while
 * that clock was ahead ends too late.
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
          greatest(c.synced_at, c.failed_at, c.probed_at) > now() + make_interval(secs => ${CLOCKS_DIFFER_MS / 1000})
          or (c.status = 'active' and c.synced_at < now() - make_interval(hours => ${OVERDUE_AFTER_HOURS}))
        )
        and not exists (select from syncs s where s.connection_id = c.id and s.state = 'running')
    `,
  );
}

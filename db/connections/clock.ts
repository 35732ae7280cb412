import { sql, type SQL } from 'drizzle-orm';
import { z } from 'zod';
import type { Day } from '../../domain/days.ts';
import { list, rows, type Db } from '../core/database.ts';
import { dayJson } from '../core/json.ts';
import { deleteDaysAfter } from '../ledger/deletion.ts';
import { addEvent } from './events.ts';
import { lockLive } from './live.ts';

/**
 * Corrects what was stored while the clock was ahead of `nowMs`: instants after now become now or are removed, days
 * after today are deleted, and days that were read on a day after today count as unfinished, so that a sync reads them
 * again.
 */
export async function distrustClock(db: Db, connectionId: string, nowMs: number, today: Day): Promise<void> {
  const now = new Date(nowMs).toISOString();
  await db.transaction(async (tx) => {
    if ((await lockLive(tx, connectionId, 'update')) === null) return;
    await tx.execute(sql`
      update connections set
        ${list(['failed_at', 'probed_at', 'answered_at', 'rejected_at', 'troubled_at'].map((column) => atMost(column, now)))},
        synced_at = case when synced_at <= ${now}::timestamptz then synced_at end,
        began = began - greatest(0, backfill_to - ${today}::date),
        backfill_to = least(backfill_to, ${today}::date)
      where id = ${connectionId}
    `);
    await tx.execute(sql`update keys set ${atMost('tried_at', now)} where connection_id = ${connectionId}`);
    await deleteDaysAfter(tx, connectionId, today);
    const unfinished = await rows(
      tx,
      z.object({ day: dayJson }),
      sql`
        update days set read_on = day, state = 'provisional'
        where connection_id = ${connectionId} and read_on > ${today}::date
        returning day::text
      `,
    );
    const days = [...new Set(unfinished.map(({ day }) => day))].sort();
    const again = days.length === 0 ? '' : ` ${days.length} days from ${days[0] ?? ''} on are read again.`;
    const message = `The clock was ahead and was set back: instants after ${now} are not believed.${again}`;
    await addEvent(tx, connectionId, { type: 'clock', message });
  });
}

function atMost(column: string, now: string): SQL {
  const name = sql.identifier(column);
  return sql`${name} = case when ${name} > ${now}::timestamptz then ${now}::timestamptz else ${name} end`;
}

import { and, eq, sql } from 'drizzle-orm';
import { z } from 'zod';
import { daysIn, type Day } from '../../domain/days.ts';
import type { Report } from '../../domain/lines.ts';
import { daysToSettle, totalOf, type Totals, type WindowTotals } from '../../domain/reading.ts';
import { addEvent } from '../connections/events.ts';
import { rows, textArray, type Db } from '../core/database.ts';
import { dayJson } from '../core/json.ts';
import { days } from '../schema.ts';
import { rollupDiffers } from './rollup.ts';

/** The stored days of a window, and the totals to compare them with. */
export interface Comparison extends WindowTotals {
  readonly connectionId: string;
  readonly report: Report;
  readonly restatementDays: number;
  /** The attempt that read the days, if any: it judges no day that a newer attempt has read, since its totals are older. */
  readonly attempt?: number;
}

/**
 * Compares the stored days of a window with their totals. A day that adds up becomes reconciled, and final if it had
 * settled when it was read last. A day that does not, or whose rollup does not, is suspect: it becomes provisional and not
 * reconciled. A day whose total cannot be read stays as it is. Returns the suspect days, oldest first, and among them those
 * that a newer attempt has read and not reconciled: where that attempt ended before it could, nobody else would.
 */
export async function reconcileDays(db: Db, comparison: Comparison): Promise<Day[]> {
  const { connectionId, report, window, totals, restatementDays, attempt = null } = comparison;
  const isNotNewer = attempt === null ? sql`true` : sql`d.attempt <= ${attempt}::bigint`;
  const asked = daysIn(window);
  // A null total equals nothing and differs from nothing, so neither update finds its day.
  const suspect = await rows(
    db,
    z.object({ day: dayJson }),
    sql`
      with reported as (
        select day::date, total::numeric
        from unnest(${textArray(asked)}, ${textArray(asked.map((day) => totalOf(totals, day)))}) as reported(day, total)
      ), stored as materialized (
        select d.day, ${report === 'cost' ? rollupDiffers() : sql`false`} as rollup_differs
        from days d join reported on reported.day = d.day
        where d.connection_id = ${connectionId} and d.report = ${report} and reported.total is not null
      ), adding_up as (
        select d.day, d.total,
          case when d.read_on - d.day >= ${daysToSettle(restatementDays)}::int then 'final' else 'provisional' end as state
        from days d join reported on reported.day = d.day join stored on stored.day = d.day
        where d.connection_id = ${connectionId} and d.report = ${report} and ${isNotNewer}
          and d.total = reported.total and not stored.rollup_differs
      ), reconciled as (
        update days d set reconciled = true, disagrees_with = null, state = adding_up.state
        from adding_up
        where d.connection_id = ${connectionId} and d.report = ${report}
          and d.day = adding_up.day and d.total = adding_up.total and ${isNotNewer}
          and (not d.reconciled or d.state <> adding_up.state)
        returning d.day
      ), suspect as (
        update days d set reconciled = false, state = 'provisional'
        from reported join stored using (day)
        where d.connection_id = ${connectionId} and d.report = ${report} and ${isNotNewer}
          and d.day = reported.day and (d.total <> reported.total or stored.rollup_differs)
        returning d.day
      ), left_alone as (
        select d.day from days d join stored on stored.day = d.day
        where d.connection_id = ${connectionId} and d.report = ${report} and not (${isNotNewer}) and not d.reconciled
      )
      select day::text from (select day from suspect union select day from left_alone) days order by day
    `,
  );
  return suspect.map(({ day }) => day);
}

/**
 * Flags suspect days whose totals were read twice and agreed. Each new flag leaves an event; a day that is flagged with
 * the same total already leaves none. The next sync reads flagged days again, since they are provisional.
 */
export async function flagDays(
  db: Db,
  flagged: { connectionId: string; report: Report; days: readonly Day[]; totals: Totals },
): Promise<void> {
  const { connectionId, report, totals } = flagged;
  await db.transaction(async (tx) => {
    for (const day of flagged.days) {
      const total = totalOf(totals, day);
      const changed = await tx
        .update(days)
        .set({ reconciled: false, state: 'provisional', disagreesWith: total })
        .where(
          and(
            eq(days.connectionId, connectionId),
            eq(days.report, report),
            eq(days.day, day),
            sql`${days.total} <> ${total}`,
            sql`${days.disagreesWith} is distinct from ${total}::numeric`,
          ),
        )
        .returning({ total: days.total });
      for (const stored of changed) {
        const message = `The lines of the ${report} of ${day} add up to ${stored.total}, but Anthropic twice reported a total of ${total}.`;
        await addEvent(tx, connectionId, { type: 'day_flagged', message });
      }
    }
  });
}

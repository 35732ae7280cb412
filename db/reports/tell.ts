import { eq, sql } from 'drizzle-orm';
import type { DayRange } from '../../domain/days.ts';
import type { Db } from '../core/database.ts';
import { addDeploymentEvent } from '../deployment/events.ts';
import { writeNotice } from '../notices/outbox.ts';
import { deliveries, notices } from '../notices/tables.ts';
import { reportNumbers } from './numbers.ts';
import type { ReportInfo } from './reports.ts';
import { reports } from './tables.ts';

/** What became of telling a report. */
export interface Told {
  readonly noticeId: string;
  /** False if this period was told before. */
  readonly isNew: boolean;
  /** How many addresses it goes to. */
  readonly deliveries: number;
}

/** Each period of a report is told once. Its end tells periods apart that begin together, after `every` was changed. */
function dedupeKeyOf({ id }: ReportInfo, { from, to }: DayRange): string {
  return `report:${id}:${from}:${to}`;
}

/** The notice of a period of a report; null if it was not told. */
export async function findTold(db: Db, report: ReportInfo, period: DayRange): Promise<Told | null> {
  const [found] = await db
    .select({ noticeId: notices.id, deliveries: sql<number>`count(${deliveries.id})::int` })
    .from(notices)
    .leftJoin(deliveries, eq(deliveries.noticeId, notices.id))
    .where(eq(notices.dedupeKey, dedupeKeyOf(report, period)))
    .groupBy(notices.id);
  return found === undefined ? null : { ...found, isNew: false };
}

/**
 * Tells a period of a report, unless it was told before: its notice, the deliveries and what the report told last are
 * written in one transaction. `actor` is who asked for it, if somebody did. Null if the report was deleted meanwhile.
 * Throws a `ParameterError` if the stored query has no meaning any more.
 */
export async function tellReport(
  db: Db,
  report: ReportInfo,
  period: DayRange,
  { nowMs, actor = null }: { nowMs: number; actor?: string | null },
): Promise<Told | null> {
  const told = await findTold(db, report, period);
  if (told !== null) return told;
  const data = await reportNumbers(db, report, period, nowMs);
  const isNew = await db.transaction(async (tx) => {
    const [locked] = await tx.select({ id: reports.id }).from(reports).where(eq(reports.id, report.id)).for('update');
    if (locked === undefined) return null;
    const noticeId = await writeNotice(tx, {
      kind: 'report',
      dedupeKey: dedupeKeyOf(report, period),
      connectionId: null,
      data,
      ...(report.channelIds === null ? {} : { onlyTo: report.channelIds }),
    });
    if (noticeId === null) return false;
    await tx
      .update(reports)
      .set({ lastFrom: period.from, lastTo: period.to, lastAt: sql`now()`, lastNoticeId: noticeId })
      .where(eq(reports.id, report.id));
    if (actor !== null) {
      const message = `Report "${report.name}" (${report.id}) is told for ${period.from} to ${period.to}.`;
      await addDeploymentEvent(tx, { type: 'report_run', actor, message });
    }
    return true;
  });
  if (isNew === null) return null;
  const written = await findTold(db, report, period);
  return written === null ? null : { ...written, isNew };
}

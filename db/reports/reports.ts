import { randomUUID } from 'node:crypto';
import { and, desc, eq, inArray, isNull, lt } from 'drizzle-orm';
import type { DayRange } from '../../domain/days.ts';
import type { Every } from '../../domain/reports/periods.ts';
import type { StoredQuery } from '../../domain/spend/stored-query.ts';
import { databaseFailure, type Db } from '../core/database.ts';
import { addDeploymentEvent } from '../deployment/events.ts';
import { channels } from '../notices/tables.ts';
import { reports } from './tables.ts';

/** What people decide about a report. */
export interface ReportSettings {
  readonly name: string;
  readonly every: Every;
  /** In the time zone. */
  readonly hour: number;
  readonly timeZone: string;
  /** In its canonical form. */
  readonly query: StoredQuery;
  /** Null for every channel that takes reports. */
  readonly channelIds: readonly string[] | null;
}

/** A report as it is stored. */
export interface ReportInfo extends ReportSettings {
  readonly id: string;
  readonly no: number;
  readonly createdAt: Date;
  readonly createdBy: string;
  /** The period that was told last; its notice is null if it was deleted since. */
  readonly last: { readonly period: DayRange; readonly noticeId: string | null; readonly at: Date } | null;
}

/** Another report has this name. */
export class ReportNameTakenError extends Error {
  override readonly name = 'ReportNameTakenError';
  constructor() {
    super('Another report has this name.');
  }
}

/** Stores a report and records who made it. Returns its id. Throws {@link ReportNameTakenError}. */
export async function createReport(db: Db, settings: ReportSettings, actor: string): Promise<string> {
  const id = randomUUID();
  await naming(() =>
    db.transaction(async (tx) => {
      await tx.insert(reports).values({ id, ...rowOf(settings), createdBy: actor });
      const { name, every, hour, timeZone } = settings;
      const message = `Report "${name}" (${id}) is created: ${every} at ${hour}:00 ${timeZone}.`;
      await addDeploymentEvent(tx, { type: 'report_created', actor, message });
    }),
  );
  return id;
}

/** Changes a report and records who did; what is not given stays. False if there is none. Throws {@link ReportNameTakenError}. */
export async function changeReport(
  db: Db,
  id: string,
  change: { readonly [Part in keyof ReportSettings]?: ReportSettings[Part] | undefined },
  actor: string,
): Promise<boolean> {
  return naming(() =>
    db.transaction(async (tx) => {
      const [stored] = await tx.select({ name: reports.name }).from(reports).where(eq(reports.id, id)).for('update');
      if (stored === undefined) return false;
      const given = Object.entries(change).flatMap(([part, value]) => (value === undefined ? [] : [part]));
      const { channelIds, ...rest } = change;
      const changed = { ...rest, ...(channelIds === undefined ? {} : { channelIds: copyOf(channelIds) }) };
      if (given.length > 0) await tx.update(reports).set(changed).where(eq(reports.id, id));
      const message = `Report "${change.name ?? stored.name}" (${id}) is changed: ${given.join(', ')}.`;
      await addDeploymentEvent(tx, { type: 'report_changed', actor, message });
      return true;
    }),
  );
}

/** Deletes a report; what it told stays. False if there is none. */
export async function deleteReport(db: Db, id: string, actor: string): Promise<boolean> {
  return db.transaction(async (tx) => {
    const [deleted] = await tx.delete(reports).where(eq(reports.id, id)).returning({ name: reports.name });
    if (deleted === undefined) return false;
    await addDeploymentEvent(tx, {
      type: 'report_deleted',
      actor,
      message: `Report "${deleted.name}" (${id}) is deleted.`,
    });
    return true;
  });
}

/** A report; null if there is none. */
export async function findReport(db: Db, id: string): Promise<ReportInfo | null> {
  const [found] = await db.select().from(reports).where(eq(reports.id, id));
  return found === undefined ? null : infoOf(found);
}

/** The reports, newest first; `after` is the `no` of the last one seen. */
export async function listReports(db: Db, page: { after: number | null; limit: number }): Promise<ReportInfo[]> {
  const found = await db
    .select()
    .from(reports)
    .where(page.after === null ? undefined : lt(reports.no, page.after))
    .orderBy(desc(reports.no))
    .limit(page.limit);
  return found.map(infoOf);
}

/** What the Schedule of a report says. */
export type ScheduledReport = Pick<ReportInfo, 'id' | 'name' | 'every' | 'hour' | 'timeZone'>;

/** All reports, as far as their Schedules depend on them. */
export async function listScheduledReports(db: Db): Promise<ScheduledReport[]> {
  return db
    .select({
      id: reports.id,
      name: reports.name,
      every: reports.every,
      hour: reports.hour,
      timeZone: reports.timeZone,
    })
    .from(reports);
}

/** Those of these channels that exist and, if asked, take something. */
export async function channelsLeft(db: Db, ids: readonly string[], { enabled = false } = {}): Promise<string[]> {
  const found = await db
    .select({ id: channels.id })
    .from(channels)
    .where(
      and(
        inArray(channels.id, [...ids]),
        isNull(channels.deletedAt),
        enabled ? isNull(channels.disabledAt) : undefined,
      ),
    );
  return found.map(({ id }) => id);
}

function rowOf({ channelIds, ...settings }: ReportSettings): Omit<typeof reports.$inferInsert, 'id' | 'createdBy'> {
  return { ...settings, channelIds: copyOf(channelIds) };
}

function copyOf(ids: readonly string[] | null): string[] | null {
  return ids === null ? null : [...ids];
}

function infoOf({ lastFrom, lastTo, lastAt, lastNoticeId, ...report }: typeof reports.$inferSelect): ReportInfo {
  const wasTold = lastFrom !== null && lastTo !== null && lastAt !== null;
  const last = wasTold ? { period: { from: lastFrom, to: lastTo }, noticeId: lastNoticeId, at: lastAt } : null;
  return { ...report, last };
}

async function naming<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (databaseFailure(error)?.constraint === 'reports_one_by_name') throw new ReportNameTakenError();
    throw error;
  }
}

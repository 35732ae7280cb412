import { and, asc, between, desc, eq, getTableColumns, gte, lt, lte, sql } from 'drizzle-orm';
import type { Waiting } from '../../domain/connection/waiting.ts';
import type { Day, DayRange } from '../../domain/days.ts';
import type { Failure } from '../../domain/failures.ts';
import type { Report } from '../../domain/lines.ts';
import type { Decimal } from '../../domain/money.ts';
import type { DayState, SyncKind, SyncState } from '../../domain/reading.ts';
import type { Db } from '../core/database.ts';
import { days, restatements, syncs } from '../schema.ts';
import { daysOf } from './syncs.ts';

/** One run of a sync. */
export interface SyncView {
  readonly n: number;
  readonly runId: string;
  readonly kind: SyncKind;
  readonly state: SyncState;
  readonly from: Day;
  readonly to: Day;
  readonly daysRead: number;
  readonly daysChanged: number;
  readonly requests: number;
  readonly bytes: number;
  readonly failure: Failure | null;
  /** The wait before its next attempt, while it runs. It is over once that attempt has begun. */
  readonly waiting: Waiting | null;
  readonly startedAtMs: number;
  readonly endedAtMs: number | null;
}

/** The last run of a sync that was seen. */
export interface SyncPosition {
  readonly n: number;
  readonly runId: string;
}

/** The syncs of a connection, newest first; the runs of one sync stand together. */
export async function listSyncs(
  db: Db,
  connectionId: string,
  page: { kind: SyncKind | null; state: SyncState | null; after: SyncPosition | null; limit: number },
): Promise<SyncView[]> {
  const { kind, state, after } = page;
  const days = daysOf('syncs');
  const found = await db
    .select({
      ...getTableColumns(syncs),
      daysRead: days.read,
      daysChanged: days.changed,
    })
    .from(syncs)
    .where(
      and(
        eq(syncs.connectionId, connectionId),
        kind === null ? undefined : eq(syncs.kind, kind),
        state === null ? undefined : eq(syncs.state, state),
        after === null
          ? undefined
          : sql`(${syncs.n}, ${syncs.startedAt}, ${syncs.runId}) < (
              select seen.n, seen.started_at, seen.run_id from syncs seen
              where seen.connection_id = ${connectionId} and seen.n = ${after.n} and seen.run_id = ${after.runId}
            )`,
      ),
    )
    .orderBy(desc(syncs.n), desc(syncs.startedAt), desc(syncs.runId))
    .limit(page.limit);
  return found.map(({ startedAt, endedAt, waiting, ...sync }) => ({
    ...sync,
    waiting: sync.state === 'running' ? waiting : null,
    startedAtMs: startedAt.getTime(),
    endedAtMs: endedAt?.getTime() ?? null,
  }));
}

/** A change to a day that had been read complete. `before` and `after` are USD for cost, tokens for usage. */
export interface RestatementView {
  readonly id: number;
  readonly report: Report;
  readonly day: Day;
  readonly before: Decimal;
  readonly after: Decimal;
  readonly linesAdded: number;
  readonly linesRemoved: number;
  readonly linesChanged: number;
  readonly sync: number;
  readonly at: Date;
}

/** The restatements of a connection, newest first; `after` is the id of the last one seen. */
export async function listRestatements(
  db: Db,
  connectionId: string,
  page: { report: Report | null; from: Day | null; to: Day | null; after: number | null; limit: number },
): Promise<RestatementView[]> {
  return db
    .select({
      id: restatements.id,
      report: restatements.report,
      day: restatements.day,
      before: restatements.before,
      after: restatements.after,
      linesAdded: restatements.linesAdded,
      linesRemoved: restatements.linesRemoved,
      linesChanged: restatements.linesChanged,
      sync: restatements.sync,
      at: restatements.at,
    })
    .from(restatements)
    .where(
      and(
        eq(restatements.connectionId, connectionId),
        page.report === null ? undefined : eq(restatements.report, page.report),
        page.from === null ? undefined : gte(restatements.day, page.from),
        page.to === null ? undefined : lte(restatements.day, page.to),
        page.after === null ? undefined : lt(restatements.id, page.after),
      ),
    )
    .orderBy(desc(restatements.id))
    .limit(page.limit);
}

/** A stored day of a report. `total` is USD for cost, tokens for usage. */
export interface DayView {
  readonly report: Report;
  readonly day: Day;
  readonly state: DayState;
  readonly reconciled: boolean;
  /** The total that Anthropic reports, if the day is flagged. */
  readonly disagreesWith: Decimal | null;
  readonly lines: number;
  readonly total: Decimal;
  readonly readAt: Date;
}

/** The stored days of both reports within a range, oldest first. A missing day has no row. */
export async function listStoredDays(db: Db, connectionId: string, range: DayRange): Promise<DayView[]> {
  return db
    .select({
      report: days.report,
      day: days.day,
      state: days.state,
      reconciled: days.reconciled,
      disagreesWith: days.disagreesWith,
      lines: days.lines,
      total: days.total,
      readAt: days.readAt,
    })
    .from(days)
    .where(and(eq(days.connectionId, connectionId), between(days.day, range.from, range.to)))
    .orderBy(asc(days.day), asc(days.report));
}

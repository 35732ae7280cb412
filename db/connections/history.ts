import { and, asc, between, desc, eq, getTableColumns, gte, lt, lte, sql } from 'drizzle-orm';
import type { Day, DayRange } from '../../domain/days.ts';
import type { Failure } from '../../domain/failures.ts';
import type { KeyEnd, KeyState } from '../../domain/keys.ts';
import type { Report } from '../../domain/lines.ts';
import type { DayState, SyncKind } from '../../domain/reading.ts';
import type { SyncView } from './views.ts';
import type { Db } from '../core/database.ts';
import { days, events, keys, restatements, syncs, workspaces } from '../core/schema.ts';
import { sizeOf } from '../ledger/syncs.ts';

/** The workspaces of a connection by name, then id; `after` is the id of the last one seen. */
export async function listWorkspaces(
  db: Db,
  connectionId: string,
  page: { after: string | null; limit: number },
): Promise<{ id: string; name: string; createdAt: Date | null; archivedAt: Date | null; readAt: Date }[]> {
  const position = sql`(${workspaces.name} collate "C", ${workspaces.id} collate "C")`;
  const seen = sql`(
    select seen.name, seen.id from workspaces seen where seen.connection_id = ${connectionId} and seen.id = ${page.after}
  )`;
  return db
    .select({
      id: workspaces.id,
      name: workspaces.name,
      createdAt: workspaces.createdAt,
      archivedAt: workspaces.archivedAt,
      readAt: workspaces.readAt,
    })
    .from(workspaces)
    .where(and(eq(workspaces.connectionId, connectionId), page.after === null ? undefined : sql`${position} > ${seen}`))
    .orderBy(sql`${workspaces.name} collate "C"`, sql`${workspaces.id} collate "C"`)
    .limit(page.limit);
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
  page: { kind: SyncKind | null; state: SyncView['state'] | null; after: SyncPosition | null; limit: number },
): Promise<SyncView[]> {
  const { kind, state, after } = page;
  const found = await db
    .select({
      ...getTableColumns(syncs),
      daysRead: sizeOf(syncs.readDays),
      daysChanged: sizeOf(syncs.changedDays),
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

/** A key of a connection as it is listed. */
export interface ListedKey {
  readonly id: string;
  readonly state: KeyState;
  readonly hint: string;
  readonly failure: Failure | null;
  readonly endReason: KeyEnd | null;
  readonly tries: number;
  readonly addedAt: Date;
  readonly requestedAt: Date | null;
  readonly triedAt: Date | null;
  readonly activatedAt: Date | null;
  readonly lastUsedAt: Date | null;
  readonly endedAt: Date | null;
}

/** The keys of a connection, newest first, those that are gone too; `after` is the id of the last one seen. */
export async function listKeys(
  db: Db,
  connectionId: string,
  page: { state: KeyState | null; after: string | null; limit: number },
): Promise<ListedKey[]> {
  const seen = sql`(
    select seen.added_at, seen.id from keys seen where seen.connection_id = ${connectionId} and seen.id = ${page.after}
  )`;
  return db
    .select({
      id: keys.id,
      state: keys.state,
      hint: keys.hint,
      failure: keys.failure,
      endReason: keys.endReason,
      tries: keys.tries,
      addedAt: keys.addedAt,
      requestedAt: keys.requestedAt,
      triedAt: keys.triedAt,
      activatedAt: keys.activatedAt,
      lastUsedAt: keys.lastUsedAt,
      endedAt: keys.endedAt,
    })
    .from(keys)
    .where(
      and(
        eq(keys.connectionId, connectionId),
        page.state === null ? undefined : eq(keys.state, page.state),
        page.after === null ? undefined : sql`(${keys.addedAt}, ${keys.id}) < ${seen}`,
      ),
    )
    .orderBy(desc(keys.addedAt), desc(keys.id))
    .limit(page.limit);
}

/** What happened to a connection, newest first; `after` is the id of the last event seen. */
export async function listEvents(
  db: Db,
  connectionId: string,
  page: { type: string | null; after: number | null; limit: number },
): Promise<{ id: number; type: string; actor: string; message: string; at: Date }[]> {
  return db
    .select({ id: events.id, type: events.type, actor: events.actor, message: events.message, at: events.at })
    .from(events)
    .where(
      and(
        eq(events.connectionId, connectionId),
        page.type === null ? undefined : eq(events.type, page.type),
        page.after === null ? undefined : lt(events.id, page.after),
      ),
    )
    .orderBy(desc(events.id))
    .limit(page.limit);
}

/** A change to a day that had been read complete. Of cost, `before` and `after` are USD; of usage, tokens. */
export interface RestatementView {
  readonly id: number;
  readonly report: Report;
  readonly day: Day;
  readonly before: string;
  readonly after: string;
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
      before: sql<string>`trim_scale(${restatements.before})::text`,
      after: sql<string>`trim_scale(${restatements.after})::text`,
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

/** A stored day of a report. Of cost, `total` is USD; of usage, tokens. */
export interface DayView {
  readonly report: Report;
  readonly day: Day;
  readonly state: DayState;
  readonly reconciled: boolean;
  /** The ungrouped total where it stably disagrees with the lines. */
  readonly disagreesWith: string | null;
  readonly lines: number;
  readonly total: string;
  readonly readAt: Date;
}

/** The days of a range that are stored, of both reports, oldest first. A day that is missing has no row. */
export async function listStoredDays(db: Db, connectionId: string, range: DayRange): Promise<DayView[]> {
  return db
    .select({
      report: days.report,
      day: days.day,
      state: days.state,
      reconciled: days.reconciled,
      disagreesWith: sql<string | null>`trim_scale(${days.disagreesWith})::text`,
      lines: days.lines,
      total: sql<string>`trim_scale(${days.total})::text`,
      readAt: days.readAt,
    })
    .from(days)
    .where(and(eq(days.connectionId, connectionId), between(days.day, range.from, range.to)))
    .orderBy(asc(days.day), asc(days.report));
}

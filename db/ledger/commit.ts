import { and, eq, sql, type SQL } from 'drizzle-orm';
import { z } from 'zod';
import { isLive } from '../../domain/connection/statuses.ts';
import { totalOfContent, type DayContent } from '../../domain/day-content.ts';
import type { Day } from '../../domain/days.ts';
import type { Report } from '../../domain/lines.ts';
import type { Decimal } from '../../domain/money.ts';
import { addEvent } from '../connections/events.ts';
import { ConnectionGoneError, shareLive, sharingLive } from '../connections/live.ts';
import { preparedRows, type Db } from '../core/database.ts';
import { connections, days, restatements } from '../schema.ts';
import { insertDays, isSameByColumns, replaceDay, type DayColumns, type Replacement } from './lines.ts';
import { rewriteRollup } from './rollup.ts';
import type { SeriesNumbers } from './series-numbers.ts';

/** A whole day as it was just read. */
export interface ReadDay {
  readonly connectionId: string;
  readonly report: Report;
  readonly day: Day;
  readonly content: DayContent;
  /** The numbers of the series of its lines, which were added to these. */
  readonly numbers: SeriesNumbers;
  /** The number of the attempt that read it. */
  readonly attempt: number;
  /** The digest that was stored when the attempt began, if any. It may be outdated. */
  readonly digestBefore?: Buffer | undefined;
  /** The number of the sync that read it. */
  readonly sync: number;
  readonly today: Day;
  /** The total that was reported before the day was read; null to take the lines whatever they add up to. */
  readonly reported: Decimal | null;
}

/**
 * What became of a day:
 * - `stale`: a newer attempt has read it already;
 * - `heldBack`: its lines do not add up to the reported total and would replace a complete day, so they were not taken;
 * - `unchanged`: it is as it was stored, apart from fields that have no column;
 * - `changed`: it was written.
 */
export type DayOutcome = 'stale' | 'heldBack' | 'unchanged' | 'changed';

/**
 * Commits whole days of one report that one attempt read together, and returns what became of each, in their order. A
 * day's lines and its row are written in one transaction: new days share one, every other day has its own. Lines that
 * stay the same are not written.
 *
 * A change to a day that was complete when it was read before is recorded as a restatement. Growth of a day that was not
 * over is no restatement, and neither is a change of fields that have no column. With `nothingIsStored`, all series are
 * expected to be new. Throws {@link ConnectionGoneError}.
 */
export async function commitDays(
  db: Db,
  read: readonly ReadDay[],
  { nothingIsStored = false } = {},
): Promise<Map<Day, DayOutcome>> {
  const outcomes = new Map<Day, DayOutcome>();
  const [first] = read;
  if (first === undefined) return outcomes;
  // Unchanged days write no lines, so their series need no numbers.
  if (!read.every(seemsUnchanged)) await first.numbers.number(db, first.report, first.connectionId, nothingIsStored);
  const seemNew = read.filter(({ digestBefore }) => digestBefore === undefined);
  const added = new Set(await writeNewDays(db, seemNew));
  for (const day of read) outcomes.set(day.day, added.has(day.day) ? 'changed' : await commitDay(db, day));
  return outcomes;
}

function seemsUnchanged({ digestBefore, content }: ReadDay): boolean {
  return digestBefore?.equals(content.digest) === true;
}

/** Adds the days that are not stored, and returns them. */
async function writeNewDays(db: Db, read: readonly ReadDay[]): Promise<Day[]> {
  const [first] = read;
  if (first === undefined) return [];
  return insertDays(db, first.report, first.connectionId, read, first.numbers, (of) => columnsOf(first, of));
}

/** Assumes that the day is stored as when the attempt began, and looks it up only when that proves wrong. */
async function commitDay(db: Db, read: ReadDay): Promise<DayOutcome> {
  let digestBefore = read.digestBefore;
  for (;;) {
    const outcome = await commitOver(digestBefore, db, read);
    if (outcome !== null) return outcome;
    const stored = await findDay(db, read);
    if (stored !== null && stored.attempt >= read.attempt) return 'stale';
    digestBefore = stored?.digest;
  }
}

/** Commits a day over the one with this digest, or over none; null, and nothing is written, if the day is another by now. */
async function commitOver(digestBefore: Buffer | undefined, db: Db, read: ReadDay): Promise<DayOutcome | null> {
  const { connectionId, report, content, numbers } = read;
  if (digestBefore?.equals(content.digest) === true) return recordUnchanged(db, read);
  await numbers.number(db, report, connectionId);
  if (digestBefore !== undefined) return replace(db, read);
  return (await writeNewDays(db, [read])).length > 0 ? 'changed' : null;
}

/** Records that a day was read again. One statement does it all, since most days of most syncs are unchanged. */
async function recordUnchanged(db: Db, read: ReadDay): Promise<DayOutcome | null> {
  const { connectionId, report, day, attempt, today, sync, content } = read;
  const [found] = await preparedRows(
    db,
    z.object({ live: z.boolean(), dayNo: z.int().nullable(), reconciled: z.boolean().nullable() }),
    sql`
      with live as materialized (
        ${sharingLive(connectionId)}
      ), unchanged as (
        update days d set attempt = ${attempt}, sync = ${sync}, read_on = ${today}, read_at = now()
        from live
        where d.connection_id = live.id and d.report = ${report} and d.day = ${day}
          and d.digest = ${content.digest}::bytea and d.attempt < ${attempt}
        returning d.day, d.day_no, d.reconciled
      )
      select
        exists (select from live) as live,
        (select day_no from unchanged) as "dayNo",
        (select reconciled from unchanged) as reconciled
    `,
  );
  if (found?.live !== true) throw new ConnectionGoneError(connectionId);
  if (found.dayNo === null) return null;
  // Its lines are as they were read, so what does not add up may be their rollup.
  if (report === 'cost' && found.reconciled === false) await rewriteRollup(db, found.dayNo);
  return 'unchanged';
}

function replace(db: Db, read: ReadDay): Promise<DayOutcome | null> {
  const { report, day, attempt, sync, today, reported, content, numbers } = read;
  const { digest } = content;
  const total = totalOfContent(content);
  return db.transaction(async (tx) => {
    const stored = await lockDay(tx, read);
    if (stored === null || stored.digest.equals(digest) || stored.attempt >= attempt) return null;
    // A day that was read after today was read by a clock that was ahead, so perhaps before the day was over.
    const wasComplete = stored.readOn > day && stored.readOn <= today;
    if (wasComplete && reported !== null && reported !== total) return 'heldBack';
    const columns = columnsOf(read, {
      day: sql`${day}::date`,
      lines: sql`${content.series.length}::int`,
      digest: sql`${digest}::bytea`,
    });
    const isSame =
      wasComplete && stored.total === total && (await isSameByColumns(tx, report, stored.dayNo, content, numbers));
    const replaced = await replaceDay(
      tx,
      report,
      stored.dayNo,
      isSame ? columnsOfReading(columns) : columns,
      content,
      numbers,
    );
    // This sync wrote the day, found that it did not add up, and reads it again. Nobody took it for the truth.
    const isSecondRead = stored.writtenBy === sync && !stored.reconciled;
    if (wasComplete && !isSame && !isSecondRead) await recordRestatement(tx, read, stored.total, replaced);
    return isSame ? 'unchanged' : 'changed';
  });
}

const COLUMNS_OF_READING = ['lines', 'digest', 'attempt', 'read_on', 'read_at', 'sync'];

/** The columns that change where only fields without a column did: the day keeps its state, its flag and its writer. */
function columnsOfReading(columns: DayColumns): DayColumns {
  return Object.fromEntries(Object.entries(columns).filter(([name]) => COLUMNS_OF_READING.includes(name)));
}

function columnsOf(
  { connectionId, report, attempt, today, sync }: ReadDay,
  { day, lines, digest }: { day: SQL; lines: SQL; digest: SQL },
): DayColumns {
  return {
    connection_id: sql`${connectionId}::uuid`,
    report: sql`${report}::text`,
    day,
    state: sql`'provisional'`,
    reconciled: sql`false`,
    disagrees_with: sql`null::numeric`,
    lines,
    digest,
    attempt: sql`${attempt}::bigint`,
    read_on: sql`${today}::date`,
    read_at: sql`now()`,
    sync: sql`${sync}::int`,
    written_by: sql`${sync}::int`,
  };
}

/** The attempt and the digest of a stored day; null where it is missing. Throws {@link ConnectionGoneError}. */
async function findDay(
  db: Db,
  { connectionId, report, day }: ReadDay,
): Promise<{ attempt: number; digest: Buffer } | null> {
  const [found] = await db
    .select({ status: connections.status, attempt: days.attempt, digest: days.digest })
    .from(connections)
    .leftJoin(days, and(eq(days.connectionId, connections.id), eq(days.report, report), eq(days.day, day)))
    .where(eq(connections.id, connectionId));
  if (found === undefined || !isLive(found.status)) throw new ConnectionGoneError(connectionId);
  const { attempt, digest } = found;
  return attempt === null || digest === null ? null : { attempt, digest };
}

type LockedDay = Pick<
  typeof days.$inferSelect,
  'dayNo' | 'attempt' | 'digest' | 'readOn' | 'total' | 'writtenBy' | 'reconciled'
>;

/**
 * Locks a connection against a disconnect, and a stored day against other commits; null where the day is missing. Throws
 * {@link ConnectionGoneError}.
 */
async function lockDay(tx: Db, { connectionId, report, day }: ReadDay): Promise<LockedDay | null> {
  if ((await shareLive(tx, connectionId)) === null) throw new ConnectionGoneError(connectionId);
  const [stored] = await tx
    .select({
      dayNo: days.dayNo,
      attempt: days.attempt,
      digest: days.digest,
      readOn: days.readOn,
      total: days.total,
      writtenBy: days.writtenBy,
      reconciled: days.reconciled,
    })
    .from(days)
    .where(and(eq(days.connectionId, connectionId), eq(days.report, report), eq(days.day, day)))
    .for('no key update');
  return stored ?? null;
}

async function recordRestatement(tx: Db, read: ReadDay, before: Decimal, replaced: Replacement): Promise<void> {
  const { connectionId, report, day } = read;
  const { total, added, removed, changed } = replaced;
  await tx.insert(restatements).values({
    connectionId,
    report,
    day,
    before,
    after: total,
    linesAdded: added,
    linesRemoved: removed,
    linesChanged: changed,
    sync: read.sync,
  });
  const unit = report === 'cost' ? 'USD' : 'tokens';
  const message =
    before === total
      ? `The ${report} of ${day} was restated: its total stayed ${total} ${unit}, but lines moved (${added} added, ${removed} removed, ${changed} changed).`
      : `The ${report} of ${day} was restated from ${before} to ${total} ${unit}.`;
  await addEvent(tx, connectionId, { type: 'restatement', message });
}

import { and, eq, gte, lte, sql, type SQL } from 'drizzle-orm';
import { z } from 'zod';
import { daysIn, type Day, type DayRange } from '../../domain/days.ts';
import type { Report } from '../../domain/lines.ts';
import type { Decimal } from '../../domain/money.ts';
import { isLive } from '../../domain/connection/statuses.ts';
import { daysToSettle, totalOf, type StoredDay, type Totals } from '../../domain/reading.ts';
import { preparedRows, row, rows, textArray, type Db } from '../core/database.ts';
import { bigintText, dayJson, decimalText, parseAnswer } from '../core/json.ts';
import { addEvent } from '../connections/events.ts';
import { insertDays, isSameByName, numberSeries, replaceDay, type DayColumns, type Written } from './lines.ts';
import { ConnectionGoneError, shareLive, sharingLive } from '../connections/live.ts';
import { connections, days, restatements } from '../core/schema.ts';
import { addingDays, type SyncRun } from './syncs.ts';
import type { DayContent } from './series.ts';

/** A whole day as it was just read. */
export interface ReadDay {
  readonly connectionId: string;
  readonly report: Report;
  readonly day: Day;
  readonly content: DayContent;
  /** From {@link startReadAttempt}: of the attempt that read it, and the digest that was stored then, if any: only a hint. */
  readonly attempt: number;
  readonly digestBefore?: Buffer | undefined;
  readonly sync: { readonly n: number; readonly runId: string };
  readonly today: Day;
  /** The total that was reported for the day just before; null where these lines are to be taken as they are. */
  readonly reported: Decimal | null;
}

/**
 * What became of a day: `stale` when a newer read of it is stored already, `heldBack` when the lines do not add up to
 * the total that was reported, and would replace a day that was read complete. It must be read once more. A day is
 * `unchanged`, too, where only fields changed that are not known by name.
 */
export type DayOutcome = 'stale' | 'heldBack' | 'unchanged' | 'changed';

/** What is stored of the days of a report in a range, oldest first. A day that is not there is missing. */
export async function storedDays(db: Db, connectionId: string, report: Report, range: DayRange): Promise<StoredDay[]> {
  const found = await db
    .select({ day: days.day, state: days.state, total: days.total, readOn: days.readOn })
    .from(days)
    .where(
      and(
        eq(days.connectionId, connectionId),
        eq(days.report, report),
        gte(days.day, range.from),
        lte(days.day, range.to),
      ),
    )
    .orderBy(days.day);
  return found.map((stored) => ({ ...stored, total: parseAnswer(decimalText, stored.total) }));
}

/** What an attempt at reading days begins with. */
export interface ReadAttempt {
  /** Its number: a day is only ever replaced by an attempt with a higher one. */
  readonly attempt: number;
  /** The most lines that one of the last few stored days of the report has; 0 where none is stored. */
  readonly linesPerDay: number;
  /** The digests of those of its days that are stored. */
  readonly digests: ReadonlyMap<Day, Buffer>;
}

/** Begins an attempt at reading the days of a report in a range. Belongs before its first request. */
export async function startReadAttempt(
  db: Db,
  connectionId: string,
  report: Report,
  range: DayRange,
): Promise<ReadAttempt> {
  const { attempt, lines, digests } = await row(
    db,
    z.object({ attempt: bigintText, lines: z.int(), digests: z.array(z.tuple([dayJson, z.string()])) }),
    sql`
      with stored as (
        select day, lines, digest from days where connection_id = ${connectionId} and report = ${report}
      )
      select
        nextval('read_attempts') as attempt,
        (
          select coalesce(max(lines), 0)::int from (select lines from stored order by day desc limit 7) last
        ) as lines,
        (
          select coalesce(jsonb_agg(jsonb_build_array(day, encode(digest, 'hex'))), '[]')
          from stored
          where day between ${range.from} and ${range.to}
        ) as digests
    `,
  );
  return {
    attempt,
    linesPerDay: lines,
    digests: new Map(digests.map(([day, digest]) => [day, Buffer.from(digest, 'hex')])),
  };
}

/**
 * Stores whole days that were read together, each in one transaction, its lines and its row in `days`: those that are new
 * in one that they share, the others in one of their own. Writes no line where nothing changed, and nothing at all where a
 * newer attempt wrote the day already, or where lines that contradict their total would replace a day that was read
 * complete. A change to a day that had been read complete is kept as a restatement; growth of a day that was not over is
 * none, and neither is a change of fields alone that are not known by name. With `nothingIsStored`, all their series are expected to be new, too.
 *
 * All are of one attempt at one report. Returns what became of each, in their order. Throws {@link ConnectionGoneError}.
 */
export async function commitDays(
  db: Db,
  read: readonly ReadDay[],
  { nothingIsStored = false } = {},
): Promise<Map<Day, DayOutcome>> {
  const outcomes = new Map<Day, DayOutcome>();
  const [first] = read;
  if (first === undefined) return outcomes;
  // Days that are as they were need no numbers.
  const lines = read.filter((day) => !isAsBefore(day)).flatMap(({ content }) => content.lines);
  await numberSeries(db, first.report, first.connectionId, lines, nothingIsStored);
  const fresh = read.filter(({ digestBefore }) => digestBefore === undefined);
  const added = new Set(fresh.length === 0 ? [] : await addAll(db, fresh));
  for (const day of read) outcomes.set(day.day, added.has(day.day) ? 'changed' : await commitOne(db, day));
  return outcomes;
}

function isAsBefore({ digestBefore, content }: ReadDay): boolean {
  return digestBefore?.equals(content.digest) === true;
}

/** Adds days that are not stored, and returns those that were not. */
async function addAll(db: Db, read: readonly ReadDay[]): Promise<Day[]> {
  const [first] = read;
  if (first === undefined) return [];
  const fresh = read.map(({ day, content: { lines, digest } }) => ({ day, lines, digest }));
  return insertDays(db, first.report, runOf(first), fresh, (of) => columnsOf(first, of));
}

/** Commits a day that may be stored, and tries anew while it is not as it is thought to be. */
async function commitOne(db: Db, read: ReadDay): Promise<DayOutcome> {
  let known = read.digestBefore;
  for (;;) {
    const outcome = await commitAs(known, db, read);
    if (outcome !== 'otherwise') return outcome;
    const stored = await lookUp(db, read);
    if (stored !== null && stored.attempt >= read.attempt) return 'stale';
    known = stored?.digest;
  }
}

async function commitAs(known: Buffer | undefined, db: Db, read: ReadDay): Tried {
  const { connectionId, report, content } = read;
  if (known?.equals(content.digest) === true) return keepAsItIs(db, read);
  await numberSeries(db, report, connectionId, content.lines);
  if (known !== undefined) return replace(db, read);
  return (await addAll(db, [read])).length > 0 ? 'changed' : 'otherwise';
}

/** What became of a day; `otherwise` when it is not stored as it was thought to be, and nothing was done. */
type Tried = Promise<DayOutcome | 'otherwise'>;

async function keepAsItIs(db: Db, read: ReadDay): Tried {
  const { connectionId, report, day, attempt, today, sync, content } = read;
  const [done] = await preparedRows(
    db,
    z.object({ live: z.boolean(), kept: z.boolean() }),
    sql`
      with live as materialized (
        ${sharingLive(connectionId)}
      ), kept as (
        update days d set attempt = ${attempt}, sync = ${sync.n}, read_on = ${today}, read_at = now()
        from live
        where d.connection_id = live.id and d.report = ${report} and d.day = ${day}
          and d.digest = ${content.digest}::bytea and d.attempt < ${attempt}
        returning d.day
      ), counted as (
        ${addingDays(runOf(read), sql`(select range_agg(daterange(day, day, '[]')) from kept)`, false)}
      )
      select exists (select from live) as live, exists (select from kept) as kept
    `,
  );
  if (done?.live !== true) throw new ConnectionGoneError(connectionId);
  return done.kept ? 'unchanged' : 'otherwise';
}

function replace(db: Db, read: ReadDay): Tried {
  const { report, day, attempt, sync, reported } = read;
  const { lines, digest, total } = read.content;
  return db.transaction(async (tx) => {
    const stored = await lockDay(tx, read);
    if (stored === null || stored.digest.equals(digest) || stored.attempt >= attempt) return 'otherwise';
    // What was read on a day that is not there yet was read by a clock that was ahead.
    const wasComplete = stored.readOn > day && stored.readOn <= read.today;
    if (wasComplete && reported !== null && reported !== total()) return 'heldBack';
    const columns = columnsOf(read, {
      day: sql`${day}::date`,
      lines: sql`${lines.length}::int`,
      digest: sql`${digest}::bytea`,
    });
    const isSame = wasComplete && stored.total === total() && (await isSameByName(tx, report, stored.dayNo, lines));
    const written = await replaceDay(tx, report, stored.dayNo, isSame ? columnsOfReading(columns) : columns, lines);
    // What the same sync wrote and reads again because it did not add up was never taken for the truth.
    const isMend = stored.writtenBy === sync.n && !stored.reconciled;
    if (wasComplete && !isSame && !isMend) await recordRestatement(tx, read, stored.total, written);
    const itself = sql`datemultirange(daterange(${day}::date, ${day}::date, '[]'))`;
    await tx.execute(addingDays(runOf(read), itself, !isSame));
    return isSame ? 'unchanged' : 'changed';
  });
}

const OF_READING = ['lines', 'digest', 'attempt', 'read_on', 'read_at', 'sync'];

/** Where nothing changed that is known by name, a day's state stays as it is, and so does who wrote it. */
function columnsOfReading(columns: DayColumns): DayColumns {
  return Object.fromEntries(Object.entries(columns).filter(([name]) => OF_READING.includes(name)));
}

function runOf({ connectionId, sync }: ReadDay): SyncRun {
  return { connectionId, ...sync };
}

/** The row of a day that holds what was just read. */
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
    sync: sql`${sync.n}::int`,
    written_by: sql`${sync.n}::int`,
  };
}

/** The row of a day, or null. Throws {@link ConnectionGoneError}. */
async function lookUp(
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

interface StoredRow extends Pick<
  typeof days.$inferSelect,
  'dayNo' | 'attempt' | 'digest' | 'readOn' | 'writtenBy' | 'reconciled'
> {
  readonly total: Decimal;
}

/** Locks a connection against a disconnect, and a day against other commits of it. Null when there is no such day. */
async function lockDay(tx: Db, { connectionId, report, day }: ReadDay): Promise<StoredRow | null> {
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
  return stored === undefined ? null : { ...stored, total: parseAnswer(decimalText, stored.total) };
}

async function recordRestatement(tx: Db, read: ReadDay, before: Decimal, written: Written): Promise<void> {
  const { connectionId, report, day } = read;
  await tx.insert(restatements).values({
    connectionId,
    report,
    day,
    before,
    after: written.total,
    linesAdded: written.added,
    linesRemoved: written.removed,
    linesChanged: written.changed,
    sync: read.sync.n,
  });
  const unit = report === 'cost' ? 'USD' : 'tokens';
  const { total, added, removed, changed } = written;
  const message =
    before === total
      ? `The ${report} of ${day} was restated: its total stayed ${total} ${unit}, but lines moved (${added} added, ${removed} removed, ${changed} changed).`
      : `The ${report} of ${day} was restated from ${before} to ${total} ${unit}.`;
  await addEvent(tx, connectionId, { type: 'restatement', message });
}

/** A window of days whose lines were read, held against the ungrouped totals of the report. */
export interface Comparison {
  readonly connectionId: string;
  readonly report: Report;
  readonly window: DayRange;
  readonly totals: Totals;
  readonly restatementDays: number;
  /** Where it is part of an attempt at reading: days that a newer one read since are held against its totals alone. */
  readonly attempt?: number;
}

/**
 * Marks every stored day of a window whose lines add up to its ungrouped total as reconciled, and as final where it
 * had settled when it was read last. The days that do not are provisional from then on, and are returned, oldest first.
 * A day whose total cannot be read stays as it is.
 */
export async function reconcileDays(db: Db, comparison: Comparison): Promise<Day[]> {
  const { connectionId, report, window, totals, restatementDays, attempt = null } = comparison;
  const isMine = attempt === null ? sql`true` : sql`d.attempt <= ${attempt}::bigint`;
  const asked = daysIn(window);
  const disagreeing = await rows(
    db,
    z.object({ day: dayJson }),
    sql`
      with asked as (
        select day::date, total::numeric
        from unnest(${textArray(asked)}, ${textArray(asked.map((day) => totalOf(totals, day)))}) as asked(day, total)
      ), agreed as (
        select d.day, d.total,
          case when d.read_on - d.day >= ${daysToSettle(restatementDays)}::int then 'final' else 'provisional' end as state
        from days d join asked on asked.day = d.day
        where d.connection_id = ${connectionId} and d.report = ${report} and d.total = asked.total and ${isMine}
      ), agreeing as (
        update days d set reconciled = true, disagrees_with = null, state = agreed.state
        from agreed
        where d.connection_id = ${connectionId} and d.report = ${report}
          and d.day = agreed.day and d.total = agreed.total and ${isMine}
          and (not d.reconciled or d.state <> agreed.state)
        returning d.day
      )
      , disagreeing as (
        update days d set reconciled = false, state = 'provisional'
        from asked
        where d.connection_id = ${connectionId} and d.report = ${report} and d.day = asked.day and d.total <> asked.total
          and ${isMine}
        returning d.day
      )
      select day::text from disagreeing order by day
    `,
  );
  return disagreeing.map(({ day }) => day);
}

/** Flags days whose lines stably disagree with their ungrouped totals. Twice is once. The next sync reads them again. */
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
        const message = `The lines of the ${report} of ${day} add up to ${stored.total}, while its total is reported as ${total}, twice.`;
        await addEvent(tx, connectionId, { type: 'day_flagged', message });
      }
    }
  });
}

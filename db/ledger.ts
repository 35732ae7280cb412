import { and, eq, gte, lte, sql } from 'drizzle-orm';
import { daysIn, type Day, type DayRange } from '../domain/days.ts';
import type { Report } from '../domain/lines.ts';
import { sameDecimal } from '../domain/money.ts';
import { isLive, type Status } from '../domain/statuses.ts';
import { daysToSettle, totalOf, type StoredDay, type Totals } from '../domain/reading.ts';
import { preparedRows, row, rows, textArray, type Db } from './database.ts';
import { addEvent } from './events.ts';
import { numberSeries, replaceDay, writeNewDay, type Written } from './lines.ts';
import { ConnectionGoneError } from './live.ts';
import { days, restatements } from './schema.ts';
import { addSyncDay } from './syncs.ts';
import type { DayContent } from './series.ts';

/** A whole day as it was just read. */
export interface ReadDay {
  readonly connectionId: string;
  readonly report: Report;
  readonly day: Day;
  readonly content: DayContent;
  /** From {@link takeAttempt}, taken before the first request of the attempt that read it. */
  readonly attempt: number;
  readonly sync: { readonly n: number; readonly runId: string };
  readonly today: Day;
  /** The total that was reported for the day just before; null where these lines are to be taken as they are. */
  readonly reported: string | null;
}

/**
 * What became of a day: `stale` when a newer read of it is stored already, `doubtful` when the lines do not add up to
 * the total that was reported, and would replace a day that was read complete. It must be read once more.
 */
export type DayOutcome = 'stale' | 'doubtful' | 'unchanged' | 'changed';

/** A number for an attempt at reading. A day is only ever replaced by an attempt with a higher one. */
export async function takeAttempt(db: Db): Promise<number> {
  const { attempt } = await row<{ attempt: string }>(db, sql`select nextval('read_attempts') as attempt`);
  return Number(attempt);
}

/** What is stored of the days of a report in a range, oldest first. A day that is not there is missing. */
export async function storedDays(db: Db, connectionId: string, report: Report, range: DayRange): Promise<StoredDay[]> {
  return db
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
}

/** The most lines that one of the last few stored days of a report has; 0 where none is stored. */
export async function mostLines(db: Db, connectionId: string, report: Report): Promise<number> {
  const { lines } = await row<{ lines: number }>(
    db,
    sql`
      select coalesce(max(lines), 0)::int as lines
      from (
        select lines from days where connection_id = ${connectionId} and report = ${report} order by day desc limit 7
      ) last
    `,
  );
  return lines;
}

/**
 * Replaces a whole day in one transaction: its lines, and its row in `days`. Writes no line when nothing changed, and
 * nothing at all when a newer attempt wrote the day already, or when lines that contradict their total would replace a
 * day that was read complete. A change to a day that had been read complete is kept as
 * a restatement; growth of a day that was not over is none. Throws {@link ConnectionGoneError}.
 */
export async function commitDay(db: Db, read: ReadDay): Promise<DayOutcome> {
  const { connectionId, report, day, attempt } = read;
  const { n: sync } = read.sync;
  const { lines, digest, total } = read.content;
  const readOn = read.today;
  const here = and(eq(days.connectionId, connectionId), eq(days.report, report), eq(days.day, day));
  const replace = async (tx: Db): Promise<DayOutcome | 'unnumbered'> => {
    await lockDay(tx, read);
    const [stored] = await tx
      .select({
        attempt: days.attempt,
        digest: days.digest,
        readOn: days.readOn,
        total: days.total,
        writtenBy: days.writtenBy,
        reconciled: days.reconciled,
      })
      .from(days)
      .where(here)
      .prepare('stored')
      .execute();
    if (stored !== undefined && stored.attempt >= attempt) return 'stale';
    if (stored?.digest.equals(digest)) {
      await tx
        .update(days)
        .set({ attempt, sync, readOn, readAt: sql`now()` })
        .where(here)
        .prepare('unchanged')
        .execute();
      await addSyncDay(tx, { connectionId, ...read.sync }, day, false);
      return 'unchanged';
    }
    const wasComplete = stored !== undefined && stored.readOn > day;
    const isDoubtful = (reported: string): boolean => !sameDecimal(reported, total());
    if (wasComplete && read.reported !== null && isDoubtful(read.reported)) return 'doubtful';
    if (lines.some(({ series }) => series.no === null)) return 'unnumbered';
    const columns = {
      connection_id: sql`${connectionId}::uuid`,
      report: sql`${report}::text`,
      day: sql`${day}::date`,
      state: sql`'provisional'`,
      reconciled: sql`false`,
      disagrees_with: sql`null::numeric`,
      lines: sql`${lines.length}::int`,
      digest: sql`${digest}::bytea`,
      attempt: sql`${attempt}::bigint`,
      read_on: sql`${readOn}::date`,
      read_at: sql`now()`,
      sync: sql`${sync}::int`,
      written_by: sql`${sync}::int`,
    };
    const write = stored === undefined ? writeNewDay : replaceDay;
    const written = await write(tx, report, columns, lines);
    // What the same sync wrote and reads again because it did not add up was never taken for the truth.
    const isMend = stored?.writtenBy === sync && !stored.reconciled;
    if (wasComplete && !isMend) await keepRestatement(tx, read, stored.total, written);
    await addSyncDay(tx, { connectionId, ...read.sync }, day, true);
    return 'changed';
  };
  for (;;) {
    // Most days are as they were, and need no numbers. It is a hint only: what counts is seen under the lock.
    const [hint] = await db.select({ digest: days.digest }).from(days).where(here).prepare('hint').execute();
    if (hint?.digest.equals(digest) !== true) await numberSeries(db, report, connectionId, lines);
    const outcome = await db.transaction(replace);
    if (outcome !== 'unnumbered') return outcome;
  }
}

/** Locks a connection against a disconnect, and a day against other commits of it, until the transaction ends. */
async function lockDay(tx: Db, { connectionId, report, day }: ReadDay): Promise<void> {
  const [found] = await preparedRows<{ status: Status }>(
    tx,
    sql`
      select status, pg_advisory_xact_lock(hashtextextended(${`${connectionId} ${report} ${day}`}, 0))
      from connections where id = ${connectionId} for key share
    `,
  );
  if (found === undefined || !isLive(found.status)) throw new ConnectionGoneError(connectionId);
}

async function keepRestatement(tx: Db, read: ReadDay, before: string, written: Written): Promise<void> {
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
  const message = `The ${report} of ${day} was restated from ${before} to ${written.total} ${unit}.`;
  await addEvent(tx, connectionId, { type: 'restatement', message });
}

/** A window of days whose lines were read, held against the ungrouped totals of the report. */
export interface Comparison {
  readonly connectionId: string;
  readonly report: Report;
  readonly window: DayRange;
  readonly totals: Totals;
  readonly restatementDays: number;
}

/**
 * Marks every stored day of a window whose lines add up to its ungrouped total as reconciled, and as final where it
 * had settled when it was read last. The days that do not are provisional from then on, and are returned, oldest first.
 */
export async function reconcileDays(db: Db, comparison: Comparison): Promise<Day[]> {
  const { connectionId, report, window, totals, restatementDays } = comparison;
  const asked = daysIn(window);
  const disagreeing = await rows<{ day: Day }>(
    db,
    sql`
      with asked as (
        select day::date, total::numeric
        from unnest(${textArray(asked)}, ${textArray(asked.map((day) => totalOf(totals, day)))}) as asked(day, total)
      ), agreed as (
        select d.day, d.total,
          case when d.read_on - d.day >= ${daysToSettle(restatementDays)}::int then 'final' else 'provisional' end as state
        from days d join asked on asked.day = d.day
        where d.connection_id = ${connectionId} and d.report = ${report} and d.total = asked.total
      ), agreeing as (
        update days d set reconciled = true, disagrees_with = null, state = agreed.state
        from agreed
        where d.connection_id = ${connectionId} and d.report = ${report}
          and d.day = agreed.day and d.total = agreed.total
          and (not d.reconciled or d.state <> agreed.state)
        returning d.day
      )
      , disagreeing as (
        update days d set reconciled = false, state = 'provisional'
        from asked
        where d.connection_id = ${connectionId} and d.report = ${report} and d.day = asked.day and d.total <> asked.total
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

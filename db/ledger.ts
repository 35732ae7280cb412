import { and, eq, gte, lte, sql } from 'drizzle-orm';
import { daysIn, type Day, type DayRange } from '../domain/days.ts';
import {
  COST_DIMENSIONS,
  USAGE_COUNTS,
  USAGE_DIMENSIONS,
  dollarsOf,
  tokensIn,
  type CostLine,
  type Dimensions,
  type Report,
  type UsageLine,
} from '../domain/lines.ts';
import { sameDecimal } from '../domain/money.ts';
import { daysToSettle, totalOf, type StoredDay, type Totals } from '../domain/reading.ts';
import { list, row, rows, textArray, type Db } from './database.ts';
import { addEvent } from './events.ts';
import { ConnectionGoneError, shareLive } from './live.ts';
import { days, restatements } from './schema.ts';
import { addSyncDay } from './syncs.ts';
import { columnOf, digestOf, extraOf, identifyCost, identifyUsage, type Identified } from './series.ts';

/** A whole day as it was just read. */
export type ReadDay = { readonly connectionId: string; readonly day: Day } & (
  | { readonly report: 'cost'; readonly lines: readonly CostLine[] }
  | { readonly report: 'usage'; readonly lines: readonly UsageLine[] }
) & {
    /** From {@link takeAttempt}, taken before the first request of the attempt that read it. */
    readonly attempt: number;
    readonly sync: { readonly n: number; readonly runId: string };
    readonly today: Day;
    /** The total that was reported for the day just before; null where these lines are to be taken as they are. */
    readonly reported: string | null;
  };

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

/**
 * Replaces a whole day in one transaction: its lines, and its row in `days`. Writes no line when nothing changed, and
 * nothing at all when a newer attempt wrote the day already, or when lines that contradict their total would replace a
 * day that was read complete. A change to a day that had been read complete is kept as
 * a restatement; growth of a day that was not over is none. Throws {@link ConnectionGoneError}.
 */
export async function commitDay(db: Db, read: ReadDay): Promise<DayOutcome> {
  const { connectionId, report, day, attempt } = read;
  const { n: sync } = read.sync;
  const { lines, digest, total, write } = contentOf(read);
  const readOn = read.today;
  return db.transaction(async (tx) => {
    if ((await shareLive(tx, connectionId)) === null) throw new ConnectionGoneError(connectionId);
    await tx.execute(sql`select pg_advisory_xact_lock(hashtextextended(${`${connectionId} ${report} ${day}`}, 0))`);
    const here = and(eq(days.connectionId, connectionId), eq(days.report, report), eq(days.day, day));
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
      .where(here);
    if (stored !== undefined && stored.attempt >= attempt) return 'stale';
    if (stored?.digest.equals(digest)) {
      await tx
        .update(days)
        .set({ attempt, sync, readOn, readAt: sql`now()` })
        .where(here);
      await addSyncDay(tx, { connectionId, ...read.sync }, day, false);
      return 'unchanged';
    }
    const wasComplete = stored !== undefined && stored.readOn > day;
    const isDoubtful = (reported: string): boolean => !sameDecimal(reported, total());
    if (wasComplete && read.reported !== null && isDoubtful(read.reported)) return 'doubtful';
    const written = await write(tx);
    const values = {
      state: 'provisional' as const,
      reconciled: false,
      disagreesWith: null,
      lines,
      total: written.total,
      digest,
      attempt,
      readOn,
      readAt: sql`now()`,
      sync,
      writtenBy: sync,
    };
    await tx
      .insert(days)
      .values({ connectionId, report, day, ...values })
      .onConflictDoUpdate({ target: [days.connectionId, days.report, days.day], set: values });
    // What the same sync wrote and reads again because it did not add up was never taken for the truth.
    const isMend = stored?.writtenBy === sync && !stored.reconciled;
    if (wasComplete && !isMend) await keepRestatement(tx, read, stored.total, written);
    await addSyncDay(tx, { connectionId, ...read.sync }, day, true);
    return 'changed';
  });
}

interface Written extends Record<string, unknown> {
  readonly added: number;
  readonly changed: number;
  readonly removed: number;
  readonly total: string;
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

interface Content {
  readonly lines: number;
  readonly digest: Buffer;
  /** What the lines add up to. */
  readonly total: () => string;
  readonly write: (tx: Db) => Promise<Written>;
}

function contentOf(read: ReadDay): Content {
  const { connectionId, day } = read;
  switch (read.report) {
    case 'cost': {
      const lines = identifyCost(read.lines);
      return {
        lines: lines.length,
        digest: digestOf(lines),
        total: () => dollarsOf(lines),
        write: (tx) => writeCost(tx, connectionId, day, lines),
      };
    }
    case 'usage': {
      const lines = identifyUsage(read.lines);
      return {
        lines: lines.length,
        digest: digestOf(lines),
        total: () => tokensIn(lines),
        write: (tx) => writeUsage(tx, connectionId, day, lines),
      };
    }
  }
}

/**
 * Stores the series that are not there yet. Those that are would burn a number of the identity each at an
 * `on conflict do nothing`, which a large organization would run out of in some years.
 */
async function addSeries(
  tx: Db,
  table: 'cost_series' | 'usage_series',
  known: readonly string[],
  connectionId: string,
  lines: readonly Identified<{ readonly dimensions: Dimensions }>[],
): Promise<void> {
  const missing = await rows<{ series_id: string }>(
    tx,
    sql`
      select asked.id as series_id
      from unnest(${textArray(lines.map((line) => line.seriesId))}) as asked(id)
      where not exists (
        select from ${sql.identifier(table)} s where s.connection_id = ${connectionId} and s.series_id = asked.id::uuid
      )
    `,
  );
  if (missing.length === 0) return;
  const wanted = new Set(missing.map(({ series_id }) => series_id));
  // In one order, so that two days with the same new series do not wait for each other in a circle.
  const added = lines.filter((line) => wanted.has(line.seriesId)).sort((a, b) => (a.seriesId < b.seriesId ? -1 : 1));
  const columns = known.map((name) => textArray(added.map(({ dimensions }) => columnOf(dimensions, name))));
  await tx.execute(sql`
    insert into ${sql.identifier(table)} (connection_id, series_id, extra, ${list(known.map((name) => sql.identifier(name)))})
    select ${connectionId}, new.series_id::uuid, new.extra::jsonb, ${list(known.map((name) => sql`new.${sql.identifier(name)}`))}
    from unnest(
      ${textArray(added.map((line) => line.seriesId))},
      ${textArray(added.map(({ dimensions }) => extraOf(dimensions, known)))},
      ${list(columns)}
    ) as new(series_id, extra, ${list(known.map((name) => sql.identifier(name)))})
    on conflict (connection_id, series_id) do nothing
  `);
}

async function writeCost(
  tx: Db,
  connectionId: string,
  day: Day,
  lines: readonly Identified<CostLine>[],
): Promise<Written> {
  await addSeries(tx, 'cost_series', COST_DIMENSIONS, connectionId, lines);
  return row<Written>(
    tx,
    sql`
      with incoming as (
        select s.series_no, s.currency, read.amount::numeric as amount
        from unnest(
          ${textArray(lines.map((line) => line.seriesId))},
          ${textArray(lines.map((line) => line.amount))}
        ) as read(series_id, amount)
        join cost_series s on s.connection_id = ${connectionId} and s.series_id = read.series_id::uuid
      ), removed as (
        delete from cost_lines l
        where l.connection_id = ${connectionId} and l.day = ${day}
          and not exists (select from incoming i where i.series_no = l.series_no)
        returning 1
      ), written as (
        insert into cost_lines (connection_id, day, series_no, amount)
        select ${connectionId}, ${day}, series_no, amount from incoming
        on conflict (connection_id, day, series_no) do update set amount = excluded.amount
          where cost_lines.amount is distinct from excluded.amount
        returning (xmax = 0) as added
      )
      select
        (select count(*) from written where added)::int as added,
        (select count(*) from written where not added)::int as changed,
        (select count(*) from removed)::int as removed,
        (select trim_scale(coalesce(sum(amount), 0)) from incoming where currency = 'USD')::text as total
    `,
  );
}

async function writeUsage(
  tx: Db,
  connectionId: string,
  day: Day,
  lines: readonly Identified<UsageLine>[],
): Promise<Written> {
  await addSeries(tx, 'usage_series', USAGE_DIMENSIONS, connectionId, lines);
  const names = list(USAGE_COUNTS.map((name) => sql.identifier(name)));
  const counts = list(USAGE_COUNTS.map((name) => textArray(lines.map((line) => String(line.counts[name])))));
  const extra = textArray(
    lines.map(({ extraCounts }) => (Object.keys(extraCounts).length === 0 ? null : JSON.stringify(extraCounts))),
  );
  return row<Written>(
    tx,
    sql`
      with incoming as (
        select s.series_no, read.extra_counts::jsonb as extra_counts,
          ${list(USAGE_COUNTS.map((name) => sql`read.${sql.identifier(name)}::bigint as ${sql.identifier(name)}`))}
        from unnest(${textArray(lines.map((line) => line.seriesId))}, ${extra}, ${counts})
          as read(series_id, extra_counts, ${names})
        join usage_series s on s.connection_id = ${connectionId} and s.series_id = read.series_id::uuid
      ), removed as (
        delete from usage_lines l
        where l.connection_id = ${connectionId} and l.day = ${day}
          and not exists (select from incoming i where i.series_no = l.series_no)
        returning 1
      ), written as (
        insert into usage_lines (connection_id, day, series_no, extra_counts, ${names})
        select ${connectionId}, ${day}, series_no, extra_counts, ${names} from incoming
        on conflict (connection_id, day, series_no) do update
          set extra_counts = excluded.extra_counts,
            ${list(USAGE_COUNTS.map((name) => sql`${sql.identifier(name)} = excluded.${sql.identifier(name)}`))}
          where (usage_lines.extra_counts, ${list(USAGE_COUNTS.map((name) => sql`usage_lines.${sql.identifier(name)}`))})
            is distinct from (excluded.extra_counts, ${list(USAGE_COUNTS.map((name) => sql`excluded.${sql.identifier(name)}`))})
        returning (xmax = 0) as added
      )
      select
        (select count(*) from written where added)::int as added,
        (select count(*) from written where not added)::int as changed,
        (select count(*) from removed)::int as removed,
        (
          select coalesce(sum(
            uncached_input_tokens::numeric + output_tokens + cache_read_input_tokens + cache_creation_5m + cache_creation_1h
          ), 0)
          from incoming
        )::text as total
    `,
  );
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

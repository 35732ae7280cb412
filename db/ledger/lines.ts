import { sql, type SQL } from 'drizzle-orm';
import { z } from 'zod';
import type { Day } from '../../domain/days.ts';
import type { DayContent } from '../../domain/day-content.ts';
import type { Report } from '../../domain/lines.ts';
import { list, numberArray, preparedRows, row, textArray, type Db } from '../core/database.ts';
import { dayJson, decimalText } from '../core/json.ts';
import { ConnectionGoneError, sharingLive } from '../connections/live.ts';
import { LINE_TABLES, sentLines, type LineTable } from './line-tables.ts';
import { addedCells, addingRollup, replacingRollup } from './rollup.ts';
import type { SeriesNumbers } from './series-numbers.ts';

/** The row of a day, by the names of its columns. Its `total` is added up by the statement that writes it. */
export type DayColumns = Readonly<Record<string, SQL>>;

/** A day that may have no row yet. */
export interface NewDay {
  readonly day: Day;
  readonly content: DayContent;
}

/**
 * Writes the days that have no row yet, all in one statement, and returns them. `columnsOf` gives the columns of a day's
 * row from the expressions that differ between days. The series of the lines are numbered. Throws
 * {@link ConnectionGoneError}.
 *
 * The lines of all days are sent as one set of arrays, and each day has a slice of them.
 */
export async function insertDays(
  db: Db,
  report: Report,
  connectionId: string,
  days: readonly NewDay[],
  numbers: SeriesNumbers,
  columnsOf: (of: { day: SQL; lines: SQL; digest: SQL }) => DayColumns,
): Promise<Day[]> {
  const table = LINE_TABLES[report];
  const columns = columnsOf({
    day: sql`asked.day`,
    lines: sql`asked.last - asked.first + 1`,
    digest: sql`asked.digest`,
  });
  const contents = days.map(({ content }) => content);
  const { names, sent, read, ofCells, groups, excluded, excludedCells } = sentLines(table, contents, numbers);
  const lastLines = runningTotals(contents.map(({ series }) => series.length));
  const firstLines = [1, ...lastLines.map((last) => last + 1)].slice(0, -1);
  const slice = sql`[asked.first:asked.last]`;
  const [inserted] = await preparedRows(
    db,
    z.object({ live: z.boolean(), days: z.array(dayJson) }),
    sql`
      with live as materialized (
        ${sharingLive(connectionId)}
      ), sent as materialized (
        select ${sent}
      ), asked as materialized (
        select day::date, decode(digest, 'hex') as digest, first, last
        from unnest(
          ${textArray(days.map(({ day }) => day))},
          ${textArray(contents.map(({ digest }) => Buffer.from(digest).toString('hex')))},
          ${numberArray('integer', firstLines)},
          ${numberArray('integer', lastLines)}
        ) as asked(day, digest, first, last)
      )${table.isRolledUp ? addedCells(ofCells(slice), excludedCells) : sql``}, day as (
        insert into days (${namesOf(columns)}, total)
        select ${list(Object.values(columns))}, ${
          table.isRolledUp
            ? sql`coalesce((select total from totals where totals.day = asked.day), 0)`
            : sql`(select ${table.total(excluded)} from sent, ${read(slice)})`
        }
        from live, asked
        on conflict (connection_id, report, day) do nothing
        returning day_no, day
      ), written as (
        insert into ${sql.identifier(table.lines)} (day_no, series_no, ${names})
        select day.day_no, read.*
        from day join asked using (day) cross join sent cross join lateral ${read(slice)}
      )${table.isRolledUp ? addingRollup(groups) : sql``}
      select exists (select from live) as live, array(select day::text from day) as days
    `,
  );
  if (inserted?.live !== true) throw new ConnectionGoneError(connectionId);
  return inserted.days;
}

function runningTotals(counts: readonly number[]): number[] {
  let total = 0;
  return counts.map((count) => (total += count));
}

const replacement = z.object({ added: z.int(), changed: z.int(), removed: z.int(), total: decimalText }).readonly();
/** How many lines of a day a replacement added, changed and removed, and the day's new total. */
export type Replacement = z.infer<typeof replacement>;

/** Replaces a day's row and its lines in one statement. A line that stays the same is not written. */
export function replaceDay(
  tx: Db,
  report: Report,
  dayNo: number,
  columns: DayColumns,
  content: DayContent,
  numbers: SeriesNumbers,
): Promise<Replacement> {
  const table = LINE_TABLES[report];
  const linesTable = sql.identifier(table.lines);
  const { names, sent, read, ofCells, groups, excluded } = sentLines(table, [content], numbers);
  return row(
    tx,
    replacement,
    sql`
      with sent as materialized (
        select ${sent}
      ), incoming as materialized (
        select read.* from sent, ${read()}
      ), day as (
        update days set
          (${namesOf(columns)}, total)
          = (${list(Object.values(columns))}, (select ${table.total(excluded)} from incoming as read))
        where day_no = ${dayNo}
        returning day_no, total
      ), removed as (
        delete from ${linesTable} l
        using day
        where l.day_no = day.day_no and not exists (select from incoming i where i.series_no = l.series_no)
        returning 1
      ), written as (
        insert into ${linesTable} (day_no, series_no, ${names})
        select day.day_no, incoming.* from incoming cross join day
        ${updateIfDifferent(table)}
      )${table.isRolledUp ? replacingRollup(sql`select line.* from sent cross join lateral ${ofCells()}`, groups) : sql``}
      select
        (select count(*) filter (where added) from written)::int as added,
        (select count(*) filter (where not added) from written)::int as changed,
        (select count(*) from removed)::int as removed,
        (select total from day)::text as total
    `,
  );
}

/** The end of an insert. `xmax` is 0 in a row that was inserted, and not in one that was updated. */
function updateIfDifferent(table: LineTable): SQL {
  const linesTable = sql.identifier(table.lines);
  const names = table.values.map(({ name }) => sql.identifier(name));
  return sql`
    on conflict (day_no, series_no) do update
      set ${list(names.map((name) => sql`${name} = excluded.${name}`))}
      where (${list(names.map((name) => sql`${linesTable}.${name}`))})
        is distinct from (${list(names.map((name) => sql`excluded.${name}`))})
    returning (xmax = 0) as added
  `;
}

/**
 * Whether lines equal the stored lines of a day in all that has a column, so that they can differ only in other fields.
 * Lines that add up to zero count as absent. The series of the lines are numbered.
 *
 * Stored lines count as they are and new ones negated: a set of dimensions whose sum is not zero has changed.
 */
export async function isSameByColumns(
  tx: Db,
  report: Report,
  dayNo: number,
  content: DayContent,
  numbers: SeriesNumbers,
): Promise<boolean> {
  const table = LINE_TABLES[report];
  const { sent, read } = sentLines(table, [content], numbers);
  const measures = table.measures.map((_, index) => sql.identifier(`measure_${index}`));
  const dimensions = list(table.dimensions.map((name) => sql`s.${sql.identifier(name)}`));
  const hasChanged = sql.join(
    measures.map((measure) => sql`sum(line.${measure}) <> 0`),
    sql` or `,
  );
  const { same } = await row(
    tx,
    z.object({ same: z.boolean() }),
    sql`
      with stored as (
        select series_no, ${list(table.measures)} from ${sql.identifier(table.lines)} line where day_no = ${dayNo}
      ), incoming as (
        select series_no, ${list(table.measures.map((measure) => sql`-${measure}`))}
        from (select read.* from (select ${sent}) sent, ${read()}) line
      ), both_signs as (
        select * from stored union all select * from incoming
      )
      select not exists (
        select
        from both_signs as line(series_no, ${list(measures)})
        join ${sql.identifier(table.series)} s using (series_no)
        group by ${dimensions}
        having ${hasChanged}
      ) as same
    `,
  );
  return same;
}

function namesOf(columns: DayColumns): SQL {
  return list(Object.keys(columns).map((name) => sql.identifier(name)));
}

import { sql, type SQL } from 'drizzle-orm';
import { z } from 'zod';
import type { Day } from '../../domain/days.ts';
import { COST_DIMENSIONS, USAGE_COUNTS, USAGE_DIMENSIONS, type Line, type Report } from '../../domain/lines.ts';
import { sortedByKey } from '../../domain/order.ts';
import { list, numberArray, preparedRows, row, textArray, type Db } from '../core/database.ts';
import { dayJson, decimalText } from '../core/json.ts';
import { ConnectionGoneError, sharingLive } from '../connections/live.ts';
import { columnOf, extraCountsOf, extraOf, type Identified, type Series } from './series.ts';
import { addingDays, type SyncRun } from './syncs.ts';

/** How the lines of a report are stored. */
interface LineTable {
  readonly series: 'cost_series' | 'usage_series';
  readonly lines: 'cost_lines' | 'usage_lines';
  /** The dimensions with a column of their own. */
  readonly dimensions: readonly string[];
  /** The columns of a line beside its day and its series. */
  readonly values: readonly { readonly name: string; readonly array: (lines: readonly Identified<Line>[]) => SQL }[];
  /** What lines add up to, over rows that are named `read`. `apart` are the numbers of series that are not added up. */
  readonly total: (apart: SQL) => SQL;
  /** What is known of a row that is named `line`: its amount, or its counts and the tokens that are not known by name. */
  readonly known: readonly SQL[];
}

const LINE_TABLES: Readonly<Record<Report, LineTable>> = {
  cost: {
    series: 'cost_series',
    lines: 'cost_lines',
    dimensions: COST_DIMENSIONS,
    values: [
      {
        name: 'amount',
        array: (lines) =>
          numberArray(
            'numeric',
            lines.map(({ line }) => ('amount' in line ? line.amount : '0')),
          ),
      },
    ],
    total: (apart) => sql`trim_scale(coalesce(sum(read.amount) filter (where read.series_no <> all(${apart})), 0))`,
    known: [sql`line.amount`],
  },
  usage: {
    series: 'usage_series',
    lines: 'usage_lines',
    dimensions: USAGE_DIMENSIONS,
    values: [
      ...USAGE_COUNTS.map((name) => ({
        name,
        array: (lines: readonly Identified<Line>[]): SQL =>
          numberArray(
            'bigint',
            lines.map(({ line }) => ('counts' in line ? line.counts[name] : 0)),
          ),
      })),
      {
        name: 'extra_counts',
        array: (lines) =>
          sql`${textArray(lines.map(({ line }) => ('counts' in line ? extraCountsOf(line) : null)))}::jsonb[]`,
      },
    ],
    total: () => sql`
      coalesce(sum(
        read.uncached_input_tokens::numeric + read.output_tokens + read.cache_read_input_tokens
          + read.cache_creation_5m + read.cache_creation_1h + coalesce(other_tokens(read.extra_counts), 0)
      ), 0)
    `,
    known: [
      ...USAGE_COUNTS.map((name) => sql`line.${sql.identifier(name)}::numeric`),
      sql`coalesce(other_tokens(line.extra_counts), 0)`,
    ],
  },
};

/**
 * Gives the series of lines their numbers, and stores those that are not there yet, each set of them in one statement
 * and apart from the days: a series without lines is nothing that anybody sees, and days that are written at the same
 * time then wait for each other for a moment only. With `areNew`, none is expected to be there. Throws
 * {@link ConnectionGoneError}.
 */
export async function numberSeries(
  db: Db,
  report: Report,
  connectionId: string,
  lines: readonly Identified<Line>[],
  areNew = false,
): Promise<void> {
  const unnumbered = [...new Set(lines.map(({ series }) => series).filter(({ no }) => no === null))];
  for (let from = 0; from < unnumbered.length; from += AT_ONCE) {
    await numberSome(db, LINE_TABLES[report], connectionId, unnumbered.slice(from, from + AT_ONCE), areNew);
  }
}

/** A statement with the dimensions of a hundred thousand series would take hundreds of megabytes. */
const AT_ONCE = 20_000;

async function numberSome(
  db: Db,
  sheet: LineTable,
  connectionId: string,
  series: readonly Series[],
  areNew: boolean,
): Promise<void> {
  const unnumbered = (): Series[] => series.filter(({ no }) => no === null);
  if (!areNew) await findNumbers(db, sheet, connectionId, series);
  await addSeries(db, sheet, connectionId, unnumbered());
  // Those that another transaction added meanwhile.
  await findNumbers(db, sheet, connectionId, unnumbered());
}

async function findNumbers(db: Db, sheet: LineTable, connectionId: string, series: readonly Series[]): Promise<void> {
  if (series.length === 0) return;
  // One text, since tens of thousands of rows would take longer to read than to find.
  const [found] = await preparedRows(
    db,
    z.object({ numbers: z.string() }),
    sql`
      select string_agg(coalesce(s.series_no, 0)::text, ',' order by asked.place) as numbers
      from unnest(${numberArray(
        'uuid',
        series.map(({ id }) => id),
      )}) with ordinality as asked(id, place)
      left join ${sql.identifier(sheet.series)} s on s.connection_id = ${connectionId} and s.series_id = asked.id
    `,
  );
  setNumbers(series, found?.numbers ?? '');
}

/** The numbers come as a text, in the order of the series; 0 where there is none. */
function setNumbers(series: readonly Series[], numbers: string): void {
  for (const [place, text] of numbers.split(',').entries()) {
    const known = series[place];
    if (known !== undefined && text !== '0') known.no = Number(text);
  }
}

/**
 * Only series that were not there: others would burn a number of the identity each at an `on conflict do nothing`.
 * Throws {@link ConnectionGoneError}.
 */
async function addSeries(db: Db, sheet: LineTable, connectionId: string, missing: readonly Series[]): Promise<void> {
  if (missing.length === 0) return;
  // In one order, so that two days with the same new series do not wait for each other in a circle.
  const added = [...missing].sort((a, b) => (a.id < b.id ? -1 : 1));
  const names = list(sheet.dimensions.map((name) => sql.identifier(name)));
  const columns = sheet.dimensions.map((name) => textArray(added.map(({ dimensions }) => columnOf(dimensions, name))));
  const [done] = await preparedRows(
    db,
    z.object({ numbers: z.string().nullable() }),
    sql`
      with live as materialized (
        ${sharingLive(connectionId)}
      ), missing as materialized (
        select * from unnest(
          ${numberArray(
            'uuid',
            added.map(({ id }) => id),
          )},
          ${textArray(added.map(({ dimensions }) => extraOf(dimensions, sheet.dimensions)))},
          ${list(columns)}
        ) with ordinality as made(series_id, extra, ${names}, place)
      ), added as (
        insert into ${sql.identifier(sheet.series)} (connection_id, series_id, extra, ${names})
        select live.id, series_id, extra::jsonb, ${names} from live, missing order by place
        on conflict (connection_id, series_id) do nothing
        returning series_id, series_no
      )
      select string_agg(coalesce(added.series_no, 0)::text, ',' order by missing.place) as numbers
      from live, missing left join added using (series_id)
    `,
  );
  if (done?.numbers == null) throw new ConnectionGoneError(connectionId);
  setNumbers(added, done.numbers);
}

const written = z.object({ added: z.int(), changed: z.int(), removed: z.int(), total: decimalText }).readonly();
/** What became of a day's lines. */
export type Written = z.infer<typeof written>;

/** A day's row, as values of its columns but for `total`. */
export type DayColumns = Readonly<Record<string, SQL>>;

/** A day, its lines and their digest. */
export interface DayOfLines {
  readonly day: Day;
  readonly lines: readonly Identified<Line>[];
  readonly digest: Buffer;
}

/**
 * Writes those of some days that have no row and so no lines yet, each whole, in one statement, and returns them.
 * `columnsOf` gives their row's columns by what differs between them. Throws {@link ConnectionGoneError}.
 *
 * The lines of all days are sent as one array, of which each day has a part. Postgres carries out the parts of a statement
 * that nothing reads from the last to the first; so the lines come last, and the row of the sync, for which other days
 * wait, is locked after they are written.
 */
export async function insertDays(
  db: Db,
  report: Report,
  run: SyncRun,
  days: readonly DayOfLines[],
  columnsOf: (of: { day: SQL; lines: SQL; digest: SQL }) => DayColumns,
): Promise<Day[]> {
  const sheet = LINE_TABLES[report];
  const columns = columnsOf({
    day: sql`asked.day`,
    lines: sql`asked.last - asked.first + 1`,
    digest: sql`asked.digest`,
  });
  const ordered = days.map(({ lines }) => sortedByKey(lines, numberOf));
  const { names, sent, read, apart } = valuesOf(sheet, ordered.length === 1 ? (ordered[0] ?? []) : ordered.flat());
  const ends = endsOf(ordered);
  const [inserted] = await preparedRows(
    db,
    z.object({ live: z.boolean(), days: z.array(dayJson) }),
    sql`
      with live as materialized (
        ${sharingLive(run.connectionId)}
      ), sent as materialized (
        select ${sent}
      ), asked as materialized (
        select day::date, decode(digest, 'hex') as digest, first, last
        from unnest(
          ${textArray(days.map(({ day }) => day))},
          ${textArray(days.map(({ digest }) => digest.toString('hex')))},
          ${numberArray('integer', [1, ...ends.map((end) => end + 1)].slice(0, -1))},
          ${numberArray('integer', ends)}
        ) as asked(day, digest, first, last)
      ), day as (
        insert into days (${namesOf(columns)}, total)
        select ${list(Object.values(columns))}, (
          select ${sheet.total(apart)} from sent, ${read(sql`[asked.first:asked.last]`)}
        )
        from live, asked
        on conflict (connection_id, report, day) do nothing
        returning day_no, day
      ), counted as (
        ${addingDays(run, sql`(select range_agg(daterange(day, day, '[]')) from day)`, true)}
      ), written as (
        insert into ${sql.identifier(sheet.lines)} (day_no, series_no, ${names})
        select day.day_no, read.*
        from day join asked using (day) cross join sent cross join lateral ${read(sql`[asked.first:asked.last]`)}
      )
      select exists (select from live) as live, array(select day::text from day) as days
    `,
  );
  if (inserted?.live !== true) throw new ConnectionGoneError(run.connectionId);
  return inserted.days;
}

/** How many lines there are up to the end of each day. */
function endsOf(days: readonly (readonly unknown[])[]): number[] {
  let end = 0;
  return days.map((lines) => (end += lines.length));
}

/** Replaces a day that has a row, its row and its lines, in one statement. A line that is as it was is not written. */
export function replaceDay(
  tx: Db,
  report: Report,
  dayNo: number,
  columns: DayColumns,
  lines: readonly Identified<Line>[],
): Promise<Written> {
  const sheet = LINE_TABLES[report];
  const table = sql.identifier(sheet.lines);
  const { names, sent, read, apart } = valuesOf(sheet, sortedByKey(lines, numberOf));
  return row(
    tx,
    written,
    sql`
      with incoming as materialized (
        select read.* from (select ${sent}) sent, ${read()}
      ), day as (
        update days set
          (${namesOf(columns)}, total)
          = (${list(Object.values(columns))}, (select ${sheet.total(apart)} from incoming as read))
        where day_no = ${dayNo}
        returning day_no, total
      ), removed as (
        ${deleteOthers(table)}
      ), written as (
        insert into ${table} (day_no, series_no, ${names})
        select day.day_no, incoming.* from incoming cross join day
        ${replacing(sheet)}
      )
      select
        (select count(*) filter (where added) from written)::int as added,
        (select count(*) filter (where not added) from written)::int as changed,
        (select count(*) from removed)::int as removed,
        (select total from day)::text as total
    `,
  );
}

/**
 * Whether lines add up to what is stored of a day by all that is known by name, so that they differ in other fields
 * alone. What adds up to zero counts as absent. The lines have their numbers.
 */
export async function isSameByName(
  tx: Db,
  report: Report,
  dayNo: number,
  lines: readonly Identified<Line>[],
): Promise<boolean> {
  const sheet = LINE_TABLES[report];
  const { sent, read } = valuesOf(sheet, sortedByKey(lines, numberOf));
  const numbers = sheet.known.map((_, index) => sql.identifier(`known_${index}`));
  const dimensions = list(sheet.dimensions.map((name) => sql`s.${sql.identifier(name)}`));
  const { same } = await row(
    tx,
    z.object({ same: z.boolean() }),
    sql`
      with stored as (
        select series_no, ${list(sheet.known)} from ${sql.identifier(sheet.lines)} line where day_no = ${dayNo}
      ), incoming as (
        select series_no, ${list(sheet.known.map((known) => sql`-${known}`))}
        from (select read.* from (select ${sent}) sent, ${read()}) line
      ), moved as (
        select * from stored union all select * from incoming
      )
      select not exists (
        select
        from moved as line(series_no, ${list(numbers)}) join ${sql.identifier(sheet.series)} s using (series_no)
        group by ${dimensions}
        having ${sql.join(
          numbers.map((name) => sql`sum(line.${name}) <> 0`),
          sql` or `,
        )}
      ) as same
    `,
  );
  return same;
}

function namesOf(columns: DayColumns): SQL {
  return list(Object.keys(columns).map((name) => sql.identifier(name)));
}

/** The statement's parts that are about lines. */
interface Values {
  /** The columns beside the day and the series. */
  readonly names: SQL;
  /** The arrays that are sent, each once, as columns of a row that is named `sent`. */
  readonly sent: SQL;
  /** The rows, or those in a part of the arrays, as a source named `read`, once `sent` is one. */
  readonly read: (part?: SQL) => SQL;
  /** The numbers of series that are not added up. */
  readonly apart: SQL;
}

/** The lines of a day are to be in the order of the index, which then grows at its end and stays small. */
function valuesOf(sheet: LineTable, lines: readonly Identified<Line>[]): Values {
  const columns = sheet.values.map(({ name }) => sql.identifier(name));
  const names = list(columns);
  const arrays = sheet.values.map(({ name, array }) => sql`${array(lines)} as ${sql.identifier(name)}`);
  const others = lines.filter(({ series }) => !series.isDollars).map(numberOf);
  return {
    names,
    sent: sql`${numberArray('integer', lines.map(numberOf))} as series_no, ${list(arrays)}`,
    read: (part = sql``) => {
      const parts = [sql.identifier('series_no'), ...columns].map((name) => sql`sent.${name}${part}`);
      return sql`unnest(${list(parts)}) as read(series_no, ${names})`;
    },
    apart: numberArray('integer', [...new Set(others)]),
  };
}

function numberOf({ series }: Identified<Line>): number {
  if (series.no === null) throw new Error('a series without its number');
  return series.no;
}

function deleteOthers(table: ReturnType<typeof sql.identifier>): SQL {
  return sql`
    delete from ${table} l
    using day
    where l.day_no = day.day_no and not exists (select from incoming i where i.series_no = l.series_no)
    returning 1
  `;
}

function replacing(sheet: LineTable): SQL {
  const table = sql.identifier(sheet.lines);
  const names = sheet.values.map(({ name }) => sql.identifier(name));
  return sql`
    on conflict (day_no, series_no) do update
      set ${list(names.map((name) => sql`${name} = excluded.${name}`))}
      where (${list(names.map((name) => sql`${table}.${name}`))})
        is distinct from (${list(names.map((name) => sql`excluded.${name}`))})
    returning (xmax = 0) as added
  `;
}

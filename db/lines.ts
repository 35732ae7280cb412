import { sql, type SQL } from 'drizzle-orm';
import { COST_DIMENSIONS, USAGE_COUNTS, USAGE_DIMENSIONS, type Line, type Report } from '../domain/lines.ts';
import { list, numberArray, preparedRows, row, textArray, type Db } from './database.ts';
import { ConnectionGoneError, shareLive } from './live.ts';
import { columnOf, extraOf, type Identified, type Series } from './series.ts';

/** How the lines of a report are stored. */
interface Sheet {
  readonly series: 'cost_series' | 'usage_series';
  readonly lines: 'cost_lines' | 'usage_lines';
  /** The dimensions with a column of their own. */
  readonly dimensions: readonly string[];
  /** The columns of a line beside its day and its series. */
  readonly values: readonly { readonly name: string; readonly array: (lines: readonly Identified<Line>[]) => SQL }[];
  /** What lines add up to, over the rows of `incoming`. `apart` are the numbers of series that are not added up. */
  readonly total: (apart: SQL) => SQL;
}

const SHEETS: Readonly<Record<Report, Sheet>> = {
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
    total: (apart) => sql`trim_scale(coalesce(sum(amount) filter (where series_no <> all(${apart})), 0))`,
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
        array: (lines) => sql`${textArray(lines.map(({ line }) => extraCountsOf(line)))}::jsonb[]`,
      },
    ],
    total: () => sql`
      coalesce(sum(
        uncached_input_tokens::numeric + output_tokens + cache_read_input_tokens + cache_creation_5m + cache_creation_1h
      ), 0)
    `,
  },
};

function extraCountsOf(line: Line): string | null {
  if (!('extraCounts' in line) || Object.keys(line.extraCounts).length === 0) return null;
  return JSON.stringify(line.extraCounts);
}

/**
 * Gives the series of lines their numbers, and stores those that are not there yet, in a transaction of its own where
 * `db` is none: a series without lines is nothing that anybody sees, and days that are written at the same time then
 * wait for each other for a moment only. Throws {@link ConnectionGoneError}.
 */
export async function numberSeries(
  db: Db,
  report: Report,
  connectionId: string,
  lines: readonly Identified<Line>[],
): Promise<void> {
  const unnumbered = lines.map(({ series }) => series).filter(({ no }) => no === null);
  for (let from = 0; from < unnumbered.length; from += AT_ONCE) {
    await numberSome(db, SHEETS[report], connectionId, unnumbered.slice(from, from + AT_ONCE));
  }
}

/** A statement with the dimensions of a hundred thousand series would take hundreds of megabytes. */
const AT_ONCE = 20_000;

async function numberSome(db: Db, sheet: Sheet, connectionId: string, series: readonly Series[]): Promise<void> {
  const unnumbered = (): Series[] => series.filter(({ no }) => no === null);
  await findNumbers(db, sheet, connectionId, series);
  const missing = unnumbered();
  if (missing.length === 0) return;
  const added = await db.transaction(async (tx) => {
    if ((await shareLive(tx, connectionId)) === null) throw new ConnectionGoneError(connectionId);
    return addSeries(tx, sheet, connectionId, missing);
  });
  added();
  // Those that another transaction added meanwhile.
  await findNumbers(db, sheet, connectionId, unnumbered());
}

async function findNumbers(db: Db, sheet: Sheet, connectionId: string, series: readonly Series[]): Promise<void> {
  if (series.length === 0) return;
  // One text, since tens of thousands of rows would take longer to read than to find.
  const [found] = await preparedRows<{ numbers: string }>(
    db,
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
 * Returns what sets their numbers, once they are committed.
 */
async function addSeries(tx: Db, sheet: Sheet, connectionId: string, missing: readonly Series[]): Promise<() => void> {
  // In one order, so that two days with the same new series do not wait for each other in a circle.
  const added = [...missing].sort((a, b) => (a.id < b.id ? -1 : 1));
  const names = list(sheet.dimensions.map((name) => sql.identifier(name)));
  const columns = sheet.dimensions.map((name) => textArray(added.map(({ dimensions }) => columnOf(dimensions, name))));
  const { numbers } = await row<{ numbers: string }>(
    tx,
    sql`
      with missing as materialized (
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
        select ${connectionId}, series_id, extra::jsonb, ${names} from missing order by place
        on conflict (connection_id, series_id) do nothing
        returning series_id, series_no
      )
      select string_agg(coalesce(added.series_no, 0)::text, ',' order by missing.place) as numbers
      from missing left join added using (series_id)
    `,
  );
  return () => {
    setNumbers(added, numbers);
  };
}

/** What became of a day's lines. */
export interface Written extends Record<string, unknown> {
  readonly added: number;
  readonly changed: number;
  readonly removed: number;
  readonly total: string;
}

/** A day's row, as values of its columns but for `total`. */
export type DayColumns = Readonly<Record<string, SQL>>;

/** Writes a day that has no row and so no lines yet, in one statement. */
export async function writeNewDay(
  tx: Db,
  report: Report,
  day: DayColumns,
  lines: readonly Identified<Line>[],
): Promise<Written> {
  const sheet = SHEETS[report];
  const { columns, read, apart } = valuesOf(sheet, lines);
  const [written] = await preparedRows<{ total: string }>(
    tx,
    sql`
      with day as (
        insert into days (${columnsOf(day)}, total)
        select ${list(Object.values(day))}, (select ${sheet.total(apart)} from ${read})
        returning day_no, total
      ), written as (
        insert into ${sql.identifier(sheet.lines)} (day_no, series_no, ${columns})
        select (select day_no from day), read.* from ${read}
      )
      select total::text from day
    `,
  );
  if (written === undefined) throw new Error('storing a day gave no total');
  return { added: lines.length, changed: 0, removed: 0, total: written.total };
}

/** Replaces a day, its row and its lines, in one statement. A line that is as it was is not written. */
export function replaceDay(
  tx: Db,
  report: Report,
  day: DayColumns,
  lines: readonly Identified<Line>[],
): Promise<Written> {
  const sheet = SHEETS[report];
  const table = sql.identifier(sheet.lines);
  const { columns, read, apart } = valuesOf(sheet, lines);
  const excluded = [...Object.keys(day), 'total'].map(
    (name) => sql`${sql.identifier(name)} = excluded.${sql.identifier(name)}`,
  );
  return row<Written>(
    tx,
    sql`
      with incoming as materialized (
        select * from ${read}
      ), day as (
        insert into days (${columnsOf(day)}, total)
        select ${list(Object.values(day))}, (select ${sheet.total(apart)} from incoming)
        on conflict (connection_id, report, day) do update set ${list(excluded)}
        returning day_no, total
      ), removed as (
        ${deleteOthers(table)}
      ), written as (
        insert into ${table} (day_no, series_no, ${columns})
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

function columnsOf(day: DayColumns): SQL {
  return list(Object.keys(day).map((name) => sql.identifier(name)));
}

/**
 * What is stored of lines: the columns, the rows as a source named `read`, and the series that are not added up. The
 * rows are in the order of the index, which then grows at its end and stays small.
 */
function valuesOf(sheet: Sheet, lines: readonly Identified<Line>[]): { columns: SQL; read: SQL; apart: SQL } {
  const ordered = [...lines].sort((a, b) => numberOf(a) - numberOf(b));
  const columns = list(sheet.values.map(({ name }) => sql.identifier(name)));
  const arrays = sheet.values.map(({ array }) => array(ordered));
  return {
    columns,
    read: sql`unnest(${numberArray('integer', ordered.map(numberOf))}, ${list(arrays)}) as read(series_no, ${columns})`,
    apart: numberArray('integer', ordered.filter(({ series }) => !series.isDollars).map(numberOf)),
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

function replacing(sheet: Sheet): SQL {
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

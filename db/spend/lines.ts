import { sql, type SQL } from 'drizzle-orm';
import { CELL_AMOUNTS, CELL_DIMENSIONS, TOKEN_COUNTS, TOKEN_TYPES, type Report } from '../../domain/lines.ts';
import { grainOf, isGrain, tagOf, type Dimension, type SpendQuery } from '../../domain/spend/query.ts';
import { isCounted, keyOf, rawColumns, rawNames, withTags } from './groups.ts';
import { placedDays } from './scope.ts';
import { list } from '../core/database.ts';
import { wholeOf } from '../ledger/rollup.ts';

/** The tables in which lines of a report are kept. */
export interface LineSource {
  readonly report: Report;
  /** The lines `l`, one per day and number. */
  readonly lines: SQL;
  /** What the lines are about, `s`, one per number. */
  readonly series: SQL;
  /** The column that both have. */
  readonly number: SQL;
  /** In cells, whether the amounts of a cell are added up, or stay apart by their token type. */
  readonly cells?: 'added up' | 'by token type';
}

/** Lines of cost, and what each is about. */
export const COST_LINES: LineSource = {
  report: 'cost',
  lines: sql.raw('cost_lines'),
  series: sql.raw('cost_series'),
  number: sql.raw('series_no'),
};

/** The sums that the ledger keeps of lines of cost: fewer by far, and about nothing but {@link ROLLUP_DIMENSIONS}. */
export const COST_ROLLUP: LineSource = { ...COST_LINES, lines: sql.raw('cost_rollup') };
const ROLLUP_DIMENSIONS: readonly Dimension[] = ['connection', 'workspace', 'model', 'cost_type', 'currency'];

/** Other sums that it keeps: more than those of the rollup, and about everything but descriptions. */
const COST_CELLS: LineSource = { ...COST_LINES, lines: sql.raw('cost_cells'), cells: 'added up' };
const COST_CELLS_BY_TYPE: LineSource = { ...COST_CELLS, cells: 'by token type' };

/** What the costs of a query are added up from, if these dimensions matter beside its groups and filters. */
export function costLinesFor({ filters, groupBy }: SpendQuery, others: readonly Dimension[] = []): LineSource {
  const groups = groupBy.filter((group) => !isGrain(group));
  const dimensions = [...groups, ...filters.map(({ dimension }) => dimension), ...others];
  if (dimensions.every((dimension) => tagOf(dimension) !== null || ROLLUP_DIMENSIONS.includes(dimension))) {
    return COST_ROLLUP;
  }
  if (dimensions.includes('description')) return COST_LINES;
  return dimensions.includes('token_type') ? COST_CELLS_BY_TYPE : COST_CELLS;
}

/** Lines of usage, and what each is about. */
export const USAGE_LINES: LineSource = {
  report: 'usage',
  lines: sql.raw('usage_lines'),
  series: sql.raw('usage_series'),
  number: sql.raw('series_no'),
};

/** A number that is added up, by the name of its column. In a comparison, `<name>_before` has the earlier range. */
export type Measure = string;

/** The columns that the sums of these measures have. */
export function sumNames({ comparison }: SpendQuery, measures: readonly Measure[]): string[] {
  return comparison === null ? [...measures] : measures.flatMap((name) => [name, `${name}_before`]);
}

/** Sums of each column, under its own name. */
export function sumsOf(names: readonly string[]): SQL {
  return list(names.map((name) => sql`sum(${sql.identifier(name)}) as ${sql.identifier(name)}`));
}

/** A column by its name, and what it is made of. */
export interface Column {
  readonly name: SQL;
  readonly from: SQL;
}

/** The currency of a series of costs. */
export const CURRENCY: Column = { name: sql`currency`, from: sql`s.currency` };

/**
 * A statement that adds lines up by {@link rawColumns} and these other columns of their series `s`. Needs `asked`, the days
 * of the report and, for tags, `workspaces_now`.
 */
export function addedUp(
  query: SpendQuery,
  source: LineSource,
  measures: readonly Measure[],
  more: readonly Column[] = [],
): SQL {
  const names = sumNames(query, measures);
  const groups = [...rawNames(query), ...more.map(({ name }) => name)];
  return sql`
    select ${list([...rawColumns(query), ...more.map(({ name, from }) => sql`${from} as ${name}`), sumsOf(names)])}
    from ${withSeries(query, source, measures)}
    where ${isCounted(query)}
    ${groups.length === 0 ? sql`` : sql`group by ${list(groups)}`}
  `;
}

/** Lines `l` with what they are about, `s`, as the rest of a `from`. */
function withSeries(query: SpendQuery, source: LineSource, measures: readonly Measure[]): SQL {
  const { series, number, cells } = source;
  if (cells !== undefined) return cellsWithSeries(query, source);
  return sql`(${placedLines(query, source, measures)}) l join ${series} s on s.${number} = l.${number}`;
}

/** The dimensions of a cell, from the series `c` that stands for it. */
const OF_CELL = sql.raw(['connection_id', 'unit_id', ...CELL_DIMENSIONS].map((name) => `c.${name}`).join(', '));

/** As {@link withSeries}: each `amount` of a cell, or their sum, where the cell has any. */
function cellsWithSeries(query: SpendQuery, source: LineSource): SQL {
  const names = sumNames(query, ['amount']);
  const suffixes = names.map((name) => name.slice('amount'.length));
  const typeOf = (kind: number): SQL =>
    kind === 0
      ? sql`case when c.token_kind is null then c.token_type end`
      : sql.raw(`'${TOKEN_TYPES[TOKEN_COUNTS[kind - 1] ?? 'output_tokens']}'`);
  const apart = CELL_AMOUNTS.map(
    (name, kind) => sql`(${list([typeOf(kind), ...suffixes.map((suffix) => sql.raw(`l.${name}${suffix}`))])})`,
  );
  const added = sql`(${list([sql`null::text`, ...suffixes.map((suffix) => wholeOf(sql`l`, suffix))])})`;
  const isThere = names.map((name) => sql`k.${sql.raw(name)} is not null`);
  return sql`
    (
      select l.bucket, ${OF_CELL}, k.*
      from (${placedLines(query, source, CELL_AMOUNTS)}) l
      join cost_series c on c.series_no = l.series_no
      join lateral (values ${source.cells === 'added up' ? added : list(apart)}) k(token_type, ${sql.raw(names.join(', '))})
        on ${sql.join(isThere, sql` or `)}
    ) s
    cross join lateral (select s.bucket) l
  `;
}

/**
 * The lines with their `bucket`, their number and their measures, each measure in the column of its range. Where many days
 * come together, each number is added up first, which halves the time, since numbers are faster to group than texts.
 */
export function placedLines(
  query: SpendQuery,
  { report, lines, number }: LineSource,
  measures: readonly Measure[],
): SQL {
  const isFirstAddedUp = grainOf(query) !== 'day' && query.filters.every(({ dimension }) => dimension === 'connection');
  const columns = measures.flatMap((name) => {
    const column = sql.identifier(name);
    const before = sql.identifier(`${name}_before`);
    if (query.comparison === null) return [isFirstAddedUp ? sql`sum(l.${column}) as ${column}` : sql`l.${column}`];
    return isFirstAddedUp
      ? [
          sql`sum(l.${column}) filter (where not d.is_before) as ${column}`,
          sql`sum(l.${column}) filter (where d.is_before) as ${before}`,
        ]
      : [
          sql`case when not d.is_before then l.${column} end as ${column}`,
          sql`case when d.is_before then l.${column} end as ${before}`,
        ];
  });
  return sql`
    select ${list([sql`d.bucket`, sql`l.${number}`, ...columns])}
    from (${placedDays(query, report)}) d
    join ${lines} l on l.day_no = d.day_no
    ${isFirstAddedUp ? sql`group by d.bucket, l.${number}` : sql``}
  `;
}

/**
 * The part `keyed`, or one by another name: the rows of the part `grouped` by their key and the columns `more`, with these
 * sums. Workspaces with the same tags come together only here.
 */
export function keyed(
  query: SpendQuery,
  names: readonly string[],
  more: readonly SQL[] = [],
  where: SQL = sql``,
  name = 'keyed',
): SQL {
  const columns = [sql`${keyOf(query)} as key`, ...more, ...names.map((column) => sql.identifier(column))];
  const keys = sql`select ${list(columns)} from ${withTags(query, sql`grouped`)} ${where}`;
  const part = sql.raw(name);
  // Not materialized, since a count of rows needs no keys, which take long to write down.
  if (!query.groupBy.some((group) => tagOf(group) !== null)) return sql`${part} as not materialized (${keys})`;
  const groups = list([sql`key`, ...more]);
  return sql`${part} as (select ${groups}, ${sumsOf(names)} from (${keys}) each_key group by ${groups})`;
}

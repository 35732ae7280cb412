import { sql, type SQL } from 'drizzle-orm';
import { COST_DIMENSIONS, USAGE_COUNTS, USAGE_DIMENSIONS, type Line, type Report } from '../../domain/lines.ts';
import { list, numberArray, textArray } from '../core/database.ts';
import { extraCountsJson, type Identified } from './day-content.ts';

/** How the lines of a report are stored: what the statements that write lines need to know of its two tables. */
export interface LineTable {
  readonly series: 'cost_series' | 'usage_series';
  readonly lines: 'cost_lines' | 'usage_lines';
  /** The dimensions that have a column in the table of series. */
  readonly dimensions: readonly string[];
  /** The columns of a line beside its day and its series, each with the array that holds them for many lines. */
  readonly values: readonly { readonly name: string; readonly array: (lines: readonly Identified<Line>[]) => SQL }[];
  /** The total over rows named `read`, without the series whose numbers are in the array `excluded`. */
  readonly total: (excluded: SQL) => SQL;
  /** The numbers of a row named `line` that decide whether a day changed: its amount, or its counts and its other tokens. */
  readonly measures: readonly SQL[];
}

/** The tables of each report. */
export const LINE_TABLES: Readonly<Record<Report, LineTable>> = {
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
    total: (excluded) =>
      sql`trim_scale(coalesce(sum(read.amount) filter (where read.series_no <> all(${excluded})), 0))`,
    measures: [sql`line.amount`],
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
          sql`${textArray(lines.map(({ line }) => ('counts' in line ? extraCountsJson(line) : null)))}::jsonb[]`,
      },
    ],
    total: () => sql`
      coalesce(sum(
        read.uncached_input_tokens::numeric + read.output_tokens + read.cache_read_input_tokens
          + read.cache_creation_5m + read.cache_creation_1h + coalesce(other_tokens(read.extra_counts), 0)
      ), 0)
    `,
    measures: [
      ...USAGE_COUNTS.map((name) => sql`line.${sql.identifier(name)}::numeric`),
      sql`coalesce(other_tokens(line.extra_counts), 0)`,
    ],
  },
};

/** Lines as they are sent: one array per column, since a parameter per value would be too many. */
export interface SentLines {
  /** The names of the columns beside the day and the series. */
  readonly names: SQL;
  /** The arrays, each sent once, as the columns of a row that the statement names `sent`. */
  readonly sent: SQL;
  /** The lines as a table named `read`, made from `sent`; `slice` takes a part of each array. */
  readonly read: (slice?: SQL) => SQL;
  /** The numbers of the series that the total leaves out: they are not in US dollars. */
  readonly excluded: SQL;
}

/** Lines as parts of a statement. Give them in the order of {@link numberOf}, so that the index grows at its end. */
export function sentLines(table: LineTable, lines: readonly Identified<Line>[]): SentLines {
  const columns = table.values.map(({ name }) => sql.identifier(name));
  const names = list(columns);
  const arrays = table.values.map(({ name, array }) => sql`${array(lines)} as ${sql.identifier(name)}`);
  const others = lines.filter(({ series }) => !series.isDollars).map(numberOf);
  return {
    names,
    sent: sql`${numberArray('integer', lines.map(numberOf))} as series_no, ${list(arrays)}`,
    read: (slice = sql``) => {
      const slices = [sql.identifier('series_no'), ...columns].map((name) => sql`sent.${name}${slice}`);
      return sql`unnest(${list(slices)}) as read(series_no, ${names})`;
    },
    excluded: numberArray('integer', [...new Set(others)]),
  };
}

/** The number of a line's series, which `numberSeries` has set. */
export function numberOf({ series }: Identified<Line>): number {
  if (series.no === null) throw new Error('a line was written before its series had a number');
  return series.no;
}

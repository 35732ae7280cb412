import { sql, type SQL } from 'drizzle-orm';
import type { CostContent, DayContent, ExtraCounts, UsageContent } from '../../domain/day-content.ts';
import { COST_DIMENSIONS, USAGE_COUNTS, USAGE_DIMENSIONS, type Count, type Report } from '../../domain/lines.ts';
import { orderByKey } from '../../domain/order.ts';
import { elementOf, elementsArray, list, numberArray, type ArrayType } from '../core/database.ts';
import type { SeriesNumbers } from './series-numbers.ts';

/** How the lines of a report are stored: what the statements that write lines need to know of its two tables. */
export interface LineTable {
  readonly series: 'cost_series' | 'usage_series';
  readonly lines: 'cost_lines' | 'usage_lines';
  /** The dimensions that have a column in the table of series. */
  readonly dimensions: readonly string[];
  /** Whether its lines are rolled up. */
  readonly isRolledUp: boolean;
  /** The columns of a line beside its day and its series. */
  readonly values: readonly LineColumn[];
  /** The total over rows named `read`, without the series whose numbers are in the array `excluded`. */
  readonly total: (excluded: SQL) => SQL;
  /** The numbers of a row named `line` that decide whether a day changed: its amount, or its counts and its other tokens. */
  readonly measures: readonly SQL[];
}

/** A column of lines. */
interface LineColumn {
  readonly name: string;
  readonly type: 'numeric' | 'bigint' | 'jsonb';
  /** Its values of a day's lines in this order, as elements of an array, separated by commas. */
  readonly spell: (content: DayContent, order: Int32Array) => string;
}

/** The tables of each report. */
export const LINE_TABLES: Readonly<Record<Report, LineTable>> = {
  cost: {
    series: 'cost_series',
    lines: 'cost_lines',
    dimensions: COST_DIMENSIONS,
    isRolledUp: true,
    values: [
      {
        name: 'amount',
        type: 'numeric',
        spell: (content, order) => (content.report === 'cost' ? spellAmounts(content, order) : ''),
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
    isRolledUp: false,
    values: [
      ...USAGE_COUNTS.map((name): LineColumn => ({
        name,
        type: 'bigint',
        spell: (content, order) => (content.report === 'usage' ? spellCounts(content.counts[name], order) : ''),
      })),
      {
        name: 'extra_counts',
        type: 'jsonb',
        spell: (content, order) => (content.report === 'usage' ? spellExtraCounts(content, order) : ''),
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
  /**
   * The amounts of the lines as a table named `line`, if they are rolled up: each with the number of the series that stands
   * for its cell, and its kind.
   */
  readonly ofCells: (slice?: SQL) => SQL;
  /** A table named `cell`: of each `cell_no` of the lines a number for its group, which any two cells of one group share. */
  readonly groups: SQL;
  /** The numbers of the series that the total leaves out, since they are not in US dollars; and of their cells. */
  readonly excluded: SQL;
  readonly excludedCells: SQL;
}

const COMMA = 44;

/** Bytes are copied without a text for each amount: these would fill the memory as fast as it can be collected. */
function spellAmounts({ amounts, ends }: CostContent, order: Int32Array): string {
  const spelled = Buffer.allocUnsafe(amounts.length + order.length);
  let at = 0;
  for (const line of order) {
    const end = ends[line] ?? 0;
    for (let from = line === 0 ? 0 : (ends[line - 1] ?? 0); from < end; from += 1) {
      spelled[at] = amounts[from] ?? 0;
      at += 1;
    }
    spelled[at] = COMMA;
    at += 1;
  }
  return spelled.toString('latin1', 0, Math.max(0, at - 1));
}

function spellCounts(counts: ArrayLike<Count>, order: Int32Array): string {
  if (!(counts instanceof Float64Array)) return Array.from(order, (line) => counts[line] ?? 0).join(',');
  const ordered = new Float64Array(order.length);
  for (let place = 0; place < order.length; place += 1) ordered[place] = counts[order[place] ?? 0] ?? 0;
  return ordered.join(',');
}

/** As JSON numbers with every digit. */
function spellExtraCounts({ extraCounts }: UsageContent, order: Int32Array): string {
  const spell = (line: number): string => {
    const extra = extraCounts.get(line);
    return elementOf(extra === undefined ? null : jsonOf(extra));
  };
  return Array.from(order, spell).join(',');
}

function jsonOf(extra: ExtraCounts): string {
  return `{${Object.entries(extra)
    .map(([path, count]) => `${JSON.stringify(path)}:${count}`)
    .join(',')}}`;
}

/**
 * The lines of days, one day behind the other, as parts of a statement. Each day is in the order of its numbers, so that
 * the index grows at its end.
 */
export function sentLines(table: LineTable, days: readonly DayContent[], numbers: SeriesNumbers): SentLines {
  const columns = table.values.map(({ name }) => sql.identifier(name));
  const names = list(columns);
  const ordered = days.map((content) => inOrder(content, numbers));
  const arrayOf = (type: ArrayType, spell: (day: OrderedDay) => string): SQL =>
    elementsArray(
      type,
      ordered.map(spell).filter((text) => text !== ''),
    );
  const arrays = table.values.map(
    ({ name, type, spell }) =>
      sql`${arrayOf(type, ({ content, order }) => spell(content, order))} as ${sql.identifier(name)}`,
  );
  const others = days.flatMap((content) =>
    content.report === 'cost' ? content.notDollars.map((line) => numbers.of(content.series[line] ?? -1)) : [],
  );
  const cells = table.isRolledUp ? ordered.map((day) => cellsOf(day, numbers)) : [];
  const groups = new Map(cells.flatMap((ofDay) => [...ofDay.groups]));
  const otherCells = cells.flatMap(({ notDollars }) => notDollars);
  if (table.isRolledUp) {
    arrays.push(
      sql`${elementsArray(
        'bigint',
        cells.flatMap(({ numbered }) => (numbered.length === 0 ? [] : [numbered.join(',')])),
      )} as cell`,
    );
  }
  return {
    names,
    sent: sql`${arrayOf('integer', (day) => day.numbers.join(','))} as series_no, ${list(arrays)}`,
    ofCells: (slice = sql``) => sql`(
      select (cell >> ${KIND_BITS})::integer as cell_no, cell & ${KIND_MASK} as kind, amount
      from unnest(sent.cell${slice}, sent.amount${slice}) as line(cell, amount)
    ) line`,
    groups: sql`unnest(
      ${numberArray('integer', [...groups.keys()])}, ${numberArray('integer', [...groups.values()])}
    ) as cell(cell_no, group_no)`,
    read: (slice = sql``) => {
      const slices = [sql.identifier('series_no'), ...columns].map((name) => sql`sent.${name}${slice}`);
      return sql`unnest(${list(slices)}) as read(series_no, ${names})`;
    },
    excluded: numberArray('integer', [...new Set(others)]),
    excludedCells: numberArray('integer', [...new Set(otherCells)]),
  };
}

/** A day, its lines in the order of the numbers of their series, and these numbers in that order. */
interface OrderedDay {
  readonly content: DayContent;
  readonly order: Int32Array;
  readonly numbers: Int32Array;
}

function inOrder(content: DayContent, numbers: SeriesNumbers): OrderedDay {
  const ofLines = content.series.map((place) => numbers.of(place));
  const order = orderByKey(ofLines);
  return { content, order, numbers: order.map((line) => ofLines[line] ?? 0) };
}

/** A cell and a kind in one number, as {@link SentLines.ofCells} takes them apart. */
const KIND_BITS = sql.raw('3');
const KIND_MASK = sql.raw('7');
const KINDS = 8;

interface DayCells {
  /** Of each line in their order the number of the series that stands for its cell, and the kind of the line, in one. */
  readonly numbered: Float64Array;
  /** Of each cell, by the number of that series, a number for its group. */
  readonly groups: ReadonlyMap<number, number>;
  /** The numbers of the cells that are not in US dollars. */
  readonly notDollars: readonly number[];
}

/** The lowest series that the day has of a cell stands for it. */
function cellsOf({ content, order, numbers: ofLines }: OrderedDay, numbers: SeriesNumbers): DayCells {
  const known = new Map<number, number>();
  const groups = new Map<number, number>();
  const numbered = new Float64Array(order.length);
  // Entries would be an object for each line.
  for (let at = 0; at < order.length; at += 1) {
    const place = content.series[order[at] ?? 0] ?? -1;
    const cell = numbers.cellOf(place);
    let number = known.get(cell);
    if (number === undefined) {
      number = ofLines[at] ?? 0;
      known.set(cell, number);
      groups.set(number, numbers.groupOf(place));
    }
    numbered[at] = number * KINDS + numbers.kindOf(place);
  }
  const others = content.report === 'cost' ? content.notDollars : [];
  const notDollars = others.map((line) => known.get(numbers.cellOf(content.series[line] ?? -1)) ?? 0);
  return { numbered, groups, notDollars };
}

import { readDays, readTotals } from '../../anthropic/report.ts';
import type { AnthropicReader } from '../../anthropic/transport.ts';
import { SeriesNumbers } from '../../db/ledger/series-numbers.ts';
import {
  amountsOf,
  sizeOf,
  type CostContent,
  type DayContent,
  type NewSeries,
  type UsageContent,
} from '../../domain/day-content.ts';
import { addDays, toDay, type Day, type DayRange } from '../../domain/days.ts';
import { USAGE_COUNTS, type Dimensions, type Json, type Report, type UsageCount } from '../../domain/lines.ts';
import { NO_COUNTS, type CostLine, type UsageLine } from './lines.ts';
import type { Decimal } from '../../domain/money.ts';
import type { Totals } from '../../domain/reading.ts';
import { pageReaderHere, type PageReader } from '../../pages/page-reader.ts';
import { beginReading, type ReadPage } from '../../pages/reading.ts';

/** A day, and its lines as objects again. */
export interface CostDay {
  readonly day: Day;
  readonly lines: readonly CostLine[];
}

export interface UsageDay {
  readonly day: Day;
  readonly lines: readonly UsageLine[];
}

/** The series of a reading, made dimensions again. */
export class SeriesRead {
  readonly #dimensions = new Map<number, Dimensions>();
  readonly #ids = new Map<number, string>();

  add(series: NewSeries): this {
    for (let index = 0; index < sizeOf(series); index += 1) {
      this.#dimensions.set(series.first + index, dimensionsAt(series, index));
      this.#ids.set(series.first + index, series.ids.slice(index * 32, (index + 1) * 32));
    }
    return this;
  }

  dimensionsOf(place: number): Dimensions {
    return known(this.#dimensions.get(place));
  }

  idOf(place: number): string {
    return known(this.#ids.get(place));
  }

  /** The lines of a day of cost. */
  costLines(content: DayContent): CostLine[] {
    const amounts = amountsOf(ofCost(content));
    return Array.from(content.series, (place, line) => ({
      dimensions: this.dimensionsOf(place),
      amount: known(amounts[line]),
    }));
  }

  /** The lines of a day of usage. */
  usageLines(content: DayContent): UsageLine[] {
    const { counts, extraCounts, series } = ofUsage(content);
    return Array.from(series, (place, line) => ({
      dimensions: this.dimensionsOf(place),
      counts: USAGE_COUNTS.reduce((so, name) => ({ ...so, [name]: counts[name][line] }), NO_COUNTS),
      extraCounts: extraCounts.get(line) ?? {},
    }));
  }
}

function known<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('a day names a line or a series that no page brought');
  return value;
}

function ofCost(content: DayContent): CostContent {
  if (content.report !== 'cost') throw new Error('not a day of cost');
  return content;
}

function ofUsage(content: DayContent): UsageContent {
  if (content.report !== 'usage') throw new Error('not a day of usage');
  return content;
}

function dimensionsAt({ texts, columns, extra }: NewSeries, index: number): Dimensions {
  const textIn = (column: Int32Array): string | null => texts[column[index] ?? -1] ?? null;
  const dimensions = Object.entries(columns).flatMap(([name, column]): [string, Json][] => {
    const text = textIn(column);
    return text === null ? [] : [[name, text]];
  });
  const others = JSON.parse(textIn(extra) ?? '{}') as Dimensions;
  return Object.fromEntries([...dimensions, ...Object.entries(others)]);
}

/**
 * The lines of each day, as the reports give them; each line of its own dimensions, in the order of the ids of series. Days
 * are known to have few lines unless a test says otherwise, so the first page has as many days as there are.
 */
export async function* readCostDays(
  reader: AnthropicReader,
  window: DayRange,
  linesPerDay = 1,
  pages: PageReader = pageReaderHere(),
): AsyncGenerator<CostDay[]> {
  const known = new SeriesRead();
  const reading = pages.open('cost');
  try {
    for await (const { days, series } of readDays(reader, reading, 'cost', window, linesPerDay)) {
      known.add(series);
      yield days.map(({ day, content }) => ({ day, lines: known.costLines(content) }));
    }
  } finally {
    reading.close();
  }
}

/** The same of usage. */
export async function* readUsageDays(
  reader: AnthropicReader,
  window: DayRange,
  linesPerDay = 1,
  pages: PageReader = pageReaderHere(),
): AsyncGenerator<UsageDay[]> {
  const known = new SeriesRead();
  const reading = pages.open('usage');
  try {
    for await (const { days, series } of readDays(reader, reading, 'usage', window, linesPerDay)) {
      known.add(series);
      yield days.map(({ day, content }) => ({ day, lines: known.usageLines(content) }));
    }
  } finally {
    reading.close();
  }
}

export function readCostTotals(reader: AnthropicReader, window: DayRange): Promise<Totals> {
  return readTotals(reader, pageReaderHere(), 'cost', window);
}

export function readUsageTotals(reader: AnthropicReader, window: DayRange): Promise<Totals> {
  return readTotals(reader, pageReaderHere(), 'usage', window);
}

/** A day's content as a commit takes it. */
interface Content<Kind extends DayContent> {
  readonly content: Kind;
  /** Numbers of their own, to which the series of its lines were added. */
  readonly numbers: SeriesNumbers;
}

const DAY = toDay('2026-11-03');

/** A page whose days have rows of this JSON, as a reading of its own reads it. */
export function readRows(report: Report, ...days: (readonly string[])[]): ReadPage {
  const buckets = days.map(
    (rows, index) => `{"starting_at":"${addDays(DAY, index)}T00:00:00Z","results":[${rows.join(',')}]}`,
  );
  const page = `{"data":[${buckets.join(',')}],"has_more":false}`;
  return beginReading(report).read(Buffer.from(page), { from: DAY, to: addDays(DAY, days.length - 1) });
}

/** The content of a day of cost that has these lines. */
export function costContent(lines: readonly CostLine[]): Content<CostContent> {
  const { contents, numbers } = costContents([lines]);
  return { content: known(contents[0]), numbers };
}

/** The contents of days of cost that were read together, so that they share their series. */
export function costContents(days: readonly (readonly CostLine[])[]): {
  contents: CostContent[];
  numbers: SeriesNumbers;
} {
  const { contents, numbers } = contentsOf(
    'cost',
    days.map((lines) => lines.map(rowOfCost)),
  );
  return { contents: contents.map(ofCost), numbers };
}

/** A day of cost with other amounts, which no page would give. */
export function withAmounts(content: CostContent, amounts: readonly string[]): CostContent {
  let end = 0;
  return {
    ...content,
    amounts: Buffer.from(amounts.join('')),
    ends: Int32Array.from(amounts, ({ length }) => (end += length)),
  };
}

/** The content of a day of usage that has these lines. */
export function usageContent(lines: readonly UsageLine[]): Content<UsageContent> {
  const { contents, numbers } = contentsOf('usage', [lines.flatMap(rowsOfUsage)]);
  return { content: ofUsage(known(contents[0])), numbers };
}

function contentsOf(
  report: Report,
  given: readonly (readonly string[])[],
): { contents: DayContent[]; numbers: SeriesNumbers } {
  const { days, series } = readRows(report, ...given);
  const numbers = new SeriesNumbers();
  numbers.add(series);
  return { contents: days.map(({ content }) => content), numbers };
}

function rowOfCost({ dimensions, amount }: CostLine): string {
  return JSON.stringify({ ...dimensions, amount: toCents(amount) });
}

/** The cents of dollars: the point moves by two places. */
function toCents(dollars: Decimal): string {
  const [, sign = '', whole = '', fraction = ''] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(dollars) ?? [];
  const digits = fraction.padEnd(2, '0');
  const rest = digits.slice(2);
  return `${sign}${whole}${digits.slice(0, 2)}${rest === '' ? '' : `.${rest}`}`;
}

/** Rows that add up to a line: a count past 2^53 does not come in one. */
function rowsOfUsage({ dimensions, counts, extraCounts }: UsageLine): string[] {
  const extra = Object.entries(extraCounts).map(([path, count]): [string, number] => {
    if (String(Number(count)) !== count) throw new Error('a row cannot give this count');
    return [path, Number(count)];
  });
  const left = { ...counts };
  const rows: string[] = [];
  do {
    const taken = { ...NO_COUNTS };
    for (const name of USAGE_COUNTS) {
      taken[name] = left[name] > Number.MAX_SAFE_INTEGER ? Number.MAX_SAFE_INTEGER : Number(left[name]);
      left[name] = BigInt(left[name]) - BigInt(taken[name]);
    }
    rows.push(JSON.stringify(rowOfUsage(dimensions, taken, rows.length === 0 ? extra : [])));
  } while (USAGE_COUNTS.some((name) => left[name] > 0));
  return rows;
}

function rowOfUsage(
  dimensions: Dimensions,
  counts: Readonly<Record<UsageCount, number | bigint>>,
  extra: readonly (readonly [string, number])[],
): Record<string, unknown> {
  const { cache_creation_5m, cache_creation_1h, web_search_requests, ...plain } = counts;
  return {
    ...dimensions,
    ...plain,
    cache_creation: { ephemeral_5m_input_tokens: cache_creation_5m, ephemeral_1h_input_tokens: cache_creation_1h },
    server_tool_use: { web_search_requests },
    ...Object.fromEntries(extra),
  };
}

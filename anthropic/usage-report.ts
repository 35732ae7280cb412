import type { Day, DayRange } from '../domain/days.ts';
import {
  NO_COUNTS,
  USAGE_DIMENSIONS,
  countsTokens,
  tokensIn,
  type Count,
  type Dimensions,
  type Json,
  type UsageCount,
  type UsageLine,
} from '../domain/lines.ts';
import { parseDecimal, toDecimal, type Decimal } from '../domain/money.ts';
import type { Totals } from '../domain/reading.ts';
import { invalidReply } from './failure.ts';
import { readReport, type ReportDay, type ReportRequest } from './report.ts';
import { parseRow, scanRow, setField, type ReportRow, type RowSpan } from './rows.ts';
import type { AnthropicReader } from './transport.ts';

const PATH = '/v1/organizations/usage_report/messages';

/** The counts known by name, by their path in a row. Cache writes and web searches are nested. */
const COUNT_BY_PATH = new Map<string, UsageCount>([
  ['uncached_input_tokens', 'uncached_input_tokens'],
  ['output_tokens', 'output_tokens'],
  ['cache_read_input_tokens', 'cache_read_input_tokens'],
  ['cache_creation.ephemeral_5m_input_tokens', 'cache_creation_5m'],
  ['cache_creation.ephemeral_1h_input_tokens', 'cache_creation_1h'],
  ['server_tool_use.web_search_requests', 'web_search_requests'],
]);

/** The lines of each day of a window of at most 31 days, oldest first; see {@link readReport}. Throws AnthropicError. */
export function readUsageDays(
  reader: AnthropicReader,
  window: DayRange,
  linesPerDay?: number,
): AsyncGenerator<ReportDay<UsageLine>[]> {
  return readReport(reader, queryOf(USAGE_DIMENSIONS), window, linesPerDay);
}

/** The ungrouped tokens of each day of a window of at most 31 days. Throws AnthropicError. */
export async function readUsageTotals(reader: AnthropicReader, window: DayRange): Promise<Totals> {
  const totals: Partial<Record<Day, Decimal>> = {};
  for await (const read of readReport(reader, queryOf([]), window)) {
    for (const { day, lines } of read) totals[day] = tokensIn(lines);
  }
  return totals;
}

function queryOf(groupBy: readonly string[]): ReportRequest<UsageLine> {
  const known = new Map<string, Dimensions>();
  const read = (body: Buffer, from: number, span: RowSpan): UsageLine => {
    scanRow(body, from, NOTHING_APART, span);
    return lineOf(parseRow(body, span), known);
  };
  return { path: PATH, groupBy, rows: { read } };
}

const NOTHING_APART = Buffer.alloc(0);

function lineOf(row: ReportRow, known: Map<string, Dimensions>): UsageLine {
  const parts: Parts = { dimensions: {}, counts: { ...NO_COUNTS }, extraCounts: {}, said: new Set() };
  take(row, '', parts);
  const { dimensions, counts, extraCounts } = parts;
  return { dimensions: keptOnce(dimensions, known), counts, extraCounts };
}

interface Parts {
  readonly dimensions: Record<string, Json>;
  readonly counts: Record<UsageCount, Count>;
  readonly extraCounts: Record<string, Decimal>;
  /** The dotted paths of nested counts: a name with dots in it may be the same. */
  readonly said: Set<string>;
}

/** Takes a row's fields, nested ones by their dotted path: a field that nests is a group of counts, known or not. */
function take(fields: ReportRow, prefix: string, into: Parts): void {
  for (const name of Object.keys(fields)) {
    const value = fields[name] ?? null;
    const path = prefix + name;
    const known = COUNT_BY_PATH.get(path);
    if (isGroup(value)) {
      take(value, `${path}.`, into);
    } else if (known !== undefined) {
      sayOnce(path, into);
      into.counts[known] = toCount(value, path);
    } else if (isCount(value, path)) {
      sayOnce(path, into);
      // Zero and absent are the same, so that a new counter changes nothing before it counts.
      if (value !== 0) setField(into.extraCounts, path, exactCount(value, path));
    } else {
      setField(into.dimensions, path, value);
    }
  }
}

/** A row may nest `a: {b: 1}` and have a field named `a.b`. Whichever is taken, the other would be lost. */
function sayOnce(path: string, { said }: Parts): void {
  if (!path.includes('.')) return;
  if (said.has(path)) throw invalidReply('a row says a count twice');
  said.add(path);
}

/** Whether an unknown field is a count. Digits in a text are none, unless the name says that they are tokens. */
function isCount(value: Json, path: string): value is string | number {
  return typeof value === 'number' || (typeof value === 'string' && countsTokens(path) && parseDecimal(value) !== null);
}

/** So many different dimensions are kept once; then it begins anew. Long ones are not kept, whatever a row has in it. */
const MOST_DIMENSIONS = 20_000;
const LONGEST_DIMENSIONS = 8_192;

/** The dimensions of one day come again on the next: lines that share one object of them are known again by it. */
function keptOnce(dimensions: Dimensions, known: Map<string, Dimensions>): Dimensions {
  const text = JSON.stringify(dimensions);
  const kept = known.get(text);
  if (kept !== undefined || text.length > LONGEST_DIMENSIONS) return kept ?? dimensions;
  if (known.size === MOST_DIMENSIONS) known.clear();
  known.set(text, dimensions);
  return dimensions;
}

function isGroup(value: Json): value is ReportRow {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function toCount(value: Json, path: string): number {
  if (value === null) return 0;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
    throw invalidReply(`${nameOf(path)} is not a count`);
  return value;
}

/** An unknown count as an exact decimal. Past 2^53, a number of JSON has been rounded before anybody sees it. */
function exactCount(value: string | number, path: string): Decimal {
  if (countsTokens(path)) return toDecimal(String(toCount(value, path)));
  if (!Number.isFinite(value) || Math.abs(Number(value)) > Number.MAX_SAFE_INTEGER)
    throw invalidReply(`${nameOf(path)} is too large to be read exactly`);
  return toDecimal(String(value));
}

/** The name of a field in a sentence: it may be of any length. */
function nameOf(path: string): string {
  return path.length <= 100 ? path : `${path.slice(0, 100)}…`;
}

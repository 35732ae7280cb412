import type { Day, DayRange } from '../domain/days.ts';
import {
  NO_COUNTS,
  USAGE_DIMENSIONS,
  countsTokens,
  totalTokens,
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

/** The counts that have a column of their own, by their path in a row. */
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
  return readReport(reader, usageRequest(USAGE_DIMENSIONS), window, linesPerDay);
}

/** The tokens of each day of a window of at most 31 days. Throws AnthropicError. */
export async function readUsageTotals(reader: AnthropicReader, window: DayRange): Promise<Totals> {
  const totals: Partial<Record<Day, Decimal>> = {};
  for await (const read of readReport(reader, usageRequest([]), window)) {
    for (const { day, lines } of read) totals[day] = totalTokens(lines);
  }
  return totals;
}

function usageRequest(groupBy: readonly string[]): ReportRequest<UsageLine> {
  const known = new Map<string, Dimensions>();
  const read = (body: Buffer, from: number, span: RowSpan): UsageLine => {
    scanRow(body, from, NO_FIELD, span);
    return lineOf(parseRow(body, span), known);
  };
  return { path: PATH, groupBy, rows: { read } };
}

const NO_FIELD = Buffer.alloc(0);

function lineOf(row: ReportRow, known: Map<string, Dimensions>): UsageLine {
  const parts: Parts = { dimensions: {}, counts: { ...NO_COUNTS }, extraCounts: {}, seen: new Set() };
  takeFields(row, '', parts);
  const { dimensions, counts, extraCounts } = parts;
  return { dimensions: shared(dimensions, known), counts, extraCounts };
}

interface Parts {
  readonly dimensions: Record<string, Json>;
  readonly counts: Record<UsageCount, Count>;
  readonly extraCounts: Record<string, Decimal>;
  /** The dotted paths of the counts taken so far: a field's name may have dots in it, too. */
  readonly seen: Set<string>;
}

/** Sorts a row's fields into counts and dimensions. An object is a group of counts, whose names become dotted paths. */
function takeFields(fields: ReportRow, prefix: string, into: Parts): void {
  for (const name of Object.keys(fields)) {
    const value = fields[name] ?? null;
    const path = prefix + name;
    const known = COUNT_BY_PATH.get(path);
    if (isGroup(value)) {
      takeFields(value, `${path}.`, into);
    } else if (known !== undefined) {
      refuseTwice(path, into);
      into.counts[known] = toCount(value, path);
    } else if (isCount(value, path)) {
      refuseTwice(path, into);
      // Zero equals absent, so a new counter changes no day before it counts something.
      if (value !== 0) setField(into.extraCounts, path, exactCount(value, path));
    } else {
      setField(into.dimensions, path, value);
    }
  }
}

/** A row may have `a: {b: 1}` and a field named `a.b`. One of the two would be lost. */
function refuseTwice(path: string, { seen }: Parts): void {
  if (!path.includes('.')) return;
  if (seen.has(path)) throw invalidReply('a row gives a count twice');
  seen.add(path);
}

/** Whether a field that we do not know is a count. A text of digits is one only if its name says tokens. */
function isCount(value: Json, path: string): value is string | number {
  return typeof value === 'number' || (typeof value === 'string' && countsTokens(path) && parseDecimal(value) !== null);
}

/** Limits of memory: a full cache of dimensions starts anew, and longer ones are not cached. */
const MAX_DIMENSIONS = 20_000;
const MAX_DIMENSIONS_LENGTH = 8_192;

/** The dimensions of a day come again on the next day. Lines that share one object share the work of identifying it. */
function shared(dimensions: Dimensions, known: Map<string, Dimensions>): Dimensions {
  const text = JSON.stringify(dimensions);
  const same = known.get(text);
  if (same !== undefined || text.length > MAX_DIMENSIONS_LENGTH) return same ?? dimensions;
  if (known.size === MAX_DIMENSIONS) known.clear();
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

/** A count that we do not know. JSON.parse rounds numbers past 2^53, so these are refused. */
function exactCount(value: string | number, path: string): Decimal {
  if (countsTokens(path)) return toDecimal(String(toCount(value, path)));
  if (!Number.isFinite(value) || Math.abs(Number(value)) > Number.MAX_SAFE_INTEGER)
    throw invalidReply(`${nameOf(path)} is too large to be read exactly`);
  return toDecimal(String(value));
}

/** A path of any length, cut for a sentence. */
function nameOf(path: string): string {
  return path.length <= 100 ? path : `${path.slice(0, 100)}…`;
}

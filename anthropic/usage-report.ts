import type { Day, DayRange } from '../domain/days.ts';
import { USAGE_DIMENSIONS, tokensIn, type Json, type UsageCount, type UsageLine } from '../domain/lines.ts';
import type { Totals } from '../domain/reading.ts';
import { invalidReply } from './failure.ts';
import { readDays, type ReportDay, type ReportQuery } from './report.ts';
import { parseRow, scanRow, type ReportRow, type RowSpan } from './rows.ts';
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

/** The lines of each day of a window of at most 31 days, oldest first; see {@link readDays}. Throws AnthropicError. */
export function readUsageDays(
  reader: AnthropicReader,
  window: DayRange,
  linesPerDay?: number,
): AsyncGenerator<ReportDay<UsageLine>[]> {
  return readDays(reader, queryOf(USAGE_DIMENSIONS), window, linesPerDay);
}

/** The ungrouped tokens of each day of a window of at most 31 days. Throws AnthropicError. */
export async function readUsageTotals(reader: AnthropicReader, window: DayRange): Promise<Totals> {
  const totals: Partial<Record<Day, string>> = {};
  for await (const read of readDays(reader, queryOf([]), window)) {
    for (const { day, lines } of read) totals[day] = tokensIn(lines);
  }
  return totals;
}

function queryOf(groupBy: readonly string[]): ReportQuery<UsageLine> {
  const read = (body: Buffer, from: number, span: RowSpan): UsageLine => {
    scanRow(body, from, NOTHING_APART, span);
    return lineOf(parseRow(body, span));
  };
  return { path: PATH, groupBy, rows: { read } };
}

const NOTHING_APART = Buffer.alloc(0);

function lineOf(row: ReportRow): UsageLine {
  const dimensions: Record<string, Json> = {};
  const extraCounts: Record<string, number> = {};
  const counts: Record<UsageCount, number> = {
    uncached_input_tokens: 0,
    output_tokens: 0,
    cache_read_input_tokens: 0,
    cache_creation_5m: 0,
    cache_creation_1h: 0,
    web_search_requests: 0,
  };
  for (const [path, value] of leaves(row, '')) {
    const known = COUNT_BY_PATH.get(path);
    if (known !== undefined) counts[known] = toCount(value, path);
    else if (typeof value === 'number') extraCounts[path] = value;
    else dimensions[path] = value;
  }
  return { dimensions, counts, extraCounts };
}

/** A row's fields, nested ones by their dotted path: a field that nests is a group of counts, known or not. */
function* leaves(fields: ReportRow, prefix: string): Generator<[path: string, value: Json]> {
  for (const [name, value] of Object.entries(fields)) {
    if (isGroup(value)) yield* leaves(value, `${prefix}${name}.`);
    else yield [prefix + name, value];
  }
}

function isGroup(value: Json): value is ReportRow {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function toCount(value: Json, path: string): number {
  if (value === null) return 0;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
    throw invalidReply(`${path} is not a count`);
  return value;
}

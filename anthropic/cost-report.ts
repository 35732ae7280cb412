import type { Day, DayRange } from '../domain/days.ts';
import type { CostLine } from '../domain/lines.ts';
import { addDecimals, centsToDollars, isDecimal } from '../domain/money.ts';
import type { Totals } from '../domain/reading.ts';
import { invalidReply } from './failure.ts';
import { readBuckets, type ReportRow } from './report.ts';
import type { AnthropicReader } from './transport.ts';

const PATH = '/v1/organizations/cost_report';

/** The lines of each day of a window of at most 31 days, oldest first, amounts in dollars. Throws AnthropicError. */
export async function* readCostDays(
  reader: AnthropicReader,
  window: DayRange,
): AsyncGenerator<{ day: Day; lines: CostLine[] }> {
  const query = { path: PATH, groupBy: ['workspace_id', 'description'] } as const;
  for await (const { day, rows } of readBuckets(reader, query, window)) yield { day, lines: rows.map(toLine) };
}

/** The ungrouped USD total of each day of a window of at most 31 days. Throws AnthropicError. */
export async function readCostTotals(reader: AnthropicReader, window: DayRange): Promise<Totals> {
  const totals: Partial<Record<Day, string>> = {};
  for await (const { day, rows } of readBuckets(reader, { path: PATH, groupBy: [] }, window)) {
    const dollars = rows.map(toLine).filter((line) => line.dimensions['currency'] === 'USD');
    totals[day] = addDecimals(dollars.map((line) => line.amount));
  }
  return totals;
}

function toLine(row: ReportRow): CostLine {
  const { amount, currency, ...dimensions } = row;
  // A JSON number would have been through floating point already; NaN and the like are no money.
  if (typeof amount !== 'string' || !isDecimal(amount)) throw invalidReply('an amount is not a decimal number in text');
  return { dimensions: { ...dimensions, currency: currency ?? 'USD' }, amount: centsToDollars(amount) };
}

import type { Day, DayRange } from '../domain/days.ts';
import { dollarsOf, type CostLine } from '../domain/lines.ts';
import { centsToDollars, isDecimal } from '../domain/money.ts';
import type { Totals } from '../domain/reading.ts';
import { invalidReply } from './failure.ts';
import { readDays, type ReportDay, type ReportRow } from './report.ts';
import type { AnthropicReader } from './transport.ts';

const PATH = '/v1/organizations/cost_report';

/** No bill has more digits than this, and any number of such amounts can be added up. */
const AMOUNT = /^-?\d{1,40}(\.\d{1,60})?$/;

/** The lines of each day of a window of at most 31 days, oldest first, amounts in dollars. Throws AnthropicError. */
export function readCostDays(reader: AnthropicReader, window: DayRange): AsyncGenerator<ReportDay<CostLine>> {
  return readDays(reader, { path: PATH, groupBy: ['workspace_id', 'description'], toLine }, window);
}

/** The ungrouped USD total of each day of a window of at most 31 days. Throws AnthropicError. */
export async function readCostTotals(reader: AnthropicReader, window: DayRange): Promise<Totals> {
  const totals: Partial<Record<Day, string>> = {};
  for await (const { day, lines } of readDays(reader, { path: PATH, groupBy: [], toLine }, window)) {
    totals[day] = dollarsOf(lines);
  }
  return totals;
}

function toLine(row: ReportRow): CostLine {
  const { amount, currency, ...dimensions } = row;
  // A JSON number would have been through floating point already; NaN and the like are no money.
  const dollars = typeof amount === 'string' && isDecimal(amount) ? centsToDollars(amount) : '';
  if (!AMOUNT.test(dollars)) throw invalidReply('an amount is not a decimal number in text');
  return { dimensions: { ...dimensions, currency: currency ?? 'USD' }, amount: dollars };
}

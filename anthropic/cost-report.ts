import type { Day, DayRange } from '../domain/days.ts';
import { totalDollars, type CostLine, type Dimensions, type Json } from '../domain/lines.ts';
import { centsToDollars, parseDecimal, type Decimal } from '../domain/money.ts';
import type { Totals } from '../domain/reading.ts';
import { dollarsAt } from './amount.ts';
import { invalidReply } from './failure.ts';
import { readReport, type ReportDay, type ReportRequest } from './report.ts';
import { RowMemory } from './row-memory.ts';
import { parseRow, scanRow, setField, type ReportRow, type RowSpan } from './rows.ts';
import type { AnthropicReader } from './transport.ts';

const PATH = '/v1/organizations/cost_report';

/**
 * The lines of each day of a window of at most 31 days, oldest first, amounts in dollars; see {@link readReport}. Rows of
 * adjacent pages that differ only in their amount share one object of dimensions. Throws AnthropicError.
 */
export function readCostDays(
  reader: AnthropicReader,
  window: DayRange,
  linesPerDay?: number,
): AsyncGenerator<ReportDay<CostLine>[]> {
  return readReport(reader, costRequest(['workspace_id', 'description']), window, linesPerDay);
}

/** The USD total of each day of a window of at most 31 days. Throws AnthropicError. */
export async function readCostTotals(reader: AnthropicReader, window: DayRange): Promise<Totals> {
  const totals: Partial<Record<Day, Decimal>> = {};
  for await (const read of readReport(reader, costRequest([]), window)) {
    for (const { day, lines } of read) totals[day] = totalDollars(lines);
  }
  return totals;
}

function costRequest(groupBy: readonly string[]): ReportRequest<CostLine> {
  const memory = new RowMemory<Dimensions>('amount');
  const texts = new Map<string, string>();
  const read = (body: Buffer, from: number, span: RowSpan): CostLine => {
    const known = memory.recall(body, from, span);
    if (known !== undefined) return { dimensions: known, amount: amountAt(body, span) };
    scanRow(body, from, AMOUNT_NAME, span);
    if (span.valueFrom < 0) {
      const row = parseRow(body, span);
      return { dimensions: dimensionsOf(row, texts), amount: toDollars(row['amount']) };
    }
    const dimensions = memory.of(body, span, () => dimensionsOf(parseRow(body, span), texts));
    return { dimensions, amount: amountAt(body, span) };
  };
  const end = (): void => {
    memory.leavePage();
  };
  return { path: PATH, groupBy, rows: { read, end } };
}

const AMOUNT_NAME = Buffer.from('amount');

function amountAt(body: Buffer, { valueFrom, valueTo }: RowSpan): Decimal {
  return dollarsAt(body, valueFrom, valueTo) ?? toDollars(body.toString('latin1', valueFrom, valueTo));
}

function toDollars(amount: unknown): Decimal {
  // JSON.parse would have rounded a number to a float.
  const cents = typeof amount === 'string' ? parseDecimal(amount) : null;
  if (cents === null) throw invalidReply('an amount is not a decimal number in text');
  return centsToDollars(cents);
}

/** Limits of memory: a full cache of texts starts anew, and longer texts are not cached. */
const MAX_TEXTS = 10_000;
const MAX_TEXT_LENGTH = 1_000;

/** The texts of dimensions are few, and JSON.parse makes a new copy of each in every row. */
function dimensionsOf(row: ReportRow, texts: Map<string, string>): Dimensions {
  const dimensions: Record<string, Json> = {};
  for (const name of Object.keys(row)) {
    const value = row[name] ?? null;
    if (name === 'amount') continue;
    setField(dimensions, name, typeof value === 'string' ? shared(value, texts) : value);
  }
  dimensions['currency'] ??= 'USD';
  return dimensions;
}

function shared(text: string, texts: Map<string, string>): string {
  const known = texts.get(text);
  if (known !== undefined || text.length > MAX_TEXT_LENGTH) return known ?? text;
  if (texts.size === MAX_TEXTS) texts.clear();
  texts.set(text, text);
  return text;
}

import type { Day, DayRange } from '../domain/days.ts';
import { dollarsOf, type CostLine, type Dimensions, type Json } from '../domain/lines.ts';
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
 * The lines of each day of a window of at most 31 days, oldest first, amounts in dollars; see {@link readReport}. Rows that
 * are equal but for their amount share one object of dimensions, as far as they are of pages next to each other.
 * Throws AnthropicError.
 */
export function readCostDays(
  reader: AnthropicReader,
  window: DayRange,
  linesPerDay?: number,
): AsyncGenerator<ReportDay<CostLine>[]> {
  return readReport(reader, queryOf(['workspace_id', 'description']), window, linesPerDay);
}

/** The ungrouped USD total of each day of a window of at most 31 days. Throws AnthropicError. */
export async function readCostTotals(reader: AnthropicReader, window: DayRange): Promise<Totals> {
  const totals: Partial<Record<Day, Decimal>> = {};
  for await (const read of readReport(reader, queryOf([]), window)) {
    for (const { day, lines } of read) totals[day] = dollarsOf(lines);
  }
  return totals;
}

function queryOf(groupBy: readonly string[]): ReportRequest<CostLine> {
  const memory = new RowMemory<Dimensions>('amount');
  const texts = new Map<string, string>();
  const read = (body: Buffer, from: number, span: RowSpan): CostLine => {
    const known = memory.recall(body, from, span);
    if (known !== undefined) return { dimensions: known, amount: amountAt(body, span) };
    scanRow(body, from, AMOUNT_NAME, span);
    if (span.apartFrom < 0) {
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

function amountAt(body: Buffer, { apartFrom, apartTo }: RowSpan): Decimal {
  return dollarsAt(body, apartFrom, apartTo) ?? toDollars(body.toString('latin1', apartFrom, apartTo));
}

function toDollars(amount: unknown): Decimal {
  // A JSON number would have been through floating point already.
  const cents = typeof amount === 'string' ? parseDecimal(amount) : null;
  if (cents === null) throw invalidReply('an amount is not a decimal number in text');
  return centsToDollars(cents);
}

/** So many different texts are kept once; then it begins anew. Longer ones are not kept, whatever a row has in it. */
const MOST_TEXTS = 10_000;
const LONGEST_TEXT = 1_000;

/** The texts of dimensions are few and come again and again, and JSON gives a new copy of each every time. */
function dimensionsOf(row: ReportRow, texts: Map<string, string>): Dimensions {
  const dimensions: Record<string, Json> = {};
  for (const name of Object.keys(row)) {
    const value = row[name] ?? null;
    if (name === 'amount') continue;
    setField(dimensions, name, typeof value === 'string' ? keptOnce(value, texts) : value);
  }
  dimensions['currency'] ??= 'USD';
  return dimensions;
}

function keptOnce(text: string, texts: Map<string, string>): string {
  const kept = texts.get(text);
  if (kept !== undefined || text.length > LONGEST_TEXT) return kept ?? text;
  if (texts.size === MOST_TEXTS) texts.clear();
  texts.set(text, text);
  return text;
}

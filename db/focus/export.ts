import { sql, type SQL } from 'drizzle-orm';
import { z } from 'zod';
import { DECIMAL_SCALE, digitsOf } from '../../domain/focus/price.ts';
import type { FocusLine } from '../../domain/focus/row.ts';
import { ZERO, addDecimals, type Decimal } from '../../domain/money.ts';
import { readAhead } from '../core/cursor.ts';
import { list, row, type Db } from '../core/database.ts';
import { decimalText } from '../core/json.ts';
import { readChargedTotals } from '../allocation/rows.ts';
import type { Certainty } from '../spend/completeness.ts';
import { compileCosts } from '../spend/costs.ts';
import { asked, dayParts } from '../spend/scope.ts';
import { giveRoom } from '../spend/rows.ts';
import { readUngroupedTotals } from '../spend/stretches.ts';
import { digitsOfMonth, eachAllocatedLine, findAllocatedMonth, monthsIn, sourceOf } from './allocated.ts';
import { correctedDays, eachFocusLine, type CorrectedDay } from './lines.ts';
import { decimalIn, spendQueryOf, type FocusQuery } from './query.ts';

/** What is known of an export before its first line. */
export interface FocusTotals {
  readonly certainty: Certainty;
  /** What its lines add up to: in US dollars, and in each other currency. */
  readonly total: Decimal;
  readonly otherCurrencies: readonly { readonly currency: string; readonly amount: Decimal }[];
  /** At least as many digits as any of its costs has before and behind the point. */
  readonly wholeDigits: number;
  readonly fractionDigits: number;
}

/** An export: what is known of all of it, and its lines in batches, which may be read once. */
export interface FocusExport extends FocusTotals {
  readonly lines: AsyncIterable<readonly FocusLine[]>;
}

/** Opens the export of a range by day, with the amounts of the ledger. Must run in a snapshot, which its lines need as well. */
export async function openFocusExport(tx: Db, query: FocusQuery): Promise<FocusExport> {
  const spend = spendQueryOf(query);
  const { total, otherCurrencies, ...certainty } = await readUngroupedTotals(tx, compileCosts, spend);
  const corrected = await correctedDays(tx, query);
  return {
    certainty,
    total: total.amount,
    otherCurrencies: otherCurrencies.map(({ currency, amount }) => ({ currency, amount })),
    ...(await digitsOfLines(tx, query, corrected)),
    lines: readAhead(eachFocusLine(tx, query, corrected)),
  };
}

/**
 * Opens the export of whole months by cost center, with the amounts of chargeback. Must run in a snapshot, which its lines
 * need as well.
 */
export async function openAllocatedExport(tx: Db, query: FocusQuery): Promise<FocusExport> {
  const { provisionalDays, missingDays, uncoveredDays, before, asOf } = await readUngroupedTotals(
    tx,
    compileCosts,
    spendQueryOf(query),
  );
  const amounts: { currency: string; amount: Decimal }[] = [];
  let [wholeDigits, fractionDigits] = [0, DECIMAL_SCALE];
  for (const month of monthsIn(query)) {
    const shown = await findAllocatedMonth(tx, query, month);
    const totals = await readChargedTotals(tx, sourceOf(shown, query));
    amounts.push({ currency: 'USD', amount: addDecimals([totals.total, totals.totalAdjustment]) });
    amounts.push(...totals.otherCurrencies);
    const digits = await digitsOfMonth(tx, query, shown);
    wholeDigits = Math.max(wholeDigits, digits.wholeDigits);
    fractionDigits = Math.max(fractionDigits, digits.fractionDigits);
  }
  const sums = addByCurrency(amounts);
  return {
    certainty: { provisionalDays, missingDays, uncoveredDays, before, asOf },
    total: sums.get('USD') ?? ZERO,
    otherCurrencies: [...sums]
      .filter(([currency]) => currency !== 'USD')
      .map(([currency, amount]) => ({ currency, amount })),
    wholeDigits,
    fractionDigits,
    lines: readAhead(eachMonth(tx, query)),
  };
}

async function* eachMonth(tx: Db, query: FocusQuery): AsyncGenerator<readonly FocusLine[]> {
  for (const month of monthsIn(query)) {
    yield* eachAllocatedLine(tx, query, await findAllocatedMonth(tx, query, month));
  }
}

function addByCurrency(amounts: readonly { currency: string; amount: Decimal }[]): Map<string, Decimal> {
  const sums = new Map<string, Decimal>();
  for (const { currency, amount } of amounts) {
    sums.set(currency, addDecimals([sums.get(currency) ?? ZERO, amount]));
  }
  return new Map([...sums].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Corrections are differences of lines, which have a digit more at most. */
async function digitsOfLines(
  tx: Db,
  query: FocusQuery,
  corrected: readonly CorrectedDay[],
): Promise<Pick<FocusTotals, 'wholeDigits' | 'fractionDigits'>> {
  await giveRoom(tx);
  const spend = spendQueryOf(query);
  const ledger = sql`select l.amount from cost_days d join cost_lines l on l.day_no = d.day_no`;
  if (corrected.length === 0) return digitsIn(tx, [asked(spend), ...dayParts(spend, ['cost'])], ledger);
  const kept = sql`select amount from statement_lines where day between ${query.from}::date and ${query.to}::date`;
  const { wholeDigits, fractionDigits } = await digitsIn(
    tx,
    [asked(spend), ...dayParts(spend, ['cost'])],
    sql`${ledger} union all ${kept}`,
  );
  return { wholeDigits: wholeDigits + 1, fractionDigits };
}

async function digitsIn(
  tx: Db,
  parts: readonly SQL[],
  amounts: SQL,
): Promise<Pick<FocusTotals, 'wholeDigits' | 'fractionDigits'>> {
  const { largest, scale } = await row(
    tx,
    z.object({ largest: decimalText, scale: z.int() }),
    sql`
      with ${list([...parts, sql`amounts as (${amounts})`])}
      select ${decimalIn(sql`coalesce(max(abs(amount)), 0)`)} as largest, coalesce(max(scale(trim_scale(amount))), 0) as scale
      from amounts
    `,
  );
  return { wholeDigits: digitsOf(largest).whole, fractionDigits: Math.max(DECIMAL_SCALE, scale) };
}

import { DAY_MS, HOUR_MS } from '../days.ts';
import { ZERO, subtractDecimals, toDecimal, type Decimal } from '../money.ts';

/** A connection that reads nothing for this long is told of. One that awaits a key is told of at once. */
export const TROUBLE_TOLD_AFTER_MS = HOUR_MS;
/** Trouble of one connection is told of at most once in this time. */
export const TROUBLE_AT_MOST_EVERY_MS = DAY_MS;

const LEAST_RESTATED_USD = toDecimal('1');

/** Whether a correction of a day of cost is worth telling: at least one dollar, and one percent of the day before. */
export function isWorthTelling({ before, after }: { before: Decimal; after: Decimal }): boolean {
  const change = magnitude(subtractDecimals(after, before));
  const hundredfold = toDecimal(`${change}e2`);
  return isAtLeast(change, LEAST_RESTATED_USD) && isAtLeast(hundredfold, magnitude(before));
}

function magnitude(decimal: Decimal): Decimal {
  return decimal.startsWith('-') ? subtractDecimals(ZERO, decimal) : decimal;
}

function isAtLeast(a: Decimal, b: Decimal): boolean {
  return !subtractDecimals(a, b).startsWith('-');
}

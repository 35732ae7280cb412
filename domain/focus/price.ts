import { isNegative, ofUnits, toUnits, type Decimal } from '../money.ts';

/** How many digits decimals of a file have in all, and behind the point unless its costs have more. */
export const DECIMAL_DIGITS = 38;
/** See {@link DECIMAL_DIGITS}. */
export const DECIMAL_SCALE = 15;

/** A unit price has at most this many digits behind the point. */
const PRICE_SCALE = 12;
const MILLION_DIGITS = 6;
const PRICES_OF_A_TOKEN = 10n ** BigInt(MILLION_DIGITS + PRICE_SCALE);

/** What a row says about its quantity and its price. */
export interface Price {
  /** The tokens. */
  readonly consumed: Decimal;
  /** The tokens in millions. */
  readonly quantity: Decimal;
  /** What a million tokens cost, in major units. */
  readonly unitPrice: Decimal;
}

/**
 * The price of tokens that cost an amount; null where no price says exactly that. The price times the quantity is the
 * amount to the last digit: a quotient that ends late or never is no price, and a negative one is none either.
 */
export function priceOf(amount: Decimal, tokens: Decimal | null): Price | null {
  if (tokens === null || isNegative(amount) || isNegative(tokens)) return null;
  const { units, scale } = toUnits([amount, tokens]);
  const [cost = 0n, count = 0n] = units;
  if (count === 0n) return null;
  const dividend = cost * PRICES_OF_A_TOKEN;
  if (dividend % count !== 0n) return null;
  const quantity = ofUnits(count, scale + MILLION_DIGITS);
  const unitPrice = ofUnits(dividend / count, PRICE_SCALE);
  const fit = [tokens, quantity, unitPrice].every((each) => fitsDecimal(each, DECIMAL_SCALE));
  return fit ? { consumed: tokens, quantity, unitPrice } : null;
}

/** Whether a decimal fits {@link DECIMAL_DIGITS} with this many of them behind the point. */
export function fitsDecimal(decimal: Decimal, scale: number): boolean {
  const { whole, fraction } = digitsOf(decimal);
  return fraction <= scale && whole <= DECIMAL_DIGITS - scale;
}

/** How many digits a decimal has before and behind its point. A lone zero before it is none. */
export function digitsOf(decimal: Decimal): { whole: number; fraction: number } {
  const start = isNegative(decimal) ? 1 : 0;
  const point = decimal.indexOf('.');
  const end = point < 0 ? decimal.length : point;
  const isBare = end - start === 1 && decimal[start] === '0';
  return { whole: isBare ? 0 : end - start, fraction: point < 0 ? 0 : decimal.length - point - 1 };
}

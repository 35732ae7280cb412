declare const canonical: unique symbol;

/**
 * An exact decimal in its one spelling: no exponent, no `+`, no leading or trailing zeros, no negative zero. Two of them
 * are the same number where `===` says so. Money is text from the wire to the reply, never a float.
 */
export type Decimal = string & { readonly [canonical]: true };

/**
 * A decimal from outside has at most this many digits before and behind the point. A bill has fewer, and a short text
 * such as `1e999999` can't become a long number. Sums may grow past it.
 */
export const MAX_WHOLE_DIGITS = 40;
/** See {@link MAX_WHOLE_DIGITS}. */
export const MAX_FRACTION_DIGITS = 60;

const CANONICAL = /^(?:0|-?(?:[1-9]\d*|0(?=\.))(?:\.\d*[1-9])?)$/;
const ANY_SPELLING = new RegExp(
  `^([+-]?)(\\d{1,${MAX_WHOLE_DIGITS}})(?:\\.(\\d{0,${MAX_FRACTION_DIGITS}}))?(?:[eE]([+-]?\\d{1,2}))?$`,
);

/** Whether a text is a decimal in its one spelling. */
export function isDecimal(text: string): text is Decimal {
  return CANONICAL.test(text);
}

/** The number that a text spells in any way; null where it spells none, or one with too many digits. */
export function parseDecimal(text: string): Decimal | null {
  const match = ANY_SPELLING.exec(text);
  if (match === null) return null;
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = match;
  const digits = BigInt(whole + fraction);
  const decimal = print(shift({ units: sign === '-' ? -digits : digits, scale: fraction.length }, Number(exponent)));
  return ANY_SPELLING.test(decimal) ? decimal : null;
}

/** As {@link parseDecimal}. Throws a RangeError instead of null. */
export function toDecimal(text: string): Decimal {
  const decimal = parseDecimal(text);
  if (decimal === null) throw new RangeError(`"${text.slice(0, 40)}" is not a decimal number`);
  return decimal;
}

/** A text that must be in the one spelling already. Throws a RangeError. */
export function toCanonical(text: string): Decimal {
  if (!isDecimal(text)) throw new RangeError(`"${text.slice(0, 40)}" is not in the one spelling of a decimal`);
  return text;
}

/** Zero, which is also the sum of nothing. */
export const ZERO = toDecimal('0');

/** The exact sum of decimals. */
export function addDecimals(decimals: Iterable<Decimal>): Decimal {
  let sum: Scaled = { units: 0n, scale: 0 };
  for (const decimal of decimals) {
    const next = scaled(decimal);
    const scale = Math.max(sum.scale, next.scale);
    sum = { units: unitsAt(sum, scale) + unitsAt(next, scale), scale };
  }
  return print(sum);
}

/** The exact difference `a` - `b`. */
export function subtractDecimals(a: Decimal, b: Decimal): Decimal {
  const { units, scale } = scaled(b);
  return addDecimals([a, print({ units: -units, scale })]);
}

/** The exact product. */
export function multiplyDecimals(a: Decimal, b: Decimal): Decimal {
  const [left, right] = [scaled(a), scaled(b)];
  return print({ units: left.units * right.units, scale: left.scale + right.scale });
}

/** Whether a decimal is below zero. */
export function isNegative(decimal: Decimal): boolean {
  return decimal.startsWith('-');
}

/** Decimals as whole numbers of one common unit: each is `units` / 10^`scale`. The scale is at least `leastScale`. */
export function toUnits(decimals: readonly Decimal[], leastScale = 0): { units: bigint[]; scale: number } {
  const all = decimals.map(scaled);
  const scale = all.reduce((most, one) => Math.max(most, one.scale), leastScale);
  return { units: all.map((one) => unitsAt(one, scale)), scale };
}

/** The decimal `units` / 10^`scale`; `scale` is not negative. */
export function ofUnits(units: bigint, scale: number): Decimal {
  return print({ units, scale });
}

/** Cents, as the Admin API reports them, as dollars. Every digit stays: `"83391.52823"` becomes `"833.9152823"`. */
export function centsToDollars(cents: Decimal): Decimal {
  return print(shift(scaled(cents), -2));
}

/** The number `units` / 10^`scale`; `scale` is not negative. */
interface Scaled {
  readonly units: bigint;
  readonly scale: number;
}

function scaled(decimal: Decimal): Scaled {
  const point = decimal.indexOf('.');
  if (point < 0) return { units: BigInt(decimal), scale: 0 };
  return { units: BigInt(decimal.slice(0, point) + decimal.slice(point + 1)), scale: decimal.length - point - 1 };
}

/** Moves the point to the right, or to the left where `places` is negative. */
function shift({ units, scale }: Scaled, places: number): Scaled {
  return places <= scale
    ? { units, scale: scale - places }
    : { units: units * 10n ** BigInt(places - scale), scale: 0 };
}

function unitsAt({ units, scale }: Scaled, atScale: number): bigint {
  return units * 10n ** BigInt(atScale - scale);
}

function print({ units, scale }: Scaled): Decimal {
  const digits = (units < 0n ? -units : units).toString().padStart(scale + 1, '0');
  const whole = digits.slice(0, digits.length - scale);
  const fraction = digits.slice(digits.length - scale).replace(/0+$/, '');
  const text = `${units < 0n ? '-' : ''}${whole}${fraction === '' ? '' : `.${fraction}`}`;
  return toCanonical(text);
}

/**
 * Exact decimals as text. Amounts never become floating-point numbers: they are compared, shifted and added digit by
 * digit, and Postgres holds them as `numeric`.
 */

const DECIMAL = /^([+-]?)(\d+)(?:\.(\d*))?(?:[eE]([+-]?\d{1,3}))?$/;
const PLAIN = /^-?\d+(?:\.\d+)?$/;
const CANONICAL = /^-?(?:[1-9]\d*|0(?=\.))(?:\.\d*[1-9])?$|^0$/;
const ZERO = 48;
/** Longer amounts than this are refused as broken: 131,072 digits would otherwise be a legal `numeric`. */
const MAX_LENGTH = 200;

interface Decimal {
  readonly units: bigint;
  /** The value is `units` / 10^`scale`. */
  readonly scale: number;
}

function parse(text: string): Decimal {
  const match = text.length <= MAX_LENGTH ? DECIMAL.exec(text) : null;
  if (match === null) throw new RangeError(`"${text.slice(0, 40)}" is not a decimal amount`);
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = match;
  const digits = BigInt(whole + fraction);
  const units = sign === '-' ? -digits : digits;
  const scale = fraction.length - Number(exponent);
  return scale >= 0 ? { units, scale } : { units: units * 10n ** BigInt(-scale), scale: 0 };
}

function print({ units, scale }: Decimal): string {
  const digits = (units < 0n ? -units : units).toString().padStart(scale + 1, '0');
  const whole = digits.slice(0, digits.length - scale);
  const fraction = digits.slice(digits.length - scale).replace(/0+$/, '');
  const sign = units < 0n ? '-' : '';
  return sign + whole + (fraction === '' ? '' : `.${fraction}`);
}

/** Whether `text` is a finite decimal number that this product takes as an amount. NaN, Infinity and '' are not. */
export function isDecimal(text: string): boolean {
  return text.length <= MAX_LENGTH && DECIMAL.test(text);
}

/** The one spelling of a decimal: no exponent, no leading `+`, no trailing zeros, no negative zero. Throws RangeError. */
export function canonicalDecimal(text: string): string {
  return CANONICAL.test(text) && text.length <= MAX_LENGTH ? text : print(parse(text));
}

/**
 * Minor units (cents, as the Admin API reports them) to major units (dollars): the point moves two places, so every
 * decimal stays. `"83391.52823"` becomes `"833.9152823"`. Throws RangeError when `cents` is no finite decimal.
 */
export function centsToDollars(cents: string): string {
  if (PLAIN.test(cents) && cents.length <= MAX_LENGTH) return moveTwoPlaces(cents);
  const { units, scale } = parse(cents);
  return print({ units, scale: scale + 2 });
}

/** What nearly all amounts are takes no arithmetic: tens of thousands of them come with a page. */
function moveTwoPlaces(cents: string): string {
  const point = cents.indexOf('.');
  const isNegative = cents.startsWith('-');
  const digits = cents.slice(isNegative ? 1 : 0, point < 0 ? cents.length : point).padStart(3, '0');
  const fraction = digits.slice(-2) + (point < 0 ? '' : cents.slice(point + 1));
  let from = 0;
  while (from < digits.length - 3 && digits.charCodeAt(from) === ZERO) from += 1;
  let to = fraction.length;
  while (to > 0 && fraction.charCodeAt(to - 1) === ZERO) to -= 1;
  const whole = digits.slice(from, -2);
  const amount = to === 0 ? whole : `${whole}.${fraction.slice(0, to)}`;
  return isNegative && amount !== '0' ? `-${amount}` : amount;
}

/** The exact sum of decimals, in canonical form; `"0"` of none. */
export function addDecimals(amounts: Iterable<string>): string {
  let sum: Decimal = { units: 0n, scale: 0 };
  for (const amount of amounts) {
    const next = parse(amount);
    const scale = Math.max(sum.scale, next.scale);
    sum = { units: at(sum, scale) + at(next, scale), scale };
  }
  return print(sum);
}

function at(value: Decimal, scale: number): bigint {
  return value.units * 10n ** BigInt(scale - value.scale);
}

/** Whether two decimals are the same number, however they are spelled. */
export function sameDecimal(a: string, b: string): boolean {
  return canonicalDecimal(a) === canonicalDecimal(b);
}

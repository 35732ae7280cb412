// Exact decimals of the oracle: whole numbers of 10^-40, which no amount of these tests is finer than.

const DIGITS = 40;
/** Prices and shares of changes are rounded to 12 digits. */
const ROUNDED_TO = 10n ** BigInt(DIGITS - 12);

/** A decimal in units of 10^-40. */
export function unitsOf(text: string): bigint {
  const [, sign = '', whole = '', fraction = ''] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text) ?? [];
  if (whole === '' || fraction.length > DIGITS) throw new Error(`the oracle cannot read ${JSON.stringify(text)}`);
  const units = BigInt(whole + fraction.padEnd(DIGITS, '0'));
  return sign === '-' ? -units : units;
}

/** Its shortest text. */
export function textOf(units: bigint): string {
  const digits = (units < 0n ? -units : units).toString().padStart(DIGITS + 1, '0');
  const fraction = digits.slice(-DIGITS).replace(/0+$/, '');
  return `${units < 0n ? '-' : ''}${digits.slice(0, -DIGITS)}${fraction === '' ? '' : `.${fraction}`}`;
}

/** The product `a` × `b` ÷ `c`, rounded half-even to 12 digits. `c` is positive. */
export function rounded(a: bigint, b: bigint, c: bigint): bigint {
  const [dividend, divisor] = [a * b, c * ROUNDED_TO];
  const isNegative = dividend < 0n;
  const size = isNegative ? -dividend : dividend;
  const [down, rest] = [size / divisor, size % divisor];
  const isUp = rest * 2n > divisor || (rest * 2n === divisor && down % 2n === 1n);
  const result = (down + (isUp ? 1n : 0n)) * ROUNDED_TO;
  return isNegative ? -result : result;
}

export function sumOf(units: Iterable<bigint>): bigint {
  let sum = 0n;
  for (const one of units) sum += one;
  return sum;
}

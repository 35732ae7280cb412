/**
 * Exact arithmetic with decimals as text, such as the API's amounts. Numbers of JavaScript would round them, so pages use
 * numbers for the height of a bar only.
 */
interface Scaled {
  readonly units: bigint;
  /** How many of the digits of `units` come after the point. */
  readonly places: number;
}

function parse(text: string): Scaled {
  const [whole = '0', fraction = ''] = text.split('.');
  return { units: BigInt(`${whole}${fraction}`), places: fraction.length };
}

function textOf({ units, places }: Scaled): string {
  const digits = String(units < 0n ? -units : units).padStart(places + 1, '0');
  const fraction = digits.slice(digits.length - places).replace(/0+$/, '');
  const whole = digits.slice(0, digits.length - places);
  const sign = units < 0n ? '-' : '';
  return places === 0 || fraction === '' ? `${sign}${whole}` : `${sign}${whole}.${fraction}`;
}

function scaledTo(value: Scaled, places: number): bigint {
  return value.units * 10n ** BigInt(places - value.places);
}

/** The exact sum of decimals. */
export function sum(...amounts: readonly string[]): string {
  const values = amounts.map(parse);
  const places = Math.max(0, ...values.map((value) => value.places));
  return textOf({ units: values.reduce((total, value) => total + scaledTo(value, places), 0n), places });
}

/** `a` − `b`, exactly. */
export function difference(a: string, b: string): string {
  return sum(a, b.startsWith('-') ? b.slice(1) : `-${b}`);
}

/** −1, 0 or 1. */
export function signOf(amount: string): -1 | 0 | 1 {
  const { units } = parse(amount);
  return units < 0n ? -1 : units > 0n ? 1 : 0;
}

/** A decimal rounded half to even to as many places, with all of them shown. */
export function rounded(amount: string, places: number): string {
  const value = parse(amount);
  if (value.places <= places) {
    return padded(scaledTo(value, places), places);
  }
  const divisor = 10n ** BigInt(value.places - places);
  const magnitude = value.units < 0n ? -value.units : value.units;
  const quotient = magnitude / divisor;
  const twice = (magnitude % divisor) * 2n;
  const up = twice > divisor || (twice === divisor && quotient % 2n === 1n);
  const result = up ? quotient + 1n : quotient;
  return padded(value.units < 0n ? -result : result, places);
}

function padded(units: bigint, places: number): string {
  const digits = String(units < 0n ? -units : units).padStart(places + 1, '0');
  const sign = units < 0n ? '-' : '';
  if (places === 0) return `${sign}${digits}`;
  return `${sign}${digits.slice(0, -places)}.${digits.slice(-places)}`;
}

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
  const text = padded(units, places);
  return places === 0 ? text : text.replace(/\.?0+$/, '');
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
  if (value.places <= places) return padded(scaledTo(value, places), places);
  const divisor = 10n ** BigInt(value.places - places);
  const quotient = value.units / divisor;
  const twice = sizeOf(value.units % divisor) * 2n;
  const isUp = twice > divisor || (twice === divisor && quotient % 2n !== 0n);
  const away = value.units < 0n ? -1n : 1n;
  return padded(isUp ? quotient + away : quotient, places);
}

function sizeOf(units: bigint): bigint {
  return units < 0n ? -units : units;
}

/** With every place shown. */
function padded(units: bigint, places: number): string {
  const digits = String(sizeOf(units)).padStart(places + 1, '0');
  const text = places === 0 ? digits : `${digits.slice(0, -places)}.${digits.slice(-places)}`;
  return units < 0n ? `-${text}` : text;
}

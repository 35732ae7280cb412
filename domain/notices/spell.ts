import type { Decimal } from '../money.ts';

/** How notices spell numbers and instants. */

/** A number of things: `1 day`, `2 days`. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

/** An instant in ISO 8601, to the minute. */
export function spell(iso: string): string {
  return `${iso.slice(0, 16).replace('T', ' ')} UTC`;
}

/** Dollars with cents. */
export function dollars(amount: Decimal): string {
  return `$${cents(amount)}`;
}

/** Rounded to cents, half away from zero, as people read money. The data of the notice has the exact amount. */
export function cents(amount: Decimal): string {
  const [whole = '0', fraction = ''] = amount.replace('-', '').split('.');
  const rounded = BigInt(whole + fraction.padEnd(2, '0').slice(0, 2)) + (Number(fraction[2] ?? '0') >= 5 ? 1n : 0n);
  const digits = rounded.toString().padStart(3, '0');
  const sign = amount.startsWith('-') && rounded !== 0n ? '-' : '';
  const wholeInGroups = digits.slice(0, -2).replace(/\B(?=(\d{3})+$)/g, ',');
  return `${sign}${wholeInGroups}.${digits.slice(-2)}`;
}

/** Dollars with cents, and the sign before the dollar: `−$12.30`. */
export function signedDollars(amount: Decimal): string {
  const text = cents(amount);
  return text.startsWith('-') ? `−$${text.slice(1)}` : `$${text}`;
}

/** As {@link cents}, with a plus where it grew. */
export function signedCents(amount: Decimal): string {
  const text = cents(amount);
  return text.startsWith('-') || text === '0.00' ? text : `+${text}`;
}

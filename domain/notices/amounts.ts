import type { Decimal } from '../money.ts';

/** As {@link cents}, with the sign of dollars. */
export function dollars(amount: Decimal): string {
  return `$${cents(amount)}`;
}

/** Rounded to cents, half away from zero, as people read money. The data of the notice has the exact amount. */
export function cents(amount: Decimal): string {
  const [whole = '0', fraction = ''] = amount.replace('-', '').split('.');
  const rounded = BigInt(whole + fraction.padEnd(2, '0').slice(0, 2)) + (Number(fraction[2] ?? '0') >= 5 ? 1n : 0n);
  const digits = rounded.toString().padStart(3, '0');
  const sign = amount.startsWith('-') && rounded !== 0n ? '-' : '';
  return `${sign}${digits.slice(0, -2)}.${digits.slice(-2)}`;
}

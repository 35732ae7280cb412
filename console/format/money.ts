import { rounded, signOf } from './decimal.ts';

const MINUS = '−';

/** An amount for people, such as `$1,234.56`. Below a cent it shows the digits that count: `$0.000123`. */
export function usd(amount: string): string {
  return signed(amount, `$${grouped(rounded(unsigned(amount), placesOf(amount)))}`);
}

/** An amount in another currency, such as `1,234.56 EUR`. */
export function money(amount: string, currency: string): string {
  return currency === 'USD'
    ? usd(amount)
    : signed(amount, `${grouped(rounded(unsigned(amount), placesOf(amount)))} ${currency}`);
}

/** A change for people: always with its sign, such as `+$12.00`; `±$0.00` for none. */
export function usdChange(amount: string): string {
  const sign = signOf(amount);
  return sign === 0 ? `±${usd(amount)}` : sign > 0 ? `+${usd(amount)}` : usd(amount);
}

/** How much `change` is of `before`, such as `+8.2 %`; null without a before. */
export function percentChange(change: string, before: string): string | null {
  if (signOf(before) === 0) return null;
  const percent = (Number(change) / Math.abs(Number(before))) * 100;
  const text = Math.abs(percent) >= 1000 ? Math.abs(percent).toFixed(0) : Math.abs(percent).toFixed(1);
  return `${percent > 0 ? '+' : percent < 0 ? MINUS : '±'}${grouped(text)} %`;
}

/** A share such as `0.714` as `71.4 %`. */
export function percent(share: string | number): string {
  const text = (Number(share) * 100).toFixed(1);
  return `${text === '-0.0' ? '0.0' : grouped(text).replace('-', MINUS)} %`;
}

/** A count for people: `1,234`, and from a million on `1.23 M`, `4.56 B`, `7.89 T`. */
export function count(value: string | number | bigint): string {
  const size = Math.abs(Number(value));
  for (const [least, letter] of [
    [1e12, 'T'],
    [1e9, 'B'],
    [1e6, 'M'],
  ] as const) {
    if (size >= least) return `${shortest(Number(value) / least)} ${letter}`.replace('-', MINUS);
  }
  return grouped(String(value)).replace('-', MINUS);
}

/** Three digits, and all of a larger whole number. */
function shortest(value: number): string {
  return Math.abs(value) >= 1000 ? grouped(value.toFixed(0)) : value.toPrecision(3);
}

/** Every digit of a decimal, with its thousands grouped. */
export function exact(amount: string): string {
  return signed(amount, grouped(unsigned(amount)));
}

function placesOf(amount: string): number {
  const [whole = '', fraction = ''] = unsigned(amount).split('.');
  if (/[1-9]/.test(whole) || /^0?[1-9]/.test(fraction) || !/[1-9]/.test(fraction)) return 2;
  return Math.min(fraction.length, fraction.search(/[1-9]/) + 3);
}

function unsigned(amount: string): string {
  return amount.startsWith('-') ? amount.slice(1) : amount;
}

function signed(amount: string, text: string): string {
  return signOf(amount) < 0 ? `${MINUS}${text}` : text;
}

function grouped(digits: string): string {
  const [whole = '', fraction] = digits.split('.');
  const groups = whole.replaceAll(/\B(?=(?:\d{3})+$)/g, ',');
  return fraction === undefined ? groups : `${groups}.${fraction}`;
}

/** Money is counted in units of 10⁻¹² US cents, as a bigint, so that sums are exact. */
export const DECIMALS = 12;
export const UNITS_PER_CENT = 10n ** BigInt(DECIMALS);

const DECIMAL = /^(-?)(\d+)(?:\.(\d+))?$/;

/** Cents as a canonical decimal: no trailing zeros, no point without digits after it. */
export function formatCents(units: bigint): string {
  return formatDecimal(units, DECIMALS);
}

/** US dollars as a canonical decimal: the same units, two more decimals. */
export function formatDollars(units: bigint): string {
  return formatDecimal(units, DECIMALS + 2);
}

/** Cents as the API writes them: now and then with trailing zeros. */
export function formatServedCents(units: bigint): string {
  const text = formatCents(units);
  if (units % 7n !== 0n) return text;
  return text.includes('.') ? `${text}00` : `${text}.0`;
}

/** Units for a decimal text of cents; throws for anything else or for more than twelve decimals. */
export function parseCents(text: string): bigint {
  const match = DECIMAL.exec(text);
  const fractionDigits = match?.[3] ?? '';
  if (match === null || fractionDigits.length > DECIMALS) {
    throw new RangeError(`not an amount of cents: ${JSON.stringify(text)}`);
  }
  const units = BigInt(`${match[2] ?? '0'}${fractionDigits.padEnd(DECIMALS, '0')}`);
  return match[1] === '-' ? -units : units;
}

function formatDecimal(units: bigint, decimals: number): string {
  const negative = units < 0n;
  const digits = (negative ? -units : units).toString().padStart(decimals + 1, '0');
  const whole = digits.slice(0, -decimals);
  const fractionDigits = digits.slice(-decimals).replace(/0+$/, '');
  return `${negative ? '-' : ''}${whole}${fractionDigits === '' ? '' : `.${fractionDigits}`}`;
}

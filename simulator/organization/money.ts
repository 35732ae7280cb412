/** Amounts are bigints in units of 10⁻¹² US cents, so that sums are exact. */
const DECIMALS = 12;
export const UNITS_PER_CENT = 10n ** BigInt(DECIMALS);

const DECIMAL = /^(-?)(\d+)(?:\.(\d+))?$/;

/** Cents as a decimal without trailing zeros. */
export function formatCents(units: bigint): string {
  return formatDecimal(units, DECIMALS);
}

/** US dollars as a decimal without trailing zeros. */
export function formatDollars(units: bigint): string {
  return formatDecimal(units, DECIMALS + 2);
}

/** Cents as the Admin API writes them: at times with trailing zeros. */
export function formatServedCents(units: bigint): string {
  const text = formatCents(units);
  if (units % 7n !== 0n) return text;
  return text.includes('.') ? `${text}00` : `${text}.0`;
}

/** The units of a decimal number of cents. Throws RangeError for other text and for more than twelve decimals. */
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
  const isNegative = units < 0n;
  const digits = (isNegative ? -units : units).toString().padStart(decimals + 1, '0');
  const whole = digits.slice(0, -decimals);
  const fractionDigits = digits.slice(-decimals).replace(/0+$/, '');
  return `${isNegative ? '-' : ''}${whole}${fractionDigits === '' ? '' : `.${fractionDigits}`}`;
}

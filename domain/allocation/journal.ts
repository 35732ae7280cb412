import { addDecimals, ofUnits, subtractDecimals, toUnits, ZERO, type Decimal } from '../money.ts';

const CENTS = 2;

/** An amount, and what tells it from others where rounding has to choose. */
export interface Rounded {
  readonly key: string;
  readonly amount: Decimal;
}

/**
 * The amounts in whole cents. They add up to the exact sum in cents, rounded half to even: each is rounded down, and the
 * cents that are left go to the largest remainders, ties by key. None is a whole cent away from its exact amount.
 */
export function inCents(amounts: readonly Rounded[]): Decimal[] {
  const { units, scale } = toUnits(
    amounts.map(({ amount }) => amount),
    CENTS,
  );
  const cent = 10n ** BigInt(scale - CENTS);
  const parts = amounts.map(({ key }, index) => {
    const unit = units[index] ?? 0n;
    const rest = ((unit % cent) + cent) % cent;
    return { key, index, floor: (unit - rest) / cent, rest };
  });
  const total = halfEven(
    units.reduce((sum, unit) => sum + unit, 0n),
    cent,
  );
  const left = total - parts.reduce((sum, { floor }) => sum + floor, 0n);
  const lucky = parts.toSorted((a, b) =>
    a.rest === b.rest ? (a.key < b.key ? -1 : a.key > b.key ? 1 : 0) : a.rest > b.rest ? -1 : 1,
  );
  const extra = new Set(lucky.slice(0, Number(left)).map(({ index }) => index));
  return parts.map(({ floor, index }) => ofUnits(floor + (extra.has(index) ? 1n : 0n), CENTS));
}

/** The quotient as a whole number, rounded half to even; the divisor is positive. */
function halfEven(dividend: bigint, divisor: bigint): bigint {
  const rest = ((dividend % divisor) + divisor) % divisor;
  const floor = (dividend - rest) / divisor;
  const twice = rest * 2n;
  return twice > divisor || (twice === divisor && floor % 2n !== 0n) ? floor + 1n : floor;
}

/** The amount that an entry needs so that all of them add up to zero. */
export function counterOf(amounts: readonly Decimal[]): Decimal {
  return subtractDecimals(ZERO, addDecimals(amounts));
}

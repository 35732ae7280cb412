import type { Band } from './forecast.ts';

/** What a group cost over the recent settled days, in US dollars. */
export interface GroupSpend {
  readonly key: string;
  readonly usd: number;
}

/** An amount in whole cents, and its 80 % band. */
export interface CentsBand {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

/** The fraction of the total that each group gets, by key; they add up to 1 (as floats do). Negative spend counts as none; without any, all are equal. */
export function groupShares(groups: readonly GroupSpend[]): Map<string, number> {
  const weights = groups.map(({ key, usd }) => ({ key, weight: Number.isFinite(usd) ? Math.max(0, usd) : 0 }));
  const largest = Math.max(0, ...weights.map(({ weight }) => weight));
  // Divided first, so that no sum overflows.
  const scaled = weights.map(({ key, weight }) => ({ key, weight: largest > 0 ? weight / largest : 1 }));
  const total = scaled.reduce((sum, { weight }) => sum + weight, 0);
  return new Map(scaled.map(({ key, weight }) => [key, weight / total]));
}

/**
 * Splits a total among groups by their shares. The means, lows and highs are whole cents and add up to those of the total,
 * rounded to cents, exactly; the cents that rounding leaves go to the largest remainders, ties by key. Nobody gets anything of
 * a total that nobody shares.
 */
export function splitByShares(total: Band, shares: ReadonlyMap<string, number>): Map<string, CentsBand> {
  const parts = {
    mean: splitCents(total.mean, shares),
    low: splitCents(total.low, shares),
    high: splitCents(total.high, shares),
  };
  return new Map(
    [...shares.keys()].map((key) => [
      key,
      { mean: parts.mean.get(key) ?? 0, low: parts.low.get(key) ?? 0, high: parts.high.get(key) ?? 0 },
    ]),
  );
}

function splitCents(usd: number, shares: ReadonlyMap<string, number>): Map<string, number> {
  if (shares.size === 0) return new Map();
  // Rounding may give -0.
  const total = Math.round(usd * 100) + 0;
  const parts = [...shares].map(([key, share]) => ({
    key,
    floor: Math.floor(total * share) + 0,
    rest: (total * share) % 1,
  }));
  const rests = parts.map(({ key, rest }) => ({ key, rest: rest < 0 ? rest + 1 : rest }));
  rests.sort((a, b) => b.rest - a.rest || (a.key < b.key ? -1 : 1));
  const cents = new Map(parts.map(({ key, floor }) => [key, floor]));
  const left = total - parts.reduce((sum, { floor }) => sum + floor, 0);
  // Shares are floats, so the cents that are left may be off by more than one for each group.
  for (let given = 0; given < Math.abs(left); given += 1) {
    const key = rests[given % rests.length]?.key;
    if (key !== undefined) cents.set(key, (cents.get(key) ?? 0) + Math.sign(left));
  }
  return cents;
}

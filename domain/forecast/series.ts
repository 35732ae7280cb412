import { daysBetween, type Day } from '../days.ts';
import type { SettledDay } from './forecast.ts';

/** Older days say little about the next ones, and a bound on them bounds the work. */
export const HISTORY_DAYS = 800;

export const WEEK = 7;

/**
 * A series without dates: its last value belongs to the day before the first one forecast. Unknown days are NaN. Values are in
 * units of the series' own size, so that no method needs an absolute threshold, and a constant factor changes nothing.
 */
export interface Series {
  readonly values: Float64Array;
  /** US dollars per unit: the mean absolute value of the known days. */
  readonly unit: number;
}

/** The known days before `from`, at most HISTORY_DAYS back, in any order. Of several values of a day the largest counts. */
export function toSeries(settled: readonly SettledDay[], from: Day): Series {
  const byAge = new Map<number, number>();
  for (const { day, usd } of settled) {
    const age = daysBetween(day, from);
    if (age < 1 || age > HISTORY_DAYS || !Number.isFinite(usd)) continue;
    byAge.set(age, Math.max(usd, byAge.get(age) ?? usd));
  }
  const ages = [...byAge.keys()].sort((a, b) => a - b);
  const largest = Math.max(0, ...[...byAge.values()].map(Math.abs));
  // Divided by the largest first, so that no sum overflows or loses the small ones.
  const mean =
    ages.reduce((sum, age) => sum + Math.abs((byAge.get(age) ?? 0) / (largest || 1)), 0) / (ages.length || 1);
  const unit = mean * largest || 1;
  const values = new Float64Array(ages.at(-1) ?? 0).fill(Number.NaN);
  for (const age of ages) values[values.length - age] = (byAge.get(age) ?? 0) / unit;
  return { values, unit };
}

/** The value at an index; NaN outside of the array. */
export function at(values: Float64Array, index: number): number {
  // A load that ever left an array makes V8 put every number into an object of its own.
  return index >= 0 && index < values.length ? (values[index] ?? Number.NaN) : Number.NaN;
}

/** The mean of the known values in `from..to - 1`; NaN if none is known. */
export function meanOf(values: Float64Array, from: number, to: number): number {
  let sum = 0;
  let count = 0;
  for (let index = Math.max(0, from); index < to; index += 1) {
    const value = at(values, index);
    if (Number.isNaN(value)) continue;
    sum += value;
    count += 1;
  }
  return count > 0 ? sum / count : Number.NaN;
}

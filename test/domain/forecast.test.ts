import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addDays, daysIn, toDay, type Day } from '../../domain/days.ts';
import { LEAST_DAYS, forecast, type Band, type Forecast, type SettledDay } from '../../domain/forecast/forecast.ts';

const FIRST = toDay('2025-01-06');
/** Use on each day of a week, from Monday on. */
const WEEK = [100, 105, 110, 105, 100, 35, 20];

type Made = Exclude<Forecast, { method: null }>;

function series(values: readonly (number | null)[]): SettledDay[] {
  return values.flatMap((usd, index) => (usd === null ? [] : [{ day: addDays(FIRST, index), usd }]));
}

function made(settled: readonly SettledDay[], from: Day, days: number): Made {
  const found = forecast(settled, from, addDays(from, days - 1));
  if (found.method === null) throw new Error(found.reason);
  return found;
}

/** The forecast of the days right after the values. */
function after(values: readonly (number | null)[], days = 20): Made {
  return made(series(values), addDays(FIRST, values.length), days);
}

/** The same pseudo-random numbers in [0, 1) for a seed. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function weeks(days: number, noise: number, seed = 1): number[] {
  const next = numbers(seed);
  return Array.from({ length: days }, (_, index) => (WEEK[index % 7] ?? 0) * (1 + noise * (next() - 0.5)));
}

function bandsOf({ days, sum }: Made): Band[] {
  return [...days, sum];
}

const amount = fc.oneof(
  fc.double({ min: -1e6, max: 1e6, noNaN: true }),
  fc.constant(0),
  fc.double({ min: 0, max: 1e-9, noNaN: true }),
  fc.double({ min: 0, max: 1e12, noNaN: true }),
);
const anySeries = fc.array(fc.option(amount, { freq: 8 }), { minLength: LEAST_DAYS + 6, maxLength: 120 });

describe('forecast', () => {
  it('gives no numbers and says why while there are fewer than 14 settled days', () => {
    const found = forecast(series(weeks(13, 0)), addDays(FIRST, 13), addDays(FIRST, 20));
    expect(found).toEqual({ method: null, reason: 'A forecast needs 14 settled days, and there are 13.' });
  });

  it('is exact, with bands of no width, on a week that repeats', () => {
    const { days, sum } = after(weeks(120, 0), 14);
    days.forEach(({ mean }, index) => {
      expect(mean).toBeCloseTo(WEEK[(120 + index) % 7] ?? 0, 0);
    });
    expect(sum.mean).toBeCloseTo(1150, -1);
    expect(sum.high - sum.low).toBeLessThan(0.03 * sum.mean);
  });

  it('says zero of a series of zeros, and the constant of a constant one', () => {
    expect(after(Array<number>(40).fill(0)).sum).toEqual({ mean: 0, low: 0, high: 0 });
    const { sum } = after(Array<number>(40).fill(7));
    expect(sum.mean).toBeCloseTo(140, 6);
    expect(sum.high - sum.low).toBeLessThan(1e-3);
  });

  it('does not take a missing day for a zero', () => {
    const values = weeks(100, 0.1);
    const holes = values.map((value, index) => (index % 9 === 4 ? null : value));
    expect(after(holes).sum.mean / after(values).sum.mean).toBeCloseTo(1, 1);
  });

  it('does not take one huge day for the new normal', () => {
    const values = weeks(100, 0.1);
    const spiked = values.with(98, 50_000);
    expect(after(spiked).sum.mean).toBeLessThan(1.2 * after(values).sum.mean);
  });

  it('follows a new level within a week and a half', () => {
    const values = weeks(100, 0.1).map((value, index) => (index < 90 ? value : 3 * value));
    const truth = weeks(120, 0)
      .slice(100)
      .reduce((sum, value) => sum + 3 * value, 0);
    expect(after(values).sum.mean / truth).toBeCloseTo(1, 1);
  });

  it('follows a trend', () => {
    const growing = (index: number): number => (WEEK[index % 7] ?? 0) * (1 + index / 50);
    const found = after(Array.from({ length: 200 }, (_, index) => growing(index)));
    const truth = Array.from({ length: 20 }, (_, index) => growing(200 + index)).reduce((sum, value) => sum + value, 0);
    expect(found.sum.mean / truth).toBeGreaterThan(0.97);
    expect(found.sum.mean / truth).toBeLessThan(1.03);
  });

  it('never goes below zero unless the series does', () => {
    const falling = Array.from({ length: 60 }, (_, index) => Math.max(0, 60 - 1.2 * index));
    for (const { low, mean } of bandsOf(after(falling, 31))) {
      expect(low).toBeGreaterThanOrEqual(0);
      expect(mean).toBeGreaterThanOrEqual(0);
    }
    const credits = after(weeks(60, 0.3).map((value) => -value));
    expect(credits.sum.mean).toBeLessThan(0);
  });

  it('ignores days from the first one forecast on', () => {
    const values = weeks(60, 0.2);
    const later = [...series(values), { day: addDays(FIRST, 60), usd: 1e9 }];
    expect(made(later, addDays(FIRST, 60), 20)).toEqual(after(values));
  });

  it('has finite, ordered bands around every day and the sum, and a sum that adds up, whatever the series', () => {
    fc.assert(
      fc.property(anySeries, fc.integer({ min: 1, max: 40 }), fc.integer({ min: 0, max: 5 }), (values, days, gap) => {
        const from = addDays(FIRST, values.length + gap);
        const found = forecast(series(values), from, addDays(from, days - 1));
        if (found.method === null) return;
        expect(found.days.map(({ day }) => day)).toEqual(daysIn({ from, to: addDays(from, days - 1) }));
        for (const { mean, low, high } of bandsOf(found)) {
          expect([mean, low, high].every(Number.isFinite)).toBe(true);
          expect(low).toBeLessThanOrEqual(mean);
          expect(mean).toBeLessThanOrEqual(high);
        }
        const added = found.days.reduce((sum, { mean }) => sum + mean, 0);
        const size = found.days.reduce((sum, { mean }) => sum + Math.abs(mean), 0);
        expect(Math.abs(added - found.sum.mean)).toBeLessThanOrEqual(1e-9 * size);
      }),
      { numRuns: 40 },
    );
  });

  it('does not depend on the order of the days, and a factor on them is one on the forecast', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 1000, noNaN: true }), { minLength: 20, maxLength: 90 }),
        fc.constantFrom(1e-6, 0.1, 3, 1e6),
        (values, factor) => {
          const plain = after(values);
          expect(made(series(values).toReversed(), addDays(FIRST, values.length), 20)).toEqual(plain);
          const scaled = after(values.map((value) => value * factor));
          const size = plain.sum.high * factor;
          expect(Math.abs(scaled.sum.mean - plain.sum.mean * factor)).toBeLessThanOrEqual(1e-6 * size);
          expect(Math.abs(scaled.sum.high - plain.sum.high * factor)).toBeLessThanOrEqual(1e-6 * size);
        },
      ),
      { numRuns: 25 },
    );
  });

  it('has bands that hold about 80 of 100 sums and days of a noisy series', () => {
    const values = weeks(800, 0.8, 7);
    let [sums, heldSums, days, heldDays] = [0, 0, 0, 0];
    for (let origin = 200; origin + 20 <= values.length; origin += 15) {
      const found = after(values.slice(0, origin));
      const actual = values.slice(origin, origin + 20);
      const total = actual.reduce((sum, value) => sum + value, 0);
      sums += 1;
      if (found.sum.low <= total && total <= found.sum.high) heldSums += 1;
      found.days.forEach(({ low, high }, index) => {
        const value = actual[index] ?? NaN;
        days += 1;
        if (low <= value && value <= high) heldDays += 1;
      });
    }
    expect(heldSums / sums).toBeGreaterThan(0.65);
    expect(heldDays / days).toBeGreaterThan(0.72);
    expect(heldDays / days).toBeLessThan(0.95);
  });
});

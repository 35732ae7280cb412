import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Calm } from '../../domain/forecast/calm.ts';
import { CANDIDATES } from '../../domain/forecast/methods.ts';
import { mixtureOf } from '../../domain/forecast/mixture.ts';
import { seasonalTrend } from '../../domain/forecast/mstl.ts';
import { replay } from '../../domain/forecast/replay.ts';
import { FLAT } from '../../domain/forecast/shape.ts';
import { LEAST_DAYS, stl } from '../../domain/forecast/stl.ts';

const WEEK = [100, 105, 110, 105, 100, 35, 20];

/** The same pseudo-random numbers in [0, 1) for a seed. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** What the method says after these values; null if they are too few. */
function said(values: readonly number[], days: number): number[] | null {
  const out = { values: new Float64Array(days), from: 0, days };
  const past = { values: Float64Array.from(values), start: values.length, shape: FLAT };
  return seasonalTrend(past, out) ? [...out.values] : null;
}

describe('the decomposition by local regression', () => {
  it('is that of statsmodels, to six decimals', () => {
    const next = numbers(7);
    const values = Float64Array.from(
      { length: 40 },
      (_, index) => (WEEK[index % 7] ?? 0) * (1 + index / 200) + 10 * (next() - 0.5),
    );
    const { season } = stl(values);
    // statsmodels.tsa.seasonal.STL (0.14) of these values: period 7, seasonal 11 of degree 0, trend 15, low pass 9, two rounds.
    const first = [16.839426, 24.208222, 32.376311];
    const last = [-51.499453, -67.688532, 17.350283, 24.768845, 33.414615, 25.307164, 18.471913];
    first.forEach((value, index) => {
      expect(season[index]).toBeCloseTo(value, 6);
    });
    last.forEach((value, index) => {
      expect(season[33 + index]).toBeCloseTo(value, 6);
    });
  });

  it('adds up to the values, whatever they are', () => {
    const amount = fc.double({ min: -1e6, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(fc.array(amount, { minLength: LEAST_DAYS, maxLength: 200 }), (values) => {
        const { season, adjusted } = stl(Float64Array.from(values));
        const size = Math.max(1, ...values.map(Math.abs));
        values.forEach((value, index) => {
          expect(Math.abs((season[index] ?? NaN) + (adjusted[index] ?? NaN) - value)).toBeLessThanOrEqual(1e-9 * size);
        });
      }),
      { numRuns: 60 },
    );
  });
});

describe('the forecast by it', () => {
  it('repeats a week that repeats, and grows each day of a week that grows', () => {
    const same =
      said(
        Array.from({ length: 60 }, (_, index) => (WEEK[index % 7] ?? 0) / 80),
        7,
      ) ?? [];
    same.forEach((value, ahead) => {
      expect(value).toBeCloseTo((WEEK[(60 + ahead) % 7] ?? 0) / 80, 1);
    });
    const grown = (index: number): number => ((WEEK[index % 7] ?? 0) / 80) * 1.004 ** index;
    const grows =
      said(
        Array.from({ length: 180 }, (_, index) => grown(index)),
        7,
      ) ?? [];
    grows.forEach((value, ahead) => {
      expect(value / grown(180 + ahead)).toBeGreaterThan(0.95);
      expect(value / grown(180 + ahead)).toBeLessThan(1.05);
    });
  });

  it('is not made of fewer than three weeks', () => {
    expect(said(Array<number>(LEAST_DAYS - 1).fill(1), 7)).toBeNull();
    expect(said(Array<number>(LEAST_DAYS).fill(1), 7)).not.toBeNull();
  });

  it('takes an unknown day for the same day a week before, never for zero', () => {
    const whole = Array.from({ length: 70 }, (_, index) => (WEEK[index % 7] ?? 0) / 80);
    const holes = whole.map((value, index) => (index % 9 === 4 ? Number.NaN : value));
    const [with_, without] = [said(holes, 7) ?? [], said(whole, 7) ?? []];
    with_.forEach((value, ahead) => {
      expect(value / (without[ahead] ?? NaN)).toBeCloseTo(1, 1);
    });
  });

  it('has its say where spend grows by a part of itself, on the sums of weeks to come', () => {
    const next = numbers(7);
    const values = Float64Array.from(
      { length: 300 },
      (_, index) => ((WEEK[index % 7] ?? 0) / 80) * 1.01 ** (index - 250) * (0.9 + 0.2 * next()),
    );
    const { weights } = mixtureOf(replay(values, new Calm(values), 20));
    const place = CANDIDATES.findIndex(({ method }) => method === 'mstl');
    expect(weights[place]).toBeGreaterThan(0.2);
  });
});

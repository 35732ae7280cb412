import fc from 'fast-check';
import { expect, it } from 'vitest';
import { groupShares, splitByShares } from '../../domain/forecast/shares.ts';

const groups = fc.uniqueArray(
  fc.record({ key: fc.string({ maxLength: 4 }), usd: fc.double({ min: -100, max: 1e9, noNaN: true }) }),
  { minLength: 1, maxLength: 12, selector: ({ key }) => key },
);

it('groups add up to the total in cents exactly, for each end of the band', () => {
  fc.assert(
    fc.property(
      groups,
      fc.double({ min: -1e6, max: 1e9, noNaN: true }),
      fc.double({ min: 0, max: 1e6, noNaN: true }),
      (all, mean, half) => {
        const total = { mean, low: mean - half, high: mean + half };
        const parts = [...splitByShares(total, groupShares(all)).values()];
        for (const end of ['mean', 'low', 'high'] as const) {
          expect(parts.reduce((sum, part) => sum + part[end], 0)).toBe(Math.round(total[end] * 100));
        }
      },
    ),
  );
});

it('a group gets its share of the recent spend, and none for credits', () => {
  const shares = groupShares([
    { key: 'a', usd: 30 },
    { key: 'b', usd: 10 },
    { key: 'c', usd: -5 },
  ]);
  expect(shares).toEqual(
    new Map([
      ['a', 0.75],
      ['b', 0.25],
      ['c', 0],
    ]),
  );
});

it('groups without any recent spend share evenly, and the first ones by key get the odd cents', () => {
  const parts = splitByShares(
    { mean: 1, low: 1, high: 1 },
    groupShares(['c', 'a', 'b'].map((key) => ({ key, usd: 0 }))),
  );
  expect(['a', 'b', 'c'].map((key) => parts.get(key)?.mean)).toEqual([34, 33, 33]);
});

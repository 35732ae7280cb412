import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addDays, lengthOf, toDay, type Day } from '../../domain/days.ts';
import { COMPARES, addMonths, begins, comparisonOf, ends } from '../../domain/spend/compare.ts';

const day = fc.integer({ min: 0, max: 9_000 }).map((offset): Day => addDays(toDay('2005-01-01'), offset));
const range = (from: string, to: string) => ({ from: toDay(from), to: toDay(to) });

describe('a comparison', () => {
  it.each([
    ['previous', '2026-07-10', '2026-07-12', '2026-07-07', '2026-07-09'],
    ['month', '2026-07-01', '2026-07-31', '2026-06-01', '2026-06-30'],
    ['month', '2026-04-01', '2026-04-30', '2026-03-01', '2026-03-31'],
    ['month', '2026-04-02', '2026-04-30', '2026-03-02', '2026-03-30'],
    ['year', '2025-02-01', '2025-02-28', '2024-02-01', '2024-02-29'],
    ['month', '2026-03-29', '2026-03-31', '2026-02-28', '2026-02-28'],
    ['month', '2026-01-15', '2026-01-15', '2025-12-15', '2025-12-15'],
    ['year', '2024-02-29', '2024-03-01', '2023-02-28', '2023-03-01'],
    ['year', '2026-01-01', '2026-12-31', '2025-01-01', '2025-12-31'],
  ] as const)('with %s of %s to %s is with %s to %s', (compare, from, to, earlierFrom, earlierTo) => {
    expect(comparisonOf(range(from, to), compare, null).range).toEqual(range(earlierFrom, earlierTo));
  });

  it('is with a range that begins and ends earlier, and the range just before is as long', () => {
    fc.assert(
      fc.property(day, fc.nat(400), fc.constantFrom(...COMPARES), (from, length, compare) => {
        const given = { from, to: addDays(from, length) };
        const { range: earlier } = comparisonOf(given, compare, null);
        expect(earlier.from < given.from && earlier.to < given.to && earlier.from <= earlier.to).toBe(true);
        if (compare !== 'previous') return;
        expect(lengthOf(earlier)).toBe(lengthOf(given));
        expect(addDays(earlier.to, 1)).toBe(from);
      }),
    );
  });

  it('counts in months where the rows are months, since December has its place in June though 183 days lie between', () => {
    expect(comparisonOf(range('2024-06-01', '2024-11-30'), 'previous', 'month')).toEqual({
      with: 'previous',
      range: range('2023-12-01', '2024-05-31'),
      distance: { months: 6 },
    });
  });
});

describe('a day some months later', () => {
  it('is the same day of the month, or the last one of a shorter month', () => {
    fc.assert(
      fc.property(day, fc.integer({ min: -30, max: 30 }), (given, months) => {
        const later = addMonths(given, months);
        const isLast = addDays(later, 1).endsWith('-01');
        expect(later.slice(8) === given.slice(8) || (isLast && later.slice(8) < given.slice(8))).toBe(true);
        expect(addMonths(toDay(`${given.slice(0, 7)}-01`), months).slice(0, 7)).toBe(later.slice(0, 7));
      }),
    );
  });
});

describe('a day', () => {
  it.each([
    ['week', '2026-07-06', true, false],
    ['week', '2026-07-12', false, true],
    ['week', '2026-07-08', false, false],
    ['month', '2026-07-01', true, false],
    ['month', '2026-02-28', false, true],
    ['month', '2024-02-28', false, false],
    ['day', '2026-07-08', true, true],
  ] as const)('by %s: whether %s begins one is %s, whether it ends one is %s', (grain, given, isFirst, isLast) => {
    expect([begins(toDay(given), grain), ends(toDay(given), grain)]).toEqual([isFirst, isLast]);
  });
});

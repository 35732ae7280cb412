import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addDays,
  dayOf,
  daysBetween,
  daysIn,
  isDay,
  lengthOf,
  splitRange,
  toDay,
  toRanges,
  type Day,
} from '../../domain/days.ts';

const day = fc.integer({ min: 0, max: 40_000 }).map((count): Day => addDays('2000-01-01', count));
const range = fc
  .tuple(day, fc.integer({ min: 0, max: 800 }))
  .map(([from, length]) => ({ from, to: addDays(from, length) }));

describe('days', () => {
  it('are real calendar days', () => {
    for (const good of ['2026-01-01', '2024-02-29', '2000-12-31']) expect(isDay(good)).toBe(true);
    for (const bad of ['2026-02-29', '2026-2-1', '2026-13-01', '2026-01-01T00:00:00Z', '', 'today', '٢٠٢٦-٠١-٠١']) {
      expect(isDay(bad), bad).toBe(false);
    }
    expect(() => toDay('2026-02-30')).toThrow(RangeError);
  });

  it('turn at UTC midnight', () => {
    expect(dayOf(Date.parse('2026-03-01T23:59:59.999Z'))).toBe('2026-03-01');
    expect(dayOf(Date.parse('2026-03-02T00:00:00Z'))).toBe('2026-03-02');
  });

  it('are counted over month ends, leap days and years', () => {
    fc.assert(
      fc.property(day, fc.integer({ min: -900, max: 900 }), (from, count) => {
        expect(daysBetween(from, addDays(from, count))).toBe(count);
        expect(addDays(addDays(from, count), -count)).toBe(from);
      }),
    );
    expect(addDays('2024-02-28', 1)).toBe('2024-02-29');
  });

  it('a window cut into parts is the window: each day once, in order, no part too long', () => {
    fc.assert(
      fc.property(range, fc.integer({ min: 1, max: 40 }), (window, max) => {
        const parts = splitRange(window, max);
        expect(parts.flatMap(daysIn)).toEqual(daysIn(window));
        expect(parts.every((part) => lengthOf(part) <= max)).toBe(true);
      }),
    );
  });

  it('gathered into ranges they stay the same days, in the fewest ranges', () => {
    fc.assert(
      fc.property(fc.array(day, { maxLength: 60 }), (days) => {
        const ranges = toRanges(days);
        expect(ranges.flatMap(daysIn)).toEqual([...new Set(days)].sort());
        ranges.slice(1).forEach((next, index) => {
          expect(daysBetween(ranges[index]?.to ?? next.from, next.from)).toBeGreaterThan(1);
        });
      }),
    );
  });
});

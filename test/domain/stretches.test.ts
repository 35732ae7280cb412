import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addDays, toDay } from '../../domain/days.ts';
import { stretchesOf, type Lines } from '../../domain/spend/stretches.ts';

const FIRST = toDay('2026-01-01');

/** Parts of one to three days that follow each other, some with a gap before them. */
const parts: fc.Arbitrary<Lines[]> = fc
  .array(fc.record({ gap: fc.nat(2), days: fc.integer({ min: 1, max: 3 }), lines: fc.nat(40) }), { maxLength: 40 })
  .map((drawn) => {
    let next = FIRST;
    return drawn.map(({ gap, days, lines }) => {
      const from = addDays(next, gap);
      next = addDays(from, days);
      return { from, to: addDays(next, -1), lines };
    });
  });

const sum = (of: readonly Lines[]): number => of.reduce((total, { lines }) => total + lines, 0);

describe('stretches of days', () => {
  it('have every part once, in its order, whatever is enough', () => {
    fc.assert(
      fc.property(parts, fc.integer({ min: 1, max: 100 }), (given, enough) => {
        const stretches = stretchesOf(given, enough);
        const within = stretches.map(({ from, to }) => given.filter((part) => from <= part.from && part.to <= to));
        expect(within.flat()).toEqual(given);
        expect(within.map(sum)).toEqual(stretches.map(({ lines }) => lines));
      }),
    );
  });

  it('have enough lines, four times as many each time, and would not without their last part', () => {
    fc.assert(
      fc.property(parts, fc.integer({ min: 1, max: 100 }), (given, enough) => {
        const stretches = stretchesOf(given, enough);
        for (const [at, { from, to, lines }] of stretches.entries()) {
          const least = enough * 4 ** at;
          if (at < stretches.length - 1) expect(lines).toBeGreaterThanOrEqual(least);
          const others = given.filter((part) => from <= part.from && part.to < to);
          if (others.length > 0) expect(sum(others)).toBeLessThan(least);
        }
      }),
    );
  });
});

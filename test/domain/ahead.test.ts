import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BudgetDay } from '../../domain/budgets/state.ts';
import { addDays, daysBetween, toDay } from '../../domain/days.ts';
import { ZERO, addDecimals, subtractDecimals, toDecimal, type Decimal } from '../../domain/money.ts';
import { aheadOf } from '../../domain/spend/ahead.ts';

const PERIOD = { from: toDay('2026-11-01'), to: toDay('2026-11-30') };

const amount = fc.integer({ min: -2_000_000, max: 9_000_000_000 }).map((units) => toDecimal(`${units}e-6`));
const group = fc.record({ spent: amount, recent: amount });

function daysOf(amounts: readonly Decimal[]): BudgetDay[] {
  const last = toDay('2026-11-12');
  return amounts.map((one, index) => ({
    day: addDays(last, index - amounts.length + 1),
    amount: one,
    state: 'final',
    isRead: true,
    isSettled: true,
  }));
}

describe('what is expected of groups', () => {
  it('takes no time by the size of an amount that nobody shares', () => {
    const days = daysOf(Array.from({ length: 30 }, () => toDecimal('9e14')));
    expect(aheadOf({ days, period: PERIOD, groups: [], most: 10 })).toMatchObject({ groups: [], other: null });
  });

  it('adds up to what is expected of the whole, exactly, however many are shown', () => {
    const property = fc.property(
      fc.array(amount, { minLength: 14, maxLength: 40 }),
      fc.array(group, { minLength: 1, maxLength: 12 }),
      fc.integer({ min: 1, max: 12 }),
      (amounts, given, most) => {
        const days = daysOf(amounts);
        const own = days.filter(({ day }) => day >= PERIOD.from);
        // The groups are parts of the query, so what they spent is what the query spent.
        const rest = addDecimals([
          ...own.map((one) => one.amount),
          ...given.slice(1).map(({ spent }) => subtractDecimals(ZERO, spent)),
        ]);
        const groups = given.map((one, index) => (index === 0 ? { ...one, spent: rest } : one));
        const { outlook, groups: shown, other } = aheadOf({ days, period: PERIOD, groups, most });
        if (outlook.method === null) throw new Error(outlook.reason);
        const all = [...shown, ...(other === null ? [] : [other])];
        expect(shown.length).toBe(Math.min(most, groups.length));
        expect(shown.length + (other?.groups ?? 0)).toBe(groups.length);
        for (const part of ['mean', 'low', 'high'] as const) {
          expect(addDecimals(all.map(({ total }) => total[part]))).toBe(outlook[part]);
        }
        for (let index = 0; index < daysBetween('2026-11-12', PERIOD.to); index += 1) {
          const means = all.map((one) => one.days[index]?.mean ?? toDecimal('0'));
          expect(addDecimals(means)).toBe(outlook.days[index]?.mean);
        }
      },
    );
    fc.assert(property, { numRuns: 60 });
  });
});

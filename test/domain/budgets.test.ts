import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { percentOf, periodOf, periodsJudged, reaches, usdOf, type Threshold } from '../../domain/budgets/budget.ts';
import { remembering } from '../../domain/budgets/forecaster.ts';
import { replay } from '../../domain/budgets/replay.ts';
import {
  atLeast,
  daysToExhaustion,
  outlookAt,
  spentOf,
  type BandDay,
  type BudgetDay,
  type Forecaster,
  type Outlook,
} from '../../domain/budgets/state.ts';
import { verdictsOf, type Evidence, type StandingAlert, type Verdict } from '../../domain/budgets/verdicts.ts';
import { addDays, daysBetween, daysIn, toDay, type Day, type DayRange } from '../../domain/days.ts';
import { addDecimals, subtractDecimals, toDecimal, type Decimal } from '../../domain/money.ts';

const MONTH: DayRange = { from: toDay('2026-11-01'), to: toDay('2026-11-30') };

/** As many dollars a day as on the last settled day. */
const asBefore: Forecaster = (settled, from, through) => {
  const last = settled.at(-1);
  if (last === undefined) return { method: null, reason: 'Nothing is settled.' };
  const { amount } = last;
  const days = daysIn({ from, to: through }).map((day) => ({ day, mean: amount, low: amount, high: amount }));
  const sum = addDecimals(days.map(({ mean }) => mean));
  return { method: 'last_day', days, sum: { mean: sum, low: sum, high: sum } };
};

const settledDay = (day: Day, amount: Decimal): BudgetDay => ({
  day,
  amount,
  state: 'final',
  isRead: true,
  isSettled: true,
});
const missingDay = (day: Day): BudgetDay => ({
  day,
  amount: toDecimal('0'),
  state: 'missing',
  isRead: false,
  isSettled: false,
});

const amount = fc.integer({ min: -500, max: 2_000 }).map((cents) => toDecimal(`${cents}e-2`));
const threshold: fc.Arbitrary<Threshold> = fc
  .record({ of: fc.constantFrom('actual' as const, 'forecast' as const), percent: fc.constantFrom('50', '80', '100') })
  .map(({ of, percent }) => ({ of, percent: toDecimal(percent), usd: null }));
const series = fc.array(amount, { minLength: 2, maxLength: 30 });

/** The days that an outlook expects. */
function daysAfter(outlook: Outlook): readonly BandDay[] {
  return outlook.method === null ? [] : outlook.days;
}

/** What stands after verdicts are carried out. */
function after(alerts: readonly StandingAlert[], verdicts: readonly Verdict[]): StandingAlert[] {
  const left = alerts.filter(
    ({ id }) => !verdicts.some((verdict) => verdict.verdict === 'withdraw' && verdict.alert.id === id),
  );
  const fired = verdicts.flatMap((verdict, index) =>
    verdict.verdict === 'fire'
      ? [
          {
            id: `${left.length}-${index}`,
            threshold: verdict.threshold,
            readDays: verdict.spent.readDays,
            basis: verdict.basis,
          },
        ]
      : [],
  );
  return [...left, ...fired];
}

function evidence(
  days: readonly BudgetDay[],
  thresholds: readonly Threshold[],
  alerts: readonly StandingAlert[] = [],
): Evidence {
  const today = addDays(days.at(-1)?.day ?? MONTH.from, 1);
  const digest = (text: string): string => text;
  return { period: MONTH, today, amount: toDecimal('100'), thresholds, days, alerts, forecast: asBefore, digest };
}

const dated = (amounts: readonly Decimal[]): BudgetDay[] =>
  amounts.map((one, index) => settledDay(addDays(MONTH.from, index), one));

describe('a period', () => {
  it.each([
    ['month', '2028-02-29', '2028-02-01', '2028-02-29'],
    ['quarter', '2026-12-31', '2026-10-01', '2026-12-31'],
    ['quarter', '2026-01-01', '2026-01-01', '2026-03-31'],
    ['year', '2026-07-04', '2026-01-01', '2026-12-31'],
  ] as const)('%s of %s is %s to %s', (period, day, from, to) => {
    expect(periodOf(period, day)).toEqual({ from, to });
  });

  it('holds every day, and those of one kind follow each other without a gap', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('month' as const, 'quarter' as const, 'year' as const),
        fc.nat(3_000),
        (period, nth) => {
          const day = addDays(toDay('2024-01-01'), nth);
          const own = periodOf(period, day);
          expect(own.from <= day && day <= own.to).toBe(true);
          expect(periodOf(period, addDays(own.to, 1)).from).toBe(addDays(own.to, 1));
        },
      ),
    );
  });

  it('is judged while corrections may come, and never if it ended before the budget was made', () => {
    const judged = (today: Day, createdOn: Day): Day[] =>
      periodsJudged({ period: 'month', createdOn }, today).map(({ from }) => from);
    expect(judged('2026-11-20', '2026-01-01')).toEqual(['2026-10-01', '2026-11-01']);
    expect(judged('2026-11-20', '2026-11-05')).toEqual(['2026-11-01']);
    const fixed = { period: { from: '2026-11-10', to: '2026-11-12' }, createdOn: '2026-11-01' } as const;
    expect(periodsJudged(fixed, '2026-11-09')).toEqual([]);
    expect(periodsJudged(fixed, '2026-12-13')).toEqual([fixed.period]);
    expect(periodsJudged(fixed, '2026-12-14')).toEqual([]);
  });
});

describe('numbers of a budget', () => {
  it('a percentage is reached exactly when 100 percent is shown', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 300_000 }), fc.integer({ min: 1, max: 100_000 }), (part, whole) => {
        const [spent, all] = [toDecimal(`${part}e-3`), toDecimal(`${whole}e-3`)];
        expect(reaches(percentOf(spent, all), toDecimal('100'))).toBe(reaches(spent, all));
      }),
    );
    expect(usdOf({ of: 'actual', percent: toDecimal('33.3'), usd: null }, toDecimal('0.1'))).toBe('0.0333');
  });

  it('what is spent is the exact sum of what is read, and a lower bound only where days are missing or uncovered', () => {
    fc.assert(
      fc.property(series, fc.array(fc.nat(29)), (amounts, gaps) => {
        const all = dated(amounts).map((one, index) => (gaps.includes(index) ? missingDay(one.day) : one));
        const spent = spentOf(all, MONTH, addDays(all.at(-1)?.day ?? MONTH.from, 1), toDecimal('100'));
        expect(spent.spent).toBe(addDecimals(all.map((one) => one.amount)));
        expect(spent.missingDays).toBe(new Set(gaps.filter((gap) => gap < all.length)).size);
        expect(spent.isLowerBound).toBe(spent.missingDays > 0);
      }),
    );
  });

  it('an outlook is what was spent and the forecast of the rest, from settled days alone, and never below what is read', () => {
    fc.assert(
      fc.property(series, amount, (amounts, today) => {
        const settled = dated(amounts.slice(0, 29));
        const last = settled.at(-1) ?? settledDay(MONTH.from, toDecimal('0'));
        const half: BudgetDay = { ...settledDay(addDays(last.day, 1), today), state: 'provisional', isSettled: false };
        const outlook = outlookAt([...settled, half], MONTH, last.day, (known, from, through) => {
          expect(known.map(({ day }) => day)).toEqual(settled.map(({ day }) => day));
          expect([from, through]).toEqual([half.day, MONTH.to]);
          return asBefore(known, from, through);
        });
        const left = daysBetween(last.day, MONTH.to);
        const spent = addDecimals(settled.map((one) => one.amount));
        const rest = addDecimals(Array.from({ length: left }, () => last.amount));
        expect(outlook).toMatchObject({ mean: addDecimals([spent, rest]) });
        const read = { ...half, amount: toDecimal('9998.991') };
        const others = addDecimals(Array.from({ length: left - 1 }, () => last.amount));
        const mean = addDecimals([spent, others, toDecimal('9999')]);
        expect(atLeast(outlook, [...settled, read])).toMatchObject({
          mean,
          low: addDecimals([spent, toDecimal('9999')]),
          days: [{ day: half.day, mean: '9999', low: '9999', high: '9999' }, ...daysAfter(outlook).slice(1)],
        });
      }),
    );
  });

  it('days to exhaustion count from today: 0 once it is used up, null if it lasts', () => {
    const days = dated(Array.from({ length: 10 }, () => toDecimal('5')));
    const outlook = outlookAt(days, MONTH, addDays(MONTH.from, 9), asBefore);
    const left = (limit: string): number | null =>
      daysToExhaustion(outlook, {
        spent: toDecimal('50'),
        spentAtBasis: toDecimal('50'),
        amount: toDecimal(limit),
        today: addDays(MONTH.from, 10),
      });
    expect([left('50'), left('51'), left('56'), left('150'), left('151')]).toEqual([0, 1, 2, 20, null]);
  });
});

describe('verdicts', () => {
  it('twice change nothing: what fired or was withdrawn is not decided again', () => {
    fc.assert(
      fc.property(
        series,
        series,
        fc.uniqueArray(threshold, { selector: (one) => JSON.stringify(one) }),
        (first, then, all) => {
          const before = after([], verdictsOf(evidence(dated(first), all)));
          expect(verdictsOf(evidence(dated(first), all, before))).toEqual([]);
          const corrected = dated(then.slice(0, first.length));
          const now = after(before, verdictsOf(evidence(corrected, all, before)));
          const again = verdictsOf(evidence(corrected, all, now));
          expect(again.filter(({ verdict }) => verdict === 'withdraw')).toEqual([]);
          // What was withdrawn may be reached otherwise: a forecast that one day alone moved.
          expect(verdictsOf(evidence(corrected, all, after(now, again)))).toEqual([]);
        },
      ),
    );
  });

  it('an actual threshold stands exactly if it is reached, once every day is read', () => {
    fc.assert(
      fc.property(series, series, (first, then) => {
        const all: Threshold[] = [{ of: 'actual', percent: toDecimal('50'), usd: null }];
        const before = after([], verdictsOf(evidence(dated(first), all)));
        const corrected = dated([...then.slice(0, first.length), ...first.slice(then.length)]);
        const now = after(before, verdictsOf(evidence(corrected, all, before)));
        expect(now.length === 1).toBe(reaches(addDecimals(corrected.map((one) => one.amount)), toDecimal('50')));
      }),
    );
  });

  it('nothing is withdrawn, and no forecast fires, while a day of the period is missing', () => {
    fc.assert(
      fc.property(series, fc.nat(29), fc.array(threshold), (amounts, gap, all) => {
        const days = dated(amounts);
        const before = after([], verdictsOf(evidence(days, all)));
        const gapped = days.map((one, index) => (index === gap % days.length ? missingDay(one.day) : one));
        for (const verdict of verdictsOf(evidence(gapped, all, before))) {
          expect(verdict).toMatchObject({ verdict: 'fire', threshold: { of: 'actual' } });
        }
      }),
    );
  });

  it('a forecast threshold needs two settled days in a row', () => {
    const expected: Threshold[] = [{ of: 'forecast', percent: null, usd: toDecimal('100') }];
    const days = (...amounts: string[]): BudgetDay[] => dated(amounts.map(toDecimal));
    expect(verdictsOf(evidence(days('1', '1', '9'), expected))).toEqual([]);
    expect(verdictsOf(evidence(days('1', '9', '9'), expected))).toMatchObject([{ verdict: 'fire', value: '262' }]);
    const [one, two, three] = days('1', '9', '9');
    if (one === undefined || two === undefined || three === undefined) throw new Error('three days');
    const flagged = [one, { ...two, state: 'provisional' as const, isSettled: false }, three];
    expect(verdictsOf(evidence(flagged, expected))).toEqual([]);
  });
});

describe('a forecaster that remembers', () => {
  it('forecasts the same days once, anew if one of them is another one, and forgets the oldest', () => {
    let made = 0;
    const forecast = remembering((...given) => {
      made += 1;
      return asBefore(...given);
    }, 2);
    const ask = (amount: string): unknown =>
      forecast([{ day: MONTH.from, amount: toDecimal(amount) }], '2026-11-02', MONTH.to);
    expect(ask('1')).toEqual(ask('1'));
    expect(made).toBe(1);
    ask('2');
    ask('1');
    expect(made).toBe(2);
    ask('3');
    ask('1');
    expect(made).toBe(3);
    ask('2');
    expect(made).toBe(4);
  });
});

describe('a replay', () => {
  it('tells each threshold once in a period, on the day by whose end it is reached', () => {
    fc.assert(
      fc.property(series, (amounts) => {
        const thresholds: Threshold[] = [{ of: 'actual', percent: toDecimal('50'), usd: null }];
        const days = dated(amounts);
        const budget = { period: 'month', amount: toDecimal('100'), thresholds } as const;
        const range = { from: MONTH.from, to: days.at(-1)?.day ?? MONTH.from };
        const fired = [...replay(budget, days, asBefore, range)].flat();
        let sum = toDecimal('0');
        const first = days.find((one) => {
          sum = addDecimals([sum, one.amount]);
          return reaches(sum, toDecimal('50'));
        });
        expect(fired.map(({ day }) => day)).toEqual(first === undefined ? [] : [first.day]);
        for (const { value, usd } of fired) expect(subtractDecimals(value, usd).startsWith('-')).toBe(false);
      }),
    );
  });
});

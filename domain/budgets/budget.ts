import { MAX_WINDOW_DAYS, addDays, laterOf, type Day, type DayRange } from '../days.ts';
import { isNegative, multiplyDecimals, ofUnits, subtractDecimals, toDecimal, toUnits, type Decimal } from '../money.ts';
import { daysOfMonth, firstDayOf, toMonth } from '../months.ts';
import type { Filter } from '../spend/query.ts';

/** The periods that follow each other, each of which a budget begins anew. */
export const RECURRING = ['month', 'quarter', 'year'] as const;
/** The period of a budget: one that recurs, or the one from its first day to its last. */
export type Period = (typeof RECURRING)[number] | DayRange;

/** What a threshold is compared with. */
export const MEASURES = ['actual', 'forecast'] as const;
/** One of {@link MEASURES}: what is spent, or what the period is expected to come to. */
export type Measure = (typeof MEASURES)[number];

/** When to tell: at a percentage of the amount of the budget, or at an amount in US dollars. Both are above zero. */
export type Threshold = { readonly of: Measure } & (
  { readonly percent: Decimal; readonly usd: null } | { readonly percent: null; readonly usd: Decimal }
);

/** What counts: the costs that every filter lets through, or those of a cost center, without adjustments. */
export type Scope = { readonly filters: readonly Filter[] } | { readonly costCenter: string };

/** The filters of a scope; a cost center has none. */
export function filtersOf(scope: Scope): readonly Filter[] {
  return 'filters' in scope ? scope.filters : [];
}

/** How much may be spent in each period, and when to tell. */
export interface Budget {
  readonly id: string;
  readonly name: string;
  readonly scope: Scope;
  readonly period: Period;
  /** US dollars, above zero. */
  readonly amount: Decimal;
  readonly thresholds: readonly Threshold[];
  /** The channels that are told, by their ids; none stands for all that take it. */
  readonly channels: readonly string[];
  /** The day on which it was made. Periods that ended before are not judged. */
  readonly createdOn: Day;
}

/** A period is judged for so long after its end: as far back as totals are compared every day. */
export const JUDGED_AFTER_DAYS = MAX_WINDOW_DAYS;

/** Whether a period recurs. */
export function isRecurring(period: Period): period is (typeof RECURRING)[number] {
  return typeof period === 'string';
}

/** The period of a budget that a day lies in. For one that does not recur, its only one, wherever the day lies. */
export function periodOf(period: Period, day: Day): DayRange {
  if (!isRecurring(period)) return period;
  const months = { month: 1, quarter: 3, year: 12 }[period];
  const [year = '', month = ''] = day.split('-');
  const first = Math.floor((Number(month) - 1) / months) * months + 1;
  const monthAt = (number: number): string => `${year}-${String(number).padStart(2, '0')}`;
  return {
    from: firstDayOf(toMonth(monthAt(first))),
    to: daysOfMonth(toMonth(monthAt(first + months - 1))).to,
  };
}

/**
 * The periods of a budget that are judged on a day, oldest first: the one that the day lies in, and those before it that a
 * late correction may still change. None that ended before the budget was made, and none that has not begun.
 */
export function periodsJudged({ period, createdOn }: Pick<Budget, 'period' | 'createdOn'>, today: Day): DayRange[] {
  const since = laterOf(createdOn, addDays(today, -JUDGED_AFTER_DAYS));
  const judged: DayRange[] = [];
  let next = periodOf(period, today);
  while (next.to >= since) {
    if (next.from <= today) judged.unshift(next);
    if (!isRecurring(period)) break;
    next = periodOf(period, addDays(next.from, -1));
  }
  return judged;
}

const HUNDREDTH = toDecimal('0.01');

/** What a threshold comes to in US dollars, exactly. */
export function usdOf(threshold: Threshold, amount: Decimal): Decimal {
  if (threshold.percent === null) return threshold.usd;
  return multiplyDecimals(multiplyDecimals(amount, threshold.percent), HUNDREDTH);
}

/** Whether an amount reaches another one. */
export function reaches(amount: Decimal, usd: Decimal): boolean {
  return !isNegative(subtractDecimals(amount, usd));
}

/** How many percent of a whole, which is above zero, a part is; cut after two decimals, so that 100 is reached, not near. */
export function percentOf(part: Decimal, whole: Decimal): Decimal {
  const { units } = toUnits([part, whole]);
  const [of = 0n, all = 1n] = units;
  return ofUnits((of * 10_000n) / all, 2);
}

/** Whether two thresholds are the same one. A threshold with another number is another threshold. */
export function isSameThreshold(a: Threshold, b: Threshold): boolean {
  return a.of === b.of && a.percent === b.percent && a.usd === b.usd;
}

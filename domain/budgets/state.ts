import { addDays, laterOf, type Day, type DayRange } from '../days.ts';
import { ZERO, addDecimals, ofUnits, subtractDecimals, toUnits, type Decimal } from '../money.ts';
import type { CoverageState } from '../reading.ts';
import { percentOf, reaches } from './budget.ts';

/** A day of what a budget counts. */
export interface BudgetDay {
  readonly day: Day;
  /** US dollars. Of a day that is not read for every organization, what is read. */
  readonly amount: Decimal;
  readonly state: CoverageState;
  /** For any organization. */
  readonly isRead: boolean;
  /** Read after its end, and reconciled, for every organization that covers it. */
  readonly isSettled: boolean;
}

/** What is spent in a period. */
export interface Spent {
  /** US dollars, over all days that are read, provisional ones too. */
  readonly spent: Decimal;
  /** Of the amount of the budget, cut after two decimals. */
  readonly percent: Decimal;
  readonly provisionalDays: number;
  /** Days before today that are not read yet. Today is read as it goes, so it is none of them. */
  readonly missingDays: number;
  /** Days up to today that no connection covers. */
  readonly uncoveredDays: number;
  readonly readDays: number;
  /** Whether more was spent than is read: days are missing or uncovered. */
  readonly isLowerBound: boolean;
}

/** What is spent in a period up to a day, the last one that counts. */
export function spentOf(days: readonly BudgetDay[], period: DayRange, today: Day, amount: Decimal): Spent {
  const own = within(days, period).filter(({ day }) => day <= today);
  const spent = addDecimals(own.map((one) => one.amount));
  const count = (is: (day: BudgetDay) => boolean): number => own.filter(is).length;
  const missingDays = count(({ state, day }) => state === 'missing' && day < today);
  const uncoveredDays = count(({ state }) => state === 'uncovered');
  return {
    spent,
    percent: percentOf(spent, amount),
    provisionalDays: count(({ state }) => state === 'provisional'),
    missingDays,
    uncoveredDays,
    readDays: count(({ isRead }) => isRead),
    isLowerBound: missingDays + uncoveredDays > 0,
  };
}

/** A day with the band in which its cost is expected, in US dollars. */
export interface BandDay {
  readonly day: Day;
  readonly mean: Decimal;
  readonly low: Decimal;
  readonly high: Decimal;
}

/** What a forecast says about days, or why it says nothing. Amounts are US dollars; `sum` is over all of the days. */
export type RestForecast =
  | {
      readonly method: string;
      readonly days: readonly BandDay[];
      readonly sum: Omit<BandDay, 'day'>;
    }
  | { readonly method: null; readonly reason: string };

/** Forecasts the days `from` … `through` from settled days alone, which are in order and all lie before `from`. */
export type Forecaster = (
  settled: readonly { readonly day: Day; readonly amount: Decimal }[],
  from: Day,
  through: Day,
) => RestForecast;

/** What a period is expected to come to as a whole, what is spent included; or why nothing can be said. */
export type Outlook =
  | {
      readonly method: string;
      /** The last settled day that it knows. */
      readonly basis: Day;
      readonly mean: Decimal;
      readonly low: Decimal;
      readonly high: Decimal;
      /** The days after the basis, by which the whole grows. */
      readonly days: readonly BandDay[];
    }
  | { readonly method: null; readonly reason: string };

type Said = Extract<Outlook, { readonly method: string }>;

/** The method of the outlook of a period whose days are all settled. */
export const ALL_SETTLED = 'actual';

/** The last settled day of a series that is not after `through`; null if there is none. */
export function lastSettled(days: readonly BudgetDay[], through?: Day): Day | null {
  return days.findLast(({ isSettled, day }) => isSettled && (through === undefined || day <= through))?.day ?? null;
}

/**
 * What a period is expected to come to, as it is known at the end of a settled day: what was spent up to it, and the forecast
 * of the rest. Only settled days train the forecast; a day that is not settled is forecast, and never counts as zero.
 */
export function outlookAt(days: readonly BudgetDay[], period: DayRange, basis: Day, forecast: Forecaster): Outlook {
  const known = days.filter(({ day }) => day <= basis);
  const own = within(known, period);
  const missing = own.filter(({ state }) => state === 'missing').length;
  if (missing > 0) {
    return { method: null, reason: `${missing === 1 ? 'A day' : `${missing} days`} of the period must be read first.` };
  }
  const spent = addDecimals(own.map(({ amount }) => amount));
  if (period.to <= basis) return { method: ALL_SETTLED, basis, mean: spent, low: spent, high: spent, days: [] };
  const settled = known.filter(({ isSettled }) => isSettled).map(({ day, amount }) => ({ day, amount }));
  const rest = forecast(settled, laterOf(addDays(basis, 1), period.from), period.to);
  if (rest.method === null) return rest;
  const { mean, low, high } = rest.sum;
  const whole = (part: Decimal): Decimal => addDecimals([spent, part]);
  return { method: rest.method, basis, mean: whole(mean), low: whole(low), high: whole(high), days: rest.days };
}

/**
 * The outlook as people see it: no day, and no whole, is below what is read of it. Days after the basis may be read in part,
 * and hold more than was expected of them. `days` are those of the period up to today.
 */
export function atLeast(outlook: Said, days: readonly BudgetDay[]): Said;
export function atLeast(outlook: Outlook, days: readonly BudgetDay[]): Outlook;
export function atLeast(outlook: Outlook, days: readonly BudgetDay[]): Outlook {
  if (outlook.method === null) return outlook;
  const read = new Map(
    days.filter(({ day }) => day > outlook.basis).map(({ day, amount }) => [day, upToCents(amount)]),
  );
  const raised = outlook.days.map(({ day, ...band }): BandDay => {
    const least = read.get(day) ?? null;
    const up = (amount: Decimal): Decimal => (least === null || reaches(amount, least) ? amount : least);
    return { day, mean: up(band.mean), low: up(band.low), high: up(band.high) };
  });
  const meanOf = (all: readonly BandDay[]): Decimal => addDecimals(all.map(({ mean }) => mean));
  const more = subtractDecimals(meanOf(raised), meanOf(outlook.days));
  const [mean, high] = [addDecimals([outlook.mean, more]), addDecimals([outlook.high, more])];
  const spentAtBasis = subtractDecimals(outlook.mean, meanOf(outlook.days));
  const spent = addDecimals([spentAtBasis, ...outlook.days.map(({ day }) => read.get(day) ?? ZERO)]);
  return { ...outlook, mean, low: reaches(outlook.low, spent) ? outlook.low : spent, high, days: raised };
}

/** An amount as the next whole cent that is not below it: forecasts are in cents. */
function upToCents(amount: Decimal): Decimal {
  const { units, scale } = toUnits([amount], 2);
  const cent = 10n ** BigInt(scale - 2);
  const [exact = 0n] = units;
  const whole = exact / cent;
  return ofUnits(whole * cent < exact ? whole + 1n : whole, 2);
}

/**
 * In how many days from today on the amount is used up, as the forecast expects it: 0 if it is used up already, 1 for today.
 * Null if the period is expected to stay below the amount, or if nothing can be said. `spentAtBasis` is what was spent up to
 * the basis of the outlook.
 */
export function daysToExhaustion(
  outlook: Outlook,
  { spent, spentAtBasis, amount, today }: { spent: Decimal; spentAtBasis: Decimal; amount: Decimal; today: Day },
): number | null {
  if (reaches(spent, amount)) return 0;
  if (outlook.method === null) return null;
  let sum = spentAtBasis;
  let left = 0;
  for (const { day, mean } of outlook.days) {
    if (day >= today) left += 1;
    sum = addDecimals([sum, mean]);
    if (reaches(sum, amount)) return Math.max(1, left);
  }
  return null;
}

/** What is spent by the end of each day of a period, exactly; days that are not read add what is read of them. */
export function cumulative(days: readonly BudgetDay[], period: DayRange): { day: Day; spent: Decimal }[] {
  let spent = ZERO;
  return within(days, period).map(({ day, amount }) => {
    spent = addDecimals([spent, amount]);
    return { day, spent };
  });
}

/** The days of a range. */
export function within<Dated extends { readonly day: Day }>(days: readonly Dated[], { from, to }: DayRange): Dated[] {
  return days.filter(({ day }) => from <= day && day <= to);
}

import { addDays, earlierOf, type Day, type DayRange } from '../days.ts';
import type { Decimal } from '../money.ts';
import { isSameThreshold, reaches, usdOf, type Threshold } from './budget.ts';
import {
  atLeast,
  lastSettled,
  outlookAt,
  spentOf,
  within,
  type BudgetDay,
  type Forecaster,
  type Outlook,
  type Spent,
} from './state.ts';

/**
 * What a forecast alert was decided on: the numbers of the days up to `day`, as a text that is another one once any of them,
 * or the threshold in dollars, is another one.
 */
export interface Basis {
  readonly day: Day;
  readonly numbers: string;
}

/** An alert that is not withdrawn. */
export interface StandingAlert {
  readonly id: string;
  readonly threshold: Threshold;
  /** How many days of the period were read when it fired. */
  readonly readDays: number;
  /** Of a forecast threshold; null for an actual one. */
  readonly basis: Basis | null;
}

/** What a period of a budget is judged by. */
export interface Evidence {
  readonly period: DayRange;
  readonly today: Day;
  readonly amount: Decimal;
  readonly thresholds: readonly Threshold[];
  /** Every day up to today, without a gap, from before the period on as far as the forecast learns from it. */
  readonly days: readonly BudgetDay[];
  /** The alerts of this period that are not withdrawn. */
  readonly alerts: readonly StandingAlert[];
  readonly forecast: Forecaster;
  /** Makes a short text of a long one: another one for another one. */
  readonly digest: (text: string) => string;
}

/** That a threshold is reached, or that an alert was wrong. `usd` is the threshold in dollars, `value` what is compared with it. */
export type Verdict =
  | {
      readonly verdict: 'fire';
      readonly threshold: Threshold;
      readonly usd: Decimal;
      readonly value: Decimal;
      readonly spent: Spent;
      /** Of a forecast threshold. */
      readonly outlook: Extract<Outlook, { readonly method: string }> | null;
      readonly basis: Basis | null;
    }
  | { readonly verdict: 'withdraw'; readonly alert: StandingAlert; readonly usd: Decimal; readonly value: Decimal };

/** A restatement may reach so far before the period and change its forecast. */
const BASIS_REACHES_DAYS = 31;

/**
 * What is to be told about a period of a budget. An alert that stands is neither repeated nor withdrawn as long as the
 * numbers it was decided on hold: a forecast that dips and comes back tells nothing. Where those numbers were corrected, or
 * the amount or the scope of the budget changed, the alert is withdrawn if it is not true any more. It is never withdrawn
 * because days are not read, or not read any more.
 */
export function verdictsOf(evidence: Evidence): Verdict[] {
  const { thresholds, alerts } = evidence;
  const spent = spentOf(evidence.days, evidence.period, evidence.today, evidence.amount);
  const outlooks = new Outlooks(evidence);
  const withdrawn = alerts.flatMap((alert) => withdrawalOf(evidence, spent, outlooks, alert));
  const isTold = (threshold: Threshold): boolean => alerts.some((alert) => isSameThreshold(alert.threshold, threshold));
  const fired = thresholds
    .filter((threshold) => !isTold(threshold))
    .flatMap((threshold) => firingOf(evidence, spent, outlooks, threshold));
  return [...withdrawn, ...fired];
}

function firingOf(evidence: Evidence, spent: Spent, outlooks: Outlooks, threshold: Threshold): Verdict[] {
  const usd = usdOf(threshold, evidence.amount);
  if (threshold.of === 'actual') {
    if (!reaches(spent.spent, usd)) return [];
    return [{ verdict: 'fire', threshold, usd, value: spent.spent, spent, outlook: null, basis: null }];
  }
  // What a period came to is no forecast any more.
  if (evidence.period.to < evidence.today) return [];
  const day = lastSettled(evidence.days);
  if (day === null || spent.missingDays > 0 || !isSettled(evidence, addDays(day, -1))) return [];
  const outlook = outlooks.at(day);
  // Two settled days in a row: one day far out of line often moves a forecast for a day only.
  if (!isReached(outlook, usd) || !isReached(outlooks.at(addDays(day, -1)), usd)) return [];
  const basis = { day, numbers: numbersUpTo(evidence, day, usd) };
  // It is decided on settled days alone, and told as people see it elsewhere: never below what is read.
  const shown = atLeast(outlook, within(evidence.days, evidence.period));
  return [{ verdict: 'fire', threshold, usd, value: shown.mean, spent, outlook: shown, basis }];
}

function withdrawalOf(evidence: Evidence, spent: Spent, outlooks: Outlooks, alert: StandingAlert): Verdict[] {
  const { threshold, basis, readDays } = alert;
  // What is read is less than what the alert was decided on, or than what there is. So it proves nothing.
  if (spent.missingDays > 0 || spent.readDays < readDays) return [];
  const usd = usdOf(threshold, evidence.amount);
  if (basis === null) {
    return reaches(spent.spent, usd) ? [] : [{ verdict: 'withdraw', alert, usd, value: spent.spent }];
  }
  if (basis.numbers === numbersUpTo(evidence, basis.day, usd)) return [];
  const then = outlooks.at(basis.day);
  if (then.method === null || reaches(then.mean, usd)) return [];
  const last = lastSettled(evidence.days);
  const now = atLeast(
    last === null || last <= basis.day ? then : outlooks.at(last),
    within(evidence.days, evidence.period),
  );
  if (now.method === null || reaches(now.mean, usd)) return [];
  return [{ verdict: 'withdraw', alert, usd, value: now.mean }];
}

function isReached(outlook: Outlook, usd: Decimal): outlook is Extract<Outlook, { readonly method: string }> {
  return outlook.method !== null && reaches(outlook.mean, usd);
}

function isSettled({ days }: Evidence, day: Day): boolean {
  return days.some((one) => one.day === day && one.isSettled);
}

/** The numbers that an alert is decided on, as a text. */
function numbersUpTo({ days, period, digest }: Evidence, through: Day, usd: Decimal): string {
  const from = earlierOf(period.from, addDays(through, -BASIS_REACHES_DAYS));
  const settled = within(days, { from, to: through }).filter((one) => one.isSettled);
  return digest([usd, ...settled.map(({ day, amount }) => `${day} ${amount}`)].join('\n'));
}

/** The outlooks of a period by their basis, each made once. */
class Outlooks {
  readonly #known = new Map<Day, Outlook>();

  constructor(readonly evidence: Evidence) {}

  at(basis: Day): Outlook {
    const { days, period, forecast } = this.evidence;
    const outlook = this.#known.get(basis) ?? outlookAt(days, period, basis, forecast);
    this.#known.set(basis, outlook);
    return outlook;
  }
}

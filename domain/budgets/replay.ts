import { addDays, daysBetween, type Day, type DayRange } from '../days.ts';
import type { Decimal } from '../money.ts';
import { periodOf, type Budget, type Threshold } from './budget.ts';
import type { BudgetDay, Forecaster } from './state.ts';
import { verdictsOf, type StandingAlert, type Verdict } from './verdicts.ts';

/** An alert that would have fired. */
export interface ReplayedAlert {
  /** The day by whose end it was known. */
  readonly day: Day;
  readonly period: DayRange;
  readonly threshold: Threshold;
  readonly usd: Decimal;
  readonly value: Decimal;
}

/**
 * What a budget would have told over the stored past, day by day, oldest first: each settled day is taken for the last one that was known.
 * The days have the numbers that they have now, so nothing is withdrawn. `days` has every day, without a gap.
 */
export function* replay(
  budget: Pick<Budget, 'period' | 'amount' | 'thresholds'>,
  days: readonly BudgetDay[],
  forecast: Forecaster,
  range: DayRange,
): Generator<readonly ReplayedAlert[]> {
  const told: ReplayedAlert[] = [];
  const [first] = days;
  if (first === undefined) return;
  for (const { day, isSettled } of days) {
    if (!isSettled || day < range.from || day > range.to) continue;
    const period = periodOf(budget.period, day);
    if (day < period.from || day > period.to) continue;
    const alerts = told.filter((one) => one.period.from === period.from).map(standing);
    const known = days.slice(0, daysBetween(first.day, day) + 1);
    const evidence = { ...budget, period, today: addDays(day, 1), days: known, alerts, forecast, digest: () => '' };
    const fired = verdictsOf(evidence).flatMap((verdict) => replayed(day, period, verdict));
    told.push(...fired);
    yield fired;
  }
}

/** What fired stands: a day that is not settled yet can only be one before it. */
function standing({ threshold }: ReplayedAlert): StandingAlert {
  return { id: '', threshold, readDays: Infinity, basis: null };
}

function replayed(day: Day, period: DayRange, verdict: Verdict): ReplayedAlert[] {
  if (verdict.verdict !== 'fire') return [];
  const { threshold, usd, value } = verdict;
  return [{ day, period, threshold, usd, value }];
}

import type { z } from 'zod';
import type { StoredBudget } from '../../db/budgets/budgets.ts';
import type { Assessed } from '../../db/budgets/forecasts.ts';
import type { Alert, BudgetStatus } from '../../db/budgets/status.ts';
import type { ReplayedAlert } from '../../domain/budgets/replay.ts';
import {
  filtersOf,
  isRecurring,
  isSameThreshold,
  percentOf,
  periodOf,
  usdOf,
  type Threshold,
} from '../../domain/budgets/budget.ts';
import { cumulativeBand } from '../../domain/budgets/chart.ts';
import { atLeast, cumulative, daysToExhaustion, spentOf } from '../../domain/budgets/state.ts';
import type { Day, DayRange } from '../../domain/days.ts';
import { ZERO, type Decimal } from '../../domain/money.ts';
import { parameterFrom } from '../../domain/spend/parameters.ts';
import { filterWarnings } from '../spend/stored-query.ts';
import type { budget, budgetItem, replay } from './schemas.ts';

type Basics = Omit<z.input<typeof budgetItem>, 'thresholds' | 'assessed'>;

/** For each connection that exists, the newest one of its organization. */
type Newest = ReadonlyMap<string, string>;

function basicsOf({ id, name, scope, period, amount, channels, createdAt }: StoredBudget, newest: Newest): Basics {
  return {
    id,
    name,
    filters: 'filters' in scope ? Object.fromEntries(scope.filters.map(parameterFrom)) : null,
    cost_center: 'filters' in scope ? null : scope.costCenter,
    period: isRecurring(period) ? period : { from: period.from, to: period.to },
    amount,
    channels: [...channels],
    created_at: createdAt.toISOString(),
    warnings: filterWarnings(filtersOf(scope), newest, 'filters'),
  };
}

/** A budget in a list, and what it came to when it was assessed last. */
export function itemDocument(
  stored: StoredBudget,
  assessed: Assessed | undefined,
  newest: Newest,
  today: Day,
): z.input<typeof budgetItem> {
  return {
    ...basicsOf(stored, newest),
    thresholds: stored.thresholds.map(({ of, percent, usd }) => ({ of, percent, usd })),
    assessed: assessed === undefined ? null : assessedDocument(stored, assessed, today),
  };
}

/** Null if it was not assessed yet in the period that today lies in. */
function assessedDocument(
  { amount, period: recurs }: StoredBudget,
  { on, period: { from, to }, spent, expected }: Assessed,
  today: Day,
): z.input<typeof budgetItem>['assessed'] {
  if (periodOf(recurs, today).from !== from) return null;
  return { on, from, to, spent, percent: percentOf(spent, amount), expected };
}

/** A budget as it stands today. */
export function budgetDocument(status: BudgetStatus, newest: Newest, today: Day): z.input<typeof budget> {
  const { budget: stored, period, days, alerts } = status;
  const { amount } = stored;
  const spent = spentOf(days, period, today, amount);
  const byDay = cumulative(days, period);
  const { forecast, exhaustion } = forecastOf(status, { spent: spent.spent, byDay, today });
  return {
    ...basicsOf(stored, newest),
    current: { from: period.from, to: period.to },
    spent: spent.spent,
    percent: spent.percent,
    is_lower_bound: spent.isLowerBound,
    provisional_days: spent.provisionalDays,
    missing_days: spent.missingDays,
    uncovered_days: spent.uncoveredDays,
    matches: days.some((day) => day.amount !== ZERO),
    forecast,
    days_to_exhaustion: exhaustion,
    thresholds: stored.thresholds.map((threshold) => thresholdDocument(threshold, amount, alerts)),
    days: byDay.map(({ day, spent: so }, index) => ({ day, spent: so, state: days[index]?.state ?? 'missing' })),
  };
}

const AHEAD = 'The period has not begun.';
const NOT_YET = 'It is made within a minute after the budget is made or changed, by the worker.';

function forecastOf(
  { budget: { amount }, period, days: read, forecast: kept }: BudgetStatus,
  { spent, byDay, today }: { spent: Decimal; byDay: readonly { day: Day; spent: Decimal }[]; today: Day },
): { forecast: z.input<typeof budget>['forecast']; exhaustion: number | null } {
  const none = { method: null, mean: null, low: null, high: null, days: [] };
  const outlook =
    kept === null ? { method: null, reason: period.from > today ? AHEAD : NOT_YET } : atLeast(kept.outlook, read);
  const basis = outlook.method === null ? null : outlook.basis;
  const spentAtBasis = byDay.findLast(({ day }) => basis !== null && day <= basis)?.spent ?? ZERO;
  const exhaustion = daysToExhaustion(outlook, { spent, spentAtBasis, amount, today });
  const madeOn = kept?.madeOn ?? null;
  if (outlook.method === null) return { forecast: { ...none, reason: outlook.reason, made_on: madeOn }, exhaustion };
  const { method, mean, low, high } = outlook;
  const days = cumulativeBand(outlook, Number(spentAtBasis));
  return { forecast: { method, mean, low, high, reason: null, made_on: madeOn, days }, exhaustion };
}

function thresholdDocument(
  threshold: Threshold,
  amount: Decimal,
  alerts: readonly Alert[],
): z.input<typeof budget>['thresholds'][number] {
  const own = alerts.filter((alert) => isSameThreshold(alert.threshold, threshold));
  const standing = own.find(({ withdrawnAt }) => withdrawnAt === null);
  const { of, percent, usd } = threshold;
  return {
    of,
    percent,
    usd,
    amount: usdOf(threshold, amount),
    fired_at: standing?.firedAt.toISOString() ?? null,
    notice_id: standing?.noticeId ?? null,
    withdrawn: own.flatMap(({ firedAt, withdrawnAt, noticeId }) =>
      withdrawnAt === null
        ? []
        : [{ fired_at: firedAt.toISOString(), withdrawn_at: withdrawnAt.toISOString(), notice_id: noticeId }],
    ),
  };
}

/** What a budget would have told. */
export function replayDocument({
  range,
  settledDays,
  alerts,
}: {
  readonly range: DayRange;
  readonly settledDays: number;
  readonly alerts: readonly ReplayedAlert[];
}): z.input<typeof replay> {
  return {
    ...range,
    settled_days: settledDays,
    alerts: alerts.map(({ day, period, threshold: { of, percent, usd }, usd: amount, value }) => ({
      day,
      period: { from: period.from, to: period.to },
      of,
      percent,
      usd,
      amount,
      value,
    })),
  };
}

import { and, asc, eq } from 'drizzle-orm';
import { forecastRest, learningFromLast } from '../../domain/budgets/forecaster.ts';
import { periodOf, type Budget, type Threshold } from '../../domain/budgets/budget.ts';
import { replay, type ReplayedAlert } from '../../domain/budgets/replay.ts';
import { within, type BudgetDay } from '../../domain/budgets/state.ts';
import type { Day, DayRange } from '../../domain/days.ts';
import { inSnapshot } from '../core/cursor.ts';
import type { Db } from '../core/database.ts';
import { giveRoom } from '../spend/rows.ts';
import { findBudget, thresholdFrom, type StoredBudget } from './budgets.ts';
import { lastForecast, type KeptForecast } from './forecasts.ts';
import { BudgetReader } from './series.ts';
import { budgetAlerts } from './tables.ts';

/** An alert of a period. */
export interface Alert {
  readonly threshold: Threshold;
  readonly firedAt: Date;
  readonly noticeId: string;
  readonly withdrawnAt: Date | null;
}

/** A budget as it stands in the period that a day lies in. */
export interface BudgetStatus {
  readonly budget: StoredBudget;
  readonly period: DayRange;
  /** Every day of the period up to today. */
  readonly days: readonly BudgetDay[];
  /** Oldest first. */
  readonly alerts: readonly Alert[];
  /** Null if none was made since the budget changed. */
  readonly forecast: KeptForecast | null;
}

/** A budget as it stands today, at one instant; null if it does not exist. Nothing is forecast here. */
export function readBudget(db: Db, id: string, today: Day): Promise<BudgetStatus | null> {
  return inSnapshot(db, async (tx) => {
    await giveRoom(tx);
    const budget = await findBudget(tx, id);
    if (budget === null) return null;
    const period = periodOf(budget.period, today);
    const days = within(await new BudgetReader(tx, today).readSince(budget.scope, period.from), period);
    const alerts = await alertsOf(tx, id, period);
    return { budget, period, days, alerts, forecast: await lastForecast(tx, id, period) };
  });
}

async function alertsOf(tx: Db, budgetId: string, { from, to }: DayRange): Promise<Alert[]> {
  const found = await tx
    .select()
    .from(budgetAlerts)
    .where(and(eq(budgetAlerts.budgetId, budgetId), eq(budgetAlerts.from, from), eq(budgetAlerts.to, to)))
    .orderBy(asc(budgetAlerts.no));
  return found.map(({ firedAt, noticeId, withdrawnAt, ...columns }) => ({
    threshold: thresholdFrom(columns),
    firedAt,
    noticeId,
    withdrawnAt,
  }));
}

/** What a budget would have told. */
export interface Replayed {
  readonly range: DayRange;
  readonly settledDays: number;
  readonly alerts: readonly ReplayedAlert[];
}

/** Each replayed day may forecast, and somebody waits for the answer. */
const REPLAY_LEARNS_FROM_DAYS = 60;

/** What a budget would have told over the stored past since a day, day by day. It stores nothing and tells nobody. */
export async function replayBudget(
  db: Db,
  budget: Pick<Budget, 'scope' | 'period' | 'amount' | 'thresholds'>,
  range: DayRange,
): Promise<Replayed> {
  const days = await inSnapshot(db, async (tx) => {
    await giveRoom(tx);
    const { from } = periodOf(budget.period, range.from);
    return new BudgetReader(tx, range.to).read(budget.scope, from < range.from ? from : range.from);
  });
  const settledDays = within(days, range).filter(({ isSettled }) => isSettled).length;
  const alerts: ReplayedAlert[] = [];
  const forecast = learningFromLast(REPLAY_LEARNS_FROM_DAYS, forecastRest);
  for (const fired of replay(budget, days, forecast, range)) {
    alerts.push(...fired);
    // Each day may forecast, and other requests are answered in between.
    await new Promise((resolve) => setImmediate(resolve));
  }
  return { range, settledDays, alerts };
}

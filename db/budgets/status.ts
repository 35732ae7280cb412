import { and, asc, eq } from 'drizzle-orm';
import { periodOf, type Budget, type Threshold } from '../../domain/budgets/budget.ts';
import { within, type BudgetDay } from '../../domain/budgets/state.ts';
import { earlierOf, type Day, type DayRange } from '../../domain/days.ts';
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

/** What a budget would count, every day from before a range as far as a forecast learns from it, at one instant. */
export function readForReplay(
  db: Db,
  { scope, period }: Pick<Budget, 'scope' | 'period'>,
  range: DayRange,
): Promise<readonly BudgetDay[]> {
  return inSnapshot(db, async (tx) => {
    await giveRoom(tx);
    return new BudgetReader(tx, range.to).read(scope, earlierOf(periodOf(period, range.from).from, range.from));
  });
}

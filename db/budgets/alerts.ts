import { createHash, randomUUID } from 'node:crypto';
import { and, asc, eq, inArray, isNull, sql } from 'drizzle-orm';
import { z } from 'zod';
import { JUDGED_AFTER_DAYS, periodsJudged, type Budget } from '../../domain/budgets/budget.ts';
import { dollars } from '../../domain/notices/spell.ts';
import { NOTHING_SETTLED } from '../../domain/budgets/forecaster.ts';
import { lastSettled, outlookAt, spentOf, within, type BudgetDay } from '../../domain/budgets/state.ts';
import { verdictsOf, type StandingAlert, type Verdict } from '../../domain/budgets/verdicts.ts';
import { addDays, lengthOf, type Day, type DayRange } from '../../domain/days.ts';
import type { NoticeDataOf } from '../../domain/notices/data.ts';
import { rows, type Db } from '../core/database.ts';
import { closeNotice, withdrawNotice, writeNotice } from '../notices/outbox.ts';
import type { Assessment } from './assess.ts';
import { listBudgets, thresholdFrom } from './budgets.ts';
import { judgeForecasts, keepForecast, keepSpent } from './forecasts.ts';
import { budgetAlerts, budgets } from './tables.ts';

/** Judges every budget, and writes its alerts, withdrawals and forecasts. */
export async function judgeBudgets(
  assessment: Assessment,
): Promise<{ budgets: number; alerts: number; withdrawn: number }> {
  const { tx } = assessment;
  const all = await listBudgets(tx, null);
  let [alerts, withdrawn] = [0, 0];
  for (const budget of all) {
    for (const verdict of await judgeBudget(assessment, budget)) {
      if (verdict.verdict === 'fire') alerts += 1;
      else withdrawn += 1;
    }
  }
  const ids = all.map(({ id }) => id);
  if (ids.length > 0) {
    await tx
      .update(budgets)
      .set({ isJudged: true })
      .where(and(inArray(budgets.id, ids), eq(budgets.isJudged, false)));
  }
  return { budgets: all.length, alerts, withdrawn };
}

async function judgeBudget(assessment: Assessment, budget: Budget): Promise<Verdict[]> {
  const { today, reader } = assessment;
  const periods = periodsJudged(budget, today);
  const [first] = periods;
  if (first === undefined) return [];
  const days = await reader.read(budget.scope, first.from);
  const verdicts: Verdict[] = [];
  for (const period of periods) verdicts.push(...(await judgePeriod(assessment, budget, period, days)));
  return verdicts;
}

async function judgePeriod(
  { tx, today, forecast }: Assessment,
  budget: Budget,
  period: DayRange,
  days: readonly BudgetDay[],
): Promise<Verdict[]> {
  const { amount, thresholds } = budget;
  const alerts = await standingAlerts(tx, budget.id, period);
  const verdicts = verdictsOf({ period, today, amount, thresholds, days, alerts, forecast, digest });
  for (const verdict of verdicts) await carryOut(tx, budget, period, verdict);
  const settled = within(days, period).filter(({ isSettled }) => isSettled);
  if (settled.length === lengthOf(period)) {
    const { spent } = spentOf(days, period, today, amount);
    await judgeForecasts(tx, budget.id, period, spent);
    await closeAlerts(tx, budget.id, period);
  } else if (period.to >= today) {
    const basis = lastSettled(days);
    const outlook =
      basis === null ? { method: null, reason: NOTHING_SETTLED } : outlookAt(days, period, basis, forecast);
    await keepForecast(tx, { budgetId: budget.id }, period, today, { days, outlook });
  }
  if (period.to < today) await keepSpent(tx, budget.id, period, today, days);
  return verdicts;
}

/** The alerts of a period that are not withdrawn, in the order in which they fired. */
async function standingAlerts(tx: Db, budgetId: string, { from, to }: DayRange): Promise<StandingAlert[]> {
  const found = await tx
    .select()
    .from(budgetAlerts)
    .where(
      and(
        eq(budgetAlerts.budgetId, budgetId),
        eq(budgetAlerts.from, from),
        eq(budgetAlerts.to, to),
        isNull(budgetAlerts.withdrawnAt),
      ),
    )
    .orderBy(asc(budgetAlerts.no));
  return found.map(({ id, readDays, basisDay, basis, ...columns }) => ({
    id,
    threshold: thresholdFrom(columns),
    readDays,
    basis: basisDay === null || basis === null ? null : { day: basisDay, numbers: basis },
  }));
}

async function carryOut(tx: Db, budget: Budget, period: DayRange, verdict: Verdict): Promise<void> {
  if (verdict.verdict === 'withdraw') {
    const { alert, usd, value } = verdict;
    const [row] = await tx
      .update(budgetAlerts)
      .set({ withdrawnAt: sql`greatest(now(), ${budgetAlerts.firedAt})` })
      .where(and(eq(budgetAlerts.id, alert.id), isNull(budgetAlerts.withdrawnAt)))
      .returning({ noticeId: budgetAlerts.noticeId, toldOf: budgetAlerts.threshold });
    if (row === undefined) return;
    const is = `${dollars(value)} is ${alert.threshold.of === 'actual' ? 'spent' : 'expected'}`;
    await withdrawNotice(
      tx,
      row.noticeId,
      row.toldOf === usd
        ? `By the costs and the scope of the budget as they are now, ${is}, which is below the threshold of ${dollars(usd)}.`
        : `The budget was changed since: its threshold is ${dollars(usd)} now, and ${is}.`,
    );
    return;
  }
  const { threshold, usd, value, spent, basis } = verdict;
  const id = randomUUID();
  const noticeId = await writeNotice(tx, {
    kind: 'budget_threshold',
    dedupeKey: `budget_threshold:${id}`,
    connectionId: null,
    data: noticeData(budget, period, verdict),
    ...(budget.channels.length === 0 ? {} : { onlyTo: budget.channels }),
  });
  if (noticeId === null) throw new Error('a notice with a new key was there already');
  await tx.insert(budgetAlerts).values({
    id,
    budgetId: budget.id,
    ...period,
    ...threshold,
    threshold: usd,
    value,
    readDays: spent.readDays,
    basisDay: basis?.day ?? null,
    basis: basis?.numbers ?? null,
    noticeId,
  });
}

function noticeData(
  { id, name, amount }: Budget,
  { from, to }: DayRange,
  { threshold, usd, value, spent, outlook }: Extract<Verdict, { verdict: 'fire' }>,
): NoticeDataOf['budget_threshold'] {
  const { percent, usd: ofThreshold, of } = threshold;
  return {
    budget: { id, name },
    threshold: { percent, usd: ofThreshold, of },
    period: { from, to },
    amount,
    threshold_amount: usd,
    value,
    spent: spent.spent,
    forecast:
      outlook === null ? null : { method: outlook.method, mean: outlook.mean, low: outlook.low, high: outlook.high },
    provisional_days: spent.provisionalDays,
    missing_days: spent.missingDays,
    uncovered_days: spent.uncoveredDays,
  };
}

/** Closes the notices of a period whose numbers are all there. */
async function closeAlerts(tx: Db, budgetId: string, { from, to }: DayRange): Promise<void> {
  const standing = await tx
    .select({ noticeId: budgetAlerts.noticeId })
    .from(budgetAlerts)
    .where(
      and(
        eq(budgetAlerts.budgetId, budgetId),
        eq(budgetAlerts.from, from),
        eq(budgetAlerts.to, to),
        isNull(budgetAlerts.withdrawnAt),
      ),
    );
  for (const { noticeId } of standing) await closeNotice(tx, noticeId);
}

/** Closes the notices of periods that are judged no more, and of budgets that are deleted or have another period now. */
export async function closeOldAlerts(tx: Db, today: Day): Promise<void> {
  const old = await rows(
    tx,
    z.object({ id: z.string() }),
    sql`
      select n.id from budget_alerts a
      join notices n on n.id = a.notice_id
      join budgets b on b.id = a.budget_id
      where n.closed_at is null and n.withdrawn_at is null
        and (b.deleted_at is not null or a.to_day < ${addDays(today, -JUDGED_AFTER_DAYS)}::date)
      order by a.no
    `,
  );
  for (const { id } of old) await closeNotice(tx, id);
  await tx.execute(sql`update budgets set is_judged = true where deleted_at is not null and not is_judged`);
}

/** A short text for the numbers that a forecast alert was decided on. */
function digest(numbers: string): string {
  return createHash('sha256').update(numbers).digest('hex');
}

import { randomUUID } from 'node:crypto';
import { and, asc, desc, eq, inArray, isNull, lt, sql } from 'drizzle-orm';
import type { Budget, Measure, Period, Threshold } from '../../domain/budgets/budget.ts';
import { isRecurring } from '../../domain/budgets/budget.ts';
import type { Decimal } from '../../domain/money.ts';
import { databaseFailure, type Db } from '../core/database.ts';
import { addDeploymentEvent } from '../deployment/events.ts';
import { channels } from '../notices/tables.ts';
import { budgetChannels, budgetThresholds, budgets } from './tables.ts';

/** A budget as it is stored. */
export interface StoredBudget extends Budget {
  readonly no: number;
  readonly createdAt: Date;
}

/** A budget as somebody gives it. */
export type GivenBudget = Omit<Budget, 'id'>;

/** Another budget has this name. */
export class BudgetNameTakenError extends Error {
  override readonly name = 'BudgetNameTakenError';
  constructor() {
    super('Another budget has this name.');
  }
}

/** Stores a budget and records who made it. Returns its id. Throws {@link BudgetNameTakenError}. */
export async function createBudget(db: Db, budget: GivenBudget, actor: string): Promise<string> {
  const id = randomUUID();
  await naming(() =>
    db.transaction(async (tx) => {
      const { createdOn } = budget;
      await tx.insert(budgets).values({ id, createdOn, ...columnsOf(budget) });
      await setParts(tx, id, budget);
      const message = `Budget "${budget.name}" (${id}) is created: $${budget.amount} ${spell(budget.period)}.`;
      await addDeploymentEvent(tx, { type: 'budget_created', actor, message });
    }),
  );
  return id;
}

/**
 * Changes a budget and records who did; what is not given stays. It is judged anew. False if it does not exist or is deleted.
 * Throws {@link BudgetNameTakenError}.
 */
export async function changeBudget(
  db: Db,
  id: string,
  change: Partial<Omit<GivenBudget, 'createdOn'>>,
  actor: string,
): Promise<boolean> {
  return naming(() =>
    db.transaction(async (tx) => {
      const [locked] = await tx
        .select({ id: budgets.id })
        .from(budgets)
        .where(and(eq(budgets.id, id), isNull(budgets.deletedAt)))
        .for('update');
      if (locked === undefined) return false;
      const before = await findBudget(tx, id);
      if (before === null) return false;
      const next = { ...before, ...change };
      await tx
        .update(budgets)
        .set({ ...columnsOf(next), isJudged: false })
        .where(eq(budgets.id, id));
      await setParts(tx, id, next);
      const message = `Budget "${next.name}" (${id}) is changed: ${Object.keys(change).join(', ')}.`;
      await addDeploymentEvent(tx, { type: 'budget_changed', actor, message });
      return true;
    }),
  );
}

/** Deletes a budget; its alerts stay, and their notices close. False if there is none. */
export async function deleteBudget(db: Db, id: string, actor: string): Promise<boolean> {
  return db.transaction(async (tx) => {
    const [deleted] = await tx
      .update(budgets)
      .set({ deletedAt: sql`now()`, isJudged: false })
      .where(and(eq(budgets.id, id), isNull(budgets.deletedAt)))
      .returning({ name: budgets.name });
    if (deleted === undefined) return false;
    await addDeploymentEvent(tx, {
      type: 'budget_deleted',
      actor,
      message: `Budget "${deleted.name}" (${id}) is deleted.`,
    });
    return true;
  });
}

/** The budgets that are not deleted, newest first; `after` is the `no` of the last one seen. */
export async function listBudgets(
  db: Db,
  page: { after: number | null; limit: number } | null,
): Promise<StoredBudget[]> {
  const found = db
    .select()
    .from(budgets)
    .where(and(isNull(budgets.deletedAt), page?.after == null ? undefined : lt(budgets.no, page.after)))
    .orderBy(desc(budgets.no));
  return withParts(db, page === null ? await found : await found.limit(page.limit));
}

/** A budget; null if it does not exist or is deleted. */
export async function findBudget(db: Db, id: string): Promise<StoredBudget | null> {
  const found = await db
    .select()
    .from(budgets)
    .where(and(eq(budgets.id, id), isNull(budgets.deletedAt)));
  return (await withParts(db, found))[0] ?? null;
}

/** Those of these channels that exist and are not deleted. */
export async function existingChannels(db: Db, ids: readonly string[]): Promise<string[]> {
  if (ids.length === 0) return [];
  const found = await db
    .select({ id: channels.id })
    .from(channels)
    .where(and(inArray(channels.id, [...ids]), isNull(channels.deletedAt)));
  return found.map(({ id }) => id);
}

function columnsOf({ name, scope, period, amount }: Pick<Budget, 'name' | 'scope' | 'period' | 'amount'>) {
  const recurs = isRecurring(period) ? period : ('fixed' as const);
  return { name, scope, recurs, amount, ...(isRecurring(period) ? { from: null, to: null } : period) };
}

async function setParts(tx: Db, id: string, { thresholds, channels: told }: Budget | GivenBudget): Promise<void> {
  await tx.delete(budgetThresholds).where(eq(budgetThresholds.budgetId, id));
  await tx.delete(budgetChannels).where(eq(budgetChannels.budgetId, id));
  if (thresholds.length > 0) {
    await tx
      .insert(budgetThresholds)
      .values(thresholds.map((threshold, place) => ({ budgetId: id, place, ...threshold })));
  }
  if (told.length > 0) await tx.insert(budgetChannels).values(told.map((channelId) => ({ budgetId: id, channelId })));
}

async function withParts(db: Db, found: readonly (typeof budgets.$inferSelect)[]): Promise<StoredBudget[]> {
  if (found.length === 0) return [];
  const ids = found.map(({ id }) => id);
  const thresholds = await db
    .select()
    .from(budgetThresholds)
    .where(inArray(budgetThresholds.budgetId, ids))
    .orderBy(asc(budgetThresholds.place));
  const told = await db.select().from(budgetChannels).where(inArray(budgetChannels.budgetId, ids));
  return found.map(({ id, no, name, scope, recurs, from, to, amount, createdOn, createdAt }) => ({
    id,
    no,
    name,
    scope,
    period: periodFrom(recurs, from, to),
    amount,
    thresholds: thresholds.filter(({ budgetId }) => budgetId === id).map(thresholdFrom),
    channels: told.filter(({ budgetId }) => budgetId === id).map(({ channelId }) => channelId),
    createdOn,
    createdAt,
  }));
}

function periodFrom(
  recurs: (typeof budgets.$inferSelect)['recurs'],
  from: (typeof budgets.$inferSelect)['from'],
  to: (typeof budgets.$inferSelect)['to'],
): Period {
  if (recurs !== 'fixed') return recurs;
  if (from === null || to === null) throw new Error('a budget of fixed days has no days');
  return { from, to };
}

/** A threshold as its columns say it. */
export function thresholdFrom({
  of,
  percent,
  usd,
}: {
  of: Measure;
  percent: Decimal | null;
  usd: Decimal | null;
}): Threshold {
  if (percent !== null) return { of, percent, usd: null };
  if (usd !== null) return { of, percent: null, usd };
  throw new Error('a threshold has no value');
}

function spell(period: Period): string {
  return isRecurring(period) ? `a ${period}` : `from ${period.from} to ${period.to}`;
}

async function naming<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (databaseFailure(error)?.constraint === 'budgets_one_by_name') throw new BudgetNameTakenError();
    throw error;
  }
}

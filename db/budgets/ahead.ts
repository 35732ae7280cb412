import type { BudgetDay } from '../../domain/budgets/state.ts';
import { lastSettled } from '../../domain/budgets/state.ts';
import { addDays, type Day, type DayRange } from '../../domain/days.ts';
import { ZERO } from '../../domain/money.ts';
import { SHARE_DAYS, type GroupPast } from '../../domain/spend/ahead.ts';
import type { Filter, Group } from '../../domain/spend/query.ts';
import { inSnapshot } from '../core/cursor.ts';
import type { Db } from '../core/database.ts';
import { compileCosts, type CostRow } from '../spend/costs.ts';
import type { GroupRow } from '../spend/groups.ts';
import { giveRoom, readData } from '../spend/rows.ts';
import { BudgetReader } from './series.ts';

/** What a forecast of a spend query learns from. */
export interface PastOf {
  /** Every day from before the period, as far as a forecast learns from it, up to today. */
  readonly days: readonly BudgetDay[];
  /** None if the query has no groups, or no day is settled. */
  readonly groups: readonly (GroupRow & GroupPast)[];
}

/** More groups than a forecast is split into. */
export class TooManyGroupsError extends Error {
  override readonly name = 'TooManyGroupsError';
}

/** Reads what a forecast of a period learns from, at one instant. Throws {@link TooManyGroupsError}. */
export function readPast(
  db: Db,
  query: { readonly filters: readonly Filter[]; readonly groupBy: readonly Group[] },
  period: DayRange,
  today: Day,
  maxGroups: number,
): Promise<PastOf> {
  return inSnapshot(db, async (tx) => {
    await giveRoom(tx);
    const days = await new BudgetReader(tx, today).read({ filters: query.filters }, period.from);
    const basis = lastSettled(days);
    if (basis === null || query.groupBy.length === 0) return { days, groups: [] };
    const costsOf = (range: DayRange): Promise<CostRow[]> =>
      readData(tx, compileCosts({ ...range, today, ...query, ...ALL, limit: maxGroups + 1 }));
    const recent = await costsOf({ from: addDays(basis, 1 - SHARE_DAYS), to: basis });
    const spent = basis < period.from ? [] : await costsOf({ from: period.from, to: basis });
    const groups = joined(spent, recent);
    if (groups.length > maxGroups) throw new TooManyGroupsError();
    return { days, groups };
  });
}

const ALL = { order: 'key', comparison: null, after: null } as const;

function joined(spent: readonly CostRow[], recent: readonly CostRow[]): (GroupRow & GroupPast)[] {
  const groups = new Map<string, GroupRow & GroupPast>();
  for (const { amount, ...row } of recent) {
    groups.set(JSON.stringify(row.key), { ...row, spent: ZERO, recent: amount });
  }
  for (const { amount, ...row } of spent) {
    const key = JSON.stringify(row.key);
    groups.set(key, { ...row, spent: amount, recent: groups.get(key)?.recent ?? ZERO });
  }
  return [...groups.values()];
}

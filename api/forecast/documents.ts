import type { z } from 'zod';
import type { PastOf } from '../../db/budgets/ahead.ts';
import { spentOf, within, type BandDay, type BudgetDay } from '../../domain/budgets/state.ts';
import type { Day, DayRange } from '../../domain/days.ts';
import { toDecimal } from '../../domain/money.ts';
import type { Ahead, GroupAhead } from '../../domain/spend/ahead.ts';
import type { Group } from '../../domain/spend/query.ts';
import { groupFields } from '../spend/documents.ts';
import type { forecast } from './schemas.ts';

type Document = z.input<typeof forecast>;

const NO_AMOUNT = toDecimal('1');

/** What is expected of a query. */
export function forecastDocument(
  { days, groups }: PastOf,
  { outlook, backtest, groups: shown, other }: Ahead,
  { period, today, groupBy }: { period: DayRange; today: Day; groupBy: readonly Group[] },
): Document {
  const spent = spentOf(days, period, today, NO_AMOUNT);
  const hasOne = outlook.method !== null;
  const own = within(days, period);
  return {
    from: period.from,
    through: period.to,
    basis: hasOne ? outlook.basis : null,
    method: outlook.method,
    reason: hasOne ? null : outlook.reason,
    backtest,
    spent: spent.spent,
    is_lower_bound: spent.isLowerBound,
    provisional_days: spent.provisionalDays,
    missing_days: spent.missingDays,
    uncovered_days: spent.uncoveredDays,
    days: hasOne
      ? [...own.filter(({ day }) => day <= outlook.basis).flatMap(actual), ...outlook.days.map(expected)]
      : own.flatMap(actual),
    total: hasOne ? { mean: outlook.mean, low: outlook.low, high: outlook.high } : null,
    group_by: [...groupBy],
    data: shown.flatMap(({ index, ...ahead }) => {
      const row = groups[index];
      return row === undefined ? [] : [{ ...groupFields({ groupBy }, row), ...aheadFields(ahead) }];
    }),
    ...(other === null ? {} : { other: { groups: other.groups, ...aheadFields(other) } }),
  };
}

function actual({ day, amount, isRead }: BudgetDay): Document['days'] {
  return isRead ? [{ day, kind: 'actual', mean: amount, low: amount, high: amount }] : [];
}

function expected({ day, mean, low, high }: BandDay): Document['days'][number] {
  return { day, kind: 'forecast', mean, low, high };
}

function aheadFields({ share, spent, total, days }: GroupAhead): Omit<NonNullable<Document['other']>, 'groups'> {
  return { share, spent, total: { ...total }, days: days.map((day) => ({ ...day })) };
}

import type { z } from 'zod';
import { existingChannels } from '../../db/budgets/budgets.ts';
import { isRecurring, isSameThreshold, type Period, type Scope, type Threshold } from '../../domain/budgets/budget.ts';
import { MAX_QUERY_DAYS, lengthOf } from '../../domain/days.ts';
import { todayOf } from '../connections/lookups.ts';
import type { Deps } from '../http/endpoint.ts';
import { contradiction } from '../http/problems.ts';
import { checkConnections } from '../spend/stored-query.ts';
import type { budgetChange, newBudget } from './schemas.ts';

/** What somebody gives of a budget, in the words of the request. */
type Given = z.output<typeof budgetChange>;

/**
 * The scope of a request; undefined if it names none. Throws `conflict` for one that names two, or a connection that does not
 * exist. A scope that matches nothing yet is taken: what it names may come.
 */
export async function scopeOf(
  deps: Deps,
  { filters, cost_center: costCenter }: Pick<Given, 'filters' | 'cost_center'>,
): Promise<Scope | undefined> {
  if (costCenter !== undefined) {
    if (filters !== undefined) throw contradiction('body.cost_center', 'must not be given beside "filters"');
    return { costCenter };
  }
  if (filters === undefined) return undefined;
  await checkConnections(deps, filters, 'body.filters');
  return { filters: filters.filters };
}

/** The period of a request. Throws `conflict` for one that is reversed, too long, or over unless it may be. */
export function periodGiven(deps: Deps, period: Period, mayBeOver = false): Period {
  if (isRecurring(period)) return period;
  if (period.from > period.to) throw contradiction('body.period.from', 'must not be after "to"');
  if (lengthOf(period) > MAX_QUERY_DAYS) {
    throw contradiction('body.period.to', `must not be more than ${MAX_QUERY_DAYS} days after "from"`);
  }
  if (!mayBeOver && period.to < todayOf(deps)) throw contradiction('body.period.to', 'must not lie in the past');
  return period;
}

/** The thresholds of a request. Throws `conflict` if it names one twice. */
export function thresholdsOf(given: z.output<typeof newBudget>['thresholds']): Threshold[] {
  const thresholds = given.map((one): Threshold =>
    'percent' in one ? { of: one.of, percent: one.percent, usd: null } : { of: one.of, percent: null, usd: one.usd },
  );
  thresholds.forEach((threshold, index) => {
    if (thresholds.slice(0, index).some((other) => isSameThreshold(threshold, other))) {
      throw contradiction(`body.thresholds.${index}`, 'is there twice');
    }
  });
  return thresholds;
}

/** The channels of a request, each once. Throws `conflict` for one that does not exist. */
export async function channelsOf({ db }: Deps, given: readonly string[]): Promise<string[]> {
  const ids = [...new Set(given.map((id) => id.toLowerCase()))];
  if ((await existingChannels(db, ids)).length < ids.length) {
    throw contradiction('body.channels', 'names a channel that does not exist');
  }
  return ids;
}

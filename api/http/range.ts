import { addDays, earlierOf, lengthOf, type Day, type DayRange } from '../../domain/days.ts';
import { contradiction, type Problem } from './problems.ts';

/** How many days a query without a range gets. */
export const DEFAULT_DAYS = 31;

/**
 * The days of a query: by default the last 31, at most `maxDays`. For other ranges throws the problem that `refuse` makes of
 * the parameter and what is wrong with it.
 */
export function rangeOf(
  query: { readonly from?: Day | undefined; readonly to?: Day | undefined },
  today: Day,
  maxDays: number,
  refuse: (path: string, message: string) => Problem = contradiction,
): DayRange {
  const to = query.to ?? today;
  const from = query.from ?? addDays(earlierOf(to, today), 1 - DEFAULT_DAYS);
  if (from > to) throw refuse('query.from', `must not be after ${query.to === undefined ? 'today' : '"to"'}`);
  if (lengthOf({ from, to }) > maxDays) {
    const last = query.to === undefined ? 'today' : '"to"';
    throw refuse('query.from', `must be at most ${maxDays - 1} days before ${last}`);
  }
  return { from, to };
}

import { addDays, earlierOf, lengthOf, type Day, type DayRange } from '../../domain/days.ts';
import { contradiction } from './problems.ts';

/** How many days a query without a range gets. */
export const DEFAULT_DAYS = 31;

/** The days of a query: by default the last 31, at most `maxDays`. Throws a problem for other ranges. */
export function rangeOf(
  query: { readonly from?: Day | undefined; readonly to?: Day | undefined },
  today: Day,
  maxDays: number,
): DayRange {
  const to = query.to ?? today;
  const from = query.from ?? addDays(earlierOf(to, today), 1 - DEFAULT_DAYS);
  if (from > to) throw contradiction('query.from', `must not be after ${query.to === undefined ? 'today' : '"to"'}`);
  if (lengthOf({ from, to }) > maxDays)
    throw contradiction('query.from', `must not be more than ${maxDays} days before "to"`);
  return { from, to };
}

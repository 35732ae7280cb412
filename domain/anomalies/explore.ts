import { addDays } from '../days.ts';
import type { Incident } from './incident.ts';

/** Days before an incident that are shown with it. */
const DAYS_BEFORE = 14;

/** The place in the console where the days of an incident are shown with those before, as a path. */
export function exploreOf(
  connectionId: string,
  { cause, firstDay, lastDay }: Pick<Incident, 'cause' | 'firstDay' | 'lastDay'>,
): string {
  const query = [
    ['report', 'costs'],
    ['from', addDays(firstDay, -DAYS_BEFORE)],
    ['to', lastDay],
    ['group_by', 'day,model'],
    ['connection_id', connectionId],
    ...cause.map(({ dimension, value }) => [dimension, value ?? (dimension === 'workspace' ? 'default' : '')]),
  ].map(([name = '', value = '']) => `${name}=${encodeURIComponent(value)}`);
  return `/#/explore?${query.join('&')}`;
}

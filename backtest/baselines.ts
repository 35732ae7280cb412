import { addDays, daysIn, type Day, type DayRange } from '../domain/days.ts';

/** What the forecast is compared with. */
export const BASELINES = ['linear', 'seasonal naive', 'weekday mean', 'level × weekday'] as const;
export type Baseline = (typeof BASELINES)[number];

const WEEK = 7;
const WEEKS = 8;
const LEVEL_DAYS = 14;

/**
 * What the baselines say about the sum over `ahead`, from the days before it. Linear: the mean of the month so far. Seasonal
 * naive: the last week again. Weekday mean: the mean of each day of the week over eight weeks. Level × weekday: the level of
 * the last 14 days, by the shape of the week over eight weeks.
 */
export function baselinesOf(
  values: ReadonlyMap<Day, number>,
  soFar: DayRange,
  ahead: DayRange,
): Readonly<Record<Baseline, number>> {
  const days = daysIn(ahead);
  const known = (list: readonly Day[]): number[] => list.flatMap((day) => values.get(day) ?? []);
  const weekdays = (day: Day, weeks: number): number => {
    const index = days.indexOf(day) % WEEK;
    const last = addDays(ahead.from, index - WEEK);
    return meanOf(known(Array.from({ length: weeks }, (_, week) => addDays(last, -WEEK * week))));
  };
  const shape = days.map((day) => weekdays(day, WEEKS));
  const usual = meanOf(days.slice(0, WEEK).map((_, index) => shape[index] ?? 0)) || 1;
  const recent = Array.from({ length: LEVEL_DAYS }, (_, index) => addDays(ahead.from, -1 - index));
  const level = meanOf(known(recent));
  return {
    linear: meanOf(known(daysIn(soFar))) * days.length,
    'seasonal naive': days.reduce((sum, day) => sum + weekdays(day, 1), 0),
    'weekday mean': shape.reduce((sum, value) => sum + value, 0),
    'level × weekday': shape.reduce((sum, value) => sum + (level * value) / usual, 0),
  };
}

function meanOf(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}

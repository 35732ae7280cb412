import { at, medianOf, rollingMedians, type Workspace } from './statistics.ts';

export const WEEK = 7;
/** So many times a weekday must have been seen to be judged. */
const LEAST_OF_WEEKDAY = 2;
const OFFSET = 0.1;

/** The weekday of a day since the epoch, from 0 for Thursday. */
export function weekdayOf(dayNumber: number): number {
  return ((dayNumber % WEEK) + WEEK) % WEEK;
}

/** Spend of days in a row, and their weekdays. */
export interface Window {
  readonly spend: Float64Array;
  readonly weekdays: Float64Array;
}

/** The logarithms of the spend without what weekdays add, for those that are known well enough. */
export interface Flat {
  readonly logs: Float64Array;
  readonly weekdays: Float64Array;
  readonly effects: Float64Array;
  readonly offset: number;
}

/** Spend without what weekdays add; null without any spend, or where too little is known of the weekday of the last day. */
export function flattened({ spend, weekdays }: Window, work: Workspace): Flat | null {
  const last = spend.length - 1;
  const offset = OFFSET * usualOf(spend.subarray(0, last), work);
  if (!(offset > 0)) return null;
  const logs = work.take(spend.length);
  for (let place = 0; place <= last; place += 1) logs[place] = Math.log(at(spend, place) + offset);
  const effects = weekdayEffects(logs.subarray(0, last), weekdays, work);
  if (Number.isNaN(at(effects, at(weekdays, last)))) return null;
  let known = 0;
  for (let place = 0; place <= last; place += 1) {
    const weekday = at(weekdays, place);
    const value = at(logs, place) - at(effects, weekday);
    if (Number.isNaN(value)) continue;
    logs[known] = value;
    weekdays[known] = weekday;
    known += 1;
  }
  return { logs: logs.subarray(0, known), weekdays: weekdays.subarray(0, known), effects, offset };
}

/** The median of the days with spend; NaN if there are none. */
function usualOf(spend: Float64Array, work: Workspace): number {
  const positive = work.take(spend.length);
  let count = 0;
  for (let place = 0; place < spend.length; place += 1) {
    if (!(at(spend, place) > 0)) continue;
    positive[count] = at(spend, place);
    count += 1;
  }
  return medianOf(positive.subarray(0, count), work.take(count));
}

/** How much higher each weekday is than the days around it. NaN for one that was seen too seldom to tell. */
function weekdayEffects(logs: Float64Array, weekdays: Float64Array, work: Workspace): Float64Array {
  const last = logs.length - 1;
  const weeks = rollingMedians(logs, { window: WEEK, least: 1 }, work);
  const errors = work.take(logs.length);
  for (let place = 0; place <= last; place += 1) {
    errors[place] = at(logs, place) - at(weeks, Math.min(last, Math.max(place + 3, 6)));
  }
  const effects = new Float64Array(WEEK);
  const own = work.take(logs.length);
  for (let weekday = 0; weekday < WEEK; weekday += 1) {
    const count = takeWeekday(own, errors, weekdays, weekday);
    effects[weekday] = count < LEAST_OF_WEEKDAY ? Number.NaN : medianOf(own.subarray(0, count), work.take(count));
  }
  return effects;
}

/** Copies the known values on a weekday, and returns how many there are. */
export function takeWeekday(own: Float64Array, values: Float64Array, weekdays: Float64Array, weekday: number): number {
  let count = 0;
  for (let place = 0; place < values.length; place += 1) {
    const value = at(values, place);
    if (Number.isNaN(value) || at(weekdays, place) !== weekday) continue;
    own[count] = value;
    count += 1;
  }
  return count;
}

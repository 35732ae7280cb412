import { WEEK } from './flat.ts';
import { at, rollingMedians, type Workspace } from './statistics.ts';

/** The level is the median of so many days, whichever foresees the series best. */
const LEVEL_DAYS = [35, 14, 7];
/** A level needs so many days. */
const LEAST_OF_LEVEL = 5;
/** Errors of a level count from this place on: before, it knows too few days. */
const FIRST_JUDGED = 14;
/** A shift is told by so many days. */
export const SHIFT_DAYS = 3;
/** A drift is told by the last week, and by one so many days before. */
const DRIFT_APART = 14;

/** By how much each day, and the days up to it, differ from those before. */
export interface Paths {
  /** Levels up to each day. */
  readonly levels: Float64Array;
  readonly weeks: Float64Array;
  readonly steps: Float64Array;
  readonly shifts: Float64Array;
  readonly drifts: Float64Array;
}

/** The paths of logarithms up to the last day. */
export function pathsOf(logs: Float64Array, work: Workspace): Paths {
  const weeks = rollingMedians(logs, { window: WEEK, least: LEAST_OF_LEVEL }, work);
  const levels = levelsOf(logs, weeks, work);
  const steps = work.take(logs.length);
  const shifts = work.take(logs.length);
  const drifts = work.take(logs.length);
  for (let place = 0; place < logs.length; place += 1) {
    const value = at(logs, place);
    const before = at(levels, place - SHIFT_DAYS);
    steps[place] = value - at(levels, place - 1);
    shifts[place] = steady(value - before, at(logs, place - 1) - before, at(logs, place - 2) - before);
    drifts[place] = at(weeks, place) - weekBefore(weeks, place);
  }
  return { levels, weeks, steps, shifts, drifts };
}

/** The level of the week that a drift is told by; NaN where there is no whole one. */
export function weekBefore(weeks: Float64Array, place: number): number {
  return place < DRIFT_APART + WEEK - 1 ? Number.NaN : at(weeks, place - DRIFT_APART);
}

/** The medians up to each day, over as many days as foresaw the next day best. */
function levelsOf(logs: Float64Array, weeks: Float64Array, work: Workspace): Float64Array {
  let best = { medians: weeks, error: Number.POSITIVE_INFINITY };
  for (const window of LEVEL_DAYS) {
    const medians = window === WEEK ? weeks : rollingMedians(logs, { window, least: LEAST_OF_LEVEL }, work);
    let error = 0;
    for (let place = FIRST_JUDGED; place < logs.length - 1; place += 1) {
      error += Math.abs(at(logs, place) - at(medians, place - 1));
    }
    if (error < best.error * 0.97) best = { medians, error };
  }
  return best.medians;
}

/** The mean of three days, but not much more than their median: a single high day is no shift. */
export function steady(a: number, b: number, c: number): number {
  const mean = (a + b + c) / 3;
  const median = Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
  if (mean * median <= 0) return 0;
  return Math.sign(mean) * Math.min(Math.abs(mean), 1.2 * Math.abs(median));
}

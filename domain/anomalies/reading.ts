import { medianOf, rollingMedians, scaleOf, secondExtremes } from './statistics.ts';

/**
 * The spend of one part on the settled days, oldest first. Whatever an incident explains is taken out of it, and days that
 * cannot be told are NaN. A missing day has no place, so it is no zero.
 */
export interface Series {
  readonly values: Float64Array;
  /** Days since the epoch. */
  readonly dayNumbers: Int32Array;
}

/** By how much a day or the days up to it differ from what was expected. */
export interface Deviation {
  readonly test: 'day' | 'shift' | 'drift';
  readonly direction: 1 | -1;
  /** On the scale of logarithms: 0.1 is about 10 %. */
  readonly size: number;
  /** 1 is just enough at medium sensitivity. */
  readonly strength: number;
}

/** What to expect of a series on a day, from the days before it alone. */
export interface Expectation {
  /** Added before logarithms are taken, so that days without spend have one. A fraction of the usual spend. */
  readonly offset: number;
  readonly level: number;
  readonly weekdays: Float64Array;
  /** The usual error of a day, by weekday. */
  readonly errors: Float64Array;
  /** How many usual errors a day may be above or below, at medium sensitivity. */
  readonly up: number;
  readonly down: number;
}

/** How a series stands on a day. */
export interface Reading {
  readonly expectation: Expectation;
  readonly deviations: readonly Deviation[];
  /** What to expect had the last days not happened: the level before a shift or a drift that ends on this day. */
  readonly before: Readonly<Record<Deviation['test'], number>>;
}

/** Fewer days do not say what is usual. */
export const LEAST_DAYS = 14;
/** A baseline looks back so many days. */
export const LOOK_BACK_DAYS = 91;
/** So many times a weekday must have been seen to be judged. */
const LEAST_OF_WEEKDAY = 2;
const OFFSET = 0.1;
/** The level is the median of so many days, whichever foresees the series best. */
const LEVEL_DAYS = [7, 14, 35];
const SHIFT_DAYS = 3;
const DRIFT_DAYS = 7;
const DRIFT_APART = 14;
/** Errors of a level count from this place on: before, it knows too few days. */
const FIRST_JUDGED = 14;
const LEAST_ERROR = 0.02;
/** So many values of its own outweigh the errors of other weekdays. */
const SHRINK = 6;
const THRESHOLDS = {
  day: { up: 3.3, down: 4 },
  shift: { up: 4, down: 4.6 },
  drift: { up: 4, down: 5 },
};
/** Smaller deviations are nobody's concern, however calm the series is. */
const LEAST_SIZES = { day: 0.25, shift: 0.17, drift: 0.2 };
/** How far beyond the second largest error of the past: the largest alone may be an incident. */
const BEYOND_LASTING = 1.3;
const BEYOND = 1.15;

/** The weekday of a day since the epoch, from 0 for Thursday. */
export function weekdayOf(dayNumber: number): number {
  return ((dayNumber % 7) + 7) % 7;
}

/** The spend that is expected on a day, in US dollars, `errors` usual errors above the middle. */
export function expectedOn(expectation: Expectation, dayNumber: number, errors = 0): number {
  const weekday = weekdayOf(dayNumber);
  const middle = expectation.level + (expectation.weekdays[weekday] ?? 0);
  const value = Math.exp(middle + errors * (expectation.errors[weekday] ?? 0)) - expectation.offset;
  return Math.max(0, value);
}

/** By how much spend differs from what is expected on a day, on the scale of logarithms. */
export function errorOn(expectation: Expectation, dayNumber: number, value: number): number {
  const middle = expectation.level + (expectation.weekdays[weekdayOf(dayNumber)] ?? 0);
  return Math.log(Math.max(0, value) + expectation.offset) - middle;
}

/** How a series stands on the day at a place; null where too few days lie before it, or none with spend. */
export function readAt(series: Series, at: number): Reading | null {
  const { spend, days } = windowOf(series, at);
  const last = spend.length - 1;
  if (days[last] !== series.dayNumbers[at] || last < LEAST_DAYS) return null;
  const offset = OFFSET * medianOf(spend.subarray(0, last).filter((value) => value > 0));
  if (!(offset > 0)) return null;
  const flat = new Float64Array(spend.length);
  for (let place = 0; place <= last; place += 1) flat[place] = Math.log((spend[place] ?? 0) + offset);
  const weekdays = weekdayEffects(flat.subarray(0, last), days);
  if (Number.isNaN(weekdays[weekdayOf(days[last] ?? 0)])) return null;
  let known = 0;
  for (let place = 0; place <= last; place += 1) {
    const day = days[place] ?? 0;
    const value = (flat[place] ?? 0) - (weekdays[weekdayOf(day)] ?? 0);
    if (Number.isNaN(value)) continue;
    flat[known] = value;
    days[known] = day;
    known += 1;
  }
  return judge(flat.subarray(0, known), days.subarray(0, known), { offset, weekdays });
}

/** The days that a baseline looks back on, and the day itself, as far as they can be told. */
function windowOf({ values, dayNumbers }: Series, at: number): { spend: Float64Array; days: Int32Array } {
  const today = dayNumbers[at] ?? 0;
  let from = at;
  while (from > 0 && today - (dayNumbers[from - 1] ?? 0) <= LOOK_BACK_DAYS) from -= 1;
  const spend = new Float64Array(at - from + 1);
  const days = new Int32Array(at - from + 1);
  let count = 0;
  for (let place = from; place <= at; place += 1) {
    const value = values[place] ?? Number.NaN;
    if (Number.isNaN(value)) continue;
    spend[count] = Math.max(0, value);
    days[count] = dayNumbers[place] ?? 0;
    count += 1;
  }
  return { spend: spend.subarray(0, count), days: days.subarray(0, count) };
}

/** How much higher each weekday is than the days around it. NaN for one that was seen too seldom to tell. */
function weekdayEffects(logs: Float64Array, days: Int32Array): Float64Array {
  const last = logs.length - 1;
  const weeks = rollingMedians(logs, 7, 1);
  const errors = new Float64Array(logs.length);
  for (let place = 0; place <= last; place += 1) {
    errors[place] = (logs[place] ?? 0) - (weeks[Math.min(last, Math.max(place + 3, 6))] ?? 0);
  }
  const effects = new Float64Array(7);
  const own = new Float64Array(logs.length);
  for (let weekday = 0; weekday < 7; weekday += 1) {
    const count = takeWeekday(own, errors, days, weekday);
    effects[weekday] = count < LEAST_OF_WEEKDAY ? Number.NaN : medianOf(own.subarray(0, count));
  }
  return effects;
}

/** Copies the known values on a weekday, and returns how many there are. */
function takeWeekday(own: Float64Array, values: Float64Array, days: Int32Array, weekday: number): number {
  let count = 0;
  for (let place = 0; place < values.length; place += 1) {
    const value = values[place] ?? Number.NaN;
    if (Number.isNaN(value) || weekdayOf(days[place] ?? 0) !== weekday) continue;
    own[count] = value;
    count += 1;
  }
  return count;
}

function judge(
  flat: Float64Array,
  days: Int32Array,
  { offset, weekdays }: Pick<Expectation, 'offset' | 'weekdays'>,
): Reading {
  const at = flat.length - 1;
  const medians = levelsOf(flat);
  const weeks = rollingMedians(flat, DRIFT_DAYS, DRIFT_DAYS);
  const level = (place: number): number => medians[place - 1] ?? Number.NaN;
  const steps = new Float64Array(flat.length);
  const shifts = new Float64Array(flat.length);
  const drifts = new Float64Array(flat.length);
  for (let place = 0; place <= at; place += 1) {
    const value = flat[place] ?? 0;
    const before = level(place - SHIFT_DAYS + 1);
    steps[place] = value - level(place);
    shifts[place] = steady(value - before, (flat[place - 1] ?? 0) - before, (flat[place - 2] ?? 0) - before);
    drifts[place] = (weeks[place] ?? Number.NaN) - (weeks[place - DRIFT_APART] ?? Number.NaN);
  }
  const errors = errorsByWeekday(steps.subarray(0, at), days);
  const dayError = errors[weekdayOf(days[at] ?? 0)] ?? 1;
  const day = limits(relativeTo(errors, steps.subarray(0, at), days), 1, THRESHOLDS.day, BEYOND);
  const deviations = [
    deviation('day', steps[at], { up: day.up * dayError, down: day.down * dayError }),
    deviation('shift', shifts[at], scaled(shifts.subarray(0, at - SHIFT_DAYS + 1), THRESHOLDS.shift)),
    deviation('drift', drifts[at], scaled(drifts.subarray(0, at - DRIFT_DAYS + 1), THRESHOLDS.drift)),
  ];
  return {
    expectation: { offset, weekdays, errors, level: level(at), up: day.up, down: day.down },
    deviations: deviations.filter((one) => one !== null),
    before: { day: level(at), shift: level(at - SHIFT_DAYS + 1), drift: weeks[at - DRIFT_APART] ?? Number.NaN },
  };
}

/** Steps by the usual error of their weekday. */
function relativeTo(errors: Float64Array, steps: Float64Array, days: Int32Array): Float64Array {
  const relative = new Float64Array(steps.length);
  for (let place = 0; place < steps.length; place += 1) {
    relative[place] = (steps[place] ?? 0) / (errors[weekdayOf(days[place] ?? 0)] ?? 1);
  }
  return relative;
}

/** The medians of the days before, over as many days as made the smallest errors in the past. */
function levelsOf(flat: Float64Array): Float64Array {
  let best = { medians: flat, error: Number.POSITIVE_INFINITY };
  const errors = new Float64Array(Math.max(0, flat.length - 1 - FIRST_JUDGED));
  for (const days of LEVEL_DAYS) {
    const medians = rollingMedians(flat, days, 5);
    for (let at = 0; at < errors.length; at += 1) {
      errors[at] = (flat[at + FIRST_JUDGED] ?? 0) - (medians[at + FIRST_JUDGED - 1] ?? 0);
    }
    const error = scaleOf(errors);
    if (error < best.error * 0.97) best = { medians, error };
  }
  return best.medians;
}

/** The mean of three days, but not much more than their median: a single high day is no shift. */
function steady(a: number, b: number, c: number): number {
  const mean = (a + b + c) / 3;
  const median = Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
  if (mean * median <= 0) return 0;
  return Math.sign(mean) * Math.min(Math.abs(mean), 1.2 * Math.abs(median));
}

/** The usual error on each weekday, drawn towards the one of all days. */
function errorsByWeekday(past: Float64Array, days: Int32Array): Float64Array {
  const all = Math.max(LEAST_ERROR, scaleOf(past));
  const errors = new Float64Array(7);
  const own = new Float64Array(past.length);
  for (let weekday = 0; weekday < 7; weekday += 1) {
    const count = takeWeekday(own, past, days, weekday);
    const error = count < 3 ? all : scaleOf(own.subarray(0, count));
    errors[weekday] = Math.max(LEAST_ERROR, Math.sqrt((count * error ** 2 + SHRINK * all ** 2) / (count + SHRINK)));
  }
  return errors;
}

interface Limits {
  readonly up: number;
  readonly down: number;
}

function scaled(past: Float64Array, thresholds: Limits): Limits {
  return limits(past, Math.max(LEAST_ERROR / 1.5, scaleOf(past)), thresholds, BEYOND_LASTING);
}

/** What it takes to be unusual: so many usual errors, and more than the past has shown. */
function limits(past: Float64Array, error: number, thresholds: Limits, beyond: number): Limits {
  const { highest, lowest } = secondExtremes(past);
  return {
    up: Math.max(thresholds.up * error, beyond * highest),
    down: Math.max(thresholds.down * error, beyond * -lowest),
  };
}

function deviation(test: Deviation['test'], size: number | undefined, { up, down }: Limits): Deviation | null {
  if (size === undefined || Number.isNaN(size) || size === 0) return null;
  const direction = size > 0 ? 1 : -1;
  const least = Math.max(direction > 0 ? up : down, LEAST_SIZES[test]);
  return { test, direction, size, strength: Math.abs(size) / least };
}

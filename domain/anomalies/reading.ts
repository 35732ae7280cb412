import { WEEK, flattened, takeWeekday, weekdayOf, type Flat, type Window } from './flat.ts';
import { SHIFT_DAYS, pathsOf, steady, weekBefore, type Paths } from './paths.ts';
import { Workspace, at, meanOf, scaleOf, secondExtremes } from './statistics.ts';

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

/** What is just enough in each direction. */
export interface Limits {
  readonly up: number;
  readonly down: number;
}

/** How a series stands on a day. */
export interface Reading {
  readonly expectation: Expectation;
  readonly deviations: readonly Deviation[];
  /** What three days must be out to be just enough, on the scale of logarithms. */
  readonly lasting: Limits;
  /** What to expect had the last days not happened: the level before a shift or a drift that ends on this day. */
  readonly before: Readonly<Record<Deviation['test'], number>>;
}

/** Fewer days do not say what is usual. */
export const LEAST_DAYS = 14;
/** A baseline looks back so many days. */
export const LOOK_BACK_DAYS = 91;
const LEAST_ERROR = 0.02;
/** So many values of its own outweigh the errors of other weekdays. */
const SHRINK = 6;
/** No weekday is rougher than this many times all days: a few holidays on one weekday say little about the others. */
const MOST_ROUGH = 2.5;
/** How much an error grows where a weekday was seen only once. */
const UNSURE = 1.5;
/** With so many days before it, a deviation must be twice as clear as after endless ones. */
const FEW = 15;
/** What a day and a shift cost too much or too little, by the usual error of all days in US dollars. */
const LEAST_EXCESS = { day: 2.2, shift: 1.2 };
const THRESHOLDS = {
  day: { up: 3.3, down: 4 },
  shift: { up: 2.7, down: 3.6 },
  drift: { up: 4, down: 5 },
};
/** Smaller deviations are nobody's concern, however calm the series is. */
const LEAST_SIZES = { day: 0.25, shift: 0.17, drift: 0.2 };
/** How far beyond the second largest error of the past: the largest alone may be an incident. */
const BEYOND_LASTING = 1.2;
const BEYOND = 1.15;

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

/**
 * Reads series of spend on the same settled days, oldest first. Whatever an incident explains is taken out of them, and days
 * that cannot be told are NaN. A missing day has no place, so it is no zero.
 */
export class Reader {
  /** Days since the epoch. */
  readonly #dayNumbers: Int32Array;
  readonly #work = new Workspace();

  constructor(dayNumbers: Int32Array) {
    this.#dayNumbers = dayNumbers;
  }

  /** How a series stands on the day at a place; null where too few days lie before it, or none with spend. */
  read(values: Float64Array, place: number): Reading | null {
    return this.#read(values, place, 0);
  }

  /** The same, but null where no deviation has this strength: most days are like that, and told sooner. */
  readDeviating(values: Float64Array, place: number, strength: number): Reading | null {
    return this.#read(values, place, strength);
  }

  #read(values: Float64Array, place: number, strength: number): Reading | null {
    const work = this.#work;
    work.clear();
    const window = this.#windowOf(values, place);
    const last = window.spend.length - 1;
    if (Number.isNaN(at(values, place)) || last < LEAST_DAYS) return null;
    const flat = flattened(window, work);
    if (flat === null) return null;
    const paths = pathsOf(flat.logs, work);
    return isQuiet(paths, strength) ? null : judge(flat, paths, work);
  }

  /** The days that a baseline looks back on, and the day itself, as far as they can be told. */
  #windowOf(values: Float64Array, last: number): Window {
    const today = this.#dayNumbers[last] ?? 0;
    let from = last;
    while (from > 0 && today - (this.#dayNumbers[from - 1] ?? 0) <= LOOK_BACK_DAYS) from -= 1;
    const spend = this.#work.take(last - from + 1);
    const weekdays = this.#work.take(last - from + 1);
    let count = 0;
    for (let place = from; place <= last; place += 1) {
      const value = at(values, place);
      if (Number.isNaN(value)) continue;
      spend[count] = Math.max(0, value);
      weekdays[count] = weekdayOf(this.#dayNumbers[place] ?? 0);
      count += 1;
    }
    return { spend: spend.subarray(0, count), weekdays: weekdays.subarray(0, count) };
  }
}

/** Whether the last day is too close to what is usual to be of this strength in any test. */
function isQuiet({ steps, shifts, drifts }: Paths, strength: number): boolean {
  const last = steps.length - 1;
  return (
    !(Math.abs(at(steps, last)) >= strength * LEAST_SIZES.day) &&
    !(Math.abs(at(shifts, last)) >= strength * LEAST_SIZES.shift) &&
    !(Math.abs(at(drifts, last)) >= strength * LEAST_SIZES.drift)
  );
}

function judge(flat: Flat, paths: Paths, work: Workspace): Reading {
  const { logs, weekdays, effects, offset } = flat;
  const last = logs.length - 1;
  const { levels, weeks, drifts } = paths;
  const past = paths.steps.subarray(0, last);
  const known = errorsByWeekday(past, weekdays, work);
  const noise = meanOf(known) * Math.exp(at(levels, last - 1));
  const relative = relativeSteps(flat, { past, levels, errors: known, noise }, work);
  const errors = unsure(known, weekdays.subarray(0, last));
  const day = limits(relative, 1, THRESHOLDS.day, BEYOND);
  const error = at(errors, at(weekdays, last));
  const shifts = relativeShifts(logs, { weekdays, levels, errors: known }, work);
  const lasting = scaled(shifts.subarray(0, last - SHIFT_DAYS + 1), THRESHOLDS.shift, work);
  const driftLimits = scaled(drifts.subarray(0, last - WEEK + 1), THRESHOLDS.drift, work);
  const excess = (before: number, days: number): number => Math.abs(meanExcess(flat, before, days)) / noise;
  const found = [
    capped(
      deviation('day', at(paths.steps, last), { up: day.up * error, down: day.down * error }),
      excess(at(levels, last - 1), 1) / LEAST_EXCESS.day,
    ),
    capped(
      shifted(at(paths.shifts, last), at(shifts, last), lasting),
      excess(at(levels, last - SHIFT_DAYS), SHIFT_DAYS) / LEAST_EXCESS.shift,
    ),
    deviation('drift', at(drifts, last), driftLimits),
  ];
  const deviations = found.filter((one) => one !== null);
  const certainty = (1 + FEW / LOOK_BACK_DAYS) / (1 + FEW / logs.length);
  return {
    expectation: { offset, weekdays: effects, errors, level: at(levels, last - 1), up: day.up, down: day.down },
    deviations: deviations.map((one) => ({ ...one, strength: one.strength * certainty })),
    lasting: {
      up: Math.max(LEAST_SIZES.shift, lasting.up * meanOf(known)) / certainty,
      down: Math.max(LEAST_SIZES.shift, lasting.down * meanOf(known)) / certainty,
    },
    before: {
      day: at(levels, last - 1),
      shift: at(levels, last - SHIFT_DAYS),
      drift: weekBefore(weeks, last),
    },
  };
}

/** The mean of what the last days cost above a level, in US dollars. */
function meanExcess(flat: Flat, level: number, days: number): number {
  let sum = 0;
  for (let place = flat.logs.length - days; place < flat.logs.length; place += 1) sum += excessOn(flat, place, level);
  return sum / days;
}

function excessOn({ logs, weekdays, effects }: Flat, place: number, level: number): number {
  return Math.exp(at(effects, at(weekdays, place))) * (Math.exp(at(logs, place)) - Math.exp(level));
}

/** Past steps by the usual errors of their weekdays. A quiet Sunday that doubled says little about what a working day may be. */
function relativeSteps(
  flat: Flat,
  { past, levels, errors, noise }: { past: Float64Array; levels: Float64Array; errors: Float64Array; noise: number },
  work: Workspace,
): Float64Array {
  const relative = work.take(past.length);
  for (let place = 0; place < past.length; place += 1) {
    const step = at(past, place) / at(errors, at(flat.weekdays, place));
    const most =
      (THRESHOLDS.day.up * Math.abs(excessOn(flat, place, at(levels, place - 1)))) / (LEAST_EXCESS.day * noise);
    relative[place] = Math.sign(step) * Math.min(Math.abs(step), most);
  }
  return relative;
}

/** A deviation is no clearer than this: twice a quiet Sunday is less than what other days differ by. */
function capped(found: Deviation | null, strength: number): Deviation | null {
  return found === null ? null : { ...found, strength: Math.min(found.strength, strength) };
}

/** What a weekday adds is less sure the fewer of them were seen, so its next day may be further off than the past ones. */
function unsure(errors: Float64Array, weekdays: Float64Array): Float64Array {
  const counts = new Float64Array(WEEK);
  for (let place = 0; place < weekdays.length; place += 1)
    counts[at(weekdays, place)] = at(counts, at(weekdays, place)) + 1;
  return errors.map((error, weekday) => error * (1 + UNSURE / Math.max(1, at(counts, weekday))));
}

/** The shifts of three days up to each, by the usual errors of their weekdays. */
function relativeShifts(
  logs: Float64Array,
  { weekdays, levels, errors }: { weekdays: Float64Array; levels: Float64Array; errors: Float64Array },
  work: Workspace,
): Float64Array {
  const shifts = work.take(logs.length);
  for (let place = 0; place < logs.length; place += 1) {
    const before = at(levels, place - SHIFT_DAYS);
    const by = (back: number): number => (at(logs, place - back) - before) / at(errors, at(weekdays, place - back));
    shifts[place] = steady(by(0), by(1), by(2));
  }
  return shifts;
}

/** A shift counts if it is unusual by the errors of its days. */
function shifted(size: number, relative: number, { up, down }: Limits): Deviation | null {
  if (!(size * relative > 0)) return null;
  const ratio = size / relative;
  return deviation('shift', size, { up: ratio * up, down: ratio * down });
}

/** The usual error on each weekday, drawn towards the one of all days. */
function errorsByWeekday(past: Float64Array, weekdays: Float64Array, work: Workspace): Float64Array {
  const all = Math.max(LEAST_ERROR, scaleOf(past, work));
  const errors = new Float64Array(WEEK);
  const own = work.take(past.length);
  for (let weekday = 0; weekday < WEEK; weekday += 1) {
    const count = takeWeekday(own, past, weekdays, weekday);
    const error = count < 3 ? all : Math.min(MOST_ROUGH * all, scaleOf(own.subarray(0, count), work));
    errors[weekday] = Math.max(LEAST_ERROR, Math.sqrt((count * error ** 2 + SHRINK * all ** 2) / (count + SHRINK)));
  }
  return errors;
}

function scaled(past: Float64Array, thresholds: Limits, work: Workspace): Limits {
  return limits(past, Math.max(LEAST_ERROR / 1.5, scaleOf(past, work)), thresholds, BEYOND_LASTING);
}

/** What it takes to be unusual: so many usual errors, and more than the past has shown. */
function limits(past: Float64Array, error: number, thresholds: Limits, beyond: number): Limits {
  const { highest, lowest } = secondExtremes(past);
  return {
    up: Math.max(thresholds.up * error, beyond * highest),
    down: Math.max(thresholds.down * error, beyond * -lowest),
  };
}

function deviation(test: Deviation['test'], size: number, { up, down }: Limits): Deviation | null {
  if (Number.isNaN(size) || size === 0) return null;
  const direction = size > 0 ? 1 : -1;
  const least = Math.max(direction > 0 ? up : down, LEAST_SIZES[test]);
  return { test, direction, size, strength: Math.abs(size) / least };
}

import { WEEK, at } from './series.ts';
import type { Shape } from './shape.ts';

/** A new level lasts from the shortest to the longest number of days: before, nobody can tell; after, every method knows. */
const SHORTEST = 5;
const LONGEST = 28;
/** The days before it that say what the old level was, and how many of them must be known. */
const BEFORE = 42;
const LEAST_KNOWN = 28;
/** How many standard deviations a day of the new level lies from the old one, and how many of its days do. */
const DEVIATIONS = 4;
const MOST = 0.85;
/** The least standard deviation that is believed, by the level. */
const LEAST_DEVIATION = 0.02;
/** From a mean absolute deviation to a standard deviation. */
const TO_DEVIATION = 1.25;
/** Days of the week with less use than this part of a usual day are no evidence. */
const QUIET = 0.4;

/** The values before `start` as they would be had the present level been there all along: the same ones if it did not jump. */
export function atPresentLevel(values: Float64Array, start: number, shape: Shape): Float64Array {
  for (let length = LONGEST; length >= SHORTEST; length -= 1) {
    const ratio = jump(values, start - length, start, shape.factor);
    if (ratio === null) continue;
    return values.map((value, index) => (index < start - length ? value * ratio : value));
  }
  return values;
}

/** The new level by the old one, if almost every day in `from..to - 1` lies far from the old level on one side. */
function jump(values: Float64Array, from: number, to: number, factor: Float64Array): number | null {
  const old = levelOf(values, from - BEFORE, from, factor, 0);
  if (old.known < LEAST_KNOWN || !(old.level > 0)) return null;
  const now = levelOf(values, from, to, factor, QUIET);
  const ratio = now.level / old.level;
  // Most origins end here, so the rest may be slow.
  if (!(Math.abs(ratio - 1) > DEVIATIONS * LEAST_DEVIATION)) return null;
  let away = 0;
  for (let index = Math.max(0, from - BEFORE); index < from; index += 1) {
    const value = at(values, index);
    if (!Number.isNaN(value)) away += Math.abs(value - old.level * at(factor, index % WEEK));
  }
  const reach = DEVIATIONS * Math.max((TO_DEVIATION * away) / old.known, LEAST_DEVIATION * old.level);
  const sideOf = (index: number): number => {
    const weight = at(factor, index % WEEK);
    const off = at(values, index) - old.level * weight;
    return Math.abs(off) > reach * Math.sqrt(weight) ? Math.sign(off) : 0;
  };
  const first = sideOf(from);
  if (first === 0 || Number.isNaN(first)) return null;
  let same = 0;
  for (let index = from; index < to; index += 1) {
    if (at(factor, index % WEEK) >= QUIET && sideOf(index) === first) same += 1;
  }
  if (now.known < SHORTEST - 1 || same < MOST * now.known) return null;
  return ratio > 0.02 && ratio < 50 ? ratio : null;
}

function levelOf(
  values: Float64Array,
  from: number,
  to: number,
  factor: Float64Array,
  leastFactor: number,
): { level: number; known: number } {
  let sum = 0;
  let weights = 0;
  let known = 0;
  for (let index = Math.max(0, from); index < to; index += 1) {
    const value = at(values, index);
    const weight = at(factor, index % WEEK);
    if (Number.isNaN(value) || weight < leastFactor) continue;
    sum += value;
    weights += weight;
    known += 1;
  }
  return { level: weights > 0 ? sum / weights : Number.NaN, known };
}

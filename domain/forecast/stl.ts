import { WEEK, at } from './series.ts';

/**
 * A series as the sum of a trend, a shape of the week that may change slowly, and a rest: STL, the decomposition by local
 * regression of Cleveland, Cleveland, McRae and Terpenning (Journal of Official Statistics 6, 1990), for weeks. Without its
 * robust iterations: the series comes with its extremes pulled in.
 */
export interface Decomposition {
  /** The part of each value that its day of the week makes; a week adds up to about zero. */
  readonly season: Float64Array;
  /** The values without it. */
  readonly adjusted: Float64Array;
}

/** How many weeks each day of the week is smoothed over, and how many days the trend, and what the season holds of it. */
const SEASON_WEEKS = 11;
const TREND_DAYS = 15;
const LOW_PASS_DAYS = 9;
/** The season is cleaned of the trend, and the trend of the season; the second round settles both. */
const ROUNDS = 2;
/** Decomposed values must be at least so many, so that every window is full. */
export const LEAST_DAYS = 3 * WEEK;

/** Decomposes at least {@link LEAST_DAYS} values, all of them known. */
export function stl(values: Float64Array): Decomposition {
  const { length } = values;
  const season = new Float64Array(length);
  const adjusted = values.slice();
  let trend: Float64Array = new Float64Array(length);
  for (let round = 0; round < ROUNDS; round += 1) {
    const cycles = smoothedCycles(values, trend);
    const low = smoothed(movingMean(movingMean(movingMean(cycles, WEEK), WEEK), 3), LOW_PASS);
    for (let index = 0; index < length; index += 1) {
      season[index] = at(cycles, index + WEEK) - at(low, index);
      adjusted[index] = at(values, index) - at(season, index);
    }
    if (round + 1 < ROUNDS) trend = smoothed(adjusted, TREND);
  }
  return { season, adjusted };
}

/** Each day of the week without the trend, smoothed on its own; with a week more before and after, which the low pass uses up. */
function smoothedCycles(values: Float64Array, trend: Float64Array): Float64Array {
  const { length } = values;
  const cycles = new Float64Array(length + 2 * WEEK);
  for (let place = 0; place < WEEK; place += 1) {
    const weeks = Math.ceil((length - place) / WEEK);
    const window = Math.min(SEASON_WEEKS, weeks);
    const kernels = MEANS[window];
    if (kernels === undefined) continue;
    for (let week = -1; week <= weeks; week += 1) {
      const first = Math.min(Math.max(0, week - (window >> 1)), weeks - window);
      const kernel = kernels.subarray((week - first + 1) * window, (week - first + 2) * window);
      let sum = 0;
      for (let other = 0; other < window; other += 1) {
        const index = place + (first + other) * WEEK;
        sum += at(kernel, other) * (at(values, index) - at(trend, index));
      }
      cycles[place + (week + 1) * WEEK] = sum;
    }
  }
  return cycles;
}

function movingMean(values: Float64Array, days: number): Float64Array {
  const means = new Float64Array(values.length - days + 1);
  let sum = 0;
  for (let index = 0; index < values.length; index += 1) {
    sum += at(values, index);
    if (index >= days) sum -= at(values, index - days);
    if (index >= days - 1) means[index - days + 1] = sum / days;
  }
  return means;
}

/** Local regression by straight lines. `kernels` has, for each place in a window, the weights of the window's values. */
function smoothed(values: Float64Array, kernels: Float64Array): Float64Array {
  const { length } = values;
  const window = Math.round(Math.sqrt(kernels.length));
  const smooth = new Float64Array(length);
  for (let index = 0; index < length; index += 1) {
    const first = Math.min(Math.max(0, index - (window >> 1)), length - window);
    const row = (index - first) * window;
    let sum = 0;
    for (let other = 0; other < window; other += 1) sum += at(kernels, row + other) * at(values, first + other);
    smooth[index] = sum;
  }
  return smooth;
}

/** How much each value of a window counts at a place in it, or beside it: the near ones most. `span` is that of a full window. */
function tricube(window: number, place: number, span = window): Float64Array {
  const farthest = Math.max(place, window - 1 - place) + ((span - window) >> 1);
  return Float64Array.from({ length: window }, (_, other) => {
    const part = Math.abs(other - place) / farthest;
    return part < 1 ? (1 - part ** 3) ** 3 : 0;
  });
}

/** The weights of local lines in a window, a row for each place in it. */
function linesOf(window: number): Float64Array {
  const kernels = new Float64Array(window * window);
  for (let place = 0; place < window; place += 1) {
    const weights = tricube(window, place);
    const moment = (power: number): number =>
      weights.reduce((sum, weight, other) => sum + weight * (other - place) ** power, 0);
    const [zeroth, first, second] = [moment(0), moment(1), moment(2)];
    // At the place itself a line is its constant.
    weights.forEach((weight, other) => {
      kernels[place * window + other] =
        (weight * (second - first * (other - place))) / (zeroth * second - first * first);
    });
  }
  return kernels;
}

/** The weights of local means in a window, a row for each place from the one before it to the one after it. */
function meansOf(window: number): Float64Array {
  const rows = Array.from({ length: window + 2 }, (_, row) => {
    const weights = tricube(window, row - 1, SEASON_WEEKS);
    const sum = weights.reduce((total, weight) => total + weight, 0);
    return weights.map((weight) => weight / sum);
  });
  return Float64Array.from(rows.flatMap((row) => [...row]));
}

const TREND = linesOf(TREND_DAYS);
const LOW_PASS = linesOf(LOW_PASS_DAYS);
const MEANS = Array.from({ length: SEASON_WEEKS + 1 }, (_, window) => meansOf(window));

import type { Calm } from './calm.ts';
import { CANDIDATES, pastOf, type Candidate } from './methods.ts';
import { at } from './series.ts';

/** No method says anything useful with fewer days before it. */
const LEAST_TRAINING = 10;
/** Neighbouring origins say almost the same, so only every second one is repeated. */
export const ORIGIN_STEP = 2;
/** Origins further back are not repeated. */
const LOOK_BACK = 364;
/** Days that say how large the series is at an origin, and the least size, in units of the whole series. */
const SIZE_DAYS = 56;
const LEAST_SIZE = 0.05;

/** What each candidate would have said at each past origin, and what came. */
export interface Replay {
  /** The index of the first origin. Origin number `place` lies `place * ORIGIN_STEP` days after it, up to the end. */
  readonly first: number;
  readonly origins: number;
  /** The longest horizon repeated. */
  readonly horizon: number;
  /** By candidate: the forecast of each day, at `place * horizon + ahead`. */
  readonly forecasts: readonly Float64Array[];
  /** What came on these days; NaN where it is unknown. */
  readonly actuals: Float64Array;
  /** How large a usual day was at each origin. */
  readonly sizes: Float64Array;
}

/** Repeats all candidates at past origins of the last year, up to the horizon or half of the history. */
export function replay(values: Float64Array, calm: Calm, horizon: number): Replay {
  const half = Math.max(1, Math.floor((values.length - LEAST_TRAINING) / 2));
  const reach = Math.min(horizon, half);
  const origins = Math.floor(Math.min(values.length - LEAST_TRAINING, LOOK_BACK + reach) / ORIGIN_STEP);
  const first = values.length - origins * ORIGIN_STEP;
  const forecasts = CANDIDATES.map(() => new Float64Array(origins * reach));
  const actuals = new Float64Array(origins * reach);
  const sizes = new Float64Array(origins);
  for (let place = 0; place < origins; place += 1) {
    const origin = first + place * ORIGIN_STEP;
    const past = pastOf(calm.before(origin), origin);
    const from = place * reach;
    for (const [index, { run }] of CANDIDATES.entries()) {
      const out = forecasts[index];
      if (out !== undefined) run(past, { values: out, from, days: reach });
    }
    for (let ahead = 0; ahead < reach; ahead += 1) actuals[from + ahead] = at(values, origin + ahead);
    sizes[place] = sizeAt(values, origin);
  }
  return { first, origins, horizon: reach, forecasts, actuals, sizes };
}

/** What each candidate says now. */
export function sayNow(values: Float64Array, calm: Calm, horizon: number): Float64Array[] {
  const past = pastOf(calm.before(values.length), values.length);
  return CANDIDATES.map(({ run }: Candidate) => {
    const values = new Float64Array(horizon);
    run(past, { values, from: 0, days: horizon });
    return values;
  });
}

/** How large a usual day is before an origin, in units of the series. */
export function sizeAt(values: Float64Array, origin: number): number {
  let sum = 0;
  let known = 0;
  for (let index = Math.max(0, origin - SIZE_DAYS); index < origin; index += 1) {
    const value = at(values, index);
    if (Number.isNaN(value)) continue;
    sum += Math.abs(value);
    known += 1;
  }
  return Math.max(LEAST_SIZE, known > 0 ? sum / known : 0);
}

/** Errors of sums over a horizon, one row per origin. */
export interface Errors {
  /** How many days each sum has. */
  readonly days: number;
  /** The places of the origins whose horizon is known well enough, oldest first. */
  readonly places: readonly number[];
  /** At `row * candidates + candidate`: forecast less actual, by the size of the series and the length of the horizon. */
  readonly errors: Float64Array;
}

/** An error beyond this many times the usual amount counts as this much: one incident must not decide. */
const WORST = 3;
/** A horizon counts if at least so much of it is known. */
const LEAST_KNOWN = 0.7;

/** The errors of all candidates on sums over each of these numbers of days. Unknown days count on neither side. */
export function errorsOf(past: Replay, lengths: readonly number[]): Errors[] {
  return lengths.map((days) => {
    const places = knownPlaces(past, days);
    const errors = new Float64Array(places.length * past.forecasts.length);
    past.forecasts.forEach((forecast, candidate) => {
      places.forEach((place, row) => {
        const from = place * past.horizon;
        let error = 0;
        for (let index = from; index < from + days; index += 1) {
          const difference = at(forecast, index) - at(past.actuals, index);
          if (!Number.isNaN(difference)) error += difference;
        }
        const relative = error / (at(past.sizes, place) * days);
        errors[row * past.forecasts.length + candidate] = Math.min(WORST, Math.max(-WORST, relative));
      });
    });
    return { days, places, errors };
  });
}

function knownPlaces({ origins, horizon, actuals }: Replay, days: number): number[] {
  const places: number[] = [];
  for (let place = 0; place < origins; place += 1) {
    let known = 0;
    for (let ahead = 0; ahead < days; ahead += 1) if (!Number.isNaN(at(actuals, place * horizon + ahead))) known += 1;
    if (known > 0 && known >= LEAST_KNOWN * days) places.push(place);
  }
  return places;
}

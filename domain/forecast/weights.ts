import { CANDIDATES } from './methods.ts';
import { at } from './series.ts';
import { ORIGIN_STEP, errorsOf, type Errors, type Replay } from './replay.ts';

/** The parts of the horizon on whose sums the candidates are judged: long sums are what counts, short ones are more evidence. */
const PARTS = [1, 0.5, 0.25];
/** Errors count half after so many days when candidates are compared, and when their mixture is refined. */
const COMPARE_HALF_LIFE = 180;
const REFINE_HALF_LIFE = 300;
/** How sharply a candidate's weight falls with its error, once there is evidence; and how many candidates stay. */
const SHARPNESS = 4;
const KEPT = 6;
/** This many horizons that do not overlap are full evidence, for the comparison and for the refinement. */
const COMPARE_EVIDENCE = 4;
const REFINE_EVIDENCE = 8;
const REFINE_STEPS = 14;
const REFINE_RATE = 0.4;
/** A weight changes at most by e to this in a step, also where the errors are next to nothing. */
const LONGEST_STEP = 1;
/** Every candidate keeps this weight before the refinement, so that it can come back. */
const LEAST_WEIGHT = 0.002;
/** Errors below this part of a usual day are all the same. */
const SMALLEST_ERROR = 1e-4;

/** The refinement uses every so manyth origin of the replay. */
const REFINE_STEP = 3;
const COUNT = CANDIDATES.length;

/** The errors that weights are chosen by, for each part of the horizon; made once for all origins. */
export interface Judged {
  readonly first: number;
  readonly parts: readonly Errors[];
}

/** Prepares the choice of weights at any origin of a replay. */
export function judge(past: Replay): Judged {
  const lengths = PARTS.map((part) => Math.max(1, Math.round(past.horizon * part)));
  return { first: past.first, parts: errorsOf(past, lengths) };
}

/**
 * The weights of the candidates at an origin, by index; they add up to 1. Only errors that were known at that origin count. The
 * best few share the weight by their errors, the less evidence the more evenly; a few steps of exponentiated gradient then
 * lower the error of the mixture itself. Few steps are the shrinkage: choosing on few origins is noisy.
 */
export function weightsAt({ first, parts }: Judged, origin: number): Float64Array {
  const place = (origin - first) / ORIGIN_STEP;
  return refined(parts, place, compared(parts, place));
}

/** The weight of each row at an origin's place: 0 from the first one whose sum was not known yet. */
function rowWeights({ days, places }: Errors, place: number, halfLife: number): Float64Array {
  const weights = new Float64Array(places.length);
  places.forEach((other, row) => {
    const age = (place - other) * ORIGIN_STEP - days;
    if (age >= 0) weights[row] = 0.5 ** (age / halfLife);
  });
  return weights;
}

function compared(parts: readonly Errors[], place: number): Float64Array {
  const penalties = new Float64Array(COUNT);
  for (const part of parts) {
    const weights = rowWeights(part, place, COMPARE_HALF_LIFE);
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    if (total === 0) continue;
    const means = new Float64Array(COUNT);
    for (let row = 0; row < weights.length && at(weights, row) > 0; row += 1) {
      const weight = at(weights, row) / total;
      for (let index = 0; index < COUNT; index += 1) {
        means[index] = at(means, index) + weight * Math.abs(at(part.errors, row * COUNT + index));
      }
    }
    const best = Math.min(...means) + SMALLEST_ERROR;
    const horizons = (weights.filter((weight) => weight > 0).length * ORIGIN_STEP) / part.days;
    const evidence = Math.min(1, Math.sqrt(horizons / COMPARE_EVIDENCE) + 0.2);
    means.forEach((mean, index) => {
      penalties[index] = at(penalties, index) + (Math.log((mean + SMALLEST_ERROR) / best) * evidence) / PARTS.length;
    });
  }
  const raw = penalties.map((penalty, index) => Math.exp(-SHARPNESS * penalty) * (CANDIDATES[index]?.trust ?? 0));
  const least = at(raw.toSorted(), COUNT - KEPT);
  return normalized(raw.map((weight) => (weight >= least ? weight : 0)));
}

function refined(parts: readonly Errors[], place: number, start: Float64Array): Float64Array {
  const rows = parts.map((part) => ({ ...part, weights: rowWeights(part, place, REFINE_HALF_LIFE) }));
  let horizons = 0;
  for (const { weights, days } of rows) {
    horizons += (weights.filter((weight) => weight > 0).length * ORIGIN_STEP) / days / PARTS.length;
  }
  if (horizons === 0) return start;
  const evidence = Math.min(1, horizons / REFINE_EVIDENCE);
  const mixture = normalized(start.map((weight) => Math.max(weight, LEAST_WEIGHT)));
  const gradient = new Float64Array(COUNT);
  for (let step = 0; step < REFINE_STEPS; step += 1) {
    const error = gradientOf(rows, mixture, gradient);
    const rate = (REFINE_RATE * evidence) / Math.max(error, SMALLEST_ERROR);
    let sum = 0;
    for (let index = 0; index < COUNT; index += 1) {
      const by = Math.min(LONGEST_STEP, Math.max(-LONGEST_STEP, rate * at(gradient, index)));
      const weight = at(mixture, index) * Math.exp(-by);
      mixture[index] = weight;
      sum += weight;
    }
    for (let index = 0; index < COUNT; index += 1) mixture[index] = at(mixture, index) / sum;
  }
  return mixture;
}

/** The mean absolute error of a mixture. How it moves with each weight is written into `gradient`. */
function gradientOf(
  parts: readonly { readonly errors: Float64Array; readonly weights: Float64Array }[],
  mixture: Float64Array,
  gradient: Float64Array,
): number {
  gradient.fill(0);
  let error = 0;
  let total = 0;
  for (const { errors, weights } of parts) {
    for (let row = 0; row < weights.length; row += REFINE_STEP) {
      const weight = at(weights, row);
      if (weight === 0) break;
      let mixed = 0;
      for (let index = 0; index < COUNT; index += 1) mixed += at(mixture, index) * at(errors, row * COUNT + index);
      const pull = weight * Math.sign(mixed);
      for (let index = 0; index < COUNT; index += 1) {
        gradient[index] = at(gradient, index) + pull * at(errors, row * COUNT + index);
      }
      error += weight * Math.abs(mixed);
      total += weight;
    }
  }
  for (let index = 0; index < COUNT; index += 1) gradient[index] = at(gradient, index) / total;
  return error / total;
}

function normalized(weights: Float64Array): Float64Array {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

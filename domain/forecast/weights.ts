import { CANDIDATES } from './methods.ts';
import { at } from './series.ts';
import { errorsOf, type Errors, type Replay } from './replay.ts';

/** The parts of the horizon on whose sums the candidates are judged: long sums are what counts, short ones are more evidence. */
const PARTS = [1, 0.5, 0.25];
/** Errors count half after so many days when candidates are compared, and when their mixture is refined. */
const COMPARE_HALF_LIFE = 90;
const REFINE_HALF_LIFE = 180;
/** How sharply a candidate's weight falls with its error, once there is evidence; and how many candidates stay. */
const SHARPNESS = 4;
const KEPT = 6;
/** This many horizons that do not overlap are full evidence, for the comparison and for the refinement. */
const COMPARE_EVIDENCE = 4;
const REFINE_EVIDENCE = 8;
const REFINE_STEPS = 20;
const REFINE_RATE = 0.3;
/** Every candidate keeps this weight before the refinement, so that it can come back. */
const LEAST_WEIGHT = 0.002;
/** Errors below this part of a usual day are all the same. */
const SMALLEST_ERROR = 1e-4;

/** The errors that weights are chosen by, by part of the horizon; made once for all origins. */
export interface Judged {
  readonly replay: Replay;
  readonly parts: readonly { readonly days: number; readonly errors: Errors }[];
}

export function judge(past: Replay): Judged {
  const lengths = PARTS.map((part) => Math.max(1, Math.round(past.horizon * part)));
  return { replay: past, parts: lengths.map((days) => ({ days, errors: errorsOf(past, days) })) };
}

/**
 * The weights of the candidates at an origin, by index; they add up to 1. Only errors that were known at that origin count. The
 * best few share the weight by their errors, the less evidence the more evenly; a few steps of exponentiated gradient then
 * lower the error of the mixture itself. Few steps are the shrinkage: choosing on few origins is noisy.
 */
export function weightsAt(judged: Judged, origin: number): Float64Array {
  return refined(judged, origin, compared(judged, origin));
}

/** The rows that were known at an origin: their number, since rows are in the order of their origins. */
function knownAt({ replay: { first } }: Judged, { places }: Errors, days: number, origin: number): number {
  let low = 0;
  let high = places.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (first + (places[middle] ?? 0) + days <= origin) low = middle + 1;
    else high = middle;
  }
  return low;
}

function compared(judged: Judged, origin: number): Float64Array {
  const penalties = new Float64Array(CANDIDATES.length);
  for (const { days, errors } of judged.parts) {
    const rows = knownAt(judged, errors, days, origin);
    if (rows === 0) continue;
    const means = errors.errors.map((row) => meanError(judged, errors, row, rows, days, origin) + SMALLEST_ERROR);
    const best = Math.min(...means);
    const evidence = Math.min(1, Math.sqrt(rows / days / COMPARE_EVIDENCE) + 0.2);
    means.forEach((mean, index) => {
      penalties[index] = at(penalties, index) + (Math.log(mean / best) * evidence) / PARTS.length;
    });
  }
  const raw = penalties.map((penalty, index) => Math.exp(-SHARPNESS * penalty) * (CANDIDATES[index]?.trust ?? 0));
  const least = at(raw.toSorted(), raw.length - KEPT);
  return normalized(raw.map((weight) => (weight >= least ? weight : 0)));
}

function meanError(
  { replay: { first } }: Judged,
  { places }: Errors,
  row: Float64Array,
  rows: number,
  days: number,
  origin: number,
): number {
  let sum = 0;
  let weights = 0;
  for (let index = 0; index < rows; index += 1) {
    const weight = 0.5 ** ((origin - days - first - (places[index] ?? 0)) / COMPARE_HALF_LIFE);
    sum += weight * Math.abs(at(row, index));
    weights += weight;
  }
  return sum / weights;
}

function refined(judged: Judged, origin: number, start: Float64Array): Float64Array {
  const { first } = judged.replay;
  const rows = judged.parts.flatMap(({ days, errors }) => {
    const known = knownAt(judged, errors, days, origin);
    return errors.places.slice(0, known).flatMap((place, index) =>
      // Neighbouring origins say almost the same.
      (known - index) % 2 === 1
        ? [
            {
              weight: 0.5 ** ((origin - days - first - place) / REFINE_HALF_LIFE),
              errors: Float64Array.from(errors.errors, (row) => at(row, index)),
              horizons: 2 / days / PARTS.length,
            },
          ]
        : [],
    );
  });
  if (rows.length === 0) return start;
  const evidence = Math.min(1, rows.reduce((sum, { horizons }) => sum + horizons, 0) / REFINE_EVIDENCE);
  let weights = normalized(start.map((weight) => Math.max(weight, LEAST_WEIGHT)));
  for (let step = 0; step < REFINE_STEPS; step += 1) {
    const gradient = new Float64Array(weights.length);
    let total = 0;
    for (const { weight, errors } of rows) {
      let mixed = 0;
      for (let index = 0; index < weights.length; index += 1) mixed += at(weights, index) * at(errors, index);
      const pull = weight * Math.sign(mixed);
      for (let index = 0; index < weights.length; index += 1) gradient[index] = at(gradient, index) + pull * at(errors, index);
      total += weight * Math.abs(mixed);
    }
    const scale = (REFINE_RATE * evidence) / Math.max(total, SMALLEST_ERROR * rows.length);
    weights = normalized(weights.map((weight, index) => weight * Math.exp(-scale * at(gradient, index))));
  }
  return weights;
}

function normalized(weights: Float64Array): Float64Array {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

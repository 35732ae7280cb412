import { at, WEEK } from './series.ts';
import { scaleOf, type MixtureReplay } from './mixture.ts';
import { ORIGIN_STEP } from './replay.ts';

/** The share of the true amounts that a band is to hold. */
export const LEVEL = 0.8;
/** Errors count half after so many days. */
const HALF_LIFE = 180;
/** Of so few errors that do not overlap the quantile is too small; it is raised by this, divided by their number. */
const SMALL_SAMPLE = 0.8;
/** So many horizons that do not overlap speak for themselves; fewer are helped by the errors of shorter sums. */
const ENOUGH = 8;
/** The relative error of a sum falls about like this power of its length. */
const FALL = 0.2;
/** Beyond the longest horizon repeated, the relative error grows about like this power of the length. */
const GROWTH = 0.3;
const PARTS = [1, 0.5, 0.25];

/** An error of a sum at a past origin. */
export interface SumError {
  readonly place: number;
  /** Actual less forecast, by the scale of the series and the number of known days. */
  readonly relative: number;
  readonly actual: number;
  readonly forecast: number;
}

/** The errors of the mixture on sums over `days`, oldest first. Unknown days count on neither side. */
export function sumErrors({ replay, forecasts }: MixtureReplay, days: number): SumError[] {
  const found: SumError[] = [];
  const { horizon, actuals, sizes } = replay;
  for (let place = 0; place < replay.origins; place += 1) {
    let actual = 0;
    let forecast = 0;
    let known = 0;
    for (let index = place * horizon; index < place * horizon + days; index += 1) {
      const value = at(actuals, index);
      if (Number.isNaN(value)) continue;
      actual += value;
      forecast += at(forecasts, index);
      known += 1;
    }
    if (known === 0 || known < 0.7 * days) continue;
    const scale = scaleOf(at(sizes, place), forecasts.subarray(place * horizon, (place + 1) * horizon));
    found.push({ place, relative: (actual - forecast) / (scale * known), actual, forecast });
  }
  return found;
}

/** Half the width of the band of a sum, by the scale of the series and the length, from the errors known at an origin. */
export class SumBands {
  readonly #horizon: number;
  readonly #parts: readonly { readonly days: number; readonly errors: readonly SumError[] }[];

  constructor(mixture: MixtureReplay) {
    this.#horizon = mixture.replay.horizon;
    const lengths = [...new Set(PARTS.map((part) => Math.max(1, Math.round(part * this.#horizon))))];
    this.#parts = lengths.map((days) => ({ days, errors: sumErrors(mixture, days) }));
  }

  /** The errors at the longest horizon repeated. */
  errors(): readonly SumError[] {
    return this.#parts[0]?.errors ?? [];
  }

  /** For a sum over `days`, at the origin with this place; null while no error is known there. */
  halfWidthAt(place: number, days: number): number | null {
    let sum = 0;
    let weights = 0;
    let missing = ENOUGH;
    for (const part of this.#parts) {
      const known = part.errors.filter((error) => error.place * ORIGIN_STEP + part.days <= place * ORIGIN_STEP);
      if (known.length === 0) continue;
      const independent = (known.length * ORIGIN_STEP) / part.days + 1;
      const raised = quantile(known, place) * (1 + SMALL_SAMPLE / independent);
      const weight = Math.min(missing, independent);
      missing -= weight;
      sum += weight * raised * (part.days / this.#horizon) ** FALL;
      weights += weight;
      if (missing <= 0) break;
    }
    if (weights === 0) return null;
    return (sum / weights) * Math.max(1, days / this.#horizon) ** GROWTH;
  }
}

/** The weighted quantile of the absolute errors. */
function quantile(errors: readonly SumError[], place: number): number {
  const sorted = errors
    .map((error) => ({
      size: Math.abs(error.relative),
      weight: 0.5 ** (((place - error.place) * ORIGIN_STEP) / HALF_LIFE),
    }))
    .sort((a, b) => a.size - b.size);
  const total = sorted.reduce((sum, { weight }) => sum + weight, 0);
  let sum = 0;
  for (const { size, weight } of sorted) {
    sum += weight;
    if (sum >= LEVEL * total) return size;
  }
  return sorted.at(-1)?.size ?? 0;
}

/** Leads are put together by weeks, up to this many. */
const LEAD_WEEKS = 4;
/** A day of the week with fewer errors borrows from the others. */
const BORROWED = 20;

/** Errors of single days are taken from every second origin. */
const DAY_STEP = 2;

/** Half the widths of the bands of single days, by the scale of the series, in the order of the leads. */
export function dayHalfWidths({ replay, forecasts }: MixtureReplay, days: number): Float64Array {
  const { horizon, actuals, sizes, first, origins } = replay;
  const byWeekday: number[][] = Array.from({ length: WEEK }, () => []);
  const byLead: number[][] = Array.from({ length: LEAD_WEEKS }, () => []);
  for (let place = (origins - 1) % DAY_STEP; place < origins; place += DAY_STEP) {
    const scale = scaleOf(at(sizes, place), forecasts.subarray(place * horizon, (place + 1) * horizon));
    for (let ahead = 0; ahead < horizon; ahead += 1) {
      const error = Math.abs(at(actuals, place * horizon + ahead) - at(forecasts, place * horizon + ahead)) / scale;
      if (Number.isNaN(error)) continue;
      byWeekday[(first + place * ORIGIN_STEP + ahead) % WEEK]?.push(error);
      byLead[leadOf(ahead)]?.push(error);
    }
  }
  const overall = plainQuantile(byLead.flat());
  const ofWeekday = byWeekday.map(
    (own) => (plainQuantile(own) * own.length + overall * BORROWED) / (own.length + BORROWED),
  );
  let widest = 0;
  const ofLead = byLead.map((lead) => {
    // A later day is never surer than an earlier one.
    widest = Math.max(widest, lead.length > BORROWED && overall > 0 ? plainQuantile(lead) / overall : 1);
    return widest;
  });
  const raise = 1 + SMALL_SAMPLE / ((origins * ORIGIN_STEP) / horizon + 1);
  return Float64Array.from(
    { length: days },
    (_, ahead) =>
      (ofWeekday[(first + origins * ORIGIN_STEP + ahead) % WEEK] ?? overall) * (ofLead[leadOf(ahead)] ?? 1) * raise,
  );
}

function leadOf(ahead: number): number {
  return Math.min(LEAD_WEEKS - 1, Math.floor(ahead / WEEK));
}

function plainQuantile(errors: readonly number[]): number {
  const sorted = Float64Array.from(errors).sort();
  return sorted.length === 0 ? 0 : at(sorted, Math.min(sorted.length - 1, Math.ceil(LEVEL * (sorted.length + 1)) - 1));
}

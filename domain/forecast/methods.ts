import { seasonalTrend } from './mstl.ts';
import { WEEK, at, meanOf } from './series.ts';
import { FLAT, shapeBefore, type Shape } from './shape.ts';
import { atPresentLevel } from './shift.ts';

/** The ways of forecasting one by one. */
export const SINGLE_METHODS = [
  'mean',
  'seasonal_naive',
  'weekday_mean',
  'level_weekday',
  'trend_weekday',
  'mstl',
  'last_year',
] as const;
export type SingleMethod = (typeof SINGLE_METHODS)[number];

/** The days before an origin, seen the same way by all methods. */
export interface Past {
  readonly values: Float64Array;
  /** The origin: the index of the first day to forecast. */
  readonly start: number;
  readonly shape: Shape;
}

/** Where forecasts are written: `days` values from `from` on. Views of the array would cost more than the methods. */
export interface Out {
  readonly values: Float64Array;
  readonly from: number;
  readonly days: number;
}

/** A method with its settings. */
export interface Candidate {
  readonly method: SingleMethod;
  /** How much it counts, against 1, while the series is too short to judge it. */
  readonly trust: number;
  /** Writes one value for each day from the origin on. */
  readonly run: (past: Past, out: Out) => void;
}

/** 52 weeks, so that days of the week meet. */
const YEAR = 364;
/** The weeks and days around that make the last year smooth. */
const YEAR_BASE_DAYS = 28;
const YEAR_SMOOTH_DAYS = 7;
/** Nothing grows or shrinks by more than this against last year. */
const YEAR_RATIO = 3;
/** Weights below 1/16 are left out. */
const HALF_LIVES = 4;
/** As many days as this are needed before half of a slope is believed. */
const SLOPE_DAYS = 5;

/** All candidates, each by what it remembers (in weeks, days, or days of half-life) and how its trend fades. */
export const CANDIDATES: readonly Candidate[] = [
  ...[fading(28), lasting(10)].map((weights): Candidate => ({
    method: 'mean',
    trust: 0.7,
    run: (past, out) => {
      levelWeekday({ ...past, shape: FLAT }, weights, out);
    },
  })),
  ...[1, 4, 8, 26, 115].map((weeks): Candidate => ({
    method: weeks === 1 ? 'seasonal_naive' : 'weekday_mean',
    trust: weeks > 8 ? 0.7 : 1,
    run: (past, out) => {
      weekdayMean(past, weeks, out);
    },
  })),
  ...[fading(2), fading(4), fading(7), lasting(14), fading(14), fading(28), fading(60)].map((weights): Candidate => ({
    method: 'level_weekday',
    trust: 1,
    run: (past, out) => {
      levelWeekday(past, weights, out);
    },
  })),
  ...[
    { weights: fading(10), damping: 0.95 },
    { weights: fading(20), damping: 0.97 },
    { weights: fading(20), damping: 0.99 },
    { weights: fading(40), damping: 0.99 },
    { weights: fading(60), damping: 0.99 },
  ].map(({ weights, damping }): Candidate => ({
    method: 'trend_weekday',
    trust: 0.5,
    run: (past, out) => {
      trendWeekday(past, weights, damping, out);
    },
  })),
  { method: 'mstl', trust: 0.5, run: seasonalTrendOrLevel },
  { method: 'last_year', trust: 1, run: lastYear },
];

/** What the methods see of the calmed values before `start`. */
export function pastOf(calm: Float64Array, start: number): Past {
  const shape = shapeBefore(calm, start);
  const values = atPresentLevel(calm, start, shape);
  return { values, start, shape: values === calm ? shape : shapeBefore(values, start) };
}

/** Weights by age in days, from the last day back; they halve every `halfLife` days. */
function fading(halfLife: number): Float64Array {
  return Float64Array.from({ length: Math.ceil(HALF_LIVES * halfLife) + WEEK }, (_, age) => 0.5 ** (age / halfLife));
}

function lasting(days: number): Float64Array {
  return new Float64Array(days).fill(1);
}

/** A level times the shape of the week. The level is a ratio of sums, so days of the week without use do no harm. */
function levelWeekday({ values, start, shape }: Past, weights: Float64Array, out: Out): void {
  let sum = 0;
  let weight = 0;
  for (let index = Math.max(0, start - weights.length); index < start; index += 1) {
    const value = at(values, index);
    if (Number.isNaN(value)) continue;
    const own = at(weights, start - 1 - index);
    sum += own * (value - at(shape.offset, index % WEEK));
    weight += own * at(shape.factor, index % WEEK);
  }
  const level = weight > 1e-9 ? sum / weight : 0;
  for (let ahead = 0; ahead < out.days; ahead += 1) {
    const place = (start + ahead) % WEEK;
    out.values[out.from + ahead] = level * at(shape.factor, place) + at(shape.offset, place);
  }
}

/** As levelWeekday, with a trend fitted by weighted least squares, of which each further day keeps less. */
function trendWeekday({ values, start, shape }: Past, weights: Float64Array, damping: number, out: Out): void {
  let sw = 0;
  let sx = 0;
  let sxx = 0;
  let sy = 0;
  let sxy = 0;
  let known = 0;
  for (let index = Math.max(0, start - weights.length); index < start; index += 1) {
    const value = at(values, index);
    if (Number.isNaN(value)) continue;
    const factor = at(shape.factor, index % WEEK);
    const weight = at(weights, start - 1 - index) * factor;
    const x = index - start + 1;
    const y = value - at(shape.offset, index % WEEK);
    sw += weight * factor;
    sx += weight * factor * x;
    sxx += weight * factor * x * x;
    sy += weight * y;
    sxy += weight * y * x;
    known += 1;
  }
  const determinant = sw * sxx - sx * sx;
  const slope = determinant > 1e-9 ? (((sw * sxy - sx * sy) / determinant) * known) / (known + SLOPE_DAYS) : 0;
  const base = sw > 1e-9 ? (sy - slope * sx) / sw : 0;
  let faded = 1;
  for (let ahead = 0; ahead < out.days; ahead += 1) {
    faded *= damping;
    const level = base + (slope * damping * (1 - faded)) / (1 - damping);
    const place = (start + ahead) % WEEK;
    out.values[out.from + ahead] = level * at(shape.factor, place) + at(shape.offset, place);
  }
}

/** The mean of the same day of the week over the last weeks in which it is known. */
function weekdayMean({ values, start }: Past, weeks: number, out: Out): void {
  const means = new Float64Array(WEEK);
  for (let place = 0; place < WEEK; place += 1) {
    let sum = 0;
    let count = 0;
    for (let index = start - WEEK + place; index >= 0 && count < weeks; index -= WEEK) {
      const value = at(values, index);
      if (Number.isNaN(value)) continue;
      sum += value;
      count += 1;
    }
    means[place] = sum / count;
  }
  const overall = meanOf(means, 0, WEEK) || 0;
  for (let ahead = 0; ahead < out.days; ahead += 1) {
    const mean = at(means, ahead % WEEK);
    out.values[out.from + ahead] = Number.isNaN(mean) ? overall : mean;
  }
}

/** The decomposition, or the present level where it has too few days. */
function seasonalTrendOrLevel(past: Past, out: Out): void {
  if (!seasonalTrend(past, out)) levelWeekday(past, PRESENT_LEVEL, out);
}

/** The present level, moved as it moved in the same weeks of the last year. Without a year, the present level alone. */
function lastYear(past: Past, out: Out): void {
  levelWeekday(past, PRESENT_LEVEL, out);
  const { values, start } = past;
  const base =
    start >= YEAR + YEAR_BASE_DAYS ? meanOf(values, start - YEAR - YEAR_BASE_DAYS, start - YEAR) : Number.NaN;
  if (!(base > 1e-6)) return;
  for (let ahead = 0; ahead < out.days; ahead += 1) {
    const then = start - YEAR + ahead;
    if (then + YEAR_SMOOTH_DAYS >= start) return;
    const ratio = meanOf(values, then - YEAR_SMOOTH_DAYS, then + YEAR_SMOOTH_DAYS) / base;
    if (Number.isNaN(ratio)) continue;
    const level = at(out.values, out.from + ahead);
    out.values[out.from + ahead] = level * Math.min(YEAR_RATIO, Math.max(1 / YEAR_RATIO, ratio));
  }
}
const PRESENT_LEVEL = fading(14);

import { daysBetween, daysIn, type Day } from '../days.ts';
import { SumBands, dayHalfWidths } from './bands.ts';
import { Calm } from './calm.ts';
import { CANDIDATES, SINGLE_METHODS, type SingleMethod } from './methods.ts';
import { mix, mixtureOf, scaleOf, type MixtureReplay } from './mixture.ts';
import { replay, sayNow, sizeAt } from './replay.ts';
import { at, toSeries } from './series.ts';

/** What a settled day cost, in US dollars. Series may have gaps: a day that is not there is unknown, never zero. */
export interface SettledDay {
  readonly day: Day;
  readonly usd: number;
}

/** An expected amount, and the band that holds the true one in about 80 of 100 cases, in US dollars. */
export interface Band {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

export interface DayForecast extends Band {
  readonly day: Day;
}

/** How a forecast was made: by one method that carries most of the weight, or by several. */
export type MethodName = SingleMethod | 'combination';

/** How the forecast would have done on the series' own past. */
export interface Backtest {
  /** How many past days the forecast was repeated from. */
  readonly origins: number;
  /** The mean absolute error of the sum to the horizon, as a fraction of the mean absolute sum. */
  readonly error: number;
  /** The mean error of the sum, forecast less actual, as a fraction of the mean absolute sum. */
  readonly bias: number;
  /** The share of these sums that their bands held. */
  readonly coverage: number;
}

export type Forecast =
  | {
      readonly method: MethodName;
      readonly days: readonly DayForecast[];
      readonly sum: Band;
      readonly backtest: Backtest;
    }
  | { readonly method: null; readonly reason: string };

/** With fewer settled days there is no forecast. */
export const LEAST_DAYS = 14;

/** A single method with this much weight gives the forecast its name. */
const MOST_WEIGHT = 0.6;

/**
 * Forecasts every day of `from..through`, the first days in a row that are not settled, from the settled days before them, in
 * any order. `sum` is the band of the sum over these days. It has a calibration of its own, because quantiles do not add up;
 * its mean is the sum of the days' means. A constant factor on all amounts is one on all results.
 */
export function forecast(settled: readonly SettledDay[], from: Day, through: Day): Forecast {
  const { values, unit } = toSeries(settled, from);
  const known = values.filter((value) => !Number.isNaN(value)).length;
  if (known < LEAST_DAYS) {
    return { method: null, reason: `A forecast needs ${LEAST_DAYS} settled days, and there are ${known}.` };
  }
  const horizon = daysBetween(from, through) + 1;
  if (horizon < 1) return { method: null, reason: 'No day is left to forecast.' };
  const calm = new Calm(values);
  const { weights, mixture } = mixtureOf(replay(values, calm, horizon));
  const floor = values.some((value) => value < 0) ? -Infinity : 0;
  const means = mix(sayNow(values, calm, horizon), weights, 0, horizon).map((mean) => Math.max(floor, mean));
  const scale = scaleOf(sizeAt(values, values.length), means.subarray(0, mixture.replay.horizon));
  const bands = new SumBands(mixture);
  const toBand = (mean: number, half: number): Band => ({
    mean: mean * unit,
    low: Math.max(floor, mean - half) * unit,
    high: (mean + half) * unit,
  });
  const halves = dayHalfWidths(mixture, horizon);
  const half = (bands.halfWidthAt(mixture.replay.origins, horizon) ?? 1) * horizon * scale;
  return {
    method: nameOf(weights),
    days: daysIn({ from, to: through }).map((day, ahead) => ({
      day,
      ...toBand(at(means, ahead), at(halves, ahead) * scale),
    })),
    sum: toBand(
      means.reduce((sum, mean) => sum + mean, 0),
      half,
    ),
    backtest: backtestOf(mixture, bands),
  };
}

function nameOf(weights: Float64Array): MethodName {
  for (const method of SINGLE_METHODS) {
    const weight = CANDIDATES.reduce((sum, one, index) => sum + (one.method === method ? at(weights, index) : 0), 0);
    if (weight >= MOST_WEIGHT) return method;
  }
  return 'combination';
}

function backtestOf({ choices, replay: { origins } }: MixtureReplay, bands: SumBands): Backtest {
  const errors = bands.errors();
  const size = errors.reduce((sum, { actual }) => sum + Math.abs(actual), 0) || 1;
  const heldBy = (half: number, from: number, to: number): boolean[] =>
    errors.filter(({ place }) => place >= from && place < to).map(({ relative }) => Math.abs(relative) <= half);
  const judged = choices.flatMap((choice, index) => {
    const half = bands.halfWidthAt(choice, 0);
    return half === null ? [] : heldBy(half, choice, choices[index + 1] ?? Infinity);
  });
  // A short series has no band before its last errors, so it is judged by the band that they gave.
  const held = judged.length > 0 ? judged : heldBy(bands.halfWidthAt(origins, 0) ?? 0, 0, Infinity);
  return {
    origins: errors.length,
    error: errors.reduce((sum, { forecast: mean, actual }) => sum + Math.abs(mean - actual), 0) / size,
    bias: errors.reduce((sum, { forecast: mean, actual }) => sum + mean - actual, 0) / size,
    coverage: held.filter(Boolean).length / (held.length || 1),
  };
}

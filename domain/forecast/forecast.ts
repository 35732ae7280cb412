import { addDays, daysBetween, daysIn, type Day } from '../days.ts';

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

/** The ways of forecasting that a series chooses among. */
export const METHODS = [
  'mean',
  'seasonal_naive',
  'weekday_mean',
  'level_weekday',
  'trend_weekday',
  'last_year',
  'combination',
] as const;
export type MethodName = (typeof METHODS)[number];

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

/**
 * Forecasts every day of `from..through`, the first days in a row that are not settled, from the settled days before them.
 * `sum` is the band of the sum over these days. It has a calibration of its own, because quantiles do not add up.
 */
export function forecast(settled: readonly SettledDay[], from: Day, through: Day): Forecast {
  const known = settled.filter(({ day, usd }) => day < from && Number.isFinite(usd));
  if (known.length < LEAST_DAYS) {
    return { method: null, reason: `A forecast needs ${LEAST_DAYS} settled days; there are ${known.length}.` };
  }
  const recent = known.filter(({ day }) => day >= addDays(from, -28));
  const basis = recent.length > 0 ? recent : known;
  const mean = averageOf(basis.map(({ usd }) => usd));
  const spread = Math.sqrt(averageOf(basis.map(({ usd }) => (usd - mean) ** 2)));
  const days = daysIn({ from, to: through }).map((day): DayForecast => {
    const same = basis.filter((other) => daysBetween(other.day, day) % 7 === 0).map(({ usd }) => usd);
    return { day, ...bandOf(same.length > 0 ? averageOf(same) : mean, 1.28 * spread) };
  });
  const total = days.reduce((sum, day) => sum + day.mean, 0);
  return {
    method: 'weekday_mean',
    days,
    sum: bandOf(total, 1.28 * spread * Math.sqrt(days.length) * 1.5),
    backtest: { origins: 0, error: 0, bias: 0, coverage: 0 },
  };
}

function bandOf(mean: number, half: number): Band {
  return { mean, low: mean - half, high: mean + half };
}

function averageOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

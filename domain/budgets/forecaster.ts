import { forecast, type Backtest, type Band } from '../forecast/forecast.ts';
import { toDecimal, type Decimal } from '../money.ts';
import {
  lastSettled,
  outlookAt,
  type BandDay,
  type BudgetDay,
  type Forecaster,
  type Outlook,
  type RestForecast,
} from './state.ts';
import type { DayRange } from '../days.ts';

/**
 * The forecast of a series of its own, in dollars and cents. It takes settled days as numbers: a forecast is not exact. The
 * means of its days add up to the mean of their sum.
 */
export const forecastRest: Forecaster = (settled, from, through) => judgedForecast(settled, from, through).rest;

function judgedForecast(...[settled, from, through]: Parameters<Forecaster>): {
  rest: RestForecast;
  backtest: Backtest | null;
} {
  const series = settled.map(({ day, amount }) => ({ day, usd: Number(amount) }));
  const rest = forecast(series, from, through);
  if (rest.method === null) return { rest, backtest: null };
  const { method, days, sum, backtest } = rest;
  let [exact, shown] = [0, 0];
  const inCents = days.map(({ day, ...band }): BandDay => {
    exact += band.mean;
    // Each day is rounded so that all days up to it together are: days of less than half a cent do not get lost.
    const mean = Math.round(exact * 100) - shown;
    shown += mean;
    return { day, ...bandAround(mean, band) };
  });
  return { rest: { method, days: inCents, sum: bandAround(shown, sum) }, backtest };
}

function bandAround(cents: number, { low, high }: Band): Omit<BandDay, 'day'> {
  const lowest = Math.min(cents, Math.round(low * 100));
  const highest = Math.max(cents, Math.round(high * 100));
  return { mean: inDollars(cents), low: inDollars(lowest), high: inDollars(highest) };
}

function inDollars(cents: number): Decimal {
  // Rounding may give -0.
  return toDecimal(((cents + 0) / 100).toFixed(2));
}

/** What a period is expected to come to from the last settled day on, and how its forecast would have done on the days' own past. */
export function outlookNow(
  days: readonly BudgetDay[],
  period: DayRange,
): { outlook: Outlook; backtest: Backtest | null } {
  const basis = lastSettled(days);
  if (basis === null) return { outlook: { method: null, reason: NOTHING_SETTLED }, backtest: null };
  let backtest: Backtest | null = null;
  const outlook = outlookAt(days, period, basis, (...given) => {
    const judged = judgedForecast(...given);
    backtest = judged.backtest;
    return judged.rest;
  });
  return { outlook, backtest };
}

/** Why there is no outlook at all. */
export const NOTHING_SETTLED = 'No day is settled yet.';

/**
 * A forecaster that remembers its last answers: choosing a method takes tenths of a second, most syncs settle no day, and
 * several budgets may count the same.
 */
export function remembering(forecaster: Forecaster, most = 200): Forecaster {
  const known = new Map<string, ReturnType<Forecaster>>();
  return (settled, from, through) => {
    const key = [from, through, ...settled.map(({ day, amount }) => `${day} ${amount}`)].join('\n');
    const answer = known.get(key) ?? forecaster(settled, from, through);
    // The last one asked for goes last, and the first one is forgotten first.
    known.delete(key);
    known.set(key, answer);
    for (const oldest of known.keys()) {
      if (known.size <= most) break;
      known.delete(oldest);
    }
    return answer;
  };
}

/** A forecaster that learns from the last days alone, so that it answers soon. */
export function learningFromLast(days: number, forecaster: Forecaster): Forecaster {
  return (settled, from, through) => forecaster(settled.slice(-days), from, through);
}

import { forecast, type Band } from '../forecast/forecast.ts';
import { toDecimal, type Decimal } from '../money.ts';
import type { BandDay, Forecaster } from './state.ts';

/** The forecast of a series of its own, in dollars and cents. It takes settled days as numbers: a forecast is not exact. */
export const forecastRest: Forecaster = (settled, from, through) => {
  const series = settled.map(({ day, amount }) => ({ day, usd: Number(amount) }));
  const rest = forecast(series, from, through);
  if (rest.method === null) return rest;
  const { method, days, sum } = rest;
  return { method, days: days.map(({ day, ...band }) => ({ day, ...inCents(band) })), sum: inCents(sum) };
};

function inCents({ mean, low, high }: Band): Omit<BandDay, 'day'> {
  return { mean: cents(mean), low: cents(low), high: cents(high) };
}

function cents(usd: number): Decimal {
  return toDecimal(usd.toFixed(2));
}

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

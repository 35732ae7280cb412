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

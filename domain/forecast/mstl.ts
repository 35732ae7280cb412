import { WEEK, at } from './series.ts';
import { LEAST_DAYS, stl } from './stl.ts';
import type { Out, Past } from './methods.ts';

/** So many days before an origin are decomposed. */
const DAYS = 26 * WEEK;
/** Days below this part of a usual one are compared by amounts, others by ratios. */
const LEAST_RATIO_DAY = 0.05;
/** How fast the level and its slope follow the last days, and how the slope fades; what would have foreseen them best is taken. */
const LEVEL_RATES = [0.05, 0.15, 0.4];
const SLOPE_RATES = [0, 0.1];
const DAMPINGS = [0.9, 0.98];
/** By ratio, nothing grows or shrinks further than this, as a logarithm. */
const LONGEST_WAY = Math.log(3);

/**
 * The level that the series has without its days of the week, by damped exponential smoothing, and the last week's shape of
 * its seasonal-trend decomposition. Where no day is near zero, both are of the logarithm, so that a season grows with the level.
 * Returns false, and writes nothing, if the past is too short.
 */
export function seasonalTrend(past: Past, out: Out): boolean {
  const known = filled(past);
  if (known === null) return false;
  const isByRatio = known.every((value) => value > LEAST_RATIO_DAY);
  const { season, adjusted } = stl(isByRatio ? known.map(Math.log) : known);
  const { level, slope, damping } = holt(adjusted);
  let way = 0;
  let faded = 1;
  for (let ahead = 0; ahead < out.days; ahead += 1) {
    faded *= damping;
    way += slope * faded;
    const base = level + at(season, season.length - WEEK + (ahead % WEEK));
    out.values[out.from + ahead] = isByRatio
      ? Math.exp(base + Math.min(LONGEST_WAY, Math.max(-LONGEST_WAY, way)))
      : base + way;
  }
  return true;
}

/** The last days before the origin, unknown ones as the same day of the week before; null if there are too few. */
function filled({ values, start }: Past): Float64Array | null {
  let from = Math.max(0, start - DAYS);
  while (from < start && Number.isNaN(at(values, from))) from += 1;
  if (start - from < LEAST_DAYS) return null;
  const days = values.slice(from, start);
  for (let index = 0; index < days.length; index += 1) {
    if (!Number.isNaN(at(days, index))) continue;
    days[index] = at(days, index >= WEEK ? index - WEEK : index - 1);
  }
  return days;
}

function holt(values: Float64Array): { level: number; slope: number; damping: number } {
  let best = { error: Infinity, level: 0, slope: 0, damping: 0 };
  for (const damping of DAMPINGS) {
    for (const levelRate of LEVEL_RATES) {
      for (const slopeRate of SLOPE_RATES) {
        let level = at(values, 0);
        let slope = 0;
        let error = 0;
        for (let index = 1; index < values.length; index += 1) {
          const expected = level + damping * slope;
          const off = at(values, index) - expected;
          error += Math.abs(off);
          level = expected + levelRate * off;
          slope = damping * slope + levelRate * slopeRate * off;
        }
        if (error < best.error) best = { error, level, slope, damping };
      }
    }
  }
  return best;
}

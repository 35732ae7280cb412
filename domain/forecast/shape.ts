import { WEEK, at } from './series.ts';

/** How days of the week differ: a day is `factor` times the level, plus `offset`. The index is the place of the day modulo 7. */
export interface Shape {
  readonly factor: Float64Array;
  readonly offset: Float64Array;
}

/** All days of the week alike. */
export const FLAT: Shape = { factor: new Float64Array(WEEK).fill(1), offset: new Float64Array(WEEK) };

const WEEKS = 8;

/** The shape of the last eight weeks before `start`. Few known days say less, so they are trusted less. */
export function shapeBefore(values: Float64Array, start: number): Shape {
  const sums = new Float64Array(WEEK);
  const counts = new Float64Array(WEEK);
  for (let index = Math.max(0, start - WEEKS * WEEK); index < start; index += 1) {
    const value = at(values, index);
    if (Number.isNaN(value)) continue;
    sums[index % WEEK] = at(sums, index % WEEK) + value;
    counts[index % WEEK] = at(counts, index % WEEK) + 1;
  }
  const means = sums.map((sum, place) => sum / at(counts, place));
  const known = means.filter((mean) => !Number.isNaN(mean));
  const overall = known.reduce((sum, mean) => sum + mean, 0) / (known.length || 1);
  const trusted = (place: number, value: number): number => {
    const count = at(counts, place);
    return count === 0 ? 0 : (value * count) / (count + 1);
  };
  // Factors make no sense around zero: there, days of the week differ by amounts.
  return overall > 1e-9 && known.every((mean) => mean >= 0)
    ? { factor: means.map((mean, place) => 1 + trusted(place, mean / overall - 1)), offset: FLAT.offset }
    : { factor: FLAT.factor, offset: means.map((mean, place) => trusted(place, mean - overall)) };
}

import { at } from './series.ts';

/** So many days before a day say what is usual; so many of them must be known. */
const WINDOW = 28;
const LEAST_KNOWN = 10;
/** An extreme lies beyond the second largest (or second least) of them by this part of it. */
const MARGIN = 0.5;

/**
 * Pulls lone extremes in, so that one incident does not count as the new normal. Extremes on neighbouring days stay: they are
 * a change of level, or the series is like that. What a day counts as depends only on the days before the origin.
 */
export class Calm {
  readonly #values: Float64Array;
  readonly #calm: Float64Array;
  /** What a day counts as if it is a lone extreme; NaN where it is within the usual. */
  readonly #bounds: Float64Array;

  constructor(values: Float64Array) {
    this.#values = values;
    this.#bounds = values.map((value, index) => boundOf(values, index, value));
    this.#calm = values.map((value, index) => (this.#isLone(index, index + 1) ? at(this.#bounds, index) : value));
  }

  /** The values as they look from `origin`. The array is valid until the next call. */
  before(origin: number): Float64Array {
    const view = this.#calm.subarray(0, origin);
    const last = origin - 1;
    // The day after the last one is not known yet, so nothing else excuses an extreme.
    if (last >= 0 && this.#isLone(last, last) && !this.#isLone(last, last + 1)) {
      const copy = view.slice();
      copy[last] = at(this.#bounds, last);
      return copy;
    }
    return view;
  }

  #isLone(index: number, lastKnown: number): boolean {
    if (Number.isNaN(at(this.#bounds, index)) || !Number.isNaN(at(this.#bounds, index - 1))) return false;
    return lastKnown <= index || Number.isNaN(at(this.#bounds, index + 1)) || Number.isNaN(at(this.#values, index + 1));
  }
}

function boundOf(values: Float64Array, index: number, value: number): number {
  if (Number.isNaN(value)) return Number.NaN;
  let known = 0;
  let highest = -Infinity;
  let high = -Infinity;
  let low = Infinity;
  let lowest = Infinity;
  for (let before = Math.max(0, index - WINDOW); before < index; before += 1) {
    const other = at(values, before);
    if (Number.isNaN(other)) continue;
    known += 1;
    high = Math.max(high, Math.min(highest, other));
    highest = Math.max(highest, other);
    low = Math.min(low, Math.max(lowest, other));
    lowest = Math.min(lowest, other);
  }
  if (known < LEAST_KNOWN) return Number.NaN;
  const reach = MARGIN * Math.max(Math.abs(high), Math.abs(low));
  if (reach <= 0) return Number.NaN;
  if (value > high + reach) return high;
  return value < low - reach ? low : Number.NaN;
}

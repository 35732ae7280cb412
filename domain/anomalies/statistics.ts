/** What a median absolute deviation is multiplied by to estimate the standard deviation of normal noise. */
const MAD_TO_DEVIATION = 1.4826;
/** The same for the mean size without the largest tenth. */
const TRIMMED_MEAN_TO_DEVIATION = 1.55;

/** The median; NaN of nothing. The values keep their order. */
export function medianOf(values: Float64Array): number {
  return middleOf(values.slice().sort());
}

/** The mean; NaN of nothing. */
export function meanOf(values: Float64Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}

/**
 * The medians of the `window` values up to each place, that one included. Where fewer lie before a place they are the medians
 * of those, and NaN where fewer than `least`.
 */
export function rollingMedians(values: Float64Array, window: number, least: number): Float64Array {
  const medians = new Float64Array(values.length).fill(Number.NaN);
  const sorted = new Float64Array(window);
  let count = 0;
  for (let place = 0; place < values.length; place += 1) {
    if (count === window) {
      const gone = sorted.indexOf(values[place - window] ?? 0);
      sorted.copyWithin(gone, gone + 1, count);
      count -= 1;
    }
    const value = values[place] ?? 0;
    let at = count;
    while (at > 0 && (sorted[at - 1] ?? 0) > value) {
      sorted[at] = sorted[at - 1] ?? 0;
      at -= 1;
    }
    sorted[at] = value;
    count += 1;
    if (count >= least) medians[place] = middleOf(sorted, count);
  }
  return medians;
}

/**
 * A scale of errors around zero, comparable to a standard deviation; 0 of nothing. Errors that are not known are left out. The
 * median alone calls a series calm that is rough on a third of its days, so the mean counts as well, without its largest tenth.
 */
export function scaleOf(errors: Float64Array): number {
  const all = new Float64Array(errors.length);
  let count = 0;
  for (const error of errors) {
    if (Number.isNaN(error)) continue;
    all[count] = Math.abs(error);
    count += 1;
  }
  if (count === 0) return 0;
  const sizes = all.subarray(0, count).sort();
  const mean = meanOf(sizes.subarray(0, Math.ceil(count * 0.9)));
  return Math.max(MAD_TO_DEVIATION * middleOf(sizes), TRIMMED_MEAN_TO_DEVIATION * mean);
}

/** The second largest and the second smallest of the values that are known; 0 if fewer than two are. */
export function secondExtremes(values: Float64Array): { readonly highest: number; readonly lowest: number } {
  let [first, second] = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY];
  let [last, beforeLast] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (const value of values) {
    if (value > second) {
      second = Math.min(first, value);
      first = Math.max(first, value);
    }
    if (value < beforeLast) {
      beforeLast = Math.max(last, value);
      last = Math.min(last, value);
    }
  }
  return { highest: Number.isFinite(second) ? second : 0, lowest: Number.isFinite(beforeLast) ? beforeLast : 0 };
}

function middleOf(sorted: Float64Array, count = sorted.length): number {
  const middle = count >> 1;
  const upper = count === 0 ? Number.NaN : (sorted[middle] ?? Number.NaN);
  return count % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
}

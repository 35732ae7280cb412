/** What a median absolute deviation is multiplied by to estimate the standard deviation of normal noise. */
const MAD_TO_DEVIATION = 1.4826;
/** The same for the mean size without the largest tenth. */
const TRIMMED_MEAN_TO_DEVIATION = 1.55;

/**
 * Arrays for the steps of one calculation. Making a typed array takes longer than most steps do, so all of them are parts of a
 * single one. They hold what the calculation before left in them.
 */
export class Workspace {
  readonly #room = new Float64Array(ROOM);
  #taken = 0;

  /** Begins a calculation: earlier arrays may not be used anymore. */
  clear(): void {
    this.#taken = 0;
  }

  take(length: number): Float64Array {
    const from = this.#taken;
    this.#taken += length;
    return this.#taken <= ROOM ? this.#room.subarray(from, this.#taken) : new Float64Array(length);
  }
}

/** More than a reading takes. */
const ROOM = 4096;

/** The value at a place; NaN outside of the array. */
export function at(values: Float64Array, place: number): number {
  // A load that ever left an array makes V8 put every number into an object of its own.
  return place >= 0 && place < values.length ? (values[place] ?? Number.NaN) : Number.NaN;
}

/** The median; NaN of nothing. The values keep their order: it is `work`, as long as they are, that gets another one. */
export function medianOf(values: Float64Array, work: Float64Array = new Float64Array(values.length)): number {
  work.set(values);
  part(work, values.length >> 1, values.length);
  return middleOf(work, values.length);
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
export function rollingMedians(
  values: Float64Array,
  { window, least }: { readonly window: number; readonly least: number },
  work: Workspace,
): Float64Array {
  const medians = work.take(values.length);
  const sorted = work.take(window);
  let count = 0;
  for (let place = 0; place < values.length; place += 1) {
    if (count === window) {
      const gone = at(values, place - window);
      let hole = 0;
      while (at(sorted, hole) !== gone) hole += 1;
      for (; hole < count - 1; hole += 1) sorted[hole] = at(sorted, hole + 1);
      count -= 1;
    }
    const value = at(values, place);
    let hole = count;
    for (; hole > 0 && at(sorted, hole - 1) > value; hole -= 1) sorted[hole] = at(sorted, hole - 1);
    sorted[hole] = value;
    count += 1;
    medians[place] = count < least ? Number.NaN : middleOfSorted(sorted, count);
  }
  return medians;
}

function middleOfSorted(sorted: Float64Array, count: number): number {
  const middle = count >> 1;
  return count % 2 === 1 ? at(sorted, middle) : (at(sorted, middle) + at(sorted, middle - 1)) / 2;
}

/**
 * A scale of errors around zero, comparable to a standard deviation; 0 of nothing. Errors that are not known are left out. The
 * median alone calls a series calm that is rough on a third of its days, so the mean counts as well, without its largest tenth.
 */
export function scaleOf(errors: Float64Array, work: Workspace): number {
  const all = work.take(errors.length);
  let count = 0;
  for (let place = 0; place < errors.length; place += 1) {
    const error = at(errors, place);
    if (Number.isNaN(error)) continue;
    all[count] = Math.abs(error);
    count += 1;
  }
  if (count === 0) return 0;
  const most = Math.ceil(count * 0.9);
  part(all, most, count);
  let sum = 0;
  for (let place = 0; place < most; place += 1) sum += at(all, place);
  part(all, count >> 1, most);
  return Math.max(MAD_TO_DEVIATION * middleOf(all, count), (TRIMMED_MEAN_TO_DEVIATION * sum) / most);
}

/** The second largest and the second smallest of the values that are known; 0 if fewer than two are. */
export function secondExtremes(values: Float64Array): { readonly highest: number; readonly lowest: number } {
  let first = Number.NEGATIVE_INFINITY;
  let second = Number.NEGATIVE_INFINITY;
  let last = Number.POSITIVE_INFINITY;
  let beforeLast = Number.POSITIVE_INFINITY;
  for (let place = 0; place < values.length; place += 1) {
    const value = at(values, place);
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

/** Moves the smallest `rank` of the first `count` values to the front; the value at `rank` is then the smallest of the others. */
function part(values: Float64Array, rank: number, count: number): void {
  let low = 0;
  let high = count - 1;
  while (low < high) {
    const pivot = at(values, (low + high) >> 1);
    let left = low;
    let right = high;
    while (left <= right) {
      while (at(values, left) < pivot) left += 1;
      while (at(values, right) > pivot) right -= 1;
      if (left > right) break;
      const value = at(values, left);
      values[left] = at(values, right);
      values[right] = value;
      left += 1;
      right -= 1;
    }
    if (rank <= right) high = right;
    else if (rank >= left) low = left;
    else return;
  }
}

/** The median of values of which the smaller half lies before the others. */
function middleOf(parted: Float64Array, count: number): number {
  const middle = count >> 1;
  const upper = at(parted, middle);
  if (count === 0 || count % 2 === 1) return count === 0 ? Number.NaN : upper;
  let lower = Number.NEGATIVE_INFINITY;
  for (let place = 0; place < middle; place += 1) lower = Math.max(lower, at(parted, place));
  return (upper + lower) / 2;
}

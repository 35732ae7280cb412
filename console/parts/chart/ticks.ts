/** The scale of a chart: its ends, and where its lines are. */
export interface Ticks {
  readonly min: number;
  readonly max: number;
  readonly at: readonly number[];
}

/** A scale for values between these lows and highs, which always contains zero. */
export function ticksOf(extents: readonly (readonly [low: number, high: number])[]): Ticks {
  const low = Math.min(0, ...extents.map(([each]) => each));
  const high = Math.max(0, ...extents.map(([, each]) => each));
  if (low === 0 && high === 0) return { min: 0, max: 1, at: [0] };
  const step = stepOf((high - low) / 4);
  const first = Math.floor(low / step);
  const last = Math.ceil(high / step);
  const at = Array.from({ length: last - first + 1 }, (_, index) => (first + index) * step);
  return { min: first * step, max: last * step, at };
}

/** The next of 1, 2, 2.5, 5 and 10 times a power of ten. */
function stepOf(size: number): number {
  const power = 10 ** Math.floor(Math.log10(size));
  const factor = [1, 2, 2.5, 5, 10].find((each) => each * power >= size) ?? 10;
  return factor * power;
}

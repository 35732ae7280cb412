import { hash } from 'node:crypto';
import type { DayContent } from '../domain/day-content.ts';
import { orderByKey } from '../domain/order.ts';
import type { Numbers, Writer } from './bytes.ts';
import type { SeriesOfReading } from './series.ts';

/** The lines of one day as they were read so far, in the order of the rows. */
export interface DayLines {
  /** Of each line, the place of its series. */
  readonly series: Numbers;
}

/** Reads the rows of one kind of report. */
export interface ReportRows<Lines extends DayLines = DayLines> {
  readonly series: SeriesOfReading;
  /** No lines yet. */
  none(): Lines;
  /** Reads the row whose bracket is at `from` into `lines`, and returns the offset behind it. Throws PageError. */
  read(body: Uint8Array, from: number, lines: Lines): number;
  /** Adds the lines of another page to those of the same day. */
  join(lines: Lines, more: Lines): void;
  /** The content of a day with these lines. Throws PageError. */
  contentOf(lines: Lines): DayContent;
}

/**
 * Calls `take` for each series of a day's lines, in the order of the ids of series: the lines of one series lie in `order`
 * from `from` to `to`.
 */
export function forEachSeries(
  { series: places }: DayLines,
  series: SeriesOfReading,
  take: (order: Int32Array, from: number, to: number) => void,
): void {
  const order = orderOf(places, series);
  for (let from = 0; from < order.length;) {
    const first = places.at(order[from] ?? 0);
    let to = from + 1;
    while (to < order.length && places.at(order[to] ?? 0) === first) to += 1;
    take(order, from, to);
    from = to;
  }
}

/** The lines in the order of the ids of their series. */
function orderOf(places: Numbers, series: SeriesOfReading): Int32Array {
  const ranks = new Float64Array(places.length);
  for (let line = 0; line < ranks.length; line += 1) ranks[line] = series.rankOf(places.at(line));
  const order = orderByKey(ranks);
  for (let at = 1; at < order.length; at += 1) {
    // Two ids with the same first 32 bits are rare; sorting whole ids takes many times longer.
    if (byId(order[at - 1] ?? 0, order[at] ?? 0) > 0) return order.sort(byId);
  }
  return order;

  function byId(a: number, b: number): number {
    return series.compare(places.at(a), places.at(b)) || a - b;
  }
}

/** The digest of what a day's lines are written as. */
export function digestOf(written: Writer): Uint8Array {
  return hash('sha256', written.written(), 'buffer');
}

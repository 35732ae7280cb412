import { weekdayOf } from './flat.ts';
import { seriesOf, type Frame, type Part } from './frame.ts';
import type { Condition } from './incident.ts';
import { LEAST_DAYS, expectedOn } from './reading.ts';
import { meanOf, medianOf } from './statistics.ts';
import { CONFIRMED_DAYS, LEAST_SHARE, LEAST_USD, moved, type Track } from './track.ts';

/** A day that shares this much of a move is not judged by itself. */
const OVERLAP = 0.1;
/** A day of a spike counts among what is usual as if it had been this much beyond its band. */
const REMEMBERED = 1.3;
/** A day of a move is no part of its level if it is out by so many usual errors less. */
const FADED = 6;
/** How many days before a move it is compared with. */
export const COMPARED_DAYS = 28;

/** The spend so far without what moves added to it: what the next day is judged by. Days that tell nothing are not numbers. */
export class Usual {
  readonly total: Float64Array;
  readonly parts: readonly { readonly part: Part; readonly values: Float64Array }[];
  readonly #frame: Frame;
  readonly #placeOfDay: ReadonlyMap<number, number>;

  constructor(frame: Frame) {
    this.#frame = frame;
    this.total = frame.total.slice();
    this.parts = frame.parts.map((part) => ({ part, values: part.values.slice() }));
    this.#placeOfDay = new Map(Array.from(frame.dayNumbers, (day, place) => [day, place]));
  }

  usualTotal(place: number): number {
    const before = this.total.subarray(Math.max(0, place - COMPARED_DAYS), place).filter((value) => value > 0);
    return before.length === 0 ? 0 : medianOf(before);
  }

  /** Takes a move out of a day, so that the day can be judged, and count as usual, without it. */
  takeOut(track: Track, place: number): void {
    const { location, expectation } = track;
    this.hideParts(track, place);
    if (track.isDrift || location.counterpart.length > 0) return;
    const day = this.#frame.dayNumbers[place] ?? 0;
    if (location.cause.length > 0) {
      const expected = expectation === null ? 0 : expectedOn(expectation, day);
      this.total[place] = (this.total[place] ?? 0) - ((track.values[place] ?? 0) - expected);
    } else if (expectation !== null) {
      const size = medianOf(Float64Array.from(track.errors.slice(-7)));
      const own = track.errors.at(-1) ?? size;
      const usual = expectation.errors[weekdayOf(day)] ?? 0;
      // A move that dies away is smaller by now: what is left of the day would be too low by more than days differ.
      const shift = track.direction * (own < size - FADED * usual ? own : size);
      const isConfirmed = track.errors.length >= CONFIRMED_DAYS;
      this.total[place] = isConfirmed ? moved(this.total[place] ?? 0, expectation.offset, -shift) : Number.NaN;
    }
  }

  /** Parts that a move goes through can't be judged by themselves on a day. */
  hideParts({ location }: Track, place: number): void {
    for (const [at, { values }] of this.parts.entries()) {
      if ((location.overlaps[at] ?? 0) >= OVERLAP) values[place] = Number.NaN;
    }
  }

  /** Hides more parts of a move from a day on. */
  hide(track: Track, overlaps: Float64Array, place: number): void {
    const { overlaps: known } = track.location;
    for (const [at, overlap] of overlaps.entries()) known[at] = Math.max(known[at] ?? 0, overlap);
    this.hideParts(track, place);
  }

  /** Takes the total of some days as it was, since their move is known better by now. */
  restore(first: number, last: number): void {
    for (let place = first; place <= last; place += 1) this.total[place] = this.#frame.total[place] ?? 0;
  }

  /** The level of a move is the new normal: the days before it count as if they had been at that level. */
  settle(track: Track, place: number): void {
    track.end = 'new_normal';
    const { location, expectation } = track;
    // New spend often grows for some days: its last week is its level.
    const from = track.isNew ? Math.max(track.first, place - 6) : track.first;
    for (const [at, { part, values }] of this.parts.entries()) {
      if ((location.overlaps[at] ?? 0) < OVERLAP) continue;
      values.fill(Number.NaN, 0, from);
      for (let past = from; past <= place; past += 1) values[past] = part.values[past] ?? 0;
    }
    if (track.isDrift || location.counterpart.length > 0) return;
    if (location.cause.length === 0) {
      const shift = track.direction * medianOf(Float64Array.from(track.errors.slice(-7)));
      for (let past = 0; past <= place; past += 1) {
        this.total[past] = moved(this.total[past] ?? 0, expectation?.offset ?? 0, shift);
      }
      return;
    }
    this.#raiseTotal(track, from, place);
  }

  /** Adds to the days before the level of a move what its cause would have had more on them. */
  #raiseTotal(track: Track, from: number, place: number): void {
    const { expectation, values } = track;
    const { dayNumbers, total } = this.#frame;
    const places = Array.from({ length: place - from + 1 }, (_, at) => from + at);
    const spend = (only: readonly number[]): number => meanOf(Float64Array.from(only, (past) => values[past] ?? 0));
    const expected = meanOf(
      Float64Array.from(places, (past) => (expectation === null ? 0 : expectedOn(expectation, dayNumbers[past] ?? 0))),
    );
    const ratio = expected > 0 ? spend(places) / expected : null;
    const onWeekday = Array.from({ length: 7 }, (_, weekday) => {
      const same = places.filter((past) => weekdayOf(dayNumbers[past] ?? 0) === weekday);
      return spend(same.length === 0 ? places : same);
    });
    for (let past = track.first; past < from; past += 1) this.total[past] = (total[past] ?? 0) - (values[past] ?? 0);
    for (let past = 0; past < from; past += 1) {
      const added = ratio === null ? onWeekday[weekdayOf(dayNumbers[past] ?? 0)] : (ratio - 1) * (values[past] ?? 0);
      this.total[past] = Math.max(0, (this.total[past] ?? 0) + (added ?? 0));
    }
    for (const past of places) this.total[past] = total[past] ?? 0;
  }

  /** Lets the days of a short move count as rough ones, but not as rough as they were. */
  remember(track: Track): void {
    const { expectation, direction } = track;
    if (expectation === null || track.location.cause.length > 0) return;
    const beyond = direction * REMEMBERED * (direction > 0 ? expectation.up : expectation.down);
    for (const { place } of track.evidence) {
      const most = expectedOn(expectation, this.#frame.dayNumbers[place] ?? 0, beyond);
      const value = this.#frame.total[place] ?? 0;
      this.total[place] = direction > 0 ? Math.min(value, most) : Math.max(value, most);
    }
  }

  /** A quick look at whether a part is far enough from the weeks before to be read. */
  mayDeviate(part: Part, values: Float64Array, place: number, usual: number): boolean {
    if (Number.isNaN(values[place] ?? Number.NaN)) return false;
    const least = Math.max(LEAST_USD, LEAST_SHARE * usual);
    const day = this.#frame.dayNumbers[place] ?? 0;
    if (part.firstPlace < 0 || part.firstPlace > place - LEAST_DAYS) return false;
    const far = (days: readonly number[]): boolean => {
      let [sum, count] = [0, 0];
      for (const back of days) {
        const now = values[this.#placeOfDay.get(day - back) ?? -1] ?? Number.NaN;
        const then = values[this.#placeOfDay.get(day - back - 7) ?? -1] ?? Number.NaN;
        const earlier = values[this.#placeOfDay.get(day - back - 14) ?? -1] ?? then;
        if (Number.isNaN(now) || Number.isNaN(then)) continue;
        sum += now - (Number.isNaN(earlier) ? then : (then + earlier) / 2);
        count += 1;
      }
      return count === 0 || Math.abs(sum) / count >= least;
    };
    return far([0]) || far([0, 1, 2]);
  }

  /** The spend of a cause without earlier moves. */
  cleanOf(cause: readonly Condition[]): Float64Array {
    if (cause.length === 0) return this.total;
    const [only] = cause;
    const part = this.parts.find(
      (one) =>
        cause.length === 1 &&
        one.part.condition.dimension === only?.dimension &&
        one.part.condition.value === only.value,
    );
    return part?.values ?? seriesOf(this.#frame, cause);
  }
}

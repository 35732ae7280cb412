import type { Frame } from './frame.ts';
import type { Track } from './track.ts';

/** More incidents than {@link FRESH_FOR} within so many days raise what the next one takes. */
const WEARY_DAYS = 365;
const FRESH_FOR = 3;
const WEARY_BY = 0.7;
/** What happened a year ago, give or take some days, must be so many times as clear to be an incident again. */
const YEAR_DAYS = 365;
const YEAR_APART = 4;
const AGAIN = 2;

/** An earlier move, as far as it makes one more cautious. Days are since the epoch. */
export interface Told {
  readonly direction: 1 | -1;
  readonly firstDay: number;
  readonly lastDay: number;
  /** Whether it was clear enough at medium sensitivity. */
  readonly isClear: boolean;
}

/** What caution knows of a move. */
export function toldOf({ direction, first, last, evidence }: Track, { dayNumbers }: Frame): Told {
  return {
    direction,
    firstDay: dayNumbers[first] ?? 0,
    lastDay: dayNumbers[last] ?? 0,
    isClear: evidence.some(({ strength }) => strength >= 1),
  };
}

/** How many times as clear an incident must be after those of the last year: nobody looks at the tenth. */
export function weariness(told: readonly Told[], day: number): number {
  const lately = told.filter(({ firstDay, isClear }) => isClear && firstDay >= day - WEARY_DAYS);
  return 1 + WEARY_BY * Math.max(0, lately.length - FRESH_FOR);
}

/** How many times as clear an incident must be if the same happened at this time last year: a holiday is one once. */
export function seasonality(told: readonly Told[], day: number, direction: Told['direction']): number {
  const then = day - YEAR_DAYS;
  const isKnown = told.some(
    (one) => one.direction === direction && one.firstDay <= then + YEAR_APART && one.lastDay >= then - YEAR_APART,
  );
  return isKnown ? AGAIN : 1;
}

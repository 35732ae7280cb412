import type { Frame } from './frame.ts';
import type { Condition } from './incident.ts';
import { LIFT, type Location } from './locate.ts';
import { medianOf } from './statistics.ts';
import type { Track } from './track.ts';

/** Two moves of one cause begin at most so many days apart. */
const BEGIN_APART_DAYS = 3;
/** Moves that begin so close have one cause, however much their sizes differ. */
const BEGIN_TOGETHER_DAYS = 1;

/** A move of the same cause that is over for fewer days goes on. */
const SAME_MOVE_DAYS = 3;
/** What is left of a move that dies away may show for so many days, and is smaller. */
const LEFT_DAYS = 1;

/** A move that was just found. */
interface Found {
  readonly location: Location;
  readonly direction: 1 | -1;
  readonly isDrift: boolean;
  /** The place of its first day. */
  readonly first: number;
  /** By what share of what was expected it is out on its last day. */
  readonly growth: number;
}

/**
 * What a move that was just found is to one that is known: nothing; the same, which shows in a part of it; or the same, whose
 * place is known better by now.
 */
export type Kinship = 'other' | 'shows_in_part' | 'found_better';

/** Compares a move that was just found with one that is known. One cause that shows here and there would be told as two. */
export function kinshipOf(track: Track, found: Found, { dayNumbers }: Pick<Frame, 'dayNumbers'>): Kinship {
  if (track.direction !== found.direction) return 'other';
  const isInside = liesWithin(found.location, track.location);
  if (track.end === 'new_normal') {
    // It shows on days that were told: new spend that grew further, or a part of what moved as a whole.
    const isKnown = track.isNew || JSON.stringify(track.location.cause) !== JSON.stringify(found.location.cause);
    return isInside && isKnown && found.first <= track.last ? 'shows_in_part' : 'other';
  }
  const isApart = found.growth > LIFT * growthOf(track);
  // A drift reaches its parts one after the other.
  if (isInside && track.isDrift && track.end === null && !isApart) return 'shows_in_part';
  if (found.isDrift) return 'other';
  const isAround = !track.isNew && liesWithin(track.location, found.location);
  if (!isInside && !isAround) return 'other';
  const dayOf = (place: number): number => dayNumbers[place] ?? 0;
  const apart = Math.abs(dayOf(found.first) - dayOf(track.first));
  if (apart > BEGIN_APART_DAYS) {
    const isLeft = dayOf(found.first) - dayOf(track.last) <= LEFT_DAYS && found.growth < growthOf(track);
    return isLeft && found.first > track.first && track.quiet > 0 ? 'shows_in_part' : 'other';
  }
  if (!isInside) return 'found_better';
  if (isApart) return apart > BEGIN_TOGETHER_DAYS || track.isNew ? 'other' : 'found_better';
  return track.end === null ? 'shows_in_part' : 'found_better';
}

/** Whether a move of this very cause is open. */
export function isOpen(tracks: readonly Track[], cause: readonly Condition[], direction: Track['direction']): boolean {
  const spelled = JSON.stringify(cause);
  return tracks.some(
    (track) => track.end === null && track.direction === direction && JSON.stringify(track.location.cause) === spelled,
  );
}

/** A move of this very cause that ended just before the place `first`, or after it. */
export function justEnded(
  tracks: readonly Track[],
  { cause, direction, first }: { cause: readonly Condition[]; direction: Track['direction']; first: number },
  { dayNumbers }: Pick<Frame, 'dayNumbers'>,
): Track | null {
  const spelled = JSON.stringify(cause);
  const since = (dayNumbers[first] ?? 0) - SAME_MOVE_DAYS;
  const found = tracks.find(
    (track) =>
      track.end === 'back' &&
      !track.isNew &&
      track.direction === direction &&
      (dayNumbers[track.last] ?? 0) >= since &&
      JSON.stringify(track.location.cause) === spelled,
  );
  return found ?? null;
}

/** Whether all that one move goes through belongs to the cause of another one. */
function liesWithin(inner: Location, { cause }: Location): boolean {
  const conditions = [...inner.cause, ...inner.within];
  return cause.every(({ dimension }) => {
    const own = valuesOf(conditions, dimension);
    const allowed = valuesOf(cause, dimension);
    return own.length > 0 && own.every((value) => allowed.includes(value));
  });
}

function valuesOf(conditions: readonly Condition[], dimension: string): (string | null)[] {
  return conditions.filter((one) => one.dimension === dimension).map(({ value }) => value);
}

/** By what share of what was expected a move is out, as its last days have it. */
function growthOf({ errors, expectation }: Track): number {
  return expectation === null ? Number.POSITIVE_INFINITY : growthAt(medianOf(Float64Array.from(errors.slice(-7))));
}

/** The share of what was expected that an error on the scale of logarithms stands for, as a size. */
export function growthAt(error: number): number {
  return Math.abs(Math.expm1(error));
}

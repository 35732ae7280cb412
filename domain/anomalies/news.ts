import type { Part } from './frame.ts';
import { LEAST_DAYS } from './reading.ts';
import type { Track } from './track.ts';

/** New values of a dimension are no news where it has so many of them within {@link NEWS_DAYS} days. */
const MANY_NEW = 4;
const NEWS_DAYS = 60;
const NEW_FOR_DAYS = 14;

/** Whether a part had its first spend in the last two weeks, and not when the days begin. */
export function isNewAt({ firstPlace }: Part, place: number): boolean {
  return firstPlace >= LEAST_DAYS && firstPlace <= place && place - firstPlace < NEW_FOR_DAYS;
}

/** Whether people were told of a part as new spend. */
export function wasNew(tracks: readonly Track[], { condition }: Part): boolean {
  const cause = JSON.stringify([condition]);
  return tracks.some(({ isNew, location }) => isNew && JSON.stringify(location.cause) === cause);
}

/** Whether new values of its dimension are usual. */
export function hasManyNew(parts: readonly Part[], { dimension }: Part, place: number): boolean {
  const others = parts.filter(
    (part) =>
      part.dimension === dimension &&
      part.firstPlace >= LEAST_DAYS &&
      part.firstPlace <= place &&
      place - part.firstPlace < NEWS_DAYS,
  );
  return others.length > MANY_NEW;
}

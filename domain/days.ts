/** A UTC calendar day, `YYYY-MM-DD`. Days compare as texts. */
export type Day = `${number}-${number}-${number}`;

/** An inclusive range of UTC days. */
export interface DayRange {
  readonly from: Day;
  readonly to: Day;
}

export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;

/** Anthropic gives at most this many days on a page, so no query asks for more. */
export const MAX_WINDOW_DAYS = 31;

/** A connection reads at most this many days of history, when it is created and when somebody extends it. */
export const MAX_HISTORY_DAYS = 365;

/** A question about costs or usage, and a file of them, has at most this many days: three years. */
export const MAX_QUERY_DAYS = 1100;

const ASKABLE = { from: '2000-01-01', to: '2199-12-31' } as const satisfies DayRange;

/** What a day must be that somebody asks for, as the end of a sentence. */
export const ASKABLE_DAY = `must be a day from ${ASKABLE.from} to ${ASKABLE.to}, in the form YYYY-MM-DD`;

/** Whether anybody may ask for a day. Postgres and JavaScript agree on every day of these two centuries. */
export function isAskableDay(text: string): text is Day {
  return isDay(text) && text >= ASKABLE.from && text <= ASKABLE.to;
}

/** Whether `text` is a real calendar day in the form `YYYY-MM-DD` (2026-02-30 is not). */
export function isDay(text: string): text is Day {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return false;
  const ms = Date.parse(`${text}T00:00:00Z`);
  return Number.isFinite(ms) && new Date(ms).toISOString().slice(0, 10) === text;
}

/** The day that a text spells. Throws a RangeError that quotes the text. */
export function toDay(text: string): Day {
  if (!isDay(text)) throw new RangeError(`"${text.slice(0, 40)}" is not a day in the form YYYY-MM-DD`);
  return text;
}

/** The UTC day of an instant, in milliseconds since the epoch. */
export function dayOf(ms: number): Day {
  return toDay(new Date(ms).toISOString().slice(0, 10));
}

/** The first instant of a day, in milliseconds since the epoch. */
export function startOfDayMs(day: Day): number {
  return Date.parse(`${day}T00:00:00Z`);
}

/** The day that lies `count` days after `day`, or before it where `count` is negative. */
export function addDays(day: Day, count: number): Day {
  return dayOf(startOfDayMs(day) + count * DAY_MS);
}

/** How many days `later` lies after `earlier`; negative where it lies before. */
export function daysBetween(earlier: Day, later: Day): number {
  return Math.round((startOfDayMs(later) - startOfDayMs(earlier)) / DAY_MS);
}

/** The number of days in a range; 0 where it is reversed. */
export function lengthOf(range: DayRange): number {
  return Math.max(0, daysBetween(range.from, range.to) + 1);
}

/** Every day of a range, oldest first; empty where the range is reversed. */
export function daysIn(range: DayRange): Day[] {
  return Array.from({ length: lengthOf(range) }, (_, index) => addDays(range.from, index));
}

export function laterOf(a: Day, b: Day): Day {
  return a > b ? a : b;
}

export function earlierOf(a: Day, b: Day): Day {
  return a < b ? a : b;
}

/** Splits a range into parts of at most `maxDays` days, oldest first. */
export function splitRange(range: DayRange, maxDays: number = MAX_WINDOW_DAYS): DayRange[] {
  const parts: DayRange[] = [];
  for (let from = range.from; from <= range.to; from = addDays(from, maxDays)) {
    parts.push({ from, to: earlierOf(range.to, addDays(from, maxDays - 1)) });
  }
  return parts;
}

/** The fewest ranges that hold exactly these days, oldest first. The days may come in any order, and more than once. */
export function toRanges(days: readonly Day[]): DayRange[] {
  const ranges: DayRange[] = [];
  for (const day of [...new Set(days)].sort()) {
    const last = ranges.at(-1);
    if (last !== undefined && addDays(last.to, 1) === day) ranges[ranges.length - 1] = { from: last.from, to: day };
    else ranges.push({ from: day, to: day });
  }
  return ranges;
}

/** The shortest range that holds all of these days, which are sorted. Throws a RangeError if there are none. */
export function spanOf(days: readonly Day[]): DayRange {
  const [from] = days;
  const to = days.at(-1);
  if (from === undefined || to === undefined) throw new RangeError('no days have no span');
  return { from, to };
}

export const HOUR_MS = 3_600_000;
export const DAY_MS = 86_400_000;

/** The UTC day (days since 1970-01-01) in which an instant lies. */
export function dayOf(timeMs: number): number {
  return Math.floor(timeMs / DAY_MS);
}

/** `2026-01-31` for a day number. */
export function formatDay(day: number): string {
  return new Date(day * DAY_MS).toISOString().slice(0, 10);
}

/** The day number for `2026-01-31`; throws for anything that is not a calendar day. */
export function parseDay(text: string): number {
  const day = dayOf(Date.parse(`${text}T00:00:00Z`));
  if (Number.isNaN(day) || formatDay(day) !== text) throw new RangeError(`not a day: ${JSON.stringify(text)}`);
  return day;
}

/** `2026-01-31T00:00:00Z` for an instant on a whole second. */
export function formatTime(timeMs: number): string {
  return `${new Date(timeMs).toISOString().slice(0, 19)}Z`;
}

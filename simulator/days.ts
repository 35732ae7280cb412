import { ControlError } from './errors.ts';

export const HOUR_MS = 3_600_000;
export const DAY_MS = 86_400_000;

/** The UTC day of an instant, as the number of days since 1970-01-01. */
export function dayOf(timeMs: number): number {
  return Math.floor(timeMs / DAY_MS);
}

/** `2026-01-31` for a day number. */
export function formatDay(day: number): string {
  return new Date(day * DAY_MS).toISOString().slice(0, 10);
}

/** Whether `text` is a calendar day such as `2026-01-31`. */
export function isDay(text: string): boolean {
  const day = dayOf(Date.parse(`${text}T00:00:00Z`));
  return !Number.isNaN(day) && formatDay(day) === text;
}

/** The day number for `2026-01-31`. Throws ControlError for other text. */
export function parseDay(text: string): number {
  if (!isDay(text)) throw new ControlError(`not a day: ${JSON.stringify(text)}`);
  return dayOf(Date.parse(`${text}T00:00:00Z`));
}

/** `2026-01-31T00:00:00Z`. Fractions of a second are cut off. */
export function formatTime(timeMs: number): string {
  return `${new Date(timeMs).toISOString().slice(0, 19)}Z`;
}

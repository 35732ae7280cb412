/** Days are texts such as `2026-11-30`, and days of UTC, as everywhere in Meterline. */
const DAY_MS = 86_400_000;
const MONTHS = 'January February March April May June July August September October November December'.split(' ');

/** Today, in UTC. */
export function today(now: number = Date.now()): string {
  return new Date(now).toISOString().slice(0, 10);
}

/** Whether a text is a day of the calendar, such as `2026-11-30`; `2026-02-31` is none. */
export function isDay(text: string): boolean {
  const ms = /^\d{4}-\d\d-\d\d$/.test(text) ? Date.parse(text) : NaN;
  return !Number.isNaN(ms) && today(ms) === text;
}

/** The day as many days later; earlier for a negative number. */
export function addDays(day: string, days: number): string {
  return today(Date.parse(day) + days * DAY_MS);
}

/** How many days a range has, both ends included. */
export function daysBetween(from: string, to: string): number {
  return Math.round((Date.parse(to) - Date.parse(from)) / DAY_MS) + 1;
}

/** Every day of a range, both ends included. */
export function daysOf(from: string, to: string): string[] {
  return Array.from({ length: Math.max(0, daysBetween(from, to)) }, (_, index) => addDays(from, index));
}

/** The first day of a day's month. */
export function monthStart(day: string): string {
  return `${day.slice(0, 7)}-01`;
}

/** The last day of a day's month. */
export function monthEnd(day: string): string {
  const [year = 0, month = 1] = day.split('-').map(Number);
  return today(Date.UTC(year, month, 0));
}

/** A day for people: `3 November 2026`. */
export function longDay(day: string): string {
  const [year, month, date] = day.split('-').map(Number);
  return `${date ?? ''} ${MONTHS[(month ?? 1) - 1] ?? ''} ${year ?? ''}`;
}

/** A day for a small place: `3 Nov`. */
export function shortDay(day: string): string {
  const [, month, date] = day.split('-').map(Number);
  return `${date ?? ''} ${(MONTHS[(month ?? 1) - 1] ?? '').slice(0, 3)}`;
}

/** A month for people: `November 2026`, of `2026-11` or any of its days. */
export function longMonth(month: string): string {
  const [year, number] = month.split('-').map(Number);
  return `${MONTHS[(number ?? 1) - 1] ?? ''} ${year ?? ''}`;
}

/** A range for people, without what both ends share: `1 – 28 November 2026`. */
export function range(from: string, to: string): string {
  if (from === to) return longDay(from);
  if (from.slice(0, 7) === to.slice(0, 7)) return `${Number(from.slice(8))} – ${longDay(to)}`;
  if (from.slice(0, 4) === to.slice(0, 4)) return `${longDay(from).replace(/ \d{4}$/, '')} – ${longDay(to)}`;
  return `${longDay(from)} – ${longDay(to)}`;
}

/** An instant for people, in UTC: `30 Nov 2026, 06:12 UTC`. */
export function instant(at: string): string {
  const iso = new Date(at).toISOString();
  return `${shortDay(iso.slice(0, 10))} ${iso.slice(0, 4)}, ${iso.slice(11, 16)} UTC`;
}

const AWAY = new Intl.RelativeTimeFormat('en');

/** How long ago or ahead an instant is, roughly: `3 minutes ago`, `in 2 hours`. */
export function distance(at: string, now: number = Date.now()): string {
  const seconds = Math.round((Date.parse(at) - now) / 1000);
  const size = Math.abs(seconds);
  if (size < 10) return 'just now';
  const [length, unit] =
    size < 60
      ? ([1, 'second'] as const)
      : size < 3600
        ? ([60, 'minute'] as const)
        : size < 86_400 * 2
          ? ([3600, 'hour'] as const)
          : ([86_400, 'day'] as const);
  return AWAY.format(Math.sign(seconds) * Math.round(size / length), unit);
}

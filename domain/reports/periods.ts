import { addDays, dayOf, startOfDayMs, toDay, type Day, type DayRange } from '../days.ts';
import { daysOfMonth, monthOf, previousMonth } from '../months.ts';
import { comparisonOf, type Comparison } from '../spend/compare.ts';

/** How often a report is told: every day, every Monday, or on the first of every month. */
export const EVERY = ['daily', 'weekly', 'monthly'] as const;
/** One of {@link EVERY}. */
export type Every = (typeof EVERY)[number];

/** The local hours at which a report may be told. Clock changes skip and repeat earlier ones. */
export const HOURS = { least: 4, most: 23 } as const;
/** The longest name of a time zone, in characters. */
export const TIME_ZONE_LENGTH = 64;

/** A name of the time zone database beside those that Intl gives back, in the letters that Temporal knows. */
const OTHER_NAME = /^(?:US|[A-Z][a-z]+)(?:\/[A-Z][A-Za-z0-9_+-]+)+$/;

/** The name of a time zone as the time zone database spells it; null for what is none. */
export function timeZoneOf(text: string): string | null {
  if (text.length > TIME_ZONE_LENGTH || /^[+-]/.test(text)) return null;
  try {
    const { timeZone } = new Intl.DateTimeFormat('en-US', { timeZone: text }).resolvedOptions();
    if (timeZone.toLowerCase() === text.toLowerCase()) return timeZone;
    return OTHER_NAME.test(text) ? text : null;
  } catch {
    return null;
  }
}

/** The calendar day in a time zone at an instant (ms). Throws a RangeError for an unknown time zone. */
export function localDayOf(ms: number, timeZone: string): Day {
  const format = new Intl.DateTimeFormat('en-US', { timeZone, year: 'numeric', month: '2-digit', day: '2-digit' });
  const parts = new Map(format.formatToParts(ms).map(({ type, value }) => [type, value]));
  return toDay(`${parts.get('year') ?? ''}-${parts.get('month') ?? ''}-${parts.get('day') ?? ''}`);
}

/**
 * The period that a report of a local day tells of: the day before, the last week from Monday to Sunday, or the last
 * month. Its days are those of the ledger, which are UTC days of the same date.
 */
export function periodBefore(every: Every, today: Day): DayRange {
  switch (every) {
    case 'daily':
      return { from: addDays(today, -1), to: addDays(today, -1) };
    case 'weekly': {
      const sinceMonday = (new Date(startOfDayMs(today)).getUTCDay() + 6) % 7;
      return { from: addDays(today, -sinceMonday - 7), to: addDays(today, -sinceMonday - 1) };
    }
    case 'monthly':
      return daysOfMonth(previousMonth(monthOf(today)));
  }
}

/** When the last day of a period is over in UTC, in milliseconds since the epoch. */
export function endOfMs({ to }: DayRange): number {
  return startOfDayMs(addDays(to, 1));
}

/** The newest period of a report that is over in UTC at an instant (ms). */
export function lastPeriodOver(every: Every, timeZone: string, nowMs: number): DayRange {
  let period = periodBefore(every, localDayOf(nowMs, timeZone));
  while (period.to >= dayOf(nowMs)) period = periodBefore(every, period.from);
  return period;
}

/** What a period is compared with: the one before. */
export function periodComparison(every: Every, period: DayRange): Comparison {
  return comparisonOf(period, every === 'monthly' ? 'month' : 'previous', null);
}

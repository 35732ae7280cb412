import { addDays, lengthOf, startOfDayMs, toDay, type Day, type DayRange } from '../days.ts';
import type { Grain } from './query.ts';

/** The range just before, the one a month earlier, or the one a year earlier. */
export const COMPARES = ['previous', 'month', 'year'] as const;
/** One of {@link COMPARES}. */
export type Compare = (typeof COMPARES)[number];

/** How far apart two ranges are. */
export type Distance = { readonly days: number } | { readonly months: number };

/**
 * The range that another one is compared with. A day of it has its place in the later range `distance` later. A day that
 * would come after the end of a month, such as a 31 January in February, comes on the last day of that month, so every
 * earlier day has exactly one place.
 */
export interface Comparison {
  readonly with: Compare;
  readonly range: DayRange;
  readonly distance: Distance;
}

/** The day that many months later, or the last day of that month if it is shorter; earlier where `months` is negative. */
export function addMonths(day: Day, months: number): Day {
  const [year, month, date] = [Number(day.slice(0, 4)), Number(day.slice(5, 7)) - 1 + months, Number(day.slice(8))];
  const last = new Date(Date.UTC(year, month + 1, 0)).getUTCDate();
  return toDay(new Date(Date.UTC(year, month, Math.min(date, last))).toISOString().slice(0, 10));
}

/**
 * What `range` is compared with. Whole months are compared with whole months, though not all are equally long; so the last
 * days of a longer one come on the last day of a shorter one. The range just before always has as many days, which the
 * grain of months counts in months.
 */
export function comparisonOf(range: DayRange, compare: Compare, grain: Grain | null): Comparison {
  if (compare !== 'previous') {
    const months = compare === 'month' ? 1 : 12;
    const isWhole = begins(range.from, 'month') && ends(range.to, 'month');
    const to = isWhole ? addDays(addMonths(addDays(range.to, 1), -months), -1) : addMonths(range.to, -months);
    const earlier = { from: addMonths(range.from, -months), to };
    return { with: compare, range: earlier, distance: { months } };
  }
  const days = lengthOf(range);
  const earlier = { from: addDays(range.from, -days), to: addDays(range.to, -days) };
  const distance = grain === 'month' ? { months: monthOf(range.from) - monthOf(earlier.from) } : { days };
  return { with: compare, range: earlier, distance };
}

function monthOf(day: Day): number {
  return Number(day.slice(0, 4)) * 12 + Number(day.slice(5, 7));
}

/** Whether a day begins a week, which is a Monday, or a month. Each day begins itself. */
export function begins(day: Day, grain: Grain): boolean {
  switch (grain) {
    case 'day':
      return true;
    case 'week':
      return new Date(startOfDayMs(day)).getUTCDay() === MONDAY;
    case 'month':
      return day.endsWith('-01');
  }
}

/** Whether a day ends a week, which is a Sunday, or a month. */
export function ends(day: Day, grain: Grain): boolean {
  return begins(addDays(day, 1), grain);
}

const MONDAY = 1;

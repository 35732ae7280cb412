import { addDays, daysOf, longMonth, monthEnd, monthStart } from '../../format/days.ts';

const COLUMNS = 31;
const MONTHS_AT_ONCE = 12;

/** A range of days, both ends included. */
export interface DayRange {
  readonly from: string;
  readonly to: string;
}

/** A row of the calendar. A column without a day of the range is null. */
export interface MonthRow {
  readonly month: string;
  readonly name: string;
  readonly days: readonly (string | null)[];
}

/** The months of a range as rows of 31 columns, the oldest first. */
export function monthRows({ from, to }: DayRange): MonthRow[] {
  const rows = new Map<string, (string | null)[]>();
  for (const day of daysOf(from, to)) {
    const month = day.slice(0, 7);
    const days = rows.get(month) ?? Array.from({ length: COLUMNS }, () => null);
    days[Number(day.slice(8)) - 1] = day;
    rows.set(month, days);
  }
  return [...rows].map(([month, days]) => ({ month, name: longMonth(month), days }));
}

/** At most a year of the history, with the months to which the links lead that show what comes before and after it. */
export interface CalendarWindow extends DayRange {
  readonly older: string | null;
  readonly newer: string | null;
}

/** The year of the history that ends with the month `until`, or with today. */
export function windowOf(began: string, until: string | null, today: string): CalendarWindow {
  const [first, last] = [began.slice(0, 7), today.slice(0, 7)];
  const isMonth = until !== null && /^\d{4}-(0[1-9]|1[0-2])$/.test(until);
  const month = isMonth && until >= first && until <= last ? until : last;
  const start = `${monthsLater(month, 1 - MONTHS_AT_ONCE)}-01`;
  const end = monthEnd(`${month}-01`);
  const newer = monthsLater(month, MONTHS_AT_ONCE);
  return {
    from: start > began ? start : began,
    to: end < today ? end : today,
    older: start > began ? monthsLater(month, -MONTHS_AT_ONCE) : null,
    newer: month < last ? (newer < last ? newer : last) : null,
  };
}

/** The month as many months later; earlier for a negative number. */
export function monthsLater(month: string, months: number): string {
  const [year = 0, number = 1] = month.split('-').map(Number);
  return new Date(Date.UTC(year, number - 1 + months, 1)).toISOString().slice(0, 7);
}

/** Where a key leads from a day of the calendar; null for a key that leads nowhere. */
export function dayAfterKey(day: string, key: string, { from, to }: DayRange): string | null {
  const moved = movedBy(day, key);
  if (moved === null) return null;
  return moved < from ? from : moved > to ? to : moved;
}

function movedBy(day: string, key: string): string | null {
  switch (key) {
    case 'ArrowLeft':
      return addDays(day, -1);
    case 'ArrowRight':
      return addDays(day, 1);
    case 'ArrowUp':
      return inMonth(day, -1);
    case 'ArrowDown':
      return inMonth(day, 1);
    case 'Home':
      return monthStart(day);
    case 'End':
      return monthEnd(day);
    default:
      return null;
  }
}

/** The same date in another month, or the last one that it has. */
function inMonth(day: string, months: number): string {
  const month = monthsLater(day.slice(0, 7), months);
  const [same, last] = [`${month}-${day.slice(8)}`, monthEnd(`${month}-01`)];
  return same < last ? same : last;
}

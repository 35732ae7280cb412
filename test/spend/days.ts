// The calendar of the oracle. It shares nothing with the code that it checks.

const DAY_MS = 86_400_000;

export interface Range {
  readonly from: string;
  readonly to: string;
}

function toMs(day: string): number {
  return Date.parse(`${day}T00:00:00Z`);
}

/** The day that many days later. */
export function plus(day: string, days: number): string {
  return new Date(toMs(day) + days * DAY_MS).toISOString().slice(0, 10);
}

export function daysOf({ from, to }: Range): string[] {
  const days: string[] = [];
  for (let day = from; day <= to; day = plus(day, 1)) days.push(day);
  return days;
}

export function mondayOf(day: string): string {
  let monday = day;
  while (new Date(toMs(monday)).getUTCDay() !== 1) monday = plus(monday, -1);
  return monday;
}

function lastOfMonth(month: string): string {
  let day = `${month}-28`;
  while (plus(day, 1).startsWith(month)) day = plus(day, 1);
  return day;
}

/** The same date that many months later, or the last one of that month. */
export function plusMonths(day: string, months: number): string {
  const count = Number(day.slice(0, 4)) * 12 + Number(day.slice(5, 7)) - 1 + months;
  const month = `${Math.floor(count / 12)}-${String((count % 12) + 1).padStart(2, '0')}`;
  const last = lastOfMonth(month);
  const same = `${month}-${day.slice(8)}`;
  return same > last ? last : same;
}

/** The range that `range` is compared with, and where a day of it belongs in `range`. */
export function earlier(
  range: Range,
  compare: 'previous' | 'month' | 'year',
): { range: Range; place(day: string): string } {
  const within = (day: string): string => (day < range.from ? range.from : day > range.to ? range.to : day);
  if (compare === 'previous') {
    const days = daysOf(range).length;
    return {
      range: { from: plus(range.from, -days), to: plus(range.to, -days) },
      place: (day) => plus(day, days),
    };
  }
  const months = compare === 'month' ? 1 : 12;
  const to = plusMonths(range.to, -months);
  return {
    // Whole months are compared with whole months, whatever their lengths.
    range: { from: plusMonths(range.from, -months), to: isWhole(range, 'month') ? lastOfMonth(to.slice(0, 7)) : to },
    place: (day) => within(plusMonths(day, months)),
  };
}

/** Whether a range consists of whole weeks or months. */
export function isWhole({ from, to }: Range, grain: 'week' | 'month'): boolean {
  if (grain === 'week') return mondayOf(from) === from && mondayOf(plus(to, 1)) === plus(to, 1);
  return from.endsWith('-01') && plus(to, 1).endsWith('-01');
}

import { startOfDayMs, type Day } from '../days.ts';

/** Days of an incident, and as many earlier days that they are compared with. */
export interface ComparedDays {
  readonly now: readonly Day[];
  readonly before: readonly Day[];
}

/**
 * Finds a settled day before an incident for each of its days, the latest day first: the last one on the same weekday that
 * is still free, or the last one at all. Where fewer days came before, the earliest days of the incident are left out.
 */
export function comparedDays(settled: readonly Day[], days: readonly Day[]): ComparedDays {
  const newestFirst = [...days].sort().reverse();
  const first = newestFirst.at(-1);
  if (first === undefined) return { now: [], before: [] };
  const free = settled.filter((day) => day < first).sort();
  const now: Day[] = [];
  const before: Day[] = [];
  for (const day of newestFirst) {
    const same = free.findLastIndex((one) => weekdayOf(one) === weekdayOf(day));
    const [found] = free.splice(same < 0 ? -1 : same, 1);
    if (found === undefined) break;
    now.push(day);
    before.push(found);
  }
  return { now, before };
}

function weekdayOf(day: Day): number {
  return new Date(startOfDayMs(day)).getUTCDay();
}

import { addDays, startOfDayMs, type Day } from '../../domain/days.ts';

/** On one day, this workspace uses so many times as much as usual. */
const SURPRISE = { workspace: 'Production', factor: 4 } as const;

/** The day of the surprise: the last one before today from Monday to Friday, since weekends have little to multiply. */
export function surpriseDay(today: Day): Day {
  const day = addDays(today, -1);
  const weekday = new Date(startOfDayMs(day)).getUTCDay();
  return weekday === 0 || weekday === 6 ? surpriseDay(day) : day;
}

/** What the simulator is started with, so that the sample organization has something to find on whatever day it is. */
export function sampleArguments(today: Day): string[] {
  const event = { kind: 'spike', day: surpriseDay(today), ...SURPRISE };
  return ['--no-days-off', '--event', JSON.stringify(event)];
}

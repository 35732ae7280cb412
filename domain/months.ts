import { addDays, toDay, type Day, type DayRange } from './days.ts';

/** A UTC calendar month, `YYYY-MM`. Months compare as texts. */
export type Month = `${number}-${number}`;

/** Whether `text` is a month that people may ask for: from 2000-01 to 2199-12. The months beside these are months as well. */
export function isMonth(text: string): text is Month {
  return /^2[01]/.test(text) && isSpelled(text);
}

function isSpelled(text: string): text is Month {
  return /^[0-9]{4}-(?:0[1-9]|1[0-2])$/.test(text);
}

/** The month that a text spells. Throws a RangeError that quotes the text. */
export function toMonth(text: string): Month {
  if (!isSpelled(text)) throw new RangeError(`"${text.slice(0, 40)}" is not a month in the form YYYY-MM`);
  return text;
}

/** The month of a day. */
export function monthOf(day: Day): Month {
  return toMonth(day.slice(0, 7));
}

/** The first day of a month. */
export function firstDayOf(month: Month): Day {
  return toDay(`${month}-01`);
}

/** The month after this one. */
export function nextMonth(month: Month): Month {
  return monthOf(addDays(firstDayOf(month), 31));
}

/** The month before this one. */
export function previousMonth(month: Month): Month {
  return monthOf(addDays(firstDayOf(month), -1));
}

/** Every day of a month. */
export function daysOfMonth(month: Month): DayRange {
  return { from: firstDayOf(month), to: addDays(firstDayOf(nextMonth(month)), -1) };
}

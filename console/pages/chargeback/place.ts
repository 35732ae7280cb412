import { searchOf, type Query } from '../../client/client.ts';
import { addDays, monthEnd, monthStart } from '../../format/days.ts';
import { linkTo } from '../../route.ts';

/** The parts of the page of a month. `lines` is reached from a cost center. */
export const PARTS = ['month', 'rules', 'close', 'lines'] as const;
/** One of {@link PARTS}. */
export type Part = (typeof PARTS)[number];

/** Where a part of a month is, such as `#/chargeback/2026-10/rules`. */
export function placeOf(month: string, part: Part = 'month', query: Query = {}): string {
  return linkTo(['chargeback', month, ...(part === 'month' ? [] : [part])], searchOf(query));
}

/** Whether a text is a month that the API takes, such as `2026-10`. */
export function isMonth(text: string): boolean {
  return /^2[01]\d\d-(?:0[1-9]|1[0-2])$/.test(text);
}

/** The month after. */
export function nextMonth(month: string): string {
  return addDays(monthEnd(`${month}-01`), 1).slice(0, 7);
}

/** The first and the last day of a month. */
export function daysIn(month: string): { readonly from: string; readonly to: string } {
  return { from: monthStart(`${month}-01`), to: monthEnd(`${month}-01`) };
}

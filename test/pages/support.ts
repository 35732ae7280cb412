import { addDays, toDay, type Day } from '../../domain/days.ts';
import type { Json, Report } from '../../domain/lines.ts';
import { beginReading, type ReadPage } from '../../pages/reading.ts';
import { SeriesRead } from '../support/pages.ts';

export const DAY = toDay('2026-11-03');

/** JSON with white space where it may be. */
export function spelled(value: Json, gap: string): string {
  if (Array.isArray(value))
    return `[${gap}${value.map((item: Json) => spelled(item, gap)).join(`${gap},${gap}`)}${gap}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  return spelledRow(Object.entries(value), gap);
}

/** An object of these fields, in this order; a name may come twice. */
export function spelledRow(row: readonly (readonly [string, Json])[], gap: string): string {
  const fields = row.map(([name, value]) => `${JSON.stringify(name)}${gap}:${gap}${spelled(value, gap)}`);
  return `{${gap}${fields.join(`${gap},${gap}`)}${gap}}`;
}

/** A day of a page, among what a reader has to pass over. */
export function bucket(day: Day, rows: readonly string[], gap = ''): string {
  const results = `"results"${gap}:${gap}[${gap}${rows.join(`${gap},${gap}`)}${gap}]`;
  return `{"note":[{"results":[{"not":"a row"}]}],"starting_at":"${day}T00:00:00Z",${gap}${results},"after":["x"]}`;
}

export function pageOf(buckets: readonly string[], next: string | null = null): string {
  const more = `"has_more":${next === null ? 'false' : 'true'}`;
  return `{${more},"results":[[[[{}]]]],"data":[${buckets.join(',')}],"next_page":${JSON.stringify(next)}}`;
}

/** Reads one page whose days, from {@link DAY} on, have these rows. */
export function readDaysOf(report: Report, days: readonly (readonly string[])[], gap = ''): ReadPage {
  const buckets = days.map((rows, index) => bucket(addDays(DAY, index), rows, gap));
  return readText(report, pageOf(buckets), days.length);
}

/** Reads one page, asked for so many days. */
export function readText(report: Report, page: string, days = 1): ReadPage {
  return beginReading(report).read(Buffer.from(page), { from: DAY, to: addDays(DAY, days - 1) });
}

/** The lines of a page's days. */
export function costOf(page: ReadPage): ReturnType<SeriesRead['costLines']>[] {
  const series = new SeriesRead().add(page.series);
  return page.days.map(({ content }) => series.costLines(content));
}

export function usageOf(page: ReadPage): ReturnType<SeriesRead['usageLines']>[] {
  const series = new SeriesRead().add(page.series);
  return page.days.map(({ content }) => series.usageLines(content));
}

/** The id of each line's series, and its amount, in the order of the lines. */
export function ofPage(page: ReadPage): [id: string, amount: string][][] {
  const series = new SeriesRead().add(page.series);
  return page.days.map(({ content }) => {
    const lines = series.costLines(content);
    return Array.from(content.series, (place, line) => [series.idOf(place), lines[line]?.amount ?? '']);
  });
}

/** The lines of a day of cost with these rows. */
export function costRows(...rows: readonly string[]): ReturnType<SeriesRead['costLines']> {
  return costOf(readDaysOf('cost', [rows])).flat();
}

/** The lines of a day of usage with these rows. */
export function usageRows(...rows: readonly string[]): ReturnType<SeriesRead['usageLines']> {
  return usageOf(readDaysOf('usage', [rows])).flat();
}

/** A page that counts how often a byte of it is looked at, or copied. */
export function counted(text: string): { body: Buffer<ArrayBuffer>; steps: () => number } {
  const page = Buffer.from(text);
  let steps = 0;
  const copied =
    (method: 'subarray' | 'slice') =>
    (from = 0, to = page.length): Uint8Array => {
      steps += to - from;
      return page[method](from, to);
    };
  const methods = { subarray: copied('subarray'), slice: copied('slice') };
  const body = new Proxy(page, {
    get(target, name): unknown {
      if (typeof name === 'string' && /^\d/.test(name)) {
        steps += 1;
        return target[Number(name)];
      }
      if (name === 'subarray' || name === 'slice') return methods[name];
      if (name === 'length') return target.length;
      throw new Error(`a page's ${String(name)} is not counted`);
    },
  });
  return { body, steps: () => steps };
}

/** A value that is a text. */
export function textIn(value: unknown): string {
  if (typeof value !== 'string') throw new Error('this is no text');
  return value;
}

import { totalOfContent, type NewSeries } from '../domain/day-content.ts';
import { addDays, lengthOf, splitRange, type Day, type DayRange } from '../domain/days.ts';
import { USAGE_DIMENSIONS, type Report } from '../domain/lines.ts';
import type { Decimal } from '../domain/money.ts';
import type { Totals } from '../domain/reading.ts';
import type { OpenReading, PageReader } from '../pages/page-reader.ts';
import type { ReadPage, ReportDay } from '../pages/reading.ts';
import { AnthropicError, invalidReply } from './failure.ts';
import { PartialReply, type AnthropicReader, type ReadablePath } from './transport.ts';

/** The days that a page completes, oldest first, and the series that no earlier page had. */
export interface PageOfDays {
  readonly days: readonly ReportDay[];
  readonly series: NewSeries;
}

/** The days are so large that two pages must not be in memory at once: ask for each day alone. */
export class LargeDay extends Error {
  override readonly name = 'LargeDay';
}

/** Where a report lies, and how its lines are grouped. Without any grouping it gives totals. */
const REPORTS: Readonly<Record<Report, { readonly path: ReadablePath; readonly groupBy: readonly string[] }>> = {
  cost: { path: '/v1/organizations/cost_report', groupBy: ['workspace_id', 'description'] },
  usage: { path: '/v1/organizations/usage_report/messages', groupBy: USAGE_DIMENSIONS },
};

/** A report with more pages in a row without a day might never end. */
const MAX_EMPTY_PAGES = 20;
/** Memory grows with the page, so a page of several days should have at most this many lines. */
const PAGE_LINES = 20_000;
/** While a page with more lines than this is in memory, no other page is read. */
export const LARGE_LINES = 2 * PAGE_LINES;
/** A page with PAGE_LINES stays below this: a line has 300 to 400 bytes. */
const PAGE_BYTES = 8 * 2 ** 20;

/** Memory for a page that is larger than this is not kept for the next one. */
const MAX_SPARE_BYTES = 16 * 2 ** 20;

/** What is read, and who reads it. */
interface Query {
  readonly reader: AnthropicReader;
  readonly reading: OpenReading;
  readonly path: ReadablePath;
  readonly groupBy: readonly string[];
}

/**
 * Reads the days of a window of at most 31 days, oldest first, each exactly once and whole. Yields together the days that
 * one page completes. A day that goes on on the next page is joined, and a day that the reply leaves out had nothing. Two
 * pages are in memory: the next one is transferred while the lines of one are used. `linesPerDay` is the number of lines
 * to expect, 0 if unknown: then the first day is asked for alone. Amounts are in dollars. Throws AnthropicError, and
 * {@link LargeDay} where two pages would need too much memory.
 */
export function readDays(
  reader: AnthropicReader,
  reading: OpenReading,
  report: Report,
  window: DayRange,
  linesPerDay = 0,
): AsyncGenerator<PageOfDays> {
  return readReport({ reader, reading, ...REPORTS[report] }, window, linesPerDay);
}

/** The total of each day of a window of at most 31 days: US dollars, or tokens. Throws AnthropicError. */
export async function readTotals(
  reader: AnthropicReader,
  pages: PageReader,
  report: Report,
  window: DayRange,
): Promise<Totals> {
  const totals: Partial<Record<Day, Decimal>> = {};
  const reading = pages.open(report);
  try {
    for await (const { days } of readReport({ reader, reading, path: REPORTS[report].path, groupBy: [] }, window, 1)) {
      for (const { day, content } of days) totals[day] = totalOfContent(content);
    }
    return totals;
  } finally {
    reading.close();
  }
}

/**
 * Where it is unknown how many lines a day has, the first day is asked for alone: whoever answers would make a page of all
 * days of a large organization in vain. Where a page is too large, or Anthropic answers 400, the next query asks for fewer
 * days a page, from the first day that was not yielded yet. Page tokens are bound to their query, so the page size can
 * change only with a new query.
 */
async function* readReport(query: Query, window: DayRange, linesPerDay: number): AsyncGenerator<PageOfDays> {
  let { from } = window;
  if (linesPerDay === 0) {
    let lines = 0;
    for await (const page of readPages(query, { from, to: from }, 1)) {
      lines += page.lines;
      yield page;
    }
    if (lines > LARGE_LINES && from < window.to) throw new LargeDay();
    yield* readReport(query, { from: addDays(from, 1), to: window.to }, Math.max(1, lines));
    return;
  }
  let pageDays = Math.max(1, Math.min(lengthOf(window), Math.floor(PAGE_LINES / linesPerDay)));
  while (from <= window.to) {
    try {
      for await (const page of readPages(query, { from, to: window.to }, pageDays)) {
        yield page;
        const last = page.days.at(-1);
        if (last !== undefined) from = addDays(last.day, 1);
      }
    } catch (error) {
      if (pageDays === 1) throw error;
      pageDays = smallerPage(error, pageDays);
    }
  }
}

/** The days to ask for after a page with `pageDays` days was too large. Rethrows any other error. */
function smallerPage(error: unknown, pageDays: number): number {
  if (error instanceof PartialReply) return Math.min(pageDays - 1, Math.max(1, bucketsIn(error.received) - 1));
  if (!(error instanceof AnthropicError)) throw error;
  const isRefused = error.status === 400 && error.code !== 'organization_disabled';
  if (error.code !== 'reply_too_large' && !isRefused) throw error;
  return Math.ceil(pageDays / 5);
}

/** How many days begin in the part of a page that was received. */
function bucketsIn(received: Buffer): number {
  let buckets = 0;
  for (let at = received.indexOf(BUCKET); at >= 0; at = received.indexOf(BUCKET, at + BUCKET.length)) buckets += 1;
  return buckets;
}

const BUCKET = '"starting_at"';

/** Reads a window with queries of `pageDays` days each. The next one is transferred while the last one's page is read. */
async function* readPages(query: Query, window: DayRange, pageDays: number): AsyncGenerator<ReadPage> {
  const parts = splitRange(window, pageDays);
  const rooms = new Rooms();
  let emptyPages = 0;
  let next: PartQuery | null = null;
  let part: PartQuery | null = null;
  try {
    for (const [index, asked] of parts.entries()) {
      const following = parts[index + 1];
      part = next ?? new PartQuery(query, asked, pageDays, rooms);
      next = null;
      // Two large pages must not be in memory at once.
      if ((await part.bytes) <= PAGE_BYTES && following !== undefined)
        next = new PartQuery(query, following, pageDays, rooms, part.over);
      for await (const page of part.pages()) {
        emptyPages = page.buckets === 0 ? emptyPages + 1 : 0;
        if (emptyPages > MAX_EMPTY_PAGES)
          throw invalidReply(`the report has ${emptyPages} pages in a row without a day`);
        const hasMore = page.token !== null || following !== undefined;
        if (page.lines > LARGE_LINES && hasMore && window.from < window.to) {
          // Later pages give its series no second time.
          yield { ...page, days: [] };
          throw new LargeDay();
        }
        yield page;
      }
    }
  } finally {
    part?.giveUp();
  }
}

/** A query for some days, whose first page is on its way. */
class PartQuery {
  /** The length of the first page, once it is transferred. */
  readonly bytes: Promise<number>;
  /** True once all of its pages were read, so that the reading can take another query; false if it was given up. */
  readonly over: Promise<boolean>;
  #setBytes: (bytes: number) => void = () => undefined;
  #setOver: (isRead: boolean) => void = () => undefined;
  readonly #query: Query;
  readonly #rooms: Rooms;
  readonly #asked: DayRange;
  readonly #pageDays: number;
  readonly #first: Promise<ReadPage>;

  constructor(query: Query, asked: DayRange, pageDays: number, rooms: Rooms, before = Promise.resolve(true)) {
    this.#query = query;
    this.#asked = asked;
    this.#pageDays = pageDays;
    this.#rooms = rooms;
    this.over = new Promise((resolve) => (this.#setOver = resolve));
    const transferred = new Promise<number>((resolve) => (this.#setBytes = resolve));
    this.#first = this.#get(null, before);
    this.bytes = Promise.race([transferred, this.#first.then(() => 0)]);
    // Both are awaited in their turn. If the caller stops before that, a failure must not end the process as unhandled.
    this.#first.catch(() => undefined);
    this.bytes.catch(() => undefined);
  }

  /** All pages, of which one is read while the caller uses the one before. */
  async *pages(): AsyncGenerator<ReadPage> {
    let next = this.#first;
    for (;;) {
      const page = await next;
      if (page.token === null) this.#setOver(true);
      else next = this.#get(page.token);
      next.catch(() => undefined);
      yield page;
      if (page.token === null) return;
    }
  }

  giveUp(): void {
    this.#setOver(false);
  }

  #get(token: string | null, before = Promise.resolve(true)): Promise<ReadPage> {
    const { reader, reading, path, groupBy } = this.#query;
    const { from, to } = this.#asked;
    const parameters: [string, string][] = [
      ['starting_at', `${from}T00:00:00Z`],
      ['ending_at', `${addDays(to, 1)}T00:00:00Z`],
      ['bucket_width', '1d'],
      ['limit', String(this.#pageDays)],
      ...groupBy.map((dimension): [string, string] => ['group_by[]', dimension]),
    ];
    if (token !== null) parameters.push(['page', token]);
    const take = async (body: Buffer<ArrayBuffer>): Promise<ReadPage> => {
      // Until its turn, a reading has this page in memory and no other.
      await reading.turn(body.length);
      this.#setBytes(body.length);
      if (!(await before)) throw invalidReply('the query was given up');
      const { page, spare } = await reading.read(body, token === null ? this.#asked : null);
      this.#rooms.give(spare);
      return page;
    };
    const options = this.#pageDays === 1 ? {} : { enoughBytes: PAGE_BYTES };
    return reader.get(path, parameters, take, { ...options, room: this.#rooms.take() });
  }
}

/** Memory for pages. They come one after the other and have similar sizes, so each is read into that of an earlier one. */
class Rooms {
  readonly #free: Uint8Array<ArrayBuffer>[] = [];

  take(): Uint8Array<ArrayBuffer> {
    return this.#free.pop() ?? new Uint8Array(0);
  }

  give(spare: Uint8Array<ArrayBuffer>): void {
    if (spare.buffer.byteLength <= MAX_SPARE_BYTES) this.#free.push(new Uint8Array(spare.buffer));
  }
}

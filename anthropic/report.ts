import { z } from 'zod';
import { addDays, isDay, lengthOf, type Day, type DayRange } from '../domain/days.ts';
import { AnthropicError, invalidReply } from './failure.ts';
import { takeRows, type RowReader } from './rows.ts';
import { PartialReply, type AnthropicReader, type ReadablePath } from './transport.ts';

/** A whole day of a report. */
export interface ReportDay<Line> {
  readonly day: Day;
  readonly lines: Line[];
}

/** Which report, how its rows are grouped, and what becomes of a row. */
export interface ReportRequest<Line> {
  readonly path: ReadablePath;
  readonly groupBy: readonly string[];
  readonly rows: RowReader<Line>;
}

/** Days are so large that each is to be asked for alone: such a query ends with its page, which is used and let go of then. */
export class LargeDay extends Error {
  override readonly name = 'LargeDay';
}

/** So many pages in a row without a day are a report that never ends. */
const MAX_EMPTY_PAGES = 20;
/** A page of several days is to have no more lines than this: memory grows with the page. A day alone may have more. */
const PAGE_LINES = 20_000;
/** A page of more lines is held alone. */
export const LARGE_LINES = 2 * PAGE_LINES;
/** What passes this is no page of so few lines. A line has 300 to 400 bytes. */
const PAGE_BYTES = 8 * 2 ** 20;

// In place of a day's rows there is the number of their group; see takeRows.
const pageReply = z.looseObject({
  data: z.array(z.looseObject({ starting_at: z.string(), results: z.array(z.int()).max(1) })),
  has_more: z.boolean(),
  next_page: z.string().min(1).nullish(),
});

/**
 * Reads the days of a window of at most 31 days, each exactly once and whole, oldest first, those together that one page
 * completes: a day that is continued on the next page is joined, and one that the reply leaves out had nothing. Holds two
 * pages: the next one is transferred while the lines of one are used. `linesPerDay` is how many are to be expected, where
 * that is known. Throws AnthropicError, and {@link LargeDay} where two pages are too much.
 *
 * Where a page of so many days is too large to be held, or Anthropic does not take it (a 400), fewer are asked for from
 * the first day that was not given out yet. Page tokens are bound to their query, so the window and the page size change
 * only together with a new query.
 */
export async function* readReport<Line>(
  reader: AnthropicReader,
  query: ReportRequest<Line>,
  window: DayRange,
  linesPerDay = 0,
): AsyncGenerator<ReportDay<Line>[]> {
  let from = window.from;
  let pageDays = Math.max(1, Math.min(lengthOf(window), Math.floor(PAGE_LINES / linesPerDay)));
  while (from <= window.to) {
    try {
      for await (const read of readQuery(reader, query, { from, to: window.to }, pageDays)) {
        yield read;
        const last = read.at(-1);
        if (last !== undefined) from = addDays(last.day, 1);
      }
    } catch (error) {
      if (pageDays === 1) throw error;
      pageDays = smallerPage(error, pageDays);
    }
  }
}

/** How many days a page is to have after one with `pageDays` failed, if that is the reason. Throws the error if not. */
function smallerPage(error: unknown, pageDays: number): number {
  if (error instanceof PartialReply) return Math.min(pageDays - 1, Math.max(1, bucketsIn(error.received) - 1));
  if (!(error instanceof AnthropicError)) throw error;
  const isRefused = error.status === 400 && error.code !== 'organization_disabled';
  if (error.code !== 'reply_too_large' && !isRefused) throw error;
  return Math.ceil(pageDays / 5);
}

/** How many buckets begin in a part of a page. */
function bucketsIn(received: Buffer): number {
  let buckets = 0;
  for (let at = received.indexOf(BUCKET); at >= 0; at = received.indexOf(BUCKET, at + BUCKET.length)) buckets += 1;
  return buckets;
}

const BUCKET = '"starting_at"';

async function* readQuery<Line>(
  reader: AnthropicReader,
  query: ReportRequest<Line>,
  window: DayRange,
  pageDays: number,
): AsyncGenerator<ReportDay<Line>[]> {
  let next = window.from;
  let open: ReportDay<Line> | undefined;
  for await (const page of readPages(reader, query, window, pageDays)) {
    const whole: ReportDay<Line>[] = [];
    for (const { day, lines } of page.days) {
      if (open?.day === day) {
        // One by one: a large page would be more arguments than a call can have.
        for (const line of lines) open.lines.push(line);
        continue;
      }
      if (day < next || day > window.to) throw invalidReply(`the report gives ${day} where it may not`);
      if (open !== undefined) whole.push(open);
      // What lies between was left out, so it had nothing.
      for (; next < day; next = addDays(next, 1)) whole.push({ day: next, lines: [] });
      open = { day, lines };
      next = addDays(day, 1);
    }
    if (page.token === null) {
      if (open !== undefined) whole.push(open);
      for (; next <= window.to; next = addDays(next, 1)) whole.push({ day: next, lines: [] });
    }
    if (whole.length > 0) yield whole;
  }
}

async function* readPages<Line>(
  reader: AnthropicReader,
  query: ReportRequest<Line>,
  window: DayRange,
  pageDays: number,
): AsyncGenerator<ReportPage<Line>> {
  const fixed: [string, string][] = [
    ['starting_at', `${window.from}T00:00:00Z`],
    ['ending_at', `${addDays(window.to, 1)}T00:00:00Z`],
    ['bucket_width', '1d'],
    ['limit', String(pageDays)],
    ...query.groupBy.map((dimension): [string, string] => ['group_by[]', dimension]),
  ];
  const seen = new Set<string>();
  const read = (token: string | null): Promise<ReportPage<Line>> =>
    reader.get(
      query.path,
      token === null ? fixed : [...fixed, ['page', token]],
      (body) => toPage(body, query, seen),
      pageDays === 1 ? undefined : PAGE_BYTES,
    );
  let emptyPages = 0;
  let coming = read(null);
  for (;;) {
    const page: ReportPage<Line> = await coming;
    const { days, token } = page;
    emptyPages = days.length === 0 ? emptyPages + 1 : 0;
    if (emptyPages > MAX_EMPTY_PAGES) throw invalidReply('the report goes on and on without a day');
    const lines = days.reduce((sum, day) => sum + day.lines.length, 0);
    if (lines > LARGE_LINES && token !== null && window.from < window.to) throw new LargeDay();
    if (token !== null) coming = read(token);
    // It is awaited above; should nobody ask for more, its failure has nobody to go to.
    coming.catch(() => undefined);
    yield page;
    if (token === null) return;
  }
}

interface ReportPage<Line> {
  readonly days: ReportDay<Line>[];
  /** Of the next page; null on the last one. */
  readonly token: string | null;
}

function toPage<Line>(body: Buffer, { rows }: ReportRequest<Line>, seen: Set<string>): ReportPage<Line> {
  const { around, groups } = takeRows(body, rows);
  const page = pageReply.safeParse(around);
  if (!page.success) throw invalidReply(`the report has not the documented form (${faultOf(page.error)})`);
  const { data, has_more, next_page: token = null } = page.data;
  const days = data.map(({ starting_at, results }) => ({
    day: dayOfBucket(starting_at),
    lines: groups[results[0] ?? groups.length] ?? [],
  }));
  if (!has_more) return { days, token: null };
  if (token === null) throw invalidReply('the report says that there is more, and not where');
  if (seen.has(token)) throw invalidReply('the report leads to a page that it gave already');
  seen.add(token);
  return { days, token };
}

function dayOfBucket(startingAt: string): Day {
  const day = startingAt.slice(0, 10);
  if (!isDay(day) || !/^T00:00(:00(\.0+)?)?(Z|[+-]00:00)$/.test(startingAt.slice(10))) {
    throw invalidReply('a bucket does not start at a UTC midnight');
  }
  return day;
}

function faultOf(error: z.ZodError): string {
  return error.issues
    .slice(0, 1)
    .map((issue) => `${issue.path.join('.')}: ${issue.code}`)
    .join('');
}

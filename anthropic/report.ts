import { z } from 'zod';
import { addDays, isDay, lengthOf, type Day, type DayRange } from '../domain/days.ts';
import { AnthropicError, invalidReply } from './failure.ts';
import { takeRows, type RowReader } from './rows.ts';
import { PartialReply, type AnthropicReader, type ReadablePath } from './transport.ts';

/** A day of a report with all of its lines. */
export interface ReportDay<Line> {
  readonly day: Day;
  readonly lines: Line[];
}

/** Which report to read, how its rows are grouped, and who reads the rows. */
export interface ReportRequest<Line> {
  readonly path: ReadablePath;
  readonly groupBy: readonly string[];
  readonly rows: RowReader<Line>;
}

/** The days are so large that two pages must not be in memory at once: ask for each day alone. */
export class LargeDay extends Error {
  override readonly name = 'LargeDay';
}

/** A report with more pages in a row without a day might never end. */
const MAX_EMPTY_PAGES = 20;
/** Memory grows with the page, so a page of several days should have at most this many lines. */
const PAGE_LINES = 20_000;
/** While a page with more lines than this is in memory, no other page is read. */
export const LARGE_LINES = 2 * PAGE_LINES;
/** A page with PAGE_LINES stays below this: a line has 300 to 400 bytes. */
const PAGE_BYTES = 8 * 2 ** 20;

// `takeRows` puts the number of their group in place of a day's rows.
const pageReply = z.looseObject({
  data: z.array(z.looseObject({ starting_at: z.string(), results: z.array(z.int()).max(1) })),
  has_more: z.boolean(),
  next_page: z.string().min(1).nullish(),
});

/**
 * Reads the days of a window of at most 31 days, oldest first, each exactly once and whole. Yields together the days that
 * one page completes. A day that goes on on the next page is joined, and a day that the reply leaves out had nothing. Two
 * pages are in memory: the next one is transferred while the lines of one are used. `linesPerDay` is the number of lines
 * to expect, 0 if unknown. Throws AnthropicError, and {@link LargeDay} where two pages would need too much memory.
 *
 * Where a page is too large, or Anthropic answers 400, the next query asks for fewer days a page, from the first day that
 * was not yielded yet. Page tokens are bound to their query, so the page size can change only with a new query.
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
      if (day < next || day > window.to)
        throw invalidReply(`the report gives ${day} out of order or outside of the days asked for`);
      if (open !== undefined) whole.push(open);
      // The report leaves out days that had nothing.
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
  let nextPage = read(null);
  for (;;) {
    const page: ReportPage<Line> = await nextPage;
    const { days, token } = page;
    emptyPages = days.length === 0 ? emptyPages + 1 : 0;
    if (emptyPages > MAX_EMPTY_PAGES) throw invalidReply(`the report has ${emptyPages} pages in a row without a day`);
    const lines = days.reduce((sum, day) => sum + day.lines.length, 0);
    if (lines > LARGE_LINES && token !== null && window.from < window.to) throw new LargeDay();
    if (token !== null) nextPage = read(token);
    // The next round awaits it. If the caller stops before that, its failure must not end the process as unhandled.
    nextPage.catch(() => undefined);
    yield page;
    if (token === null) return;
  }
}

interface ReportPage<Line> {
  readonly days: ReportDay<Line>[];
  /** The token of the next page; null on the last page. */
  readonly token: string | null;
}

function toPage<Line>(body: Buffer, { rows }: ReportRequest<Line>, seen: Set<string>): ReportPage<Line> {
  const { around, groups } = takeRows(body, rows);
  const page = pageReply.safeParse(around);
  if (!page.success) throw invalidReply(`the report does not have the documented form (${problemOf(page.error)})`);
  const { data, has_more, next_page: token = null } = page.data;
  const days = data.map(({ starting_at, results }) => ({
    day: dayOfBucket(starting_at),
    lines: groups[results[0] ?? groups.length] ?? [],
  }));
  if (!has_more) return { days, token: null };
  if (token === null) throw invalidReply('the report has more pages and names no next page');
  if (seen.has(token)) throw invalidReply('the report names a next page that was read already');
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

/** The first problem, without the value that has it. */
function problemOf({ issues: [first] }: z.ZodError): string {
  return first === undefined ? '' : `${first.path.join('.')}: ${first.code}`;
}

import { z } from 'zod';
import { isDay, type Day } from '../domain/days.ts';
import {
  BACKSLASH,
  CLOSE_ARRAY,
  CLOSE_OBJECT,
  COLON,
  COMMA,
  OPEN_ARRAY,
  OPEN_OBJECT,
  QUOTE,
  afterSpace,
  areBytes,
  beforeSpace,
  deeper,
  endOfString,
} from './bytes.ts';
import type { DayLines, ReportRows } from './day.ts';
import { PageError, notJson } from './failure.ts';
import { parseValue } from './json.ts';

/** A page of a report, with the lines of each of its days. */
export interface Page<Lines> {
  /** In the order of the page. A day may come twice in a row. */
  readonly days: readonly { readonly day: Day; readonly lines: Lines }[];
  /** The token of the next page; null on the last page. */
  readonly token: string | null;
}

// `takeRows` puts the number of their group in place of a day's rows.
const pageReply = z.looseObject({
  data: z.array(z.looseObject({ starting_at: z.string(), results: z.array(z.int()).max(1) })),
  has_more: z.boolean(),
  next_page: z.string().min(1).nullish(),
});

/** Reads a page. Throws PageError. */
export function readPage<Lines extends DayLines>(body: Uint8Array, rows: ReportRows<Lines>): Page<Lines> {
  const { around, groups } = takeRows(body, rows);
  const page = pageReply.safeParse(around);
  if (!page.success) throw new PageError(`the report does not have the documented form (${problemOf(page.error)})`);
  const { data, has_more, next_page: token = null } = page.data;
  const days = data.map(({ starting_at, results }) => ({
    day: dayOfBucket(starting_at),
    lines: groups[results[0] ?? groups.length] ?? rows.none(),
  }));
  if (has_more && token === null) throw new PageError('the report has more pages and names no next page');
  return { days, token: has_more ? token : null };
}

const RESULTS = Buffer.from('"results"');
/** `{ data: [ { results: [` */
const RESULTS_DEPTH = 4;
/** A row takes about 300 bytes, so a page of so many has 75 MB. */
const MAX_ROWS = 250_000;
/** A page of 31 days has a few kilobytes around its rows. All of it becomes objects at once. */
const MAX_AROUND_BYTES = 4 * 2 ** 20;

/**
 * Reads the rows of a page in their order, without ever holding a large page as a tree of objects. Returns the lines of
 * each `results` array that has rows, and the JSON around these arrays, where the nth of them is `[n]`. Throws PageError.
 */
function takeRows<Lines extends DayLines>(
  body: Uint8Array,
  rows: ReportRows<Lines>,
): { around: unknown; groups: Lines[] } {
  const around = new Around(body);
  const groups: Lines[] = [];
  let left = MAX_ROWS;
  let depth = 0;
  let at = 0;
  while (at < body.length) {
    const byte = body[at];
    if (byte === QUOTE) {
      at = endOfString(body, at);
      continue;
    }
    at += 1;
    if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) depth -= 1;
    if (byte !== OPEN_OBJECT && byte !== OPEN_ARRAY) continue;
    depth = deeper(depth);
    if (byte !== OPEN_ARRAY || depth !== RESULTS_DEPTH || !isResults(body, at - 1)) continue;
    const first = afterSpace(body, at);
    if (body[first] === CLOSE_ARRAY) continue;
    around.takeUpTo(at, String(groups.length));
    const lines = rows.none();
    at = takeArray(body, first, rows, lines, left);
    left -= lines.series.length;
    around.skipTo(at);
    groups.push(lines);
  }
  around.takeUpTo(body.length, '');
  return { around: around.parsed(), groups };
}

/** The JSON around the rows of a page. */
class Around {
  readonly #body: Uint8Array;
  readonly #texts: string[] = [];
  #bytes = 0;
  #from = 0;

  constructor(body: Uint8Array) {
    this.#body = body;
  }

  takeUpTo(to: number, then: string): void {
    this.#bytes += to - this.#from;
    if (this.#bytes > MAX_AROUND_BYTES)
      throw new PageError(`the report has more than ${MAX_AROUND_BYTES / 2 ** 20} MiB around its rows`);
    this.#texts.push(Buffer.from(this.#body.subarray(this.#from, to)).toString(), then);
  }

  skipTo(from: number): void {
    this.#from = from;
  }

  parsed(): unknown {
    return parseValue(this.#texts.join(''));
  }
}

/** Reads the rows of one array, `most` at most, into `lines`, and returns the offset of its closing bracket. */
function takeArray<Lines extends DayLines>(
  body: Uint8Array,
  first: number,
  rows: ReportRows<Lines>,
  lines: Lines,
  most: number,
): number {
  for (let at = first; ;) {
    if (lines.series.length === most)
      throw new PageError(`the report has more than ${MAX_ROWS.toLocaleString('en-US')} rows on a page`);
    if (body[at] !== OPEN_OBJECT)
      throw at < body.length ? new PageError('a report row is not a JSON object') : notJson();
    at = afterSpace(body, rows.read(body, at, lines));
    if (body[at] === CLOSE_ARRAY) return at;
    if (body[at] !== COMMA) throw notJson();
    at = afterSpace(body, at + 1);
  }
}

/** Whether the array whose bracket is at `array` is the value of a field named `results`. */
function isResults(body: Uint8Array, array: number): boolean {
  const colon = beforeSpace(body, array - 1);
  if (body[colon] !== COLON) return false;
  const end = beforeSpace(body, colon - 1) + 1;
  const start = end - RESULTS.length;
  // A quote behind a backslash belongs to a longer name.
  return start > 0 && body[start - 1] !== BACKSLASH && areBytes(RESULTS, body, start, end);
}

function dayOfBucket(startingAt: string): Day {
  const day = startingAt.slice(0, 10);
  if (!isDay(day) || !/^T00:00(:00(\.0+)?)?(Z|[+-]00:00)$/.test(startingAt.slice(10))) {
    throw new PageError('a bucket does not start at a UTC midnight');
  }
  return day;
}

/** The first problem, without the value that has it. */
function problemOf({ issues: [first] }: z.ZodError): string {
  return first === undefined ? '' : `${first.path.join('.')}: ${first.code}`;
}

import type { Json } from '../domain/lines.ts';
import { invalidReply } from './failure.ts';

/** A row of a report as it came. */
export type ReportRow = Readonly<Record<string, Json>>;

/** Takes the rows of a page one by one, where they begin. */
export interface RowReader<Line> {
  /** What the row at `from` is; `span` is where it lies, then. Throws AnthropicError. */
  read(body: Buffer, from: number, span: RowSpan): Line;
  /** No more rows of this page are read: it is to be held no longer. */
  end?(): void;
}

/** Where a row lies in a page, and the value that is set apart within it. */
export interface RowSpan {
  from: number;
  to: number;
  /** The text of that value, without its quotes. Both are -1 where the row has none of the plain form. */
  apartFrom: number;
  apartTo: number;
}

const [TAB, LINE_FEED, CARRIAGE_RETURN, SPACE] = [9, 10, 13, 32];
const [QUOTE, COMMA, COLON, BACKSLASH] = [34, 44, 58, 92];
const [OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [91, 93, 123, 125];
const [MINUS, DOT, ZERO, NINE] = [45, 46, 48, 57];
const RESULTS = Buffer.from('"results"');
/** `{ data: [ { results: [` */
const RESULTS_DEPTH = 4;
const NO_END = 'the reply is cut short or is not JSON';
/** Rows of today nest two deep. What goes through a value by calling itself, here and in Postgres, has room for this. */
const MOST_DEPTH = 100;

/**
 * Takes the rows out of a page of a report, in their order, so that a large page is never a tree of objects. Returns the
 * lines of each `results` that has rows, and the JSON of what is around them, in which such a `results` is `[n]` for the
 * nth of these. Throws AnthropicError.
 */
export function takeRows<Line>(body: Buffer, reader: RowReader<Line>): { around: unknown; groups: Line[][] } {
  const around: string[] = [];
  const groups: Line[][] = [];
  let copied = 0;
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
    around.push(body.toString('utf8', copied, at), String(groups.length));
    const lines: Line[] = [];
    copied = takeArray(body, first, reader, lines);
    at = copied;
    groups.push(lines);
  }
  reader.end?.();
  around.push(body.toString('utf8', copied));
  return { around: parseJson(around.join('')), groups };
}

/** The rows of one array, from its first one on; returns where the array's end is. */
function takeArray<Line>(body: Buffer, first: number, reader: RowReader<Line>, lines: Line[]): number {
  const span: RowSpan = { from: 0, to: 0, apartFrom: -1, apartTo: -1 };
  for (let at = first; ;) {
    if (body[at] !== OPEN_OBJECT) throw invalidReply(at < body.length ? 'a row of the report is none' : NO_END);
    lines.push(reader.read(body, at, span));
    at = afterSpace(body, span.to);
    if (body[at] === CLOSE_ARRAY) return at;
    if (body[at] !== COMMA) throw invalidReply(NO_END);
    at = afterSpace(body, at + 1);
  }
}

/** The row of a span. Throws AnthropicError. */
export function parseRow(body: Buffer, { from, to }: RowSpan): ReportRow {
  const row = parseJson(body.toString('utf8', from, to));
  if (!isRow(row)) throw invalidReply('a row of the report is none');
  return row;
}

/** Sets a field of an object, whatever its name: the one name that JavaScript takes for something else is a field too. */
export function setField<T>(fields: Record<string, T>, name: string, value: T): void {
  if (name !== '__proto__') fields[name] = value;
  else Object.defineProperty(fields, name, { value, enumerable: true, writable: true, configurable: true });
}

/** What was parsed from JSON holds nothing else than JSON. */
function isRow(value: unknown): value is ReportRow {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What a text of JSON holds. Throws AnthropicError. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw invalidReply(NO_END);
  }
}

/**
 * Fills a span with the row that begins at `from`. `apart` is the name of the field whose value is set apart; of the
 * empty name there is none. Whoever parses the row finds out whether it is JSON; where it ends is certain.
 * Throws AnthropicError.
 */
export function scanRow(body: Buffer, from: number, apart: Buffer, span: RowSpan): void {
  let depth = 0;
  let at = from;
  let isPlain = true;
  span.from = from;
  span.apartFrom = -1;
  span.apartTo = -1;
  for (;;) {
    const byte = body[at];
    if (byte === undefined) throw invalidReply(NO_END);
    if (byte === QUOTE) {
      const start = at + 1;
      at = endOfString(body, at);
      const isName = depth === 1 && apart.length > 0 && at - 1 - start === apart.length;
      const value = isName ? valueOf(body, start, at, apart) : -1;
      if (value < 0) continue;
      const end = endOfNumber(body, value);
      // Said twice, or in another form than digits: this is for whoever parses it.
      if (span.apartFrom >= 0 || end < 0) {
        isPlain = false;
        continue;
      }
      span.apartFrom = value;
      span.apartTo = end;
      at = end + 1;
      continue;
    }
    at += 1;
    if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
      depth = deeper(depth);
    } else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) {
      depth -= 1;
      if (depth === 0) break;
    }
  }
  span.to = at;
  if (!isPlain) span.apartFrom = span.apartTo = -1;
}

function deeper(depth: number): number {
  if (depth === MOST_DEPTH) throw invalidReply(`the reply nests more than ${MOST_DEPTH} deep`);
  return depth + 1;
}

/** How the field whose value lies in the span is spelled, from the quote of its name to that of its value. */
export function spellingOfName(body: Buffer, { apartFrom }: RowSpan, apart: Buffer): Buffer {
  const colon = beforeSpace(body, apartFrom - 2);
  const end = beforeSpace(body, colon - 1);
  return body.subarray(end - apart.length - 1, apartFrom);
}

/** How the row of the span ends, from its bracket to that of the next row; null where no row follows. */
export function spellingOfEnd(body: Buffer, { to }: RowSpan): Buffer | null {
  const comma = afterSpace(body, to);
  if (body[comma] !== COMMA) return null;
  const next = afterSpace(body, comma + 1);
  return body[next] === OPEN_OBJECT ? body.subarray(to - 1, next + 1) : null;
}

/** Where the text of the field's value begins, behind its quote; -1 where the string at `start` is not the field's name. */
function valueOf(body: Buffer, start: number, end: number, name: Buffer): number {
  if (body.compare(name, 0, name.length, start, end - 1) !== 0) return -1;
  const colon = afterSpace(body, end);
  if (body[colon] !== COLON) return -1;
  // A value of another kind has no quote: what ends up behind it is no number either.
  return afterSpace(body, colon + 1) + 1;
}

/** Where a number in text ends, at its closing quote. -1 where it is none. */
export function endOfNumber(body: Buffer, from: number): number {
  if (body[from - 1] !== QUOTE) return -1;
  for (let at = from; ; at += 1) {
    const byte = body[at] ?? 0;
    if (byte === QUOTE) return at;
    if ((byte < ZERO || byte > NINE) && byte !== DOT && byte !== MINUS) return -1;
  }
}

function endOfString(body: Buffer, quote: number): number {
  for (let at = quote + 1; at < body.length; at += 1) {
    const byte = body[at];
    if (byte === QUOTE) return at + 1;
    if (byte === BACKSLASH) at += 1;
  }
  throw invalidReply(NO_END);
}

function isSpace(byte: number | undefined): boolean {
  return byte === SPACE || byte === LINE_FEED || byte === CARRIAGE_RETURN || byte === TAB;
}

function afterSpace(body: Buffer, from: number): number {
  let at = from;
  while (isSpace(body[at])) at += 1;
  return at;
}

function beforeSpace(body: Buffer, from: number): number {
  let at = from;
  while (isSpace(body[at])) at -= 1;
  return at;
}

/** Whether the array that begins here is the value of `results`. */
function isResults(body: Buffer, array: number): boolean {
  const colon = beforeSpace(body, array - 1);
  if (body[colon] !== COLON) return false;
  const end = beforeSpace(body, colon - 1) + 1;
  const start = end - RESULTS.length;
  // Within a name, a quote comes behind a backslash.
  return start > 0 && body[start - 1] !== BACKSLASH && body.compare(RESULTS, 0, RESULTS.length, start, end) === 0;
}

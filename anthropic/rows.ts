import type { Json } from '../domain/lines.ts';
import { invalidReply } from './failure.ts';

/** A row of a report as Anthropic sent it. */
export type ReportRow = Readonly<Record<string, Json>>;

/** Reads the rows of a page one by one. */
export interface RowReader<Line> {
  /** Reads the row that begins at `from`, and sets `span` to the bytes it takes. Throws AnthropicError. */
  read(body: Buffer, from: number, span: RowSpan): Line;
  /** The page has no more rows. The reader must let go of its buffer. */
  end?(): void;
}

/**
 * The bytes of a row in a page, and of one field's value within it. Offsets instead of texts, and one span for all rows:
 * a page has tens of thousands of them.
 */
export interface RowSpan {
  from: number;
  to: number;
  /** The value without its quotes; both are -1 where it is not a string of digits. */
  valueFrom: number;
  valueTo: number;
}

const [TAB, LINE_FEED, CARRIAGE_RETURN, SPACE] = [9, 10, 13, 32];
const [QUOTE, COMMA, COLON, BACKSLASH] = [34, 44, 58, 92];
const [OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [91, 93, 123, 125];
const [MINUS, POINT, DIGIT_0, DIGIT_9] = [45, 46, 48, 57];
const RESULTS = Buffer.from('"results"');
/** `{ data: [ { results: [` */
const RESULTS_DEPTH = 4;
const NOT_JSON = 'the reply is cut short or is not JSON';
const NOT_A_ROW = 'a report row is not a JSON object';
/** Rows nest two deep today. Recursion into a value must end, here and in Postgres. */
const MAX_DEPTH = 100;

/**
 * Reads the rows of a page in their order, without ever holding a large page as a tree of objects. Returns the lines of
 * each `results` array that has rows, and the JSON around these arrays, where the nth of them is `[n]`. Throws
 * AnthropicError.
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

/** Reads the rows of one array into `lines`, and returns the offset of its closing bracket. */
function takeArray<Line>(body: Buffer, first: number, reader: RowReader<Line>, lines: Line[]): number {
  const span: RowSpan = { from: 0, to: 0, valueFrom: -1, valueTo: -1 };
  for (let at = first; ;) {
    if (body[at] !== OPEN_OBJECT) throw invalidReply(at < body.length ? NOT_A_ROW : NOT_JSON);
    lines.push(reader.read(body, at, span));
    at = afterSpace(body, span.to);
    if (body[at] === CLOSE_ARRAY) return at;
    if (body[at] !== COMMA) throw invalidReply(NOT_JSON);
    at = afterSpace(body, at + 1);
  }
}

/** Throws AnthropicError. */
export function parseRow(body: Buffer, { from, to }: RowSpan): ReportRow {
  const row = parseJson(body.toString('utf8', from, to));
  if (!isRow(row)) throw invalidReply(NOT_A_ROW);
  return row;
}

/** Sets a field of an object, whatever its name. Assigning to `__proto__` would set no field. */
export function setField<T>(fields: Record<string, T>, name: string, value: T): void {
  if (name !== '__proto__') fields[name] = value;
  else Object.defineProperty(fields, name, { value, enumerable: true, writable: true, configurable: true });
}

/** JSON.parse gives nothing but JSON. */
function isRow(value: unknown): value is ReportRow {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** JSON.parse that throws AnthropicError. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw invalidReply(NOT_JSON);
  }
}

/**
 * Sets a span to the row that begins at `from`, and to the value of its field named `field`; an empty name stands for no
 * field. Only the end of the row is certain: whether it is JSON shows when it is parsed. Throws AnthropicError.
 */
export function scanRow(body: Buffer, from: number, field: Buffer, span: RowSpan): void {
  let depth = 0;
  let at = from;
  let isPlain = true;
  span.from = from;
  span.valueFrom = -1;
  span.valueTo = -1;
  for (;;) {
    const byte = body[at];
    if (byte === undefined) throw invalidReply(NOT_JSON);
    if (byte === QUOTE) {
      const start = at + 1;
      at = endOfString(body, at);
      const isName = depth === 1 && field.length > 0 && at - 1 - start === field.length;
      const value = isName ? valueOf(body, start, at, field) : -1;
      if (value < 0) continue;
      const end = endOfNumber(body, value);
      // A field that comes twice, or a value that is not digits, is left to the parser.
      if (span.valueFrom >= 0 || end < 0) {
        isPlain = false;
        continue;
      }
      span.valueFrom = value;
      span.valueTo = end;
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
  if (!isPlain) span.valueFrom = span.valueTo = -1;
}

function deeper(depth: number): number {
  if (depth === MAX_DEPTH) throw invalidReply(`the reply nests more than ${MAX_DEPTH} deep`);
  return depth + 1;
}

/** The bytes from the quote before the field's name to the quote before its value, with the spaces between them. */
export function spellingOfName(body: Buffer, { valueFrom }: RowSpan, field: Buffer): Buffer {
  const colon = beforeSpace(body, valueFrom - 2);
  const end = beforeSpace(body, colon - 1);
  return body.subarray(end - field.length - 1, valueFrom);
}

/** The bytes from the bracket that ends the row to the one that begins the next row; null where no row follows. */
export function spellingOfEnd(body: Buffer, { to }: RowSpan): Buffer | null {
  const comma = afterSpace(body, to);
  if (body[comma] !== COMMA) return null;
  const next = afterSpace(body, comma + 1);
  return body[next] === OPEN_OBJECT ? body.subarray(to - 1, next + 1) : null;
}

/** The offset of the field's value, behind its quote; -1 where the string at `start` is not the field's name. */
function valueOf(body: Buffer, start: number, end: number, name: Buffer): number {
  if (body.compare(name, 0, name.length, start, end - 1) !== 0) return -1;
  const colon = afterSpace(body, end);
  if (body[colon] !== COLON) return -1;
  // A value without a quote is no string; then `endOfNumber` refuses what lies here.
  return afterSpace(body, colon + 1) + 1;
}

/** The offset of the closing quote of a string of digits that begins at `from`; -1 where it is not one. */
export function endOfNumber(body: Buffer, from: number): number {
  if (body[from - 1] !== QUOTE) return -1;
  for (let at = from; ; at += 1) {
    const byte = body[at] ?? 0;
    if (byte === QUOTE) return at;
    if ((byte < DIGIT_0 || byte > DIGIT_9) && byte !== POINT && byte !== MINUS) return -1;
  }
}

function endOfString(body: Buffer, quote: number): number {
  for (let at = quote + 1; at < body.length; at += 1) {
    const byte = body[at];
    if (byte === QUOTE) return at + 1;
    if (byte === BACKSLASH) at += 1;
  }
  throw invalidReply(NOT_JSON);
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

/** Whether the array whose bracket is at `array` is the value of a field named `results`. */
function isResults(body: Buffer, array: number): boolean {
  const colon = beforeSpace(body, array - 1);
  if (body[colon] !== COLON) return false;
  const end = beforeSpace(body, colon - 1) + 1;
  const start = end - RESULTS.length;
  // A quote behind a backslash belongs to a longer name.
  return start > 0 && body[start - 1] !== BACKSLASH && body.compare(RESULTS, 0, RESULTS.length, start, end) === 0;
}

import type { ExtraCounts, UsageContent } from '../domain/day-content.ts';
import { USAGE_COUNTS, addCounts, countsTokens, type Count, type Json, type UsageCount } from '../domain/lines.ts';
import { ZERO, addDecimals, parseDecimal, toDecimal, type Decimal } from '../domain/money.ts';
import { DIGIT_0, DIGIT_9, MINUS, Numbers, QUOTE, Writer } from './bytes.ts';
import { digestOf, forEachSeries, type DayLines, type ReportRows } from './day.ts';
import { PageError } from './failure.ts';
import { Fields, type Field } from './fields.ts';
import { ID_BYTES } from './id-table.ts';
import { isNull, parseField, setField } from './json.ts';
import { RowReader, type FieldTaker } from './row-reader.ts';
import { Values } from './value-table.ts';
import { SeriesOfReading } from './series.ts';

/** The counts that have a column of their own, by their path in a row. */
const COUNT_BY_PATH = new Map<string, UsageCount>([
  ['uncached_input_tokens', 'uncached_input_tokens'],
  ['output_tokens', 'output_tokens'],
  ['cache_read_input_tokens', 'cache_read_input_tokens'],
  ['cache_creation.ephemeral_5m_input_tokens', 'cache_creation_5m'],
  ['cache_creation.ephemeral_1h_input_tokens', 'cache_creation_1h'],
  ['server_tool_use.web_search_requests', 'web_search_requests'],
]);
const COUNTS = USAGE_COUNTS.length;
const BYTES_OF_COUNT = 8;
/** No text has this byte. */
const END_OF_LINE = 0;

interface UsageField extends Field {
  /** The place of its count among {@link USAGE_COUNTS}, or -1. */
  readonly count: number;
  /** Whether a number in it counts tokens. */
  readonly isTokens: boolean;
  /** The number of the last row that gave it as a count. */
  countedIn: number;
}

interface UsageLines extends DayLines {
  /** So many counts of each line, one line behind the other. */
  counts: Float64Array;
  /** By line. */
  readonly extraCounts: Map<number, ExtraCounts>;
}

/** Reads rows of usage. An object within a row is a group of counts, whose names become dotted paths. */
export class UsageRows implements ReportRows<UsageLines>, FieldTaker<UsageField> {
  readonly opensObjects = true;
  readonly #fields = new Fields<UsageField>((path, number) => ({
    path,
    number,
    count: USAGE_COUNTS.findIndex((name) => name === COUNT_BY_PATH.get(path)),
    isTokens: countsTokens(path),
    countedIn: 0,
  }));
  readonly series = new SeriesOfReading('usage', this.#fields.all);
  readonly #reader = new RowReader(this.#fields, this);
  readonly #dimensions = new Values();
  readonly #counts = new Float64Array(COUNTS);
  #extraCounts: Record<string, Decimal> | null = null;
  #row = 0;
  #lines = this.none();

  none(): UsageLines {
    return { series: new Numbers(), counts: new Float64Array(64 * COUNTS), extraCounts: new Map() };
  }

  read(body: Uint8Array, from: number, lines: UsageLines): number {
    this.#lines = lines;
    return this.#reader.read(body, from);
  }

  begin(): void {
    this.#dimensions.clear();
    this.#counts.fill(0);
    this.#extraCounts = null;
    this.#row += 1;
  }

  take(field: UsageField, body: Uint8Array, from: number, to: number, hash: number): void {
    if (isNull(body, from, to)) this.#dimensions.unset(field.number);
    else if (field.count >= 0) this.#counts[field.count] = this.#takeCount(field, body, from, to);
    else if (isNumber(body, from) || (field.isTokens && isNumberInText(body, from, to)))
      this.#takeExtraCount(field, body, from, to);
    else this.#dimensions.set(field.number, from, to, hash);
  }

  end(body: Uint8Array): void {
    const lines = this.#lines;
    const line = lines.series.length;
    lines.series.push(this.series.placeOf(body, this.#dimensions));
    if ((line + 1) * COUNTS > lines.counts.length) lines.counts = longer(lines.counts, lines.counts.length * 2);
    lines.counts.set(this.#counts, line * COUNTS);
    if (this.#extraCounts !== null) lines.extraCounts.set(line, this.#extraCounts);
  }

  join(lines: UsageLines, more: UsageLines): void {
    const before = lines.series.length;
    lines.series.pushAll(more.series);
    if (lines.series.length * COUNTS > lines.counts.length)
      lines.counts = longer(lines.counts, lines.series.length * COUNTS * 2);
    lines.counts.set(more.counts.subarray(0, more.series.length * COUNTS), before * COUNTS);
    for (const [line, extra] of more.extraCounts) lines.extraCounts.set(before + line, extra);
  }

  contentOf(lines: UsageLines): UsageContent {
    const series = new Numbers();
    const columns = new CountColumns(lines.series.length);
    const extraCounts = new Map<number, ExtraCounts>();
    const digested = new Writer(lines.series.length * (ID_BYTES + COUNTS * BYTES_OF_COUNT + 1));
    forEachSeries(lines, this.series, (order, from, to) => {
      const line = order[from] ?? 0;
      const place = lines.series.at(line);
      const same = to - from === 1 ? null : [...order.subarray(from, to)];
      if (same === null) columns.push(lines.counts, line * COUNTS);
      else columns.pushSums(USAGE_COUNTS.map((name, count) => sumOf(lines, same, count, name)));
      const extra = lines.extraCounts.size === 0 ? null : extraSumOf(lines, same ?? [line]);
      if (extra !== null) extraCounts.set(series.length, extra);
      series.push(place);
      this.series.writeId(place, digested);
      columns.writeLast(digested);
      if (extra !== null) digested.writeText(`${JSON.stringify(Object.entries(extra))}\n`);
      digested.writeByte(END_OF_LINE);
    });
    const counts = columns.taken();
    return { report: 'usage', series: series.taken(), counts, extraCounts, digest: digestOf(digested) };
  }

  #takeCount(field: UsageField, body: Uint8Array, from: number, to: number): number {
    this.#refuseTwice(field);
    const digits = digitsOf(body, from, to);
    const count = digits >= 0 ? digits : parseField(body, from, to);
    return exactCount(count, field.path);
  }

  /** A count that we do not know. Zero equals absent, so a new counter changes no day before it counts something. */
  #takeExtraCount(field: UsageField, body: Uint8Array, from: number, to: number): void {
    this.#refuseTwice(field);
    const value = parseField(body, from, to);
    if (value !== 0) setField((this.#extraCounts ??= {}), field.path, exactDecimal(value, field));
  }

  /**
   * A row may have `a: {b: 1}` and a field named `a.b`. One of the two would be lost. Of a field that comes twice in one
   * object, the last one counts, as in JSON.parse.
   */
  #refuseTwice(field: UsageField): void {
    if (!field.path.includes('.')) return;
    if (field.countedIn === this.#row) throw new PageError('a row gives a count twice');
    field.countedIn = this.#row;
  }
}

/** The counts of a day's lines, as a column for each count. */
class CountColumns {
  readonly #columns = USAGE_COUNTS.map((): Float64Array<ArrayBuffer> => new Float64Array(0));
  /** Counts that a float might round, by their column and line. */
  readonly #large = USAGE_COUNTS.map(() => new Map<number, bigint>());
  readonly #last = new Float64Array(COUNTS);
  readonly #bytesOfLast = new Uint8Array(this.#last.buffer);
  #lines = 0;

  constructor(mostLines: number) {
    this.#columns = USAGE_COUNTS.map(() => new Float64Array(mostLines));
  }

  /** Adds a line whose counts lie one behind the other from `from` on. */
  push(counts: Float64Array, from: number): void {
    for (let count = 0; count < COUNTS; count += 1) {
      const value = counts[from + count] ?? 0;
      this.#last[count] = value;
      const column = this.#columns[count];
      if (column !== undefined) column[this.#lines] = value;
    }
    this.#lines += 1;
  }

  pushSums(sums: readonly Count[]): void {
    for (const [count, sum] of sums.entries()) if (typeof sum === 'bigint') this.#large[count]?.set(this.#lines, sum);
    this.push(Float64Array.from(sums, Number), 0);
  }

  /** Writes the last line. Equal lines are written alike. */
  writeLast(into: Writer): void {
    into.write(this.#bytesOfLast, 0, this.#bytesOfLast.length);
    for (const [count, large] of this.#large.entries()) {
      const exact = large.get(this.#lines - 1);
      if (exact !== undefined) into.writeText(`${count} ${exact}\n`);
    }
  }

  taken(): Record<UsageCount, ArrayLike<Count>> {
    const column = (count: number): ArrayLike<Count> => {
      const values = this.#columns[count]?.slice(0, this.#lines) ?? [];
      const large = this.#large[count];
      if (large === undefined || large.size === 0) return values;
      return Array.from(values, (value, line) => large.get(line) ?? value);
    };
    const columns = USAGE_COUNTS.map((name, count) => [name, column(count)] as const);
    return Object.fromEntries(columns) as Record<UsageCount, ArrayLike<Count>>;
  }
}

function longer(counts: Float64Array, length: number): Float64Array {
  const more = new Float64Array(length);
  more.set(counts);
  return more;
}

const MAX_BIGINT = 2n ** 63n - 1n;

function sumOf({ counts }: UsageLines, lines: readonly number[], count: number, name: UsageCount): Count {
  const [first = 0] = lines;
  if (lines.length === 1) return counts[first * COUNTS + count] ?? 0;
  const sum = addCounts(lines.map((line) => counts[line * COUNTS + count] ?? 0));
  if (sum > MAX_BIGINT) throw new PageError(`${name} adds up to more than can be stored`);
  return sum;
}

function extraSumOf({ extraCounts }: UsageLines, lines: readonly number[]): ExtraCounts | null {
  const byPath = new Map<string, Decimal[]>();
  for (const line of lines) {
    for (const [path, count] of Object.entries(extraCounts.get(line) ?? {})) {
      const counts = byPath.get(path);
      if (counts === undefined) byPath.set(path, [count]);
      else counts.push(count);
    }
  }
  const sums: Record<string, Decimal> = {};
  for (const path of [...byPath.keys()].sort()) {
    const sum = addDecimals(byPath.get(path) ?? []);
    if (sum !== ZERO) setField(sums, path, sum);
  }
  return Object.keys(sums).length === 0 ? null : sums;
}

function isNumber(body: Uint8Array, from: number): boolean {
  const first = body[from] ?? 0;
  return first === MINUS || (first >= DIGIT_0 && first <= DIGIT_9);
}

/** A text of digits is a count only if its name says tokens. */
function isNumberInText(body: Uint8Array, from: number, to: number): boolean {
  if (body[from] !== QUOTE) return false;
  const text = parseField(body, from, to);
  return typeof text === 'string' && parseDecimal(text) !== null;
}

/** The number that plain digits spell; -1 where there is something else, or more digits than a float surely holds. */
function digitsOf(body: Uint8Array, from: number, to: number): number {
  if (to - from > 15 || (to - from > 1 && body[from] === DIGIT_0)) return -1;
  let number = 0;
  for (let at = from; at < to; at += 1) {
    const byte = body[at] ?? 0;
    if (byte < DIGIT_0 || byte > DIGIT_9) return -1;
    number = number * 10 + byte - DIGIT_0;
  }
  return number;
}

function exactCount(value: Json, path: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
    throw new PageError(`${nameOf(path)} is not a count`);
  return value;
}

/** JSON.parse rounds numbers past 2^53, so these are refused. */
function exactDecimal(value: Json, { path, isTokens }: UsageField): Decimal {
  if (isTokens) return toDecimal(String(exactCount(value, path)));
  if (typeof value !== 'number' || !Number.isFinite(value) || Math.abs(value) > Number.MAX_SAFE_INTEGER)
    throw new PageError(`${nameOf(path)} is too large to be read exactly`);
  return toDecimal(String(value));
}

/** A path of any length, cut for a sentence. */
function nameOf(path: string): string {
  return path.length <= 100 ? path : `${path.slice(0, 100)}…`;
}

import { hash } from 'node:crypto';
import type { NewSeries } from '../domain/day-content.ts';
import {
  COST_DIMENSIONS,
  USAGE_DIMENSIONS,
  canonicalDimensions,
  type Dimensions,
  type Json,
  type Report,
} from '../domain/lines.ts';
import { CLOSE_OBJECT, COMMA, OPEN_OBJECT, Writer, areBytes } from './bytes.ts';
import type { Field } from './fields.ts';
import { parseField, setField, writePlainText } from './json.ts';
import { NewSeriesColumns } from './new-series.ts';
import { ValueTable, type Values } from './value-table.ts';

/** The bytes of an id. */
export const ID_BYTES = 16;
const COLUMNS: Readonly<Record<Report, readonly string[]>> = { cost: COST_DIMENSIONS, usage: USAGE_DIMENSIONS };
/** The dimensions that every series of a report has; a row that lacks one means this value. */
const DEFAULTS: Readonly<Record<Report, Readonly<Record<string, string>>>> = { cost: { currency: 'USD' }, usage: {} };
const DOLLARS = Buffer.from('"USD"');

/** The id of a series: the first 128 bits of the SHA-256 of its canonical dimensions. */
export function seriesIdOf(dimensions: Dimensions): Uint8Array {
  return Buffer.from(idOf(canonicalDimensions(dimensions)), 'latin1');
}

/** An id with a character for each byte: a text is made much faster than a buffer. */
function idOf(canonical: string | Uint8Array): string {
  return hash('sha256', canonical, 'binary').slice(0, ID_BYTES);
}

/**
 * The series of one reading, each with its place: the first one that was seen has 0. Rows that spell their dimensions in two ways have two places, whose ids
 * are equal.
 */
export class SeriesOfReading {
  readonly #report: Report;
  readonly #fields: readonly Field[];
  #table = new ValueTable();
  /** The place of the first series in the table, and of the first that has an id. */
  #firstInTable = 0;
  #first = 0;
  /** The ids of the series from {@link #first} on. */
  #ids = new Writer(ID_BYTES * 64);
  readonly #notDollars = new Set<number>();
  readonly #canonical: CanonicalWriter;
  /** The series that {@link takeNew} has not returned yet. */
  #new: NewSeriesColumns;

  /** `fields` are those of the rows, to which rows may add. */
  constructor(report: Report, fields: readonly Field[]) {
    this.#report = report;
    this.#fields = fields;
    this.#canonical = new CanonicalWriter(fields, COLUMNS[report], Object.keys(DEFAULTS[report]));
    this.#new = new NewSeriesColumns(COLUMNS[report]);
  }

  /** The place of the dimensions of a row. Throws PageError where one of them is not JSON. */
  placeOf(body: Uint8Array, dimensions: Values): number {
    const known = this.#table.find(body, dimensions);
    if (known >= 0) return this.#firstInTable + known;
    const canonical = this.#canonical.write(body, dimensions);
    const parsed = canonical === null ? this.#parse(body, dimensions) : null;
    const id = idOf(canonical ?? canonicalDimensions(parsed ?? {}));
    const place = this.#firstInTable + this.#table.add(body, dimensions);
    if (parsed === null) this.#new.addPlain(body, dimensions, this.#canonical.columns);
    else this.#new.add(parsed);
    for (let at = 0; at < ID_BYTES; at += 1) this.#ids.writeByte(id.charCodeAt(at));
    if (this.#report === 'cost' && !this.#isDollars(body, dimensions, parsed)) this.#notDollars.add(place);
    return place;
  }

  /**
   * Forgets all series if they take much memory; call it between pages. Their ids stay as long as there are lines with
   * their places.
   */
  forgetIfMany(areLinesLeft: boolean): void {
    if (this.#table.isFull) {
      this.#table = new ValueTable();
      this.#firstInTable = this.#next;
    }
    if (areLinesLeft || this.#first === this.#firstInTable) return;
    const ids = new Writer(ID_BYTES * 64);
    ids.write(this.#ids.bytes, (this.#firstInTable - this.#first) * ID_BYTES, this.#ids.length);
    this.#ids = ids;
    this.#first = this.#firstInTable;
    for (const place of this.#notDollars) if (place < this.#first) this.#notDollars.delete(place);
  }

  /** The place of the next new series. */
  get #next(): number {
    return this.#first + this.#ids.length / ID_BYTES;
  }

  /** The first 32 bits of the id of a series, by which series are sorted. */
  rankOf(place: number): number {
    const at = (place - this.#first) * ID_BYTES;
    const { bytes } = this.#ids;
    const high = ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
    return high * 0x10000 + (((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0));
  }

  /** Negative, zero or positive, as the id of `a` comes before that of `b`, equals it, or comes after it. */
  compare(a: number, b: number): number {
    return a === b ? 0 : this.rankOf(a) - this.rankOf(b) || Buffer.compare(this.#idOf(a), this.#idOf(b));
  }

  /** Writes the id of a series. */
  writeId(place: number, into: Writer): void {
    const at = (place - this.#first) * ID_BYTES;
    into.write(this.#ids.bytes, at, at + ID_BYTES);
  }

  /** Whether its lines are in another currency than US dollars, so that no total has them. */
  isNotDollars(place: number): boolean {
    return this.#notDollars.size > 0 && this.#notDollars.has(place);
  }

  /** The series that were added since the last call. */
  takeNew(): NewSeries {
    const added = this.#new;
    this.#new = new NewSeriesColumns(COLUMNS[this.#report]);
    const before = this.#ids.length / ID_BYTES - added.count;
    const ids = this.#ids.written().toString('hex', before * ID_BYTES);
    return { first: this.#first + before, mayBeKnown: this.#firstInTable > 0, ids, ...added.taken() };
  }

  #idOf(place: number): Uint8Array {
    const at = (place - this.#first) * ID_BYTES;
    return this.#ids.bytes.subarray(at, at + ID_BYTES);
  }

  #parse(body: Uint8Array, { froms, tos }: Values): Dimensions {
    const dimensions: Record<string, Json> = {};
    for (const { path, number } of this.#fields) {
      const from = froms[number] ?? -1;
      if (from >= 0) setField(dimensions, path, parseField(body, from, tos[number] ?? 0));
    }
    return { ...DEFAULTS[this.#report], ...dimensions };
  }

  #isDollars(body: Uint8Array, dimensions: Values, parsed: Dimensions | null): boolean {
    if (parsed !== null) return parsed['currency'] === 'USD';
    const field = this.#fields.find(({ path }) => path === 'currency');
    if (field === undefined) return false;
    return areBytes(DOLLARS, body, dimensions.froms[field.number] ?? 0, dimensions.tos[field.number] ?? 0);
  }
}

/**
 * Writes dimensions as `canonicalDimensions` of domain/lines does, straight from the bytes of a page, where all of them are
 * plain texts with a column. This takes a fraction of the time, and a test compares the two.
 */
class CanonicalWriter {
  readonly #fields: readonly Field[];
  readonly #names: readonly string[];
  readonly #required: readonly string[];
  readonly #text = new Writer(1024);
  /** The fields in the order of their paths, each with its path as JSON and the colon behind it. */
  #sorted: readonly SortedField[] = [];
  #lacksRequired: boolean;
  /** The fields of the columns, in the order of the columns. */
  columns: readonly (Field | undefined)[] = [];

  constructor(fields: readonly Field[], columns: readonly string[], required: readonly string[]) {
    this.#fields = fields;
    this.#names = columns;
    this.#required = required;
    this.#lacksRequired = required.length > 0;
  }

  /** Null where a dimension is something else than a plain text with a column, or where a required one is absent. */
  write(body: Uint8Array, { froms, tos }: Values): Uint8Array | null {
    if (this.#sorted.length !== this.#fields.length) this.#sort();
    if (this.#lacksRequired) return null;
    const text = this.#text;
    text.length = 0;
    text.writeByte(OPEN_OBJECT);
    for (const { number, name, hasColumn, isRequired } of this.#sorted) {
      const from = froms[number] ?? -1;
      if (from < 0 ? isRequired : !hasColumn) return null;
      if (from < 0) continue;
      if (text.length > 1) text.writeByte(COMMA);
      text.write(name, 0, name.length);
      if (!writePlainText(body, from, tos[number] ?? 0, text)) return null;
    }
    text.writeByte(CLOSE_OBJECT);
    return text.written();
  }

  #sort(): void {
    this.#sorted = [...this.#fields]
      .sort((a, b) => (a.path < b.path ? -1 : 1))
      .map(({ number, path }) => ({
        number,
        name: Buffer.from(`${JSON.stringify(path)}:`),
        hasColumn: this.#names.includes(path),
        isRequired: this.#required.includes(path),
      }));
    this.#lacksRequired = !this.#required.every((name) => this.#fields.some(({ path }) => path === name));
    this.columns = this.#names.map((name) => this.#fields.find(({ path }) => path === name));
  }
}

interface SortedField {
  readonly number: number;
  readonly name: Uint8Array;
  readonly hasColumn: boolean;
  readonly isRequired: boolean;
}

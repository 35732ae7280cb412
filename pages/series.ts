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
import { CLOSE_OBJECT, COMMA, Numbers, OPEN_OBJECT, Writer, areBytes } from './bytes.ts';
import type { Field } from './fields.ts';
import { ID_BYTES, IdTable } from './id-table.ts';
import { parseField, setField, writePlainText } from './json.ts';
import { NewSeriesColumns } from './new-series.ts';
import { ValueTable, type Values } from './value-table.ts';

/** After more than these, they are forgotten: their ids would take more than 12 MB. */
const MAX_SERIES = 2 ** 19;
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
 * The series of one reading, each with its place: the first one that was seen has 0. Rows that spell the same dimensions in
 * two ways are of one series.
 */
export class SeriesOfReading {
  readonly #report: Report;
  readonly #fields: readonly Field[];
  /** How rows spelled their dimensions lately, and the place of each of these. */
  #table = new ValueTable();
  #places = new Numbers();
  /** The series from the place {@link #first} on. */
  #ids = new IdTable();
  #first = 0;
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
    if (known >= 0) return this.#places.at(known);
    const place = this.#placeOfSpelling(body, dimensions);
    this.#table.add(body, dimensions);
    this.#places.push(place);
    return place;
  }

  #placeOfSpelling(body: Uint8Array, dimensions: Values): number {
    const canonical = this.#canonical.write(body, dimensions);
    const parsed = canonical === null ? this.#parse(body, dimensions) : null;
    const id = idOf(canonical ?? canonicalDimensions(parsed ?? {}));
    const known = this.#ids.find(id);
    if (known >= 0) return this.#first + known;
    const place = this.#first + this.#ids.add(id);
    if (parsed === null) this.#new.addPlain(body, dimensions, this.#canonical.columns);
    else this.#new.add(parsed);
    if (this.#report === 'cost' && !this.#isDollars(body, dimensions, parsed)) this.#notDollars.add(place);
    return place;
  }

  /**
   * Forgets spellings if they take much memory, and all series if they are very many; call it between pages. Series stay as
   * long as there are lines with their places.
   */
  forgetIfMany(areLinesLeft: boolean): void {
    const areMany = this.#ids.size > MAX_SERIES && !areLinesLeft;
    if (this.#table.isFull || areMany) {
      this.#table = new ValueTable();
      this.#places = new Numbers();
    }
    if (!areMany) return;
    this.#first += this.#ids.size;
    this.#ids = new IdTable();
    this.#notDollars.clear();
  }

  /** The first 32 bits of the id of a series, by which series are sorted. */
  rankOf(place: number): number {
    return this.#ids.rankOf(place - this.#first);
  }

  /** Negative, zero or positive, as the id of `a` comes before that of `b`, equals it, or comes after it. */
  compare(a: number, b: number): number {
    return this.#ids.compare(a - this.#first, b - this.#first);
  }

  /** Writes the id of a series. */
  writeId(place: number, into: Writer): void {
    this.#ids.write(place - this.#first, into);
  }

  /** Whether its lines are in another currency than US dollars, so that no total has them. */
  isNotDollars(place: number): boolean {
    return this.#notDollars.size > 0 && this.#notDollars.has(place);
  }

  /** The series that were added since the last call. */
  takeNew(): NewSeries {
    const added = this.#new;
    this.#new = new NewSeriesColumns(COLUMNS[this.#report]);
    const before = this.#ids.size - added.count;
    return {
      first: this.#first + before,
      mayBeKnown: this.#first > 0,
      ids: this.#ids.hexFrom(before),
      ...added.taken(),
    };
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

import {
  BACKSLASH,
  CLOSE_OBJECT,
  COLON,
  COMMA,
  OPEN_OBJECT,
  QUOTE,
  afterSpace,
  deeper,
  endOfValue,
  hashOf,
  nextHash,
} from './bytes.ts';
import { PageError, notJson } from './failure.ts';
import { Names, type Field, type Fields } from './fields.ts';

/** A row takes about 350 bytes. This many would be neither dimensions nor an amount. */
const MAX_ROW_BYTES = 2 ** 20;
/** `{ data: [ { results: [` */
const DEPTH_OF_ROW = 5;

/** What takes the fields of rows, one by one. */
export interface FieldTaker<Kind extends Field> {
  /** Whether the fields of an object within a row count as fields of the row. */
  readonly opensObjects: boolean;
  /** A row begins. */
  begin(): void;
  /** Takes the value from `from` to `to`, as the page spells it, and its hash. Throws PageError. */
  take(field: Kind, body: Uint8Array, from: number, to: number, hash: number): void;
  /** The row is complete. Throws PageError. */
  end(body: Uint8Array): void;
}

/**
 * Reads rows without ever holding one as an object: it looks once at each byte, and gives the place of each value to its
 * taker. Names are compared with those of the row before, which has the same as a rule.
 */
export class RowReader<Kind extends Field> {
  readonly #names: Names<Kind>;
  readonly #taker: FieldTaker<Kind>;

  constructor(fields: Fields<Kind>, taker: FieldTaker<Kind>) {
    this.#names = new Names(fields);
    this.#taker = taker;
  }

  /** Reads the row whose bracket is at `from`, and returns the offset behind it. Throws PageError. */
  read(body: Uint8Array, from: number): number {
    this.#taker.begin();
    const end = this.#readObject(body, from, this.#names, DEPTH_OF_ROW);
    if (end - from > MAX_ROW_BYTES) throw new PageError(`a report row is longer than ${MAX_ROW_BYTES / 2 ** 20} MiB`);
    this.#taker.end(body);
    return end;
  }

  #readObject(body: Uint8Array, from: number, names: Names<Kind>, depth: number): number {
    let at = afterSpace(body, from + 1);
    if (body[at] === CLOSE_OBJECT) return at + 1;
    for (let place = 0; ; place += 1) {
      if (body[at] !== QUOTE) throw notJson();
      const { bytes, field, within } = names.read(body, at, place);
      at = afterSpace(body, at + bytes.length);
      if (body[at] !== COLON) throw notJson();
      at = this.#readValue(body, afterSpace(body, at + 1), field, within, depth);
      at = afterSpace(body, at);
      const byte = body[at];
      if (byte === CLOSE_OBJECT) return at + 1;
      if (byte !== COMMA) throw notJson();
      at = afterSpace(body, at + 1);
    }
  }

  #readValue(body: Uint8Array, from: number, field: Kind, within: Names<Kind>, depth: number): number {
    const first = body[from];
    if (first === QUOTE) return this.#readString(body, from, field);
    if (first === OPEN_OBJECT && this.#taker.opensObjects) return this.#readObject(body, from, within, deeper(depth));
    const end = endOfValue(body, from, depth);
    this.#taker.take(field, body, from, end, hashOf(body, from, end));
    return end;
  }

  #readString(body: Uint8Array, from: number, field: Kind): number {
    const { length } = body;
    let hash = 0;
    let at = from + 1;
    while (at < length) {
      const byte = body[at] ?? 0;
      at += 1;
      if (byte === QUOTE) {
        this.#taker.take(field, body, from, at, hash);
        return at;
      }
      hash = nextHash(hash, byte);
      if (byte === BACKSLASH) at += 1;
    }
    throw notJson();
  }
}

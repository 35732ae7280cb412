import { areBytes, endOfString, hashOf } from './bytes.ts';
import { PageError, notJson } from './failure.ts';
import { parseField } from './json.ts';

/** Rows of a report have about fifteen fields. */
export const MAX_FIELDS = 256;

/** A field of rows. Fields in an object within the row have dotted paths. */
export interface Field {
  readonly path: string;
  /** Its number among the fields of the report. */
  readonly number: number;
}

/** The fields of one kind of report by their paths, as they turn up. */
export class Fields<Kind extends Field> {
  readonly all: Kind[] = [];
  readonly #byPath = new Map<string, Kind>();
  readonly #make: (path: string, number: number) => Kind;

  constructor(make: (path: string, number: number) => Kind) {
    this.#make = make;
  }

  /** The field at a path. Throws PageError if the report has too many. */
  at(path: string): Kind {
    const known = this.#byPath.get(path);
    if (known !== undefined) return known;
    if (this.all.length === MAX_FIELDS) throw new PageError(`its rows have more than ${MAX_FIELDS} different fields`);
    const field = this.#make(path, this.all.length);
    this.all.push(field);
    this.#byPath.set(path, field);
    return field;
  }
}

/** A name as a page spells it, with its quotes. */
interface Name<Kind> {
  readonly bytes: Uint8Array;
  readonly field: Kind;
  /** The names within the value, where that is an object. */
  readonly within: Names<Kind & Field>;
}

/** A longer name is read anew each time. */
const MAX_NAME_BYTES = 256;

/** The names of the fields of rows, or of an object within rows. */
export class Names<Kind extends Field> {
  readonly #fields: Fields<Kind>;
  readonly #prefix: string;
  /** By the hash of their bytes. */
  readonly #known = new Map<number, Name<Kind>[]>();
  #size = 0;
  /** The name that the last row had at each place. The next row most likely has the same there. */
  readonly #expected: Name<Kind>[] = [];

  constructor(fields: Fields<Kind>, prefix = '') {
    this.#fields = fields;
    this.#prefix = prefix;
  }

  /** The name at the quote at `at`, as the field number `place` of its object. Throws PageError. */
  read(body: Uint8Array, at: number, place: number): Name<Kind> {
    const expected = this.#expected[place];
    if (expected !== undefined && beginsWith(body, at, expected.bytes)) return expected;
    const end = endOfString(body, at);
    const hash = hashOf(body, at, end);
    const known = this.#known.get(hash)?.find(({ bytes }) => areBytes(bytes, body, at, end));
    const name = known ?? this.#add(body, at, end, hash);
    if (place < MAX_FIELDS) this.#expected[place] = name;
    return name;
  }

  #add(body: Uint8Array, at: number, end: number, hash: number): Name<Kind> {
    const decoded = parseField(body, at, end);
    if (typeof decoded !== 'string') throw notJson();
    const path = this.#prefix + decoded;
    const field = this.#fields.at(path);
    const name = {
      bytes: new Uint8Array(body.subarray(at, end)),
      field,
      within: new Names<Kind>(this.#fields, `${path}.`),
    };
    if (name.bytes.length <= MAX_NAME_BYTES && this.#size < MAX_FIELDS) {
      this.#size += 1;
      this.#known.set(hash, [...(this.#known.get(hash) ?? []), name]);
    }
    return name;
  }
}

/** The bytes end with a quote, so nothing longer begins with them. */
function beginsWith(body: Uint8Array, at: number, bytes: Uint8Array): boolean {
  return areBytes(bytes, body, at, at + bytes.length);
}

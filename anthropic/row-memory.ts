import { endOfNumber, spellingOfEnd, spellingOfName, type RowSpan } from './rows.ts';

/** A table holds this many bytes of rows, and there are two: room for a day of 25,000 to 50,000 lines each. */
const MAX_TABLE_BYTES = 8 * 2 ** 20;
/** How a row ends and the next one begins in JSON without spaces. */
const COMPACT_END = Buffer.from('},{');
const NO_VIEW = new DataView(new ArrayBuffer(0));
/** A longer row is not remembered. */
const MAX_ROW_BYTES = 8192;
/** Longer separators, which are nearly all spaces, are not learned. */
const MAX_SPELLING_BYTES = 256;

/**
 * A cache from the bytes of a row, without the value of one field, to what was made of it. Most rows of a day come again
 * on the next day with another amount. When a table is full, the older of the two is dropped.
 */
export class RowMemory<T> {
  readonly #field: Buffer;
  /** The spelling of the field's name and of a row's end in the last row that was scanned; the next rows share it. */
  #name: Buffer;
  #end = COMPACT_END;
  #mustLearnSpelling = false;
  /** The bytes of this page that were searched for a spelling that the row did not have. */
  #searchedInVain = 0;
  #recent = new RowTable<T>();
  #older = new RowTable<T>();
  #viewed: Buffer | null = null;
  #view: DataView = NO_VIEW;

  constructor(field: string) {
    this.#field = Buffer.from(field);
    this.#name = Buffer.from(`"${field}":"`);
  }

  /**
   * What was made of a row equal to the one that begins at `from`, whose span is set then; undefined where none is known.
   *
   * This guesses the end of the row instead of scanning it. The guess is right if the row equals a remembered one: that
   * is a whole JSON object, and no JSON object is the beginning of another. A search may run past the row, so once all
   * searches in vain have covered as many bytes as the page has, this page is searched no more.
   */
  recall(body: Buffer, from: number, span: RowSpan): T | undefined {
    const view = this.#viewOf(body);
    if (this.#searchedInVain > body.length) return undefined;
    const end = body.indexOf(this.#end, from);
    if (end < 0 || end - from > MAX_ROW_BYTES) {
      this.#miss(body, from, end);
      return undefined;
    }
    const name = body.indexOf(this.#name, from);
    if (name < 0 || name > end) {
      this.#miss(body, from, name);
      return undefined;
    }
    span.from = from;
    span.to = end + 1;
    span.valueFrom = name + this.#name.length;
    span.valueTo = endOfNumber(body, span.valueFrom);
    if (span.valueTo < 0 || span.valueTo > end) return undefined;
    return this.#find(body, span, hashOf(view, span));
  }

  /** What was made of an equal row; calls `make` and remembers its result if there is none. The span has a value. */
  of(body: Buffer, span: RowSpan, make: () => T): T {
    if (this.#mustLearnSpelling) this.#learn(body, span);
    if (span.to - span.from > MAX_ROW_BYTES) return make();
    const hash = hashOf(this.#viewOf(body), span);
    const known = this.#find(body, span, hash);
    if (known !== undefined) return known;
    const made = make();
    this.#add(body, span, hash, made);
    return made;
  }

  /** Lets go of the last page's buffer. */
  leavePage(): void {
    this.#viewed = null;
    this.#view = NO_VIEW;
  }

  #miss(body: Buffer, from: number, found: number): void {
    this.#searchedInVain += (found < 0 ? body.length : found) - from;
    this.#mustLearnSpelling = true;
  }

  #learn(body: Buffer, span: RowSpan): void {
    this.#mustLearnSpelling = false;
    const [name, end] = [spellingOfName(body, span, this.#field), spellingOfEnd(body, span)];
    // Copies, since a view of the page would keep all of it in memory.
    if (name.length <= MAX_SPELLING_BYTES) this.#name = Buffer.from(name);
    if (end !== null && end.length <= MAX_SPELLING_BYTES) this.#end = Buffer.from(end);
  }

  #find(body: Buffer, span: RowSpan, hash: number): T | undefined {
    const recent = this.#recent.find(body, span, hash);
    if (recent !== undefined) return recent;
    const older = this.#older.find(body, span, hash);
    if (older !== undefined) this.#add(body, span, hash, older);
    return older;
  }

  #viewOf(body: Buffer): DataView {
    if (this.#viewed !== body) {
      this.#view = new DataView(body.buffer, body.byteOffset, body.length);
      this.#viewed = body;
      this.#searchedInVain = 0;
    }
    return this.#view;
  }

  #add(body: Buffer, span: RowSpan, hash: number, made: T): void {
    if (!this.#recent.hasRoomFor(span)) {
      this.#older = this.#recent;
      this.#recent = new RowTable();
    }
    this.#recent.add(body, span, hash, made);
  }
}

/** Equal hashes are checked byte by byte, so speed matters more than quality. */
function hashOf(body: DataView, { from, valueFrom, valueTo, to }: RowSpan): number {
  return hashPart(body, valueTo, to, hashPart(body, from, valueFrom, to - from - valueTo + valueFrom));
}

function hashPart(body: DataView, from: number, to: number, seed: number): number {
  let hash = seed;
  let at = from;
  // Four bytes at a time, since a page has millions.
  for (; at + 4 <= to; at += 4) hash = mix(hash, body.getInt32(at, true));
  for (; at < to; at += 1) hash = mix(hash, body.getUint8(at));
  return hash;
}

function mix(hash: number, value: number): number {
  const mixed = Math.imul(hash ^ value, 0x9e3779b1);
  return mixed ^ (mixed >>> 15);
}

const FIRST_ROWS = 1024;
const FIRST_ROOM = 256 * 1024;

/** An open-addressing hash table of rows. The bytes of all rows lie in one buffer. */
class RowTable<T> {
  readonly #made: T[] = [];
  #bytes: Buffer = Buffer.allocUnsafeSlow(FIRST_ROOM);
  #used = 0;
  /** Per row, the end of its part before the value, and of its part behind it. A row begins where the last one ends. */
  #ends = new Int32Array(FIRST_ROWS * 2);
  #hashes = new Int32Array(FIRST_ROWS);
  /** The number of a row plus one, by its hash; 0 where the slot is free. Twice as many slots as rows, so few collide. */
  #slots = new Int32Array(FIRST_ROWS * 2);

  hasRoomFor(span: RowSpan): boolean {
    return this.#used + span.to - span.from <= MAX_TABLE_BYTES;
  }

  find(body: Buffer, span: RowSpan, hash: number): T | undefined {
    const mask = this.#slots.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const row = (this.#slots[slot] ?? 0) - 1;
      if (row < 0) return undefined;
      if (this.#hashes[row] === hash && this.#isEqual(row, body, span)) return this.#made[row];
    }
  }

  add(body: Buffer, { from, valueFrom, valueTo, to }: RowSpan, hash: number, made: T): void {
    const row = this.#made.length;
    if (row === this.#hashes.length) this.#growRows();
    if (this.#used + to - from > this.#bytes.length) this.#growRoom(this.#used + to - from);
    this.#made.push(made);
    this.#hashes[row] = hash;
    this.#used += body.copy(this.#bytes, this.#used, from, valueFrom);
    this.#ends[row * 2] = this.#used;
    this.#used += body.copy(this.#bytes, this.#used, valueTo, to);
    this.#ends[row * 2 + 1] = this.#used;
    this.#enter(row);
  }

  #isEqual(row: number, body: Buffer, { from, valueFrom, valueTo, to }: RowSpan): boolean {
    const start = row === 0 ? 0 : (this.#ends[row * 2 - 1] ?? 0);
    const middle = this.#ends[row * 2] ?? 0;
    const end = this.#ends[row * 2 + 1] ?? 0;
    return (
      body.compare(this.#bytes, start, middle, from, valueFrom) === 0 &&
      body.compare(this.#bytes, middle, end, valueTo, to) === 0
    );
  }

  #enter(row: number): void {
    const mask = this.#slots.length - 1;
    let slot = (this.#hashes[row] ?? 0) & mask;
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
    this.#slots[slot] = row + 1;
  }

  #growRoom(atLeast: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#bytes.length * 2, atLeast));
    this.#bytes.copy(larger, 0, 0, this.#used);
    this.#bytes = larger;
  }

  #growRows(): void {
    this.#ends = twiceAsLong(this.#ends);
    this.#hashes = twiceAsLong(this.#hashes);
    this.#slots = new Int32Array(this.#slots.length * 2);
    for (let row = 0; row < this.#made.length; row += 1) this.#enter(row);
  }
}

function twiceAsLong(numbers: Int32Array): Int32Array<ArrayBuffer> {
  const longer = new Int32Array(numbers.length * 2);
  longer.set(numbers);
  return longer;
}

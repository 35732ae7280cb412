import { endOfNumber, spellingOfEnd, spellingOfName, type RowSpan } from './rows.ts';

/** So many bytes of rows are remembered, and as many again of those before: a day of 25,000 to 50,000 lines. */
const MOST_BYTES = 8 * 2 ** 20;
/** How rows end in JSON without white space, from the bracket of one to that of the next. */
const COMPACT_END = Buffer.from('},{');
const NO_VIEW = new DataView(new ArrayBuffer(0));
/** A longer row is not remembered. */
const LONGEST_ROW = 8192;
/** A longer spelling is not learned: it has more white space than anybody writes. */
const LONGEST_SPELLING = 256;

/**
 * What was made of rows, by their bytes but for the value of the field `apart`: most rows of a day are those of the days
 * before with another amount. Forgets what was not asked for longest.
 */
export class RowMemory<T> {
  readonly #apart: Buffer;
  /** How the rows that were walked through last spell the field and their end: those behind them do so, too. */
  #name: Buffer;
  #end = COMPACT_END;
  #isSpeltOtherwise = false;
  /** So many bytes of this page were searched for a spelling that the row did not have. */
  #inVain = 0;
  #recent = new RowTable<T>();
  #older = new RowTable<T>();
  #viewed: Buffer | null = null;
  #view: DataView = NO_VIEW;

  constructor(apart: string) {
    this.#apart = Buffer.from(apart);
    this.#name = Buffer.from(`"${apart}":"`);
  }

  /**
   * What was made of the row that begins at `from`, and fills its span; undefined where no equal one is remembered.
   *
   * The row is not walked through. Where it ends is guessed, and is certain once it equals a remembered row: that one is
   * a whole JSON object, and no such text is the beginning of another. A search may run past the row; once all of them
   * together ran through as much as the page has, none is made in this page any more.
   */
  recall(body: Buffer, from: number, span: RowSpan): T | undefined {
    const view = this.#viewOf(body);
    if (this.#inVain > body.length) return undefined;
    const end = body.indexOf(this.#end, from);
    if (end < 0 || end - from > LONGEST_ROW) {
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
    span.apartFrom = name + this.#name.length;
    span.apartTo = endOfNumber(body, span.apartFrom);
    if (span.apartTo < 0 || span.apartTo > end) return undefined;
    return this.#find(body, span, hashOf(view, span));
  }

  /** What was made of an equal row, or else is made of this one now, which has a value that is set apart. */
  of(body: Buffer, span: RowSpan, make: () => T): T {
    if (this.#isSpeltOtherwise) this.#learn(body, span);
    if (span.to - span.from > LONGEST_ROW) return make();
    const hash = hashOf(this.#viewOf(body), span);
    const known = this.#find(body, span, hash);
    if (known !== undefined) return known;
    const made = make();
    this.#add(body, span, hash, made);
    return made;
  }

  /** Lets go of the page that was read last. */
  leavePage(): void {
    this.#viewed = null;
    this.#view = NO_VIEW;
  }

  #miss(body: Buffer, from: number, found: number): void {
    this.#inVain += (found < 0 ? body.length : found) - from;
    this.#isSpeltOtherwise = true;
  }

  #learn(body: Buffer, span: RowSpan): void {
    this.#isSpeltOtherwise = false;
    const [name, end] = [spellingOfName(body, span, this.#apart), spellingOfEnd(body, span)];
    // Copies: a part of the page would hold all of it.
    if (name.length <= LONGEST_SPELLING) this.#name = Buffer.from(name);
    if (end !== null && end.length <= LONGEST_SPELLING) this.#end = Buffer.from(end);
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
      this.#inVain = 0;
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

/** Two rows count as equal only where their bytes are: any hash will do that sees all of them. */
function hashOf(body: DataView, { from, apartFrom, apartTo, to }: RowSpan): number {
  return hashPart(body, apartTo, to, hashPart(body, from, apartFrom, to - from - apartTo + apartFrom));
}

function hashPart(body: DataView, from: number, to: number, seed: number): number {
  let hash = seed;
  let at = from;
  // Four bytes at a time: a page has millions of them.
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

/** A hash table of rows, with the bytes of each in one buffer. */
class RowTable<T> {
  readonly #values: T[] = [];
  #bytes: Buffer = Buffer.allocUnsafeSlow(FIRST_ROOM);
  #used = 0;
  /** Where the part before the value that is set apart ends, and the part behind it; a row begins where the last ends. */
  #ends = new Int32Array(FIRST_ROWS * 2);
  #hashes = new Int32Array(FIRST_ROWS);
  /** The number of a row plus one, by its hash; 0 where there is none. Twice as many as rows, so that few collide. */
  #slots = new Int32Array(FIRST_ROWS * 2);

  hasRoomFor(span: RowSpan): boolean {
    return this.#used + span.to - span.from <= MOST_BYTES;
  }

  find(body: Buffer, span: RowSpan, hash: number): T | undefined {
    const mask = this.#slots.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const row = (this.#slots[slot] ?? 0) - 1;
      if (row < 0) return undefined;
      if (this.#hashes[row] === hash && this.#isEqual(row, body, span)) return this.#values[row];
    }
  }

  add(body: Buffer, { from, apartFrom, apartTo, to }: RowSpan, hash: number, value: T): void {
    const row = this.#values.length;
    if (row === this.#hashes.length) this.#growRows();
    if (this.#used + to - from > this.#bytes.length) this.#growRoom(this.#used + to - from);
    this.#values.push(value);
    this.#hashes[row] = hash;
    this.#used += body.copy(this.#bytes, this.#used, from, apartFrom);
    this.#ends[row * 2] = this.#used;
    this.#used += body.copy(this.#bytes, this.#used, apartTo, to);
    this.#ends[row * 2 + 1] = this.#used;
    this.#enter(row);
  }

  #isEqual(row: number, body: Buffer, { from, apartFrom, apartTo, to }: RowSpan): boolean {
    const start = row === 0 ? 0 : (this.#ends[row * 2 - 1] ?? 0);
    const middle = this.#ends[row * 2] ?? 0;
    const end = this.#ends[row * 2 + 1] ?? 0;
    return (
      body.compare(this.#bytes, start, middle, from, apartFrom) === 0 &&
      body.compare(this.#bytes, middle, end, apartTo, to) === 0
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
    for (let row = 0; row < this.#values.length; row += 1) this.#enter(row);
  }
}

function twiceAsLong(numbers: Int32Array): Int32Array<ArrayBuffer> {
  const longer = new Int32Array(numbers.length * 2);
  longer.set(numbers);
  return longer;
}

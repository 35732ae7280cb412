import { Writer } from './bytes.ts';

/** The bytes of an id. */
export const ID_BYTES = 16;
const FIRST_SLOTS = 2 ** 8;

/**
 * The ids of series, each with a number, as an open-addressing hash table. Ids are digests, so their first bits serve as
 * the hash.
 */
export class IdTable {
  /** One behind the other. */
  readonly #ids = new Writer(ID_BYTES * 64);
  /** The number of an id plus one; 0 where the slot is free. Twice as many slots as ids, so few collide. */
  #slots = new Int32Array(FIRST_SLOTS);

  get size(): number {
    return this.#ids.length / ID_BYTES;
  }

  /** The number of an id, which has a character for each byte; -1 if it is not there. */
  find(id: string): number {
    const mask = this.#slots.length - 1;
    const [a, b, c, d] = [id.charCodeAt(0), id.charCodeAt(1), id.charCodeAt(2), id.charCodeAt(3)];
    for (let slot = first32(a, b, c, d) & mask; ; slot = (slot + 1) & mask) {
      const number = (this.#slots[slot] ?? 0) - 1;
      if (number < 0 || this.#isEqual(number, id)) return number;
    }
  }

  /** Adds an id that is not there. */
  add(id: string): number {
    const number = this.size;
    for (let at = 0; at < ID_BYTES; at += 1) this.#ids.writeByte(id.charCodeAt(at));
    if (2 * this.size > this.#slots.length) this.#growSlots();
    else this.#enter(number);
    return number;
  }

  /** The first 32 bits of an id, by which ids are sorted. */
  rankOf(number: number): number {
    const from = number * ID_BYTES;
    const { bytes } = this.#ids;
    return first32(bytes[from] ?? 0, bytes[from + 1] ?? 0, bytes[from + 2] ?? 0, bytes[from + 3] ?? 0);
  }

  /** Negative, zero or positive, as id `a` comes before `b`, is the same, or comes after it. */
  compare(a: number, b: number): number {
    return a === b ? 0 : this.rankOf(a) - this.rankOf(b) || Buffer.compare(this.#idOf(a), this.#idOf(b));
  }

  /** Writes an id. */
  write(number: number, into: Writer): void {
    const at = number * ID_BYTES;
    into.write(this.#ids.bytes, at, at + ID_BYTES);
  }

  /** The ids from a number on, 32 hexadecimal digits each. */
  hexFrom(number: number): string {
    return this.#ids.written().toString('hex', number * ID_BYTES);
  }

  #idOf(number: number): Uint8Array {
    const at = number * ID_BYTES;
    return this.#ids.bytes.subarray(at, at + ID_BYTES);
  }

  #isEqual(number: number, id: string): boolean {
    const { bytes } = this.#ids;
    const from = number * ID_BYTES;
    for (let at = 0; at < ID_BYTES; at += 1) if (bytes[from + at] !== id.charCodeAt(at)) return false;
    return true;
  }

  #enter(number: number): void {
    const mask = this.#slots.length - 1;
    let slot = this.rankOf(number) & mask;
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
    this.#slots[slot] = number + 1;
  }

  #growSlots(): void {
    this.#slots = new Int32Array(this.#slots.length * 2);
    for (let number = 0; number < this.size; number += 1) this.#enter(number);
  }
}

function first32(a: number, b: number, c: number, d: number): number {
  return ((a << 8) | b) * 0x10000 + ((c << 8) | d);
}

import { Numbers, Writer } from './bytes.ts';
import { MAX_FIELDS } from './fields.ts';

/** Room for about 60,000 series. One that comes again after it was forgotten takes a digest to recognize. */
const MAX_BYTES = 12 * 2 ** 20;
const FIRST_BYTES = 2 ** 14;
/** No JSON has this byte. */
const END_OF_VALUE = 0;
const FIRST_SLOTS = 2 ** 8;

/** Where a page spells the values of the fields of a row. */
export class Values {
  /** By the number of the field; -1 where the row does not have it. */
  readonly froms = new Int32Array(MAX_FIELDS).fill(-1);
  readonly tos = new Int32Array(MAX_FIELDS);
  /** Of each value, mixed with the number of its field. */
  readonly hashes = new Int32Array(MAX_FIELDS);
  /** One more than the largest number of a field that the row has. */
  length = 0;
  hash = 0;

  clear(): void {
    this.froms.fill(-1, 0, this.length);
    this.length = 0;
    this.hash = 0;
  }

  /** A field that comes twice counts as in JSON.parse: the last one is taken. */
  set(field: number, from: number, to: number, hash: number): void {
    this.unset(field);
    this.froms[field] = from;
    this.tos[field] = to;
    this.hashes[field] = hashOfField(field, hash);
    this.hash = (this.hash + (this.hashes[field] ?? 0)) | 0;
    if (field >= this.length) this.length = field + 1;
  }

  /** Takes the value of one field from others. */
  copy({ froms, tos, hashes }: Values, field: number): void {
    this.set(0, froms[field] ?? 0, tos[field] ?? 0, hashes[field] ?? 0);
  }

  unset(field: number): void {
    if (this.froms[field] === -1) return;
    this.froms[field] = -1;
    this.hash = (this.hash - (this.hashes[field] ?? 0)) | 0;
  }
}

/** A sum of these does not depend on the order of fields. */
function hashOfField(field: number, hash: number): number {
  const mixed = Math.imul(hash ^ Math.imul(field + 1, 0x85ebca6b), 0x9e3779b1);
  return mixed ^ (mixed >>> 15);
}

/**
 * The sets of values that were seen, each with a number, as an open-addressing hash table. It keeps the values as the page
 * spelled them, one behind the other, and compares them byte by byte.
 */
export class ValueTable {
  readonly #values = new Writer(FIRST_BYTES);
  /** The end of each set in the values. A set begins where the one before it ends. */
  readonly #ends = new Numbers();
  readonly #hashes = new Numbers();
  /** The number of a set plus one, by its hash; 0 where the slot is free. Twice as many slots as sets, so few collide. */
  #slots = new Int32Array(FIRST_SLOTS);

  get isFull(): boolean {
    return this.#values.length > MAX_BYTES;
  }

  /** The number of these values, or -1 if they were not seen; then {@link add} them. */
  find(body: Uint8Array, values: Values): number {
    const mask = this.#slots.length - 1;
    for (let slot = slotOf(values.hash, mask); ; slot = (slot + 1) & mask) {
      const number = (this.#slots[slot] ?? 0) - 1;
      if (number < 0) return -1;
      if (this.#hashes.at(number) === values.hash && this.#isEqual(number, body, values)) return number;
    }
  }

  add(body: Uint8Array, values: Values): number {
    const number = this.#ends.length;
    if (2 * (number + 1) > this.#slots.length) this.#growSlots();
    this.#write(body, values);
    this.#ends.push(this.#values.length);
    this.#hashes.push(values.hash);
    this.#enter(number);
    return number;
  }

  #write(body: Uint8Array, { froms, tos, length }: Values): void {
    for (let field = 0; field < length; field += 1) {
      const from = froms[field] ?? -1;
      if (from >= 0) this.#values.write(body, from, tos[field] ?? 0);
      this.#values.writeByte(END_OF_VALUE);
    }
  }

  #isEqual(number: number, body: Uint8Array, { froms, tos, length }: Values): boolean {
    const { bytes } = this.#values;
    let at = number === 0 ? 0 : this.#ends.at(number - 1);
    const end = this.#ends.at(number);
    for (let field = 0; field < length; field += 1) {
      const from = froms[field] ?? -1;
      const to = from < 0 ? from : (tos[field] ?? 0);
      for (let next = from; next < to; next += 1) {
        if (bytes[at] !== body[next]) return false;
        at += 1;
      }
      if (at >= end || bytes[at] !== END_OF_VALUE) return false;
      at += 1;
    }
    return at === end;
  }

  #enter(number: number): void {
    const mask = this.#slots.length - 1;
    let slot = slotOf(this.#hashes.at(number), mask);
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
    this.#slots[slot] = number + 1;
  }

  #growSlots(): void {
    this.#slots = new Int32Array(this.#slots.length * 2);
    for (let number = 0; number < this.#ends.length; number += 1) this.#enter(number);
  }
}

function slotOf(hash: number, mask: number): number {
  return (hash ^ (hash >>> 15)) & mask;
}

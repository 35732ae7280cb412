import { PageError, notJson } from './failure.ts';

const [TAB, LINE_FEED, CARRIAGE_RETURN, SPACE] = [9, 10, 13, 32];
export const [QUOTE, COMMA, COLON, BACKSLASH] = [34, 44, 58, 92];
export const [OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [91, 93, 123, 125];
export const [MINUS, POINT, DIGIT_0, DIGIT_9] = [45, 46, 48, 57];
/** Rows nest two deep today. Recursion into a value must end, here and in Postgres. */
export const MAX_DEPTH = 100;

/** The depth inside of a bracket. Throws PageError. */
export function deeper(depth: number): number {
  if (depth === MAX_DEPTH) throw new PageError(`the reply nests more than ${MAX_DEPTH} deep`);
  return depth + 1;
}

/** The offset of the first byte from `from` on that is no white space. */
export function afterSpace(body: Uint8Array, from: number): number {
  let at = from;
  while (isSpace(body[at])) at += 1;
  return at;
}

/** The offset of the last byte up to `from` that is no white space. */
export function beforeSpace(body: Uint8Array, from: number): number {
  let at = from;
  while (isSpace(body[at])) at -= 1;
  return at;
}

function isSpace(byte: number | undefined): boolean {
  return byte === SPACE || byte === LINE_FEED || byte === CARRIAGE_RETURN || byte === TAB;
}

/** The offset behind the string whose quote is at `quote`. Throws PageError. */
export function endOfString(body: Uint8Array, quote: number): number {
  for (let at = quote + 1; at < body.length; at += 1) {
    const byte = body[at];
    if (byte === QUOTE) return at + 1;
    if (byte === BACKSLASH) at += 1;
  }
  throw notJson();
}

/**
 * The offset behind the value that begins at `from`. Only its end is certain: whether it is JSON shows when it is parsed.
 * `depth` is that of the object around it. Throws PageError.
 */
export function endOfValue(body: Uint8Array, from: number, depth: number): number {
  let within = depth;
  let at = from;
  while (at < body.length) {
    const byte = body[at];
    if (byte === QUOTE) {
      at = endOfString(body, at);
    } else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
      within = deeper(within);
      at += 1;
    } else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) {
      if (within === depth) return at;
      within -= 1;
      at += 1;
    } else if (within === depth && (byte === COMMA || isSpace(byte))) {
      return at;
    } else {
      at += 1;
      continue;
    }
    if (within === depth) return at;
  }
  throw notJson();
}

/** A hash of some bytes, for tables that compare the bytes themselves. */
export function hashOf(body: Uint8Array, from: number, to: number): number {
  let hash = 0;
  for (let at = from; at < to; at += 1) hash = nextHash(hash, body[at] ?? 0);
  return hash;
}

/** The hash of bytes with one more behind them. */
export function nextHash(hash: number, byte: number): number {
  return (Math.imul(hash, 31) + byte) | 0;
}

/** Whether the bytes from `from` to `to` are these. */
export function areBytes(bytes: Uint8Array, body: Uint8Array, from: number, to: number): boolean {
  if (to - from !== bytes.length) return false;
  for (let at = 0; at < bytes.length; at += 1) if (bytes[at] !== body[from + at]) return false;
  return true;
}

/** Bytes that are written one behind the other. */
export class Writer {
  bytes: Uint8Array<ArrayBuffer>;
  length = 0;

  constructor(room: number) {
    this.bytes = new Uint8Array(room);
  }

  /** Makes room for so many more bytes, and returns the bytes written so far with that room behind them. */
  room(more: number): Uint8Array<ArrayBuffer> {
    const needed = this.length + more;
    if (needed > this.bytes.length) {
      const larger = new Uint8Array(Math.max(this.bytes.length * 2, needed));
      larger.set(this.bytes.subarray(0, this.length));
      this.bytes = larger;
    }
    return this.bytes;
  }

  write(from: Uint8Array, start: number, end: number): void {
    const bytes = this.room(end - start);
    let at = this.length;
    // Most of what is written has a few bytes, which a loop copies faster than `set`.
    for (let next = start; next < end; next += 1) {
      bytes[at] = from[next] ?? 0;
      at += 1;
    }
    this.length = at;
  }

  writeByte(byte: number): void {
    this.room(1)[this.length] = byte;
    this.length += 1;
  }

  writeText(text: string): void {
    // In UTF-8, a UTF-16 unit takes three bytes at most.
    const bytes = this.room(text.length * 3);
    this.length += Buffer.from(bytes.buffer).write(text, this.length);
  }

  /** The bytes, without the room behind them. */
  taken(): Uint8Array<ArrayBuffer> {
    return this.bytes.slice(0, this.length);
  }

  /** The same bytes, as long as no more are written. */
  written(): Buffer {
    return Buffer.from(this.bytes.buffer, 0, this.length);
  }
}

/** Numbers that are written one behind the other. */
export class Numbers {
  values: Int32Array<ArrayBuffer> = new Int32Array(64);
  length = 0;

  push(value: number): void {
    if (this.length === this.values.length) this.#grow(this.length * 2);
    this.values[this.length] = value;
    this.length += 1;
  }

  /** The numbers, without the room behind them. */
  taken(): Int32Array<ArrayBuffer> {
    return this.values.slice(0, this.length);
  }

  pushAll(others: Numbers): void {
    if (this.length + others.length > this.values.length) this.#grow((this.length + others.length) * 2);
    this.values.set(others.values.subarray(0, others.length), this.length);
    this.length += others.length;
  }

  at(place: number): number {
    return this.values[place] ?? 0;
  }

  #grow(length: number): void {
    const longer = new Int32Array(length);
    longer.set(this.values.subarray(0, this.length));
    this.values = longer;
  }
}

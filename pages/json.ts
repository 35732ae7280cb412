import type { Json } from '../domain/lines.ts';
import { BACKSLASH, QUOTE, areBytes, type Writer } from './bytes.ts';
import { notJson } from './failure.ts';

/**
 * JSON as a value that Postgres can hold: U+FFFD replaces what no text there can, which is U+0000 and halves of surrogate
 * pairs. Throws PageError.
 */
export function parseValue(text: string): Json {
  try {
    const value = JSON.parse(text) as Json;
    return text.includes('\\u') ? storable(value) : value;
  } catch {
    throw notJson();
  }
}

function storable(value: Json): Json {
  if (typeof value === 'string') return storableText(value);
  if (typeof value !== 'object' || value === null) return value;
  if (isArray(value)) return value.map(storable);
  const fields: Record<string, Json> = {};
  for (const [name, field] of Object.entries(value)) setField(fields, storableText(name), storable(field));
  return fields;
}

function storableText(text: string): string {
  return text.replace(UNSTORABLE, '\ufffd');
}

/** With the flag `u`, only halves without their other half are surrogates. */
const UNSTORABLE = /\p{Surrogate}|\0/gu;

function isArray(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}

/** Sets a field of an object, whatever its name. Assigning to `__proto__` would set no field. */
export function setField<T>(fields: Record<string, T>, name: string, value: T): void {
  if (name !== '__proto__') fields[name] = value;
  else Object.defineProperty(fields, name, { value, enumerable: true, writable: true, configurable: true });
}

/** The value from `from` to `to` in a page. Throws PageError. */
export function parseField(body: Uint8Array, from: number, to: number): Json {
  const length = to - from;
  const room = length <= scratch.length ? scratch : Buffer.allocUnsafe(length);
  let isPlain = body[from] === QUOTE;
  for (let at = 0; at < length; at += 1) {
    const byte = body[from + at] ?? 0;
    room[at] = byte;
    if (byte < SPACE || byte > LAST_ASCII || byte === BACKSLASH) isPlain = false;
  }
  return isPlain ? room.toString('latin1', 1, length - 1) : parseValue(room.toString('utf8', 0, length));
}

/**
 * Writes the text from `from` to `to` with its quotes, as JSON.stringify spells it. False where it is no text, or where
 * JSON.stringify may spell it otherwise.
 */
export function writePlainText(body: Uint8Array, from: number, to: number, into: Writer): boolean {
  if (body[from] !== QUOTE) return false;
  const bytes = into.room(to - from);
  let at = into.length;
  for (let next = from; next < to; next += 1) {
    const byte = body[next] ?? 0;
    if (byte < SPACE || byte > LAST_ASCII || byte === BACKSLASH) return false;
    bytes[at] = byte;
    at += 1;
  }
  into.length = at;
  return true;
}

/** Nearly all values are short texts, for which JSON.parse would take several times longer. */
const scratch = Buffer.alloc(4096);
const [SPACE, LAST_ASCII] = [32, 126];

/** Whether the value from `from` to `to` is null, which means the same as absent. */
export function isNull(body: Uint8Array, from: number, to: number): boolean {
  return body[from] === NULL[0] && areBytes(NULL, body, from, to);
}

const NULL = Buffer.from('null');

import type { Dispatcher } from 'undici';

const FIRST_BYTES = 64 * 1024;

/** The body of a reply, or its beginning if the body is longer than the caller takes. */
export interface ReplyBody {
  readonly received: Buffer;
  readonly isCut: boolean;
}

/**
 * Reads a body of at most `maxBytes`, into `room` if that is large enough. `onBytes` counts what arrives, also if reading
 * fails later.
 */
export async function receiveBody(
  response: Dispatcher.ResponseData,
  maxBytes: number,
  room: Buffer,
  onBytes: (count: number) => void,
): Promise<ReplyBody> {
  const announced = Number(headerOf(response, 'content-length') ?? 0);
  // A buffer of the announced size from the start: a large reply is then never held twice.
  const expected = announced > 0 ? Math.min(announced, maxBytes) : FIRST_BYTES;
  let received: Buffer = room.length >= expected ? room : Buffer.allocUnsafeSlow(expected);
  let length = 0;
  for await (const chunk of response.body) {
    const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
    onBytes(bytes.length);
    if (length + bytes.length > maxBytes) return { received: received.subarray(0, length), isCut: true };
    if (length + bytes.length > received.length) received = grown(received, length + bytes.length);
    bytes.copy(received, length);
    length += bytes.length;
  }
  return { received: received.subarray(0, length), isCut: false };
}

function grown(buffer: Buffer, atLeast: number): Buffer {
  const larger = Buffer.allocUnsafeSlow(Math.max(buffer.length * 2, atLeast));
  buffer.copy(larger);
  return larger;
}

/** The first 100 characters of a header; null if it is absent or given more than once. */
export function headerOf(response: Dispatcher.ResponseData, name: string): string | null {
  const value = response.headers[name];
  return typeof value === 'string' ? value.slice(0, 100) : null;
}

/**
 * JSON in which U+FFFD replaces what no text in Postgres can hold: U+0000 and halves of surrogate pairs. In JSON both
 * occur only as escapes.
 */
export function storable(body: Buffer): Buffer {
  if (!body.includes('\\u')) return body;
  const json = body.toString();
  if (!/\\u(?:0000|[dD][89a-fA-F])/.test(json)) return body;
  return Buffer.from(
    json.replace(ESCAPE, (escape, unstorable: string | undefined) => (unstorable === undefined ? escape : '\\ufffd')),
  );
}

const HEX = '[0-9a-fA-F]{2}';
/** Matches any escape of JSON, and a surrogate pair as one. The group captures an escape that cannot be stored. */
const ESCAPE = new RegExp(
  String.raw`\\(?:u[dD][89abAB]${HEX}\\u[dD][c-fC-F]${HEX}|(u0000|u[dD][89a-fA-F]${HEX})|.)`,
  'g',
);

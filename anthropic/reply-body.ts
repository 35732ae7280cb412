import type { Dispatcher } from 'undici';

const FIRST_BYTES = 64 * 1024;
const SPARE = 1.1;

/** The body of a reply, or its beginning if the body is longer than the caller takes. */
export interface ReplyBody {
  readonly received: Buffer<ArrayBuffer>;
  readonly isCut: boolean;
}

/**
 * Reads a body of at most `maxBytes`, into `room` if that is large enough. `onBytes` counts what arrives, also if reading
 * fails later.
 */
export async function receiveBody(
  response: Dispatcher.ResponseData,
  maxBytes: number,
  room: Uint8Array<ArrayBuffer>,
  onBytes: (count: number) => void,
): Promise<ReplyBody> {
  const announced = Number(headerOf(response, 'content-length') ?? 0);
  // A buffer of the announced size from the start: a large reply is then never held twice. The next reply may be a little
  // larger, and should have room in it.
  const expected = announced > 0 ? Math.min(announced, maxBytes) : FIRST_BYTES;
  let received: Buffer<ArrayBuffer> =
    room.length >= expected ? Buffer.from(room.buffer) : Buffer.allocUnsafeSlow(Math.ceil(expected * SPARE));
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

function grown(buffer: Buffer, atLeast: number): Buffer<ArrayBuffer> {
  const larger = Buffer.allocUnsafeSlow(Math.max(buffer.length * 2, atLeast));
  buffer.copy(larger);
  return larger;
}

/** The first 100 characters of a header; null if it is absent or given more than once. */
export function headerOf(response: Dispatcher.ResponseData, name: string): string | null {
  const value = response.headers[name];
  return typeof value === 'string' ? value.slice(0, 100) : null;
}

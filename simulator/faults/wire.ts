import type { ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';
import type { Fault } from './faults.ts';
import type { Reply } from './reply.ts';

const MEBIBYTE = 1_048_576;
const HUGE_PAGE_BYTES = 50 * MEBIBYTE;
const GZIP_BOMB_BYTES = 256 * MEBIBYTE;
const CHUNK = Buffer.alloc(65_536, ' ');

/** Sends a reply as its `delivery` says. Returns the bytes of body that it sent, or will send, unless the client leaves. */
export function deliver(response: ServerResponse, reply: Reply, fault: Fault | null): number {
  const body = Buffer.from(reply.body);
  const half = body.subarray(0, Math.floor(body.length / 2));
  const head = (length: number): void => {
    response.writeHead(reply.status, { ...reply.headers, 'content-length': length });
  };
  switch (reply.delivery) {
    case 'whole':
      head(body.length);
      response.end(body);
      return body.length;
    case 'cut_short':
      head(body.length);
      response.write(half, () => response.socket?.end());
      return half.length;
    case 'reset':
      head(body.length);
      response.write(half, () => response.socket?.resetAndDestroy());
      return half.length;
    case 'stall_headers':
      return 0;
    case 'stall_body':
      head(body.length);
      response.write(half);
      return half.length;
    case 'drip':
      head(body.length);
      drip(response, body, fault?.bytesPerSecond ?? 1);
      return body.length;
    case 'huge_page': {
      const size = Math.max(fault?.bytes ?? HUGE_PAGE_BYTES, body.length);
      head(size);
      // White space before the last brace keeps it valid JSON.
      response.write(body.subarray(0, -1));
      pad(response, size - body.length, body.subarray(-1));
      return size;
    }
    case 'gzip_bomb': {
      const bomb = gzipBomb(body, fault?.bytes ?? GZIP_BOMB_BYTES);
      head(bomb.length);
      response.end(bomb);
      return bomb.length;
    }
  }
}

function drip(response: ServerResponse, body: Buffer, bytesPerSecond: number): void {
  let sent = 0;
  response.flushHeaders();
  const timer = setInterval(() => {
    response.write(body.subarray(sent, sent + 1));
    sent += 1;
    if (sent >= body.length) {
      clearInterval(timer);
      response.end();
    }
  }, 1_000 / bytesPerSecond);
  response.once('close', () => {
    clearInterval(timer);
  });
}

function pad(response: ServerResponse, bytes: number, end: Buffer): void {
  let left = bytes;
  const more = (): void => {
    while (left > 0) {
      const chunk = CHUNK.subarray(0, Math.min(left, CHUNK.length));
      left -= chunk.length;
      if (!response.write(chunk)) {
        response.once('drain', more);
        return;
      }
    }
    response.end(end);
  };
  more();
}

/** Repeats one small gzip member until the body that a reader unpacks has `bytes` bytes. */
function gzipBomb(body: Buffer, bytes: number): Buffer {
  const filler = gzipSync(Buffer.alloc(MEBIBYTE, ' '), { level: 9 });
  const members = Array.from({ length: Math.ceil(bytes / MEBIBYTE) }, () => filler);
  return Buffer.concat([gzipSync(body.subarray(0, -1)), ...members, gzipSync(body.subarray(-1))]);
}

import { connect } from 'node:net';

/** What came back over a socket: the first reply that is final, and everything that was heard. */
export interface Heard {
  /** Null where the connection was closed without a reply. */
  readonly status: number | null;
  /** By name in small letters; of several with one name, the last. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly all: string;
}

/** Longer than the server waits for a slow client, so that only a request that hangs takes as long. */
const PATIENCE_MS = 10_000;

/**
 * Sends bytes as they are, which no HTTP library would, on a connection of their own. Rejects when the server neither
 * completes a reply nor closes the connection in time.
 */
export function say(url: string, bytes: Buffer, isHead = false): Promise<Heard> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url);
    const parts: Buffer[] = [];
    const socket = connect(Number(port), hostname);
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`no end of a reply after ${PATIENCE_MS} ms; heard so far: ${textOf(parts).slice(0, 300)}`));
    }, PATIENCE_MS);
    const finish = (): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(heardOf(textOf(parts), isHead));
    };
    socket.on('data', (part) => {
      parts.push(part);
      if (isWhole(textOf(parts), isHead)) finish();
    });
    // A reply that was sent before the server gave up on the rest of a request still counts.
    socket.on('error', finish);
    socket.on('close', finish);
    socket.write(bytes);
  });
}

/** Byte by byte, so that lengths in text are lengths in bytes. */
function textOf(parts: readonly Buffer[]): string {
  return Buffer.concat(parts).toString('latin1');
}

interface Reply {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly rest: string;
}

function replyOf(all: string): Reply | null {
  const end = all.indexOf('\r\n\r\n');
  if (end < 0) return null;
  const [line = '', ...fields] = all.slice(0, end).split('\r\n');
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(line)?.[1] ?? 0);
  const rest = all.slice(end + 4);
  if (status >= 100 && status < 200) return replyOf(rest);
  const headers = fields.map((field): [string, string] => {
    const colon = field.indexOf(':');
    return [field.slice(0, colon).toLowerCase(), field.slice(colon + 1).trim()];
  });
  return { status, headers: Object.fromEntries(headers), rest };
}

function isWhole(all: string, isHead: boolean): boolean {
  const reply = replyOf(all);
  if (reply === null) return false;
  if (isHead || reply.status === 204 || reply.status === 304) return true;
  // A file: its last chunk is an empty one.
  if (reply.headers['transfer-encoding'] === 'chunked') return /(?:^|\r\n)0\r\n\r\n$/.test(reply.rest.slice(-7));
  const length = reply.headers['content-length'];
  // One without a length ends with its connection.
  return length !== undefined && reply.rest.length >= Number(length);
}

function heardOf(all: string, isHead: boolean): Heard {
  const reply = replyOf(all);
  if (reply === null) return { status: null, headers: {}, body: '', all };
  const length = reply.headers['content-length'];
  const bytes = isHead ? '' : length === undefined ? reply.rest : reply.rest.slice(0, Number(length));
  return { ...reply, body: Buffer.from(bytes, 'latin1').toString('utf8'), all };
}

import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { FAILURES, type FailureCode } from '../../domain/failures.ts';
import { BOUNDS, ClientBounds, type Bounds } from './bounds.ts';

/** How long a client may take, in milliseconds. */
export interface Patience {
  readonly headersMs: number;
  readonly requestMs: number;
  /** For taking some more of its reply. Above any wait for a verdict or for Postgres, in which nothing is sent either. */
  readonly idleMs: number;
}

const PATIENCE: Patience = { headersMs: 10_000, requestMs: 20_000, idleMs: 60_000 };
const MAX_HEADER_BYTES = 8 * 1024;

/** Makes a server that does not wait for slow clients, takes only short headers, and keeps each client within bounds. */
export function createHttpServer(
  app: RequestListener,
  patience: Partial<Patience> = {},
  bounds: Partial<Bounds> = {},
): Server {
  const { headersMs, requestMs, idleMs } = { ...PATIENCE, ...patience };
  const clients = new ClientBounds({ ...BOUNDS, ...bounds });
  const answer = clients.listener((request, response) => {
    if (isForUs(request)) {
      app(request, response);
      return;
    }
    const body = documentOf(400, 'Bad Request', 'invalid_request');
    const length = Buffer.byteLength(body);
    response.writeHead(400, { 'Content-Type': PROBLEM_TYPE, 'Content-Length': length, Connection: 'close' }).end(body);
  });
  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: headersMs,
      requestTimeout: requestMs,
      keepAliveTimeout: 5_000,
      connectionsCheckingInterval: Math.min(1_000, headersMs),
      // It is required below, where its absence gets a problem document instead of a bare 400.
      requireHostHeader: false,
    },
    answer,
  );
  // A connection on which nothing moves is closed, be it that its client does not take the reply.
  server.timeout = idleMs;
  clients.limitSockets(server);
  server.on('clientError', refuse);
  server.on('connect', (_request, socket) => {
    refuse(new Error('this is no proxy'), socket);
  });
  // An expectation that nobody knows may be passed over (RFC 9110); Node would answer with a bare 417.
  server.on('checkExpectation', answer);
  return server;
}

/** Only proxies are sent whole addresses. Express answers those that it cannot parse by itself, in HTML. */
function isForUs({ url, httpVersion, headers }: IncomingMessage): boolean {
  return url?.startsWith('/') === true && (headers.host !== undefined || httpVersion === '1.0');
}

const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';

/** What cannot be parsed reaches no route; it gets its problem document all the same. */
function refuse(error: Error & { code?: string }, socket: Duplex): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const [status, reason, code] = refusalOf(error.code);
  const body = documentOf(status, reason, code);
  socket.end(
    [
      `HTTP/1.1 ${status} ${reason}`,
      'Connection: close',
      `Content-Type: ${PROBLEM_TYPE}`,
      `Content-Length: ${Buffer.byteLength(body)}`,
      '',
      body,
    ].join('\r\n'),
  );
}

function documentOf(status: number, reason: string, code: FailureCode): string {
  const { message, action } = FAILURES[code];
  return JSON.stringify({ type: `/docs#${code}`, title: message, status, detail: reason, code, action });
}

function refusalOf(code: string | undefined): [status: number, reason: string, code: FailureCode] {
  if (code === 'HPE_HEADER_OVERFLOW') return [431, 'Request Header Fields Too Large', 'too_large'];
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return [408, 'Request Timeout', 'invalid_request'];
  return [400, 'Bad Request', 'invalid_request'];
}

/** A server cannot listen where it was told to. The message says where, why, and what to do. */
export class ListenError extends Error {
  override readonly name = 'ListenError';
}

/** Listens, and gives the address at which it can be reached. Throws {@link ListenError}. */
export async function listen(server: Server, host: string, port: number): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(new ListenError(whyNot(error.code ?? 'unknown', host, port)));
    });
    server.listen(port, host, resolve);
  });
  return urlOf(host, server.address());
}

function whyNot(code: string, host: string, port: number): string {
  switch (code) {
    case 'EADDRINUSE':
      return `Port ${port} on ${host} is taken by another program. Stop that one, or set PORT to a free port.`;
    case 'EACCES':
      return `Port ${port} on ${host} is reserved for privileged users. Set PORT to one above 1023.`;
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return `${host} is not an address of this machine. Set HOST to one that is, such as 127.0.0.1 or 0.0.0.0.`;
    default:
      return `The API cannot listen on port ${port} of ${host} (${code}). Set HOST and PORT to where it can.`;
  }
}

function urlOf(host: string, address: AddressInfo | string | null): string {
  const port = typeof address === 'object' && address !== null ? address.port : '';
  const everywhere = host === '0.0.0.0' || host === '::';
  const name = everywhere ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host;
  return `http://${name}:${port}`;
}

const LAST_WORDS_MS = 10_000;

/** Takes no more requests, and waits for those under way, but not for clients that do not take their reply. */
export async function closeServer(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => {
      resolve();
    });
  });
  server.closeIdleConnections();
  const cutOff = setTimeout(() => {
    server.closeAllConnections();
  }, LAST_WORDS_MS);
  await closed;
  clearTimeout(cutOff);
}

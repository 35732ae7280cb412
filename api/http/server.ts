import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { addressOn } from '../../config/public-url.ts';
import { FAILURES, type FailureCode } from '../../domain/failures.ts';
import { BOUNDS, ClientBounds, type Bounds } from './bounds.ts';

/** How long a client may take. */
export interface ClientTimeouts {
  readonly headersMs: number;
  readonly requestMs: number;
  /** The longest silence on a connection. Longer than any wait for a verdict or for Postgres, when nothing is sent either. */
  readonly idleMs: number;
}

const TIMEOUTS: ClientTimeouts = { headersMs: 10_000, requestMs: 20_000, idleMs: 60_000 };
const MAX_HEADER_BYTES = 8 * 1024;

/** Makes a server that cuts off slow clients, accepts only short headers, and keeps each client within bounds. */
export function createHttpServer(
  app: RequestListener,
  timeouts: Partial<ClientTimeouts> = {},
  bounds: Partial<Bounds> = {},
): Server {
  const { headersMs, requestMs, idleMs } = { ...TIMEOUTS, ...timeouts };
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
      // `isForUs` checks it, and answers with a problem document instead of Node's bare 400.
      requireHostHeader: false,
    },
    answer,
  );
  // Closes an idle connection, also one whose client does not read its reply.
  server.timeout = idleMs;
  clients.limitSockets(server);
  server.on('clientError', refuse);
  server.on('connect', (_request, socket) => {
    refuse(new Error('this server is not a proxy'), socket);
  });
  // RFC 9110 allows to ignore an unknown expectation; Node would answer with a bare 417.
  server.on('checkExpectation', answer);
  return server;
}

/** Clients send whole addresses only to proxies. Express would answer the ones that it cannot parse in HTML. */
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
  const [status, reason, code] = answerTo(error.code);
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

function answerTo(code: string | undefined): [status: number, reason: string, code: FailureCode] {
  if (code === 'HPE_HEADER_OVERFLOW') return [431, 'Request Header Fields Too Large', 'too_large'];
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return [408, 'Request Timeout', 'invalid_request'];
  return [400, 'Bad Request', 'invalid_request'];
}

/** A server cannot listen on its host and port. The message says why and what to do. */
export class ListenError extends Error {
  override readonly name = 'ListenError';
}

/** Listens, and returns the URL of the server on this machine. Throws {@link ListenError}. */
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
      return `Another program uses port ${port} on ${host}. Stop it, or set PORT to a free port.`;
    case 'EACCES':
      return `Port ${port} on ${host} is reserved for privileged users. Set PORT to a number above 1023.`;
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return `${host} is not an address of this machine. Set HOST to an address of this machine, such as 127.0.0.1 or 0.0.0.0.`;
    default:
      return `The API cannot listen on port ${port} of ${host} (${code}). Set HOST and PORT to an address where it can.`;
  }
}

function urlOf(host: string, address: AddressInfo | string | null): string {
  const port = typeof address === 'object' && address !== null ? address.port : '';
  return addressOn(host, port);
}

const CLOSE_MS = 10_000;

/** Accepts no more requests and waits for the running ones, but not long for clients that do not read their reply. */
export async function closeServer(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => {
      resolve();
    });
  });
  server.closeIdleConnections();
  const cutOff = setTimeout(() => {
    server.closeAllConnections();
  }, CLOSE_MS);
  await closed;
  clearTimeout(cutOff);
}

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { ENDPOINTS, answer, checkVersion, type Answer } from './admin-api/endpoints.ts';
import type { Books } from './organization/ledger.ts';
import type { Control } from './control.ts';
import { CONTROL_PREFIX, handleControl } from './control-routes.ts';
import { formatTime } from './days.ts';
import type { Fault } from './faults/faults.ts';
import type { Key } from './organization/organization.ts';
import { pageNumberOf } from './admin-api/page-token.ts';
import { hashText, mix, randomText } from './random.ts';
import { Refusal } from './admin-api/api-error.ts';
import { errorReply, spoilPage, spoilReply, successReply, type Reply } from './faults/reply.ts';
import { deliver } from './faults/wire.ts';

interface Exchange {
  readonly request: IncomingMessage;
  readonly url: URL;
  readonly key: string | null;
  readonly owner: { books: Books; key: Key } | undefined;
  readonly requestId: string;
  readonly serial: number;
}

const BASE = 'http://simulator';
const REQUEST_ID_CHARACTERS = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';

/** An HTTP server with the Admin API and the control surface of it on one port. */
export function createSimulatorServer(control: Control): Server {
  let serial = 0;
  const server = createServer((request, response) => {
    const target = request.url ?? '/';
    const url = new URL(URL.canParse(target, BASE) ? target : '/malformed', BASE);
    if (url.pathname.startsWith(CONTROL_PREFIX)) {
      void handleControl(control, request, response, url);
      return;
    }
    serial += 1;
    serve(control, request, response, url, serial);
  });
  // Longer than a client keeps an idle connection, so that none is closed under a request.
  server.keepAliveTimeout = 120_000;
  return server;
}

function serve(control: Control, request: IncomingMessage, response: ServerResponse, url: URL, serial: number): void {
  const { clock, conduct, faults, requests, latencyMs, ownerOf } = control.internals;
  request.resume();
  const header = request.headers['x-api-key'];
  const key = typeof header === 'string' ? header : null;
  const exchange: Exchange = {
    request,
    url,
    key,
    owner: key === null ? undefined : ownerOf(key),
    requestId: `req_011C${randomText(REQUEST_ID_CHARACTERS, 20, mix(hashText('request'), serial))}`,
    serial,
  };
  const client = exchange.owner?.books.organization.id ?? key ?? '';
  conduct.inspect(request, url.pathname, client);
  const endpoint = ENDPOINTS.get(url.pathname);
  const fault =
    endpoint === undefined
      ? null
      : faults.take({
          path: url.pathname,
          endpoint,
          page: pageNumberOf(url.searchParams.get('page')),
          key,
          grouped: url.searchParams.has('group_by[]'),
        });
  const made = makeReply(control, exchange, fault);
  const reply = fault?.kind === 'elsewhere' ? made : identify(made, exchange);
  const retryAfter = reply.headers['retry-after'];
  if (reply.status === 429 && retryAfter !== undefined) conduct.hold(client, retryAfter);
  const send = (): void => {
    const bytesSent = response.destroyed ? 0 : deliver(response, reply, fault);
    const entry = {
      at: new Date(clock.nowMs()).toISOString(),
      method: request.method ?? '',
      path: endpoint === undefined ? '(unknown)' : url.pathname,
      query: url.search,
      status: reply.status,
      fault: fault?.kind ?? null,
      key: key?.slice(-4) ?? null,
    };
    requests.add(entry, bytesSent);
  };
  if (fault?.kind === 'moving_day' && fault.restatement !== undefined) control.restate(fault.restatement);
  if (fault?.kind === 'hold') {
    faults.hold(send);
  } else if (latencyMs > 0) {
    setTimeout(send, latencyMs);
  } else {
    send();
  }
}

function makeReply(control: Control, exchange: Exchange, fault: Fault | null): Reply {
  let reply: Reply;
  try {
    const answered = answerTo(control, exchange);
    if (fault?.days !== undefined && !holdsDay(answered, fault.days)) return successReply(answered);
    const spoilt: Answer =
      fault !== null && answered.kind === 'page' ? { kind: 'page', page: spoilPage(answered.page, fault) } : answered;
    reply = successReply(spoilt);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    if (error.misconduct !== null) {
      control.internals.conduct.count(error.misconduct, exchange.request, exchange.url.pathname);
    }
    reply = errorReply(error.status, error.message, exchange.requestId, error.status === 405 ? { allow: 'GET' } : {});
  }
  return fault === null ? reply : spoilReply(reply, fault, exchange.requestId);
}

function holdsDay(answered: Answer, days: readonly string[]): boolean {
  return (
    answered.kind === 'page' &&
    answered.page.buckets.some(({ startMs }) => days.includes(formatTime(startMs).slice(0, 10)))
  );
}

function answerTo(control: Control, { request, url, owner, serial }: Exchange): Answer {
  const { clock, conduct, paging } = control.internals;
  const endpoint = ENDPOINTS.get(url.pathname);
  if (endpoint === undefined) throw new Refusal(404, 'Not Found', 'path');
  if (request.method !== 'GET') throw new Refusal(405, 'Method Not Allowed');
  if (owner === undefined) throw new Refusal(401, 'invalid x-api-key');
  if (owner.key.state === 'revoked') {
    conduct.count('after_revocation', request, url.pathname);
    throw new Refusal(401, 'invalid x-api-key');
  }
  if (owner.key.state === 'forbidden') throw new Refusal(403, 'This key lacks permission for this resource');
  checkVersion(request.headers['anthropic-version']);
  return answer(endpoint, url.searchParams, {
    books: owner.books,
    clock,
    paging,
    shuffleSeed: mix(owner.books.organization.seed, serial),
  });
}

/** The headers of every reply. A key that belongs to nobody has no organization to name. */
function identify(reply: Reply, { requestId, owner }: Exchange): Reply {
  const organization = owner === undefined ? {} : { 'anthropic-organization-id': owner.books.organization.id };
  return { ...reply, headers: { ...reply.headers, 'request-id': requestId, ...organization } };
}

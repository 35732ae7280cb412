import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { ApiError } from './admin-api/api-error.ts';
import { ENDPOINTS, answer, checkVersion, type Answer, type Endpoint } from './admin-api/endpoints.ts';
import { pageNumberOf } from './admin-api/page-token.ts';
import { CONTROL_PREFIX, handleControl } from './control-routes.ts';
import type { Control } from './control.ts';
import { formatTime } from './days.ts';
import { applyToPage, applyToReply } from './faults/effects.ts';
import type { Fault } from './faults/faults.ts';
import { errorReply, successReply, type Reply } from './faults/reply.ts';
import { deliver } from './faults/wire.ts';
import { makeRequestId } from './organization/ids.ts';
import type { KeyOwner } from './organization/organizations.ts';
import { hashText, mix } from './random.ts';
import type { State } from './state.ts';

/** One request to the Admin API. */
interface Exchange {
  readonly request: IncomingMessage;
  readonly url: URL;
  /** Undefined for a path that the Admin API does not have. */
  readonly endpoint: Endpoint | undefined;
  readonly key: string | null;
  /** Undefined for a missing or unknown key. */
  readonly owner: KeyOwner | undefined;
  readonly requestId: string;
  /** The number of the request. It decides the order of rows in a report. */
  readonly serial: number;
}

const BASE = 'http://simulator';
/** Longer than a client keeps an idle connection, so that the server never closes one while a request is on its way. */
const KEEP_ALIVE_MS = 120_000;

function urlOf(target: string): URL {
  try {
    return new URL(target, BASE);
  } catch {
    return new URL('/malformed', BASE);
  }
}

/** An HTTP server with the Admin API and its control surface on one port. */
export function createSimulatorServer(state: State, control: Control): Server {
  let serial = 0;
  const server = createServer((request, response) => {
    const url = urlOf(request.url ?? '/');
    if (url.pathname.startsWith(CONTROL_PREFIX)) {
      void handleControl(control, request, response, url);
      return;
    }
    serial += 1;
    serve(state, exchangeOf(state, request, url, serial), response);
  });
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  return server;
}

function exchangeOf({ organizations }: State, request: IncomingMessage, url: URL, serial: number): Exchange {
  request.resume();
  const header = request.headers['x-api-key'];
  const key = typeof header === 'string' ? header : null;
  return {
    request,
    url,
    endpoint: ENDPOINTS.get(url.pathname),
    key,
    owner: key === null ? undefined : organizations.ownerOf(key),
    requestId: makeRequestId(mix(hashText('request'), serial)),
    serial,
  };
}

function serve(state: State, exchange: Exchange, response: ServerResponse): void {
  const { conduct, faults, latencyMs } = state;
  const client = exchange.owner?.ledger.organization.id ?? exchange.key ?? '';
  conduct.inspect(exchange.request, exchange.url.pathname, client);
  const fault = takeFault(state, exchange);
  const reply = replyTo(state, exchange, fault);
  const retryAfter = reply.headers['retry-after'];
  if (reply.status === 429 && retryAfter !== undefined) conduct.addRetryAfter(client, retryAfter);
  if (fault?.kind === 'moving_day' && fault.restatement !== undefined) {
    state.organizations.ledgerOf(fault.restatement.organization).restate(fault.restatement);
  }
  const send = (): void => {
    const bytesSent = response.destroyed ? 0 : deliver(response, reply, fault);
    record(state, exchange, { status: reply.status, fault: fault?.kind ?? null, bytesSent });
  };
  if (fault?.kind === 'hold') faults.hold(send);
  else if (latencyMs > 0) setTimeout(send, latencyMs);
  else send();
}

function takeFault({ faults }: State, { url, endpoint, key }: Exchange): Fault | null {
  if (endpoint === undefined) return null;
  return faults.take({
    path: url.pathname,
    endpoint,
    page: pageNumberOf(url.searchParams.get('page')),
    key,
    grouped: url.searchParams.has('group_by[]'),
  });
}

function record(
  { clock, requests }: State,
  { request, url, endpoint, key }: Exchange,
  sent: { status: number; fault: string | null; bytesSent: number },
): void {
  const entry = {
    at: new Date(clock.nowMs()).toISOString(),
    method: request.method ?? '',
    path: endpoint === undefined ? '(unknown)' : url.pathname,
    query: url.search,
    status: sent.status,
    fault: sent.fault,
    key: key?.slice(-4) ?? null,
  };
  requests.add(entry, sent.bytesSent);
}

/** The reply to a request, changed by its fault. A fault for given days leaves other pages as they are. */
function replyTo(state: State, exchange: Exchange, fault: Fault | null): Reply {
  let reply: Reply;
  try {
    const answered = answerTo(state, exchange);
    if (fault === null || (fault.days !== undefined && !holdsDay(answered, fault.days))) {
      return withIdentity(successReply(answered, state.spelling), exchange);
    }
    reply = successReply(
      answered.kind === 'page' ? { kind: 'page', page: applyToPage(fault, answered.page) } : answered,
      state.spelling,
    );
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.violation !== null) {
      state.conduct.count(error.violation, exchange.request, exchange.url.pathname);
    }
    const headers = error.status === 405 ? { allow: 'GET' } : {};
    reply = errorReply(error.status, error.message, exchange.requestId, headers);
  }
  if (fault === null) return withIdentity(reply, exchange);
  const changed = applyToReply(fault, reply, exchange.requestId);
  return fault.kind === 'elsewhere' ? changed : withIdentity(changed, exchange);
}

function holdsDay(answered: Answer, days: readonly string[]): boolean {
  return (
    answered.kind === 'page' &&
    answered.page.buckets.some(({ startMs }) => days.includes(formatTime(startMs).slice(0, 10)))
  );
}

/** Throws ApiError for a request that the Admin API answers with an error. */
function answerTo(state: State, { request, url, endpoint, owner, serial }: Exchange): Answer {
  const { clock, conduct, paging, spelling } = state;
  if (endpoint === undefined) throw new ApiError(404, 'Not Found', 'path');
  if (request.method !== 'GET') throw new ApiError(405, 'Method Not Allowed');
  if (owner === undefined) throw new ApiError(401, 'invalid x-api-key');
  if (owner.key.state === 'revoked') {
    conduct.count('after_revocation', request, url.pathname);
    throw new ApiError(401, 'invalid x-api-key');
  }
  if (owner.key.state === 'forbidden') throw new ApiError(403, 'This key lacks permission for this resource');
  checkVersion(request.headers['anthropic-version']);
  return answer(endpoint, url.searchParams, {
    ledger: owner.ledger,
    clock,
    paging,
    spelling,
    shuffleSeed: mix(owner.ledger.organization.seed, serial),
  });
}

/** Adds the headers of every reply. An unknown key has no organization to name. */
function withIdentity(reply: Reply, { requestId, owner }: Exchange): Reply {
  const organization = owner === undefined ? {} : { 'anthropic-organization-id': owner.ledger.organization.id };
  return { ...reply, headers: { ...reply.headers, 'request-id': requestId, ...organization } };
}

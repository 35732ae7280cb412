import { Readable } from 'node:stream';
import { Agent, EnvHttpProxyAgent, type Dispatcher } from 'undici';
import { isLoopback } from '../../domain/base-url.ts';
import type { AllowList } from '../../domain/notices/allow-list.ts';
import { problemWithUrl } from '../../domain/notices/targets.ts';
import { networkCodeOf, networkSentence, proxyStatusOf } from '../../runtime/network-errors.ts';
import { deadline, openGate, type Outcome, type TellOptions } from '../delivery.ts';
import { cleanedOf, secretsOfUrl } from '../words.ts';
import { checkHostForProxy, guardedConnector, RefusedAddressError, type Resolver } from './guard.ts';

/** How long each part of a request may take, in milliseconds. */
export interface Timeouts {
  readonly connectMs: number;
  readonly headersMs: number;
  /** The whole request. It also ends a reply that drips steadily. */
  readonly wholeMs: number;
}

export const TIMEOUTS: Timeouts = { connectMs: 10_000, headersMs: 30_000, wholeMs: 60_000 };
/** More of a reply is not read. */
const MAX_REPLY_BYTES = 4 * 1024;
const LONGEST_WAIT_MS = 24 * 60 * 60 * 1000;

/** The way that requests take. */
export interface Route {
  readonly allow: AllowList;
  readonly resolve: Resolver;
  readonly proxy: { readonly url: string | null; readonly noProxy: string };
  readonly userAgent: string;
  readonly timeouts: Timeouts;
}

/** A request of which nothing but the host may be shown. */
export interface Post {
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string;
  /** Besides the address. */
  readonly secrets: readonly string[];
  /** Whether the other side takes the same message twice without telling it twice. */
  readonly isRepeatable: boolean;
}

/**
 * Posts JSON once: to https, or where the allow-list says so to http, and only to addresses to which it lets notices go.
 * Follows no redirect, unpacks nothing, and reads at most the beginning of the reply. Rejects only with what `beforeBody`
 * rejected with.
 */
export async function post(request: Post, route: Route, options: TellOptions): Promise<Outcome> {
  const problem = problemWithUrl(request.url, route.allow);
  if (problem !== null) return { state: 'failed', reason: `the address ${problem}` };
  const url = new URL(request.url);
  const clean = cleanedOf([...request.secrets, ...secretsOfUrl(url)]);
  const { over, isLate, end } = deadline(route.timeouts.wholeMs, options.signal);
  const gate = openGate(options.beforeBody, over);
  const dispatcher = dispatcherTo(url, route);
  try {
    if (route.proxy.url !== null && !isLoopback(url)) await checkHostForProxy(url.hostname, route.allow, route.resolve);
    const response = await untilOver(
      over,
      send(dispatcher, url, request, route, () => gate.pass(), over),
    );
    const words = clean(await untilOver(over, beginningOf(response)).catch(() => ''));
    return outcomeOf(response, words, url, request.isRepeatable);
  } catch (error) {
    if (gate.refusal !== null) throw gate.refusal.error;
    const reason = over.aborted ? endOf(isLate(), route.timeouts) : reasonOf(error, url);
    return lossOf(error, reason, gate.isPassed && !request.isRepeatable);
  } finally {
    end();
    await dispatcher.destroy().catch(() => undefined);
  }
}

/** Each request has connections of its own, so that none is lost to a connection that the other side had left. */
function dispatcherTo(url: URL, { allow, resolve, proxy, timeouts }: Route): Dispatcher {
  const limits = {
    connect: guardedConnector(allow, resolve, timeouts.connectMs),
    headersTimeout: timeouts.headersMs,
    bodyTimeout: timeouts.headersMs,
    maxHeaderSize: 16 * 1024,
  };
  if (isLoopback(url)) return new Agent(limits);
  // Undici reads the environment for each of these that is undefined. A proxy is itself reached without the guard.
  return new EnvHttpProxyAgent({
    ...limits,
    httpProxy: '',
    httpsProxy: proxy.url ?? '',
    noProxy: proxy.noProxy,
  });
}

function send(
  dispatcher: Dispatcher,
  url: URL,
  { body, headers }: Post,
  { userAgent }: Route,
  pass: () => Promise<void>,
  signal: AbortSignal,
): Promise<Dispatcher.ResponseData> {
  const bytes = Buffer.from(body);
  // Undici asks for the body once it is connected, and writes nothing, not even the address, before it has some of it.
  async function* once(): AsyncGenerator<Buffer> {
    await pass();
    yield bytes;
  }
  return dispatcher.request({
    origin: url.origin,
    path: url.pathname + url.search,
    method: 'POST',
    headers: {
      'content-type': 'application/json; charset=utf-8',
      'content-length': String(bytes.length),
      'accept-encoding': 'identity',
      'user-agent': userAgent,
      ...headers,
    },
    body: Readable.from(once(), { objectMode: false }),
    reset: true,
    signal,
  });
}

/** Undici ignores the signal while it connects. */
function untilOver<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      reject(new Error('called off'));
    };
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
    work.then(resolve, reject).finally(() => {
      signal.removeEventListener('abort', end);
    });
  });
}

async function beginningOf({ body, headers }: Dispatcher.ResponseData): Promise<string> {
  // Whoever leaves a body before its end makes it fail.
  body.on('error', () => undefined);
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') {
    body.destroy();
    return '';
  }
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of body) {
    const bytes = Buffer.isBuffer(piece) ? piece : Buffer.from(String(piece));
    pieces.push(bytes);
    length += bytes.length;
    // Leaving the loop destroys the body.
    if (length >= MAX_REPLY_BYTES) break;
  }
  return Buffer.concat(pieces).subarray(0, MAX_REPLY_BYTES).toString();
}

function outcomeOf(response: Dispatcher.ResponseData, words: string, url: URL, isRepeatable: boolean): Outcome {
  const { statusCode: status } = response;
  const said = `HTTP ${status}${words === '' ? '' : ` ${words}`}`;
  const reason = `${url.hostname} answered ${said}`;
  if (status >= 200 && status < 300) return { state: 'sent', reply: said };
  if (status === 410) return { state: 'gone', reason };
  // A gateway that got no answer does not know what became of the request behind it.
  if ((status === 502 || status === 504) && !isRepeatable) return { state: 'unknown', reason };
  if (status === 408 || status === 425 || status === 429 || status >= 500) {
    return { state: 'retry', reason, retryAfterMs: waitOf(response.headers['retry-after']) };
  }
  if (status < 400) return { state: 'failed', reason: `${reason}: a redirect, which Meterline does not follow` };
  return { state: 'failed', reason };
}

/** The wait in a `retry-after` header, in milliseconds, at most a day; it names seconds or an instant. */
function waitOf(retryAfter: string | string[] | undefined): number | null {
  if (typeof retryAfter !== 'string') return null;
  const isSeconds = /^\d{1,12}(\.\d{1,12})?$/.test(retryAfter);
  const at = retryAfter.endsWith('GMT') ? Date.parse(retryAfter) : Number.NaN;
  const waitMs = isSeconds ? Number(retryAfter) * 1000 : at - Date.now();
  return Number.isNaN(waitMs) ? null : Math.ceil(Math.min(Math.max(0, waitMs), LONGEST_WAIT_MS));
}

function endOf(isLate: boolean, { wholeMs }: Timeouts): string {
  return isLate ? `the answer was not complete after ${wholeMs / 1000} s` : 'the attempt was called off';
}

function reasonOf(error: unknown, url: URL): string {
  if (error instanceof RefusedAddressError) return error.message;
  const code = networkCodeOf(error);
  const status = proxyStatusOf(error);
  if (code === 'UND_ERR_ABORTED')
    return `the proxy does not let the request through${status === null ? '' : ` (HTTP ${status})`}`;
  return `${url.hostname}: ${networkSentence(code)}`;
}

function lossOf(error: unknown, reason: string, mayBeTold: boolean): Outcome {
  if (mayBeTold) return { state: 'unknown', reason: `${reason}, after the message had left` };
  if (error instanceof RefusedAddressError) return { state: 'failed', reason };
  return { state: 'retry', reason, retryAfterMs: null };
}

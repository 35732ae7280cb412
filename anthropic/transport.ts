import { Agent, EnvHttpProxyAgent, type Dispatcher } from 'undici';
import { isLoopback, toBaseUrl } from '../domain/base-url.ts';
import type { AdminKey } from '../domain/keys.ts';
import { VERSION } from '../domain/version.ts';
import { PageError, ThreadLostError } from '../pages/failure.ts';
import { AnthropicError, invalidReply } from './failure.ts';
import { networkFailure } from './network-failure.ts';
import { cleanedOf, failureOfReply } from './refusal.ts';
import { headerOf, receiveBody, type ReplyBody } from './reply-body.ts';

/**
 * The only way to Anthropic. An Admin key may also create and delete; this module cannot: it sends only GET without a
 * body, only to these four paths, follows no redirect, and talks to one host.
 */
export const READABLE_PATHS = [
  '/v1/organizations/me',
  '/v1/organizations/workspaces',
  '/v1/organizations/cost_report',
  '/v1/organizations/usage_report/messages',
] as const;
export type ReadablePath = (typeof READABLE_PATHS)[number];

/** A query in its order; a name may occur several times. */
export type QueryParameters = readonly (readonly [name: string, value: string])[];

/** Reads from Anthropic with one key, and counts what it does. */
export interface AnthropicReader {
  /**
   * Returns what `take` makes of the body of a reply. The memory of the body is its own, and is `room` if the body fits.
   * Throws {@link AnthropicError}, with the request id also where `take` throws one or a PageError; {@link PartialReply}
   * if the reply is longer than `enoughBytes`; or the reason of an aborted signal.
   */
  get<T>(
    path: ReadablePath,
    query: QueryParameters,
    take: (body: Buffer<ArrayBuffer>) => T | Promise<T>,
    options?: { readonly enoughBytes?: number; readonly room?: Uint8Array<ArrayBuffer> },
  ): Promise<T>;
  /** Requests sent and bytes received so far. */
  readonly traffic: { readonly requests: number; readonly bytes: number };
}

/** A reply is longer than the `enoughBytes` of its caller, who asks for less then. `received` is its beginning. */
export class PartialReply extends Error {
  override readonly name = 'PartialReply';
  constructor(readonly received: Buffer) {
    super('The reply is longer than its caller takes at once');
  }
}

/** How long each part of a request may take, in milliseconds. */
export interface Timeouts {
  readonly connectMs: number;
  readonly headersMs: number;
  /** The longest pause between two pieces of a reply. */
  readonly silenceMs: number;
  /** The whole request. It also ends a reply that drips steadily. */
  readonly replyMs: number;
}

export interface TransportOptions {
  readonly baseUrl: string;
  readonly maxReplyBytes: number;
  /** The proxy for all hosts except loopback and those in `noProxy`. Without a `url`, requests go directly. */
  readonly proxy?: { readonly url: string | null; readonly noProxy: string };
  readonly timeouts?: Partial<Timeouts>;
}

/** Makes readers, which share its connections to Anthropic. */
export interface Transport {
  readerFor(key: AdminKey, signal: AbortSignal): AnthropicReader;
  close(): Promise<void>;
}

// The Admin API documents only this version.
const ANTHROPIC_VERSION = '2023-06-01';
const USER_AGENT = `Meterline/${VERSION}`;
const TIMEOUTS: Timeouts = { connectMs: 10_000, headersMs: 30_000, silenceMs: 30_000, replyMs: 120_000 };
const MAX_ERROR_BYTES = 64 * 1024;
const NO_ROOM = new Uint8Array(0);

/**
 * Opens a transport to `baseUrl`, which must be https, or http on loopback. A reply of more than `maxReplyBytes`
 * is a `reply_too_large`.
 */
export function createTransport(options: TransportOptions): Transport {
  const base = toBaseUrl(options.baseUrl);
  if (base === null) throw new TypeError('No key is sent to this address');
  const timeouts = { ...TIMEOUTS, ...options.timeouts };
  const limits = {
    headersTimeout: timeouts.headersMs,
    bodyTimeout: timeouts.silenceMs,
    connectTimeout: timeouts.connectMs,
  };
  const { proxy } = options;
  // Undici reads the environment for each of these that is undefined.
  const dispatcher = isLoopback(base)
    ? new Agent(limits)
    : new EnvHttpProxyAgent({ ...limits, httpProxy: '', httpsProxy: proxy?.url ?? '', noProxy: proxy?.noProxy ?? '' });
  const route = { dispatcher, base, maxReplyBytes: options.maxReplyBytes, replyMs: timeouts.replyMs };
  return {
    readerFor: (key, signal) => createReader(route, key, signal),
    // Not close(), which would wait minutes for a proxy that never answers.
    close: () => dispatcher.destroy(),
  };
}

/** The way that the requests of all readers take. */
interface Route {
  readonly dispatcher: Dispatcher;
  readonly base: URL;
  readonly maxReplyBytes: number;
  readonly replyMs: number;
}

interface ReceivedReply extends ReplyBody {
  readonly response: Dispatcher.ResponseData;
}

function createReader(route: Route, key: AdminKey, signal: AbortSignal): AnthropicReader {
  const { maxReplyBytes } = route;
  const traffic = { requests: 0, bytes: 0 };
  const clean = cleanedOf(key.reveal());

  function receive(
    path: ReadablePath,
    query: QueryParameters,
    enoughBytes: number,
    room: Uint8Array<ArrayBuffer>,
  ): Promise<ReceivedReply> {
    return withinDeadline(route.replyMs, signal, async (over) => {
      const response = await send(route, key, path, query, over);
      const maxBytes = response.statusCode === 200 ? Math.min(enoughBytes, maxReplyBytes) : MAX_ERROR_BYTES;
      const body = await receiveBody(response, maxBytes, room, (count) => {
        traffic.bytes += count;
      });
      return { response, ...body };
    });
  }

  return {
    traffic,
    async get(path, query, take, { enoughBytes = Number.POSITIVE_INFINITY, room = NO_ROOM } = {}) {
      // The type holds for code; this check holds for whatever runs.
      if (!READABLE_PATHS.includes(path)) throw new TypeError('No request is sent to this path');
      traffic.requests += 1;
      const reply = await receive(path, query, enoughBytes, room);
      const requestId = clean(headerOf(reply.response, 'request-id'));
      const failure = failureOfReply(reply.response, reply.received, { path, host: route.base.host, requestId }, clean);
      if (failure !== null) throw failure;
      if (reply.isCut && enoughBytes <= maxReplyBytes) throw new PartialReply(reply.received);
      if (reply.isCut) throw tooLarge(reply, path, maxReplyBytes).withRequestId(requestId);
      try {
        return await take(reply.received);
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof ThreadLostError) throw error;
        throw failureOfTaking(error).withRequestId(requestId);
      }
    },
  };
}

function send(
  { dispatcher, base }: Route,
  key: AdminKey,
  path: ReadablePath,
  query: QueryParameters,
  signal: AbortSignal,
): Promise<Dispatcher.ResponseData> {
  const request = dispatcher.request({
    origin: base.origin,
    path: `${base.pathname.replace(/\/$/, '')}${path}${search(query)}`,
    method: 'GET',
    headers: { 'x-api-key': key.reveal(), 'anthropic-version': ANTHROPIC_VERSION, 'user-agent': USER_AGENT },
    signal,
  });
  // Undici ignores the signal while it connects, and a proxy may take minutes to open a tunnel.
  return Promise.race([request, rejectionOn(signal)]);
}

function rejectionOn(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const end = (): void => {
      reject(new Error('called off'));
    };
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
  });
}

function search(query: QueryParameters): string {
  return query.length === 0
    ? ''
    : `?${new URLSearchParams(query.map(([name, value]): [string, string] => [name, value])).toString()}`;
}

/**
 * Runs a request until `signal` is aborted or `ms` are over. Throws the reason of `signal`, or the failure of the network.
 */
async function withinDeadline<T>(
  ms: number,
  signal: AbortSignal,
  request: (over: AbortSignal) => Promise<T>,
): Promise<T> {
  // Not AbortSignal.timeout(): nothing keeps one inside AbortSignal.any() alive, and once collected it never fires.
  const deadline = new AbortController();
  const timer = setTimeout(() => {
    deadline.abort();
  }, ms);
  try {
    return await request(AbortSignal.any([signal, deadline.signal]));
  } catch (error) {
    signal.throwIfAborted();
    if (!deadline.signal.aborted) throw networkFailure(error);
    throw new AnthropicError('upstream_unavailable', { detail: `the answer was not complete after ${ms / 1000} s` });
  } finally {
    clearTimeout(timer);
  }
}

function tooLarge({ response }: ReceivedReply, path: ReadablePath, maxReplyBytes: number): AnthropicError {
  const length = Number(headerOf(response, 'content-length') ?? 0);
  const size = length > maxReplyBytes ? `has ${megabytes(length)}, which is more than` : 'is larger than';
  const detail = `the reply of ${path} ${size} the ${megabytes(maxReplyBytes)} of METERLINE_MAX_REPLY_MB`;
  return new AnthropicError('reply_too_large', { detail });
}

function megabytes(bytes: number): string {
  return `${Math.floor(bytes / 2 ** 20)} MB`;
}

/** What `take` throws is a failure of the reply. An error of a library may quote the reply, so only its name is kept. */
function failureOfTaking(error: unknown): AnthropicError {
  if (error instanceof AnthropicError) return error;
  if (error instanceof PageError) return invalidReply(error.message);
  const name = error instanceof Error ? error.name : 'a value was thrown';
  return invalidReply(`the reply cannot be read (${name})`);
}

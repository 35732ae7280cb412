import { Agent, EnvHttpProxyAgent, type Dispatcher } from 'undici';
import { isLoopback, toBaseUrl } from '../domain/base-url.ts';
import type { AdminKey } from '../domain/keys.ts';
import { VERSION } from '../domain/version.ts';
import { redact } from '../runtime/redact.ts';
import { AnthropicError, invalidReply } from './failure.ts';
import { foreignReply, refusalOf, type Refused } from './refusal.ts';

/**
 * The only way to Anthropic. An Admin API key could create and delete; this module cannot: it sends GET, without a
 * body, to the four paths below, follows no redirect, and talks to one host.
 */
export const READABLE_PATHS = [
  '/v1/organizations/me',
  '/v1/organizations/workspaces',
  '/v1/organizations/cost_report',
  '/v1/organizations/usage_report/messages',
] as const;
/** A path that can be asked for. */
export type ReadablePath = (typeof READABLE_PATHS)[number];

/** A query, in its order; a name may come several times. */
export type Query = readonly (readonly [name: string, value: string])[];

/** Reads from Anthropic with one key, and counts what it does. */
export interface AnthropicReader {
  /**
   * Gives what `parse` makes of the reply's JSON, which is its to see until it returns, and has nothing in it that Postgres takes into no text. Throws {@link AnthropicError}, one of `parse` under the id of the
   * request, {@link ReplyPassed} where the reply has more than `enoughBytes`, or the signal's reason when that is aborted.
   */
  get<T>(path: ReadablePath, query: Query, parse: (body: Buffer) => T, enoughBytes?: number): Promise<T>;
  /** What was sent and received so far. */
  readonly traffic: { readonly requests: number; readonly bytes: number };
}

/** A reply is larger than whoever asked for it wants to take at once. It is not for anybody else to see. */
export class ReplyPassed extends Error {
  override readonly name = 'ReplyPassed';
  /** `received` is what came of the reply until then. */
  constructor(readonly received: Buffer) {
    super('The reply is larger than was asked for at once');
  }
}

/** How long each part of a request may take, in milliseconds. */
export interface Timeouts {
  readonly connectMs: number;
  readonly headersMs: number;
  /** Between two pieces of a reply. */
  readonly silenceMs: number;
  /** The whole of a reply: one that drips is cut off, however steady the drip. */
  readonly replyMs: number;
}

/** What a transport is made with. */
export interface TransportOptions {
  readonly baseUrl: string;
  readonly maxReplyBytes: number;
  readonly timeouts?: Partial<Timeouts>;
}

/** Makes readers. Holds the connections that they share. */
export interface Transport {
  readerFor(key: AdminKey, signal: AbortSignal): AnthropicReader;
  close(): Promise<void>;
}

// "2023-06-01" is the version that the Admin API documents; what a newer one changes there is not documented.
const ANTHROPIC_VERSION = '2023-06-01';
const USER_AGENT = `Meterline/${VERSION}`;
const TIMEOUTS: Timeouts = { connectMs: 10_000, headersMs: 30_000, silenceMs: 30_000, replyMs: 120_000 };
const MAX_ERROR_BYTES = 64 * 1024;
const FIRST_BYTES = 64 * 1024;
const MOST_SPARE_BYTES = 16 * 2 ** 20;

/**
 * Opens a transport to `baseUrl`, which is https, or http on loopback. It goes through HTTPS_PROXY where that is set,
 * but never to loopback. Replies of more than `maxReplyBytes` are refused.
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
  const dispatcher = isLoopback(base)
    ? new Agent(limits)
    : new EnvHttpProxyAgent({ ...limits, ...proxyOf(process.env) });
  const settings = { base, maxReplyBytes: options.maxReplyBytes, replyMs: timeouts.replyMs };
  return {
    readerFor: (key, signal) => createReader(dispatcher, settings, key, signal),
    // Not close(), which waits for what nobody reads any more: for minutes, if a proxy never answers.
    close: () => dispatcher.destroy(),
  };
}

/** The small name first, as elsewhere; but an empty variable counts as unset, and does not hide the other spelling. */
function proxyOf(env: NodeJS.ProcessEnv): { httpProxy: string; httpsProxy: string; noProxy: string } {
  const [httpsProxy = '', noProxy = ''] = ['https_proxy', 'no_proxy'].map(
    (name) => [env[name], env[name.toUpperCase()]].find((value) => value !== undefined && value !== '') ?? '',
  );
  return { httpProxy: '', httpsProxy, noProxy };
}

interface Settings {
  readonly base: URL;
  readonly maxReplyBytes: number;
  readonly replyMs: number;
}

function createReader(
  dispatcher: Dispatcher,
  { base, maxReplyBytes, replyMs }: Settings,
  key: AdminKey,
  signal: AbortSignal,
): AnthropicReader {
  const traffic = { requests: 0, bytes: 0 };
  // The room that the last reply had, for the next one: pages come one after the other, and are of a size.
  let spare: Buffer = Buffer.alloc(0);

  async function read(
    path: ReadablePath,
    query: Query,
    enoughBytes: number,
  ): Promise<{ body: Buffer; requestId: string | null }> {
    // Not AbortSignal.timeout(): inside AbortSignal.any() nothing holds it, and once collected it never fires.
    const deadline = new AbortController();
    const timer = setTimeout(() => {
      deadline.abort();
    }, replyMs);
    try {
      const over = AbortSignal.any([signal, deadline.signal]);
      const request = dispatcher.request({
        origin: base.origin,
        path: `${base.pathname.replace(/\/$/, '')}${path}${search(query)}`,
        method: 'GET',
        headers: { 'x-api-key': key.reveal(), 'anthropic-version': ANTHROPIC_VERSION, 'user-agent': USER_AGENT },
        signal: over,
      });
      // Undici ends nothing while it connects, and a proxy may take minutes to open a tunnel.
      const response = await Promise.race([request, endOf(over)]);
      const ok = response.statusCode === 200;
      const mostBytes = ok ? Math.min(enoughBytes, maxReplyBytes) : MAX_ERROR_BYTES;
      const room = spare;
      spare = Buffer.alloc(0);
      const { received, cut } = await readBody(response, mostBytes, traffic, room);
      const clean = (value: unknown): string | null => textOf(value, key.reveal());
      const requestId = clean(headerOf(response, 'request-id'));
      if (!ok) throw refusalOf(refusedBy(path, base.host, response, received.toString(), requestId), clean);
      const [contentType, encoding] = [response.headers['content-type'], response.headers['content-encoding']].map(
        clean,
      );
      const foreign = foreignReply(
        { contentType: contentType ?? null, encoding: encoding ?? null, host: base.host },
        received,
      );
      if (foreign !== null) throw foreign.withRequestId(requestId);
      if (cut && enoughBytes <= maxReplyBytes) throw new ReplyPassed(received);
      if (cut) {
        const length = Number(headerOf(response, 'content-length') ?? 0);
        const size = length > maxReplyBytes ? `has ${megabytes(length)}, which is more than` : 'is larger than';
        const detail = `the reply of ${path} ${size} the ${megabytes(maxReplyBytes)} of METERLINE_MAX_REPLY_MB`;
        throw new AnthropicError('reply_too_large', { detail, requestId });
      }
      return { body: received, requestId };
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof AnthropicError || error instanceof ReplyPassed) throw error;
      if (!deadline.signal.aborted) throw unreachable(error);
      const detail = `the answer was not complete after ${replyMs / 1000} s`;
      throw new AnthropicError('upstream_unavailable', { detail });
    } finally {
      clearTimeout(timer);
    }
  }

  return {
    traffic,
    async get(path, query, parse, enoughBytes = Number.POSITIVE_INFINITY) {
      // A type holds back whoever writes code; this holds back whatever runs.
      if (!READABLE_PATHS.includes(path)) throw new TypeError('This path is not one that may be asked for');
      traffic.requests += 1;
      const { body, requestId } = await read(path, query, enoughBytes);
      try {
        return parse(storable(body));
      } catch (error) {
        throw asReplyError(error).withRequestId(requestId);
      } finally {
        if (body.buffer.byteLength <= MOST_SPARE_BYTES) spare = Buffer.from(body.buffer);
      }
    },
  };
}

function refusedBy(
  path: ReadablePath,
  host: string,
  response: Dispatcher.ResponseData,
  text: string,
  requestId: string | null,
): Refused {
  const { statusCode: status, headers } = response;
  const location = typeof headers['location'] === 'string' ? headers['location'] : null;
  const retryAfter = retryAfterMs(headerOf(response, 'retry-after'));
  return { path, host, status, text, location, requestId, retryAfterMs: retryAfter };
}

/** Whatever taking a reply apart stumbles over lies in the reply. What it says may quote that, so that it is not said on. */
function asReplyError(error: unknown): AnthropicError {
  if (error instanceof AnthropicError) return error;
  return invalidReply(
    `the reply cannot be taken apart (${error instanceof Error ? error.name : 'a value was thrown'})`,
  );
}

function endOf(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const end = (): void => {
      reject(new Error('called off'));
    };
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
  });
}

function search(query: Query): string {
  return query.length === 0
    ? ''
    : `?${new URLSearchParams(query.map(([name, value]): [string, string] => [name, value])).toString()}`;
}

async function readBody(
  response: Dispatcher.ResponseData,
  maxBytes: number,
  traffic: { bytes: number },
  room: Buffer,
): Promise<{ received: Buffer; cut: boolean }> {
  const announced = Number(headerOf(response, 'content-length') ?? 0);
  // Of the right size from the start where that is known: a large reply is then never held twice.
  const expected = announced > 0 ? Math.min(announced, maxBytes) : FIRST_BYTES;
  let received: Buffer = room.length >= expected ? room : Buffer.allocUnsafeSlow(expected);
  let length = 0;
  for await (const chunk of response.body) {
    const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
    traffic.bytes += bytes.length;
    if (length + bytes.length > maxBytes) return { received: received.subarray(0, length), cut: true };
    if (length + bytes.length > received.length) received = grown(received, length + bytes.length);
    bytes.copy(received, length);
    length += bytes.length;
  }
  return { received: received.subarray(0, length), cut: false };
}

function grown(buffer: Buffer, atLeast: number): Buffer {
  const larger = Buffer.allocUnsafeSlow(Math.max(buffer.length * 2, atLeast));
  buffer.copy(larger);
  return larger;
}

function megabytes(bytes: number): string {
  return `${Math.floor(bytes / 2 ** 20)} MB`;
}

function headerOf(response: Dispatcher.ResponseData, name: string): string | null {
  const value = response.headers[name];
  return typeof value === 'string' ? value.slice(0, 100) : null;
}

/**
 * JSON without the two things that Postgres takes into no text: U+0000, and half of a surrogate pair. Either can only
 * come as an escape; it stands for nothing in a name, and becomes U+FFFD.
 */
function storable(body: Buffer): Buffer {
  if (!body.includes('\\u')) return body;
  const json = body.toString();
  if (!/\\u(?:0000|[dD][89a-fA-F])/.test(json)) return body;
  return Buffer.from(
    json.replace(ESCAPE, (escape, unstorable: string | undefined) => (unstorable === undefined ? escape : '\\ufffd')),
  );
}

const HEX = '[0-9a-fA-F]{2}';
/** An escape of JSON; a whole surrogate pair is one, and what cannot be stored is in a group. */
const ESCAPE = new RegExp(
  String.raw`\\(?:u[dD][89abAB]${HEX}\\u[dD][c-fC-F]${HEX}|(u0000|u[dD][89a-fA-F]${HEX})|.)`,
  'g',
);

/** A text of somebody else's that may be kept and shown. */
function textOf(value: unknown, key: string): string | null {
  if (typeof value !== 'string') return null;
  return redact(value.replace(/[^\x20-\x7e]+/g, ' '), key).slice(0, 200);
}

function retryAfterMs(header: string | null): number | null {
  if (header === null) return null;
  if (/^\d+(\.\d+)?$/.test(header)) return Number(header) * 1000;
  const at = Date.parse(header);
  return Number.isNaN(at) ? null : Math.max(0, at - Date.now());
}

const UNTRUSTED = [
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
];
const NETWORK_SENTENCES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection was reset',
  ENOTFOUND: 'the host name is not known',
  EAI_AGAIN: 'the host name could not be looked up',
  ...Object.fromEntries(UNTRUSTED.map((code) => [code, 'its certificate is not one that this machine trusts'])),
  CERT_HAS_EXPIRED: 'its certificate has expired',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another host',
  UND_ERR_PRX_TLS: 'its certificate is for another host',
  UND_ERR_CONNECT_TIMEOUT: 'connecting took too long',
  UND_ERR_HEADERS_TIMEOUT: 'no answer came in time',
  UND_ERR_BODY_TIMEOUT: 'the answer stalled',
  UND_ERR_SOCKET: 'the connection was closed in the middle of the answer',
};

/** A proxy that answers with a 5xx reaches nobody itself; one that answers otherwise refuses. */
function shutProxy(message: string): AnthropicError {
  const status = /\((\d{3})\)/.exec(message)?.[1] ?? null;
  const detail = `the proxy does not let it through${status === null ? '' : ` (HTTP ${status})`}`;
  return new AnthropicError(status?.startsWith('5') === true ? 'upstream_unavailable' : 'network_refused', { detail });
}

function unreachable(error: unknown): AnthropicError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
  if (code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH') return invalidReply('the reply is cut short');
  // Undici says this of a request that was called off, which is told apart before, and of a proxy that opens no tunnel.
  if (code === 'UND_ERR_ABORTED' && error instanceof Error) return shutProxy(error.message);
  return new AnthropicError('upstream_unavailable', { detail: NETWORK_SENTENCES[code] ?? `network failure ${code}` });
}

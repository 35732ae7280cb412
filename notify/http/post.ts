import { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import { problemWithUrl } from '../../domain/notices/targets.ts';
import { deadline, openGate, type Outcome, type TellOptions } from '../delivery.ts';
import { cleanedOf, secretsOfUrl } from '../words.ts';
import { RefusedAddressError } from './guard.ts';
import { checkProxied, dispatcherTo, reasonOf, untilOver, type Route, type Timeouts } from './route.ts';

/** More of a reply is not read. */
const MAX_REPLY_BYTES = 4 * 1024;
const LONGEST_WAIT_MS = 24 * 60 * 60 * 1000;

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
    await checkProxied(url, route);
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

function lossOf(error: unknown, reason: string, mayBeTold: boolean): Outcome {
  if (mayBeTold) return { state: 'unknown', reason: `${reason}, after the message had left` };
  if (error instanceof RefusedAddressError) return { state: 'failed', reason };
  return { state: 'retry', reason, retryAfterMs: null };
}

import type { Dispatcher } from 'undici';
import type { FailureCode } from '../domain/failures.ts';
import { parseUrl } from '../domain/url.ts';
import { redact } from '../runtime/redact.ts';
import { AnthropicError } from './failure.ts';
import { headerOf } from './reply-body.ts';

/** The request that was answered. */
interface Answered {
  readonly path: string;
  readonly host: string;
  /** The header `request-id` of the reply. */
  readonly requestId: string | null;
}

/** A reply with a status other than 200. */
interface ErrorReply extends Answered {
  readonly status: number;
  /** The body, as text. */
  readonly text: string;
  /** The header `location`, for a redirect. */
  readonly location: string | null;
  /** The header `retry-after`. */
  readonly retryAfter: string | null;
}

/** Makes a text from outside safe to store and to show; null if it is no text. */
export type Cleaned = (value: unknown) => string | null;

/** A {@link Cleaned} that also strikes out the key of the request, in case a reply quotes it. */
export function cleanedOf(key: string): Cleaned {
  return (value) =>
    typeof value === 'string' ? redact(value.replace(/[^\x20-\x7e]+/g, ' '), key).slice(0, 200) : null;
}

/** What the body of an error says. */
interface ErrorBody {
  readonly type: string | null;
  readonly message: string | null;
  readonly requestId: string | null;
  /** Whether Anthropic itself answered, as far as the form of the body shows it. */
  readonly isAnthropics: boolean;
}

/** The failure of a reply, unless it has status 200 and may be the JSON that was asked for: null then. */
export function failureOfReply(
  response: Dispatcher.ResponseData,
  body: Buffer,
  request: Answered,
  clean: Cleaned,
): AnthropicError | null {
  const { statusCode: status, headers } = response;
  if (status !== 200) {
    const location = typeof headers['location'] === 'string' ? headers['location'] : null;
    const retryAfter = headerOf(response, 'retry-after');
    return refusalOf({ ...request, status, text: body.toString(), location, retryAfter }, clean);
  }
  const [contentType, encoding] = [clean(headers['content-type']), clean(headers['content-encoding'])];
  const failure = foreignReply({ contentType, encoding, host: request.host }, body);
  return failure?.withRequestId(request.requestId) ?? null;
}

/**
 * Only Anthropic's own envelope is a verdict on a key: `type: "error"`, a known `error.type` and a request id. Edges,
 * proxies, gateways and address allow-lists refuse good keys too, each in a form of its own.
 */
function refusalOf(reply: ErrorReply, clean: Cleaned): AnthropicError {
  const { status, requestId } = reply;
  const body = errorBody(reply, clean);
  const code = codeOf(reply, body);
  const said = [body.type, body.message].filter((part) => part !== null).join(': ');
  const hint = hintOf(code, reply, body, clean);
  const detail = `HTTP ${status}${said === '' ? '' : ` ${said}`}`.slice(0, 300) + (hint === null ? '' : ` (${hint})`);
  const retryAfterMs = waitOf(reply.retryAfter);
  return new AnthropicError(code, { detail, status, requestId: requestId ?? body.requestId, retryAfterMs });
}

const ABOUT_THE_ORGANIZATION = /\borgani[sz]ation\b.*\b(disabled|suspended|deactivated|banned|closed)\b/i;
/** Words of a refusal that is about an address, a network or a region, and not about a role or a scope. */
const ABOUT_THE_NETWORK =
  /\b(ips?|ip[- ]?address(es)?|cidrs?|networks?|(allow|block|deny|white)[- ]?list(s|ed)?|vpn|proxy|firewall|regions?|countr(y|ies)|locations?)\b/i;

function codeOf({ status, path }: ErrorReply, { type, message, isAnthropics }: ErrorBody): FailureCode {
  if (status === 429) return 'rate_limited';
  if (status === 408 || status >= 500) return 'upstream_unavailable';
  if (status < 400 || !isAnthropics) return 'network_refused';
  if (ABOUT_THE_ORGANIZATION.test(message ?? '')) return 'organization_disabled';
  if (status === 401 || status === 403) {
    if (type === 'authentication_error') return 'key_invalid';
    if (type === 'permission_error') return ABOUT_THE_NETWORK.test(message ?? '') ? 'network_refused' : 'key_forbidden';
    return 'upstream_refused';
  }
  if (status === 404 && type === 'not_found_error' && path === '/v1/organizations/me') return 'individual_account';
  return 'upstream_refused';
}

/** What a person needs to know beyond the status and the words of the reply. */
function hintOf(
  code: FailureCode,
  { status, host, location }: ErrorReply,
  body: ErrorBody,
  clean: Cleaned,
): string | null {
  const message = body.message ?? '';
  if (code === 'key_invalid' && /expire/i.test(message)) return 'an expired key cannot be enabled again';
  if (code === 'key_forbidden' && /scope/i.test(message))
    return 'this key carries scopes, and the one for the Admin API is not among them';
  if (code !== 'network_refused') return null;
  if (status >= 300 && status < 400)
    return `a redirect to ${hostOf(location, host, clean)}, which Meterline does not follow`;
  if (body.isAnthropics) return 'Anthropic refuses the address that the request came from, not the key';
  return `not in the form of Anthropic's errors, so something at or before ${host} answered in its place`;
}

/** Cleans before parsing, which puts a host in lower case and so hides a key, and after it, which decodes a host. */
function hostOf(location: string | null, host: string, clean: Cleaned): string {
  const cleaned = clean(location);
  if (cleaned === null) return 'nowhere';
  const url = parseUrl(cleaned, `https://${host}`);
  return url === null ? 'an address that cannot be shown' : (clean(url.host) ?? '').slice(0, 100);
}

function errorBody({ text, requestId }: ErrorReply, clean: Cleaned): ErrorBody {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    body = null;
  }
  const error = field(body, 'error');
  const type = clean(field(error, 'type'));
  const ownId = clean(field(body, 'request_id'));
  return {
    type,
    message: clean(field(error, 'message')),
    requestId: ownId,
    isAnthropics: field(body, 'type') === 'error' && type !== null && (requestId ?? ownId) !== null,
  };
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && name in value ? Reflect.get(value, name) : null;
}

/** The wait in a `retry-after` header, in milliseconds; it names seconds or an instant. */
function waitOf(retryAfter: string | null): number | null {
  if (retryAfter === null) return null;
  if (/^\d+(\.\d+)?$/.test(retryAfter)) return Number(retryAfter) * 1000;
  const at = Date.parse(retryAfter);
  return Number.isNaN(at) ? null : Math.max(0, at - Date.now());
}

/** A reply with status 200 that is not from Anthropic: an HTML page, or a compressed body, which no request asks for. */
function foreignReply(
  reply: { readonly contentType: string | null; readonly encoding: string | null; readonly host: string },
  body: Buffer,
): AnthropicError | null {
  const { contentType, encoding, host } = reply;
  const isCompressed = (encoding !== null && encoding !== 'identity') || (body[0] === 0x1f && body[1] === 0x8b);
  if (isCompressed) return inPlace(`compressed (${encoding ?? 'gzip'}), which was not asked for`, host);
  const begin = firstCharacter(body);
  if (begin === '' || begin === '{' || (begin !== '<' && contentType?.includes('json') === true)) return null;
  return inPlace(`of the content type "${contentType ?? 'none'}" that is not JSON`, host);
}

function inPlace(what: string, host: string): AnthropicError {
  const detail = `HTTP 200 with a reply ${what}: something at or before ${host} answered in Anthropic's place`;
  return new AnthropicError('network_refused', { detail, status: 200 });
}

/** The first character that is not white space, of a body that may have megabytes. */
function firstCharacter(body: Buffer): string {
  return body.toString('latin1', 0, 1024).replace(/^ï»¿/, '').trimStart().slice(0, 1);
}

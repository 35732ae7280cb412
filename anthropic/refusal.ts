import type { FailureCode } from '../domain/failures.ts';
import { AnthropicError } from './failure.ts';

/** A reply other than the one that was asked for, as far as it says why. */
export interface Refused {
  readonly path: string;
  /** The host that the request was sent to. */
  readonly host: string;
  readonly status: number;
  /** The body of an error, as text. */
  readonly text: string;
  /** `location` of a redirect. */
  readonly location: string | null;
  /** The header `request-id`. */
  readonly requestId: string | null;
  readonly retryAfterMs: number | null;
}

/** Makes a text of somebody else's one that may be kept and shown; null where there is none. */
export type Cleaned = (value: unknown) => string | null;

/** What the body of an error says. */
interface ErrorBody {
  readonly type: string | null;
  readonly message: string | null;
  readonly requestId: string | null;
  /** Whether it has the form that Anthropic gives its errors, so that Anthropic itself answered. */
  readonly isAnthropics: boolean;
}

/**
 * What a refused request failed with. Only Anthropic's own envelope judges a key: `type: "error"`, a known `error.type`
 * and a request id. Edges, proxies, gateways and address allow-lists refuse good keys too, each in a form of its own.
 */
export function refusalOf(refused: Refused, clean: Cleaned): AnthropicError {
  const { status, requestId, retryAfterMs } = refused;
  const body = errorBody(refused, clean);
  const code = codeOf(refused, body);
  const said = [body.type, body.message].filter((part) => part !== null).join(': ');
  const hint = hintOf(code, refused, body);
  const detail = `HTTP ${status}${said === '' ? '' : ` ${said}`}`.slice(0, 300) + (hint === null ? '' : ` (${hint})`);
  return new AnthropicError(code, { detail, status, requestId: requestId ?? body.requestId, retryAfterMs });
}

const ABOUT_THE_ORGANIZATION = /\borgani[sz]ation\b.*\b(disabled|suspended|deactivated|banned|closed)\b/i;
/** What a refusal of the way speaks of: an address, a network or a region, and no role or scope. */
const ABOUT_THE_WAY =
  /\b(ips?|ip[- ]?address(es)?|cidrs?|networks?|(allow|block|deny|white)[- ]?list(s|ed)?|vpn|proxy|firewall|regions?|countr(y|ies)|locations?)\b/i;

function codeOf({ status, path }: Refused, { type, message, isAnthropics }: ErrorBody): FailureCode {
  if (status === 429) return 'rate_limited';
  if (status === 408 || status >= 500) return 'upstream_unavailable';
  if (status < 400 || !isAnthropics) return 'network_refused';
  if (ABOUT_THE_ORGANIZATION.test(message ?? '')) return 'organization_disabled';
  if (status === 401 || status === 403) {
    if (type === 'authentication_error') return 'key_invalid';
    if (type === 'permission_error') return ABOUT_THE_WAY.test(message ?? '') ? 'network_refused' : 'key_forbidden';
    return 'upstream_refused';
  }
  if (status === 404 && type === 'not_found_error' && path === '/v1/organizations/me') return 'individual_account';
  return 'upstream_refused';
}

/** What the status and the words of the reply do not say by themselves. */
function hintOf(code: FailureCode, { status, host, location }: Refused, body: ErrorBody): string | null {
  const message = body.message ?? '';
  if (code === 'key_invalid' && /expire/i.test(message)) return 'an expired key cannot be enabled again';
  if (code === 'key_forbidden' && /scope/i.test(message))
    return 'this key carries scopes, and the one for the Admin API is not among them';
  if (code !== 'network_refused') return null;
  if (status >= 300 && status < 400) return `a redirect to ${hostOf(location, host)}, which is not followed`;
  if (body.isAnthropics) return 'Anthropic refuses the address that the request came from, not the key';
  return `not in the form of Anthropic's errors, so something at or before ${host} answered in its place`;
}

function hostOf(location: string | null, host: string): string {
  if (location === null || !URL.canParse(location, `https://${host}`)) return 'nowhere';
  return new URL(location, `https://${host}`).host.slice(0, 100);
}

function errorBody({ text, requestId }: Refused, clean: Cleaned): ErrorBody {
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

/**
 * That a reply with status 200 is not Anthropic's: a page, or something compressed that was not asked to be. Null where
 * it may be JSON.
 */
export function foreignReply(
  reply: { readonly contentType: string | null; readonly encoding: string | null; readonly host: string },
  body: Buffer,
): AnthropicError | null {
  const { contentType, encoding, host } = reply;
  const isCompressed = (encoding !== null && encoding !== 'identity') || (body[0] === 0x1f && body[1] === 0x8b);
  if (isCompressed) return inPlace(`compressed (${encoding ?? 'gzip'}), which was not asked for`, host);
  const begin = firstCharacter(body);
  if (begin === '' || begin === '{' || (begin !== '<' && contentType?.includes('json') === true)) return null;
  return inPlace(`of the content type "${contentType ?? 'none'}" and no JSON`, host);
}

function inPlace(what: string, host: string): AnthropicError {
  const detail = `HTTP 200 with a reply ${what}: something at or before ${host} answered in Anthropic's place`;
  return new AnthropicError('network_refused', { detail, status: 200 });
}

/** The first one that is no white space, of what may be megabytes. */
function firstCharacter(body: Buffer): string {
  return body.toString('latin1', 0, 1024).replace(/^ï»¿/, '').trimStart().slice(0, 1);
}

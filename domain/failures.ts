/** What a failure code means, to a person and to a machine. */
export interface FailureEntry {
  /** The HTTP status when this failure is the direct answer to a request. */
  readonly status: number;
  /** Whether the same attempt may succeed later without anybody doing anything. */
  readonly retryable: boolean;
  /** What happened, as a sentence. */
  readonly message: string;
  /** What to do about it, as a sentence. */
  readonly action: string;
}

const TABLE = {
  key_format: {
    status: 422,
    retryable: false,
    message: 'This is not a whole Anthropic Admin API key: those start with "sk-ant-admin" and hold no spaces.',
    action:
      'Copy the whole key again, without spaces or line breaks. An organization admin creates one in the Claude Console under Settings, Admin keys.',
  },
  key_invalid: {
    status: 422,
    retryable: false,
    message: 'Anthropic does not accept this Admin API key: it is wrong, revoked or expired.',
    action:
      'Create a new Admin API key in the Claude Console under Settings, Admin keys. Send it to the rotate-key route of the connection; where this was its first key and is refused, connect again with the new one.',
  },
  key_forbidden: {
    status: 422,
    retryable: false,
    message: 'Anthropic knows this key but does not let it read organization data.',
    action: 'Have a member with the organization admin role create the Admin API key, and use that one.',
  },
  key_unreadable: {
    status: 422,
    retryable: false,
    message: 'The stored key cannot be opened with the present encryption keys.',
    action:
      'Start with the encryption key that it was stored under in METERLINE_ENCRYPTION_KEYS, or send a new Admin API key to the rotate-key route of this connection.',
  },
  network_refused: {
    status: 503,
    retryable: true,
    message:
      'Something on the way to Anthropic refused the request or answered in its place. This says nothing of the key.',
    action:
      'If the organization lets only some addresses in, add the one that this machine is seen under to its allow-list in the Claude Console. If not, check the proxy (HTTPS_PROXY), the gateway and ANTHROPIC_BASE_URL. It is tried again on its own.',
  },
  organization_disabled: {
    status: 503,
    retryable: false,
    message: 'Anthropic has disabled this organization. This says nothing of the key.',
    action:
      'Ask an organization admin to look at the notices and the billing in the Claude Console, or Anthropic support. It is tried again on its own.',
  },
  individual_account: {
    status: 422,
    retryable: false,
    message: 'This key belongs to an individual account, for which Anthropic has no Admin API.',
    action: 'Create an organization in the Claude Console under Settings, Organization, then an Admin API key in it.',
  },
  organization_mismatch: {
    status: 422,
    retryable: false,
    message: 'This key belongs to another organization than the one that is connected.',
    action: "Use a key of this connection's organization, or connect the other organization on its own.",
  },
  already_connected: {
    status: 409,
    retryable: false,
    message: 'The organization of this key is connected already.',
    action:
      'Use the connection named by connection_id; to change its key, rotate it; to start anew, disconnect it first.',
  },
  rate_limited: {
    status: 503,
    retryable: true,
    message: "Anthropic's rate limit for this organization is reached.",
    action:
      'Nothing: it is tried again later on its own. If it lasts, see which other tools use the Admin API of this organization.',
  },
  upstream_unavailable: {
    status: 503,
    retryable: true,
    message: 'Anthropic did not answer, or answered that it is unavailable.',
    action:
      'Nothing: it is tried again on its own. If it lasts, check status.claude.com, and that this machine reaches the address in ANTHROPIC_BASE_URL.',
  },
  upstream_invalid: {
    status: 503,
    retryable: true,
    message: 'Anthropic sent a reply that is cut, malformed or contradicts itself. Nothing of it was stored.',
    action: 'Nothing at first: it is tried again on its own. If it lasts for a day, report it with the request id.',
  },
  upstream_refused: {
    status: 503,
    retryable: false,
    message: 'Anthropic refused a request that this product believes to be right.',
    action: 'Look at the detail and the request id; look for a newer release, and report it if there is none.',
  },
  reply_too_large: {
    status: 503,
    retryable: false,
    message: 'A reply of Anthropic, of a single day, is larger than this product takes.',
    action: 'Raise METERLINE_MAX_REPLY_MB and restart the worker, if its memory allows.',
  },
  sync_interrupted: {
    status: 503,
    retryable: true,
    message: 'The sync was cancelled, terminated or ran out of its time before it was done.',
    action:
      'Nothing: the days it committed are kept, and the next try reads the rest, unless the connection has ended.',
  },
  key_overtaken: {
    status: 409,
    retryable: false,
    message: 'Somebody asked for a later key, and Anthropic accepted that one before there was a verdict on this one.',
    action: 'Nothing, if the later key is to serve. If this one is, send it again.',
  },
  invalid_request: {
    status: 400,
    retryable: false,
    message: 'The request is not one that this API takes.',
    action: 'See errors for each failure, and /docs for what is taken.',
  },
  unauthorized: {
    status: 401,
    retryable: false,
    message: 'There is no valid token with this request.',
    action: 'Send the header "Authorization: Bearer <token>" with a token that is valid.',
  },
  forbidden: {
    status: 403,
    retryable: false,
    message: 'The token of this request has the role "viewer", which may not do this.',
    action: 'Use a token with the role "admin".',
  },
  not_found: {
    status: 404,
    retryable: false,
    message: 'There is no such thing here.',
    action: 'Check the path and the id.',
  },
  method_not_allowed: {
    status: 405,
    retryable: false,
    message: 'This path does not take this method.',
    action: 'Use one of the methods that the header Allow names.',
  },
  conflict: {
    status: 409,
    retryable: false,
    message: 'The request is well formed, but it contradicts itself or what is there.',
    action:
      'The detail of this reply says what is in the way: mend that in the request, or change what is there, and send it again.',
  },
  too_large: {
    status: 413,
    retryable: false,
    message: 'The request is larger than this API takes.',
    action: 'Send less: no request of this API needs more than a few hundred bytes.',
  },
  too_many_requests: {
    status: 429,
    retryable: true,
    message: 'This token has too many requests under way, or too many without a valid one came from this address.',
    action:
      'Wait as long as the header Retry-After says, then try again with a valid token, and fewer requests at once.',
  },
  unavailable: {
    status: 503,
    retryable: true,
    message: 'A part that this needs (Postgres or Temporal) does not serve it.',
    action:
      'The detail, or else /readyz, names the part. Start it or set it right, and try again: this goes on by itself then.',
  },
  internal: {
    status: 500,
    retryable: false,
    message: 'Something went wrong that should not have: a failure of this product. It was not completed.',
    action:
      'Report it, with its lines in the log: a request has its id there, in the log of the api; a sync has its workflow id, in the log of the worker.',
  },
} as const satisfies Record<string, FailureEntry>;

/** The stable name of a failure. */
export type FailureCode = keyof typeof TABLE;

/**
 * Every failure that a user can meet, by its stable code: status, sentence, action and retryability in one place. The
 * codes are part of the HTTP contract; the sentences may improve.
 */
export const FAILURES: Readonly<Record<FailureCode, FailureEntry>> = TABLE;

/** Every {@link FailureCode}, in the order of the table. */
export const FAILURE_CODES = Object.keys(TABLE).filter(isFailureCode);

/** What went wrong, as it is stored and shown. Never holds a key, a header or an upstream body. */
export interface Failure {
  readonly code: FailureCode;
  readonly detail?: string;
  readonly requestId?: string;
  /** How long Anthropic asked to wait before the same request, in ms. */
  readonly retryAfterMs?: number;
  /** The connection that holds the organization already, for `already_connected`. */
  readonly connectionId?: string;
}

/** Whether `code` is one of the stable codes. */
export function isFailureCode(code: string): code is FailureCode {
  return Object.hasOwn(TABLE, code);
}

const KEY_FAILURES: readonly FailureCode[] = ['key_invalid', 'key_forbidden', 'key_unreadable', 'individual_account'];

/** Whether the failure lies in the key, so that only another key (or this one enabled again) helps. */
export function isKeyFailure(code: FailureCode): boolean {
  return KEY_FAILURES.includes(code);
}

/** Whether the failure lies in what was replied. Of a report, that is some day's, and the days around it may well be read. */
export function isOfContent(code: FailureCode): boolean {
  return code === 'upstream_invalid' || code === 'reply_too_large';
}

/** A longer wait than this is not taken from anybody: a spend cap or a wrong header must not park a connection. */
const MAX_RETRY_AFTER_MS = 60_000;
const MIN_RETRY_AFTER_MS = 1_000;
/** The wait where a rate limit does not say for how long: trying on in a tight loop would keep it reached. */
const RATE_LIMIT_WAIT_MS = 30_000;

/**
 * How long to wait (ms) before the same request is tried again, where the failure itself says so: from `retry-after`
 * within a second and a minute. Null where the caller's own backoff serves.
 */
export function retryDelayMs(code: FailureCode, retryAfterMs: number | null): number | null {
  if (retryAfterMs === null) return code === 'rate_limited' ? RATE_LIMIT_WAIT_MS : null;
  return Math.min(MAX_RETRY_AFTER_MS, Math.max(MIN_RETRY_AFTER_MS, retryAfterMs));
}

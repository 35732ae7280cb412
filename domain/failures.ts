/** What a failure code means, to a person and to a machine. */
export interface FailureEntry {
  /** The HTTP status when this failure is the direct answer to a request. */
  readonly status: number;
  /**
   * Whether Temporal retries an activity that failed with it. `with_used_key`: only if the key has read before, since
   * Anthropic has rejected good keys for a moment, by public reports.
   */
  readonly retry: 'always' | 'with_used_key' | 'never';
  /** What the failure lies in, if it is the key or the content of a reply. */
  readonly concerns?: 'key' | 'content';
  /** What happened, as a sentence. */
  readonly message: string;
  /** What to do about it, as a sentence. */
  readonly action: string;
}

const TABLE = {
  key_format: {
    status: 422,
    retry: 'never',
    message:
      'This is not a whole Anthropic Admin API key. Admin API keys start with "sk-ant-admin" and contain no spaces.',
    action:
      'Copy the whole key again, without spaces or line breaks. An organization admin creates one in the Claude Console under Settings, Admin keys.',
  },
  key_invalid: {
    status: 422,
    retry: 'with_used_key',
    concerns: 'key',
    message: 'Anthropic does not accept this Admin API key: it is wrong, revoked or expired.',
    action:
      'Create a new Admin API key in the Claude Console under Settings, Admin keys. Rotate the key of the connection to it. If this was the first key of the connection, connect again with the new key.',
  },
  key_forbidden: {
    status: 422,
    retry: 'with_used_key',
    concerns: 'key',
    message: 'Anthropic knows this key but does not allow it to read organization data.',
    action: 'Ask an organization admin to create an Admin API key, and use that key.',
  },
  key_unreadable: {
    status: 422,
    retry: 'never',
    concerns: 'key',
    message: 'None of the encryption keys opens the stored key.',
    action:
      'Put the encryption key that sealed it back into METERLINE_ENCRYPTION_KEYS and restart, or rotate the key of this connection to a new Admin API key.',
  },
  network_refused: {
    status: 503,
    retry: 'always',
    message:
      'Something between Meterline and Anthropic refused the request or answered in place of Anthropic. This is no verdict on the key.',
    action:
      'If the organization has an address allow-list in the Claude Console, add the public address of this machine to it. If not, check the proxy (HTTPS_PROXY), the gateway and ANTHROPIC_BASE_URL. Meterline tries again on its own.',
  },
  organization_disabled: {
    status: 503,
    retry: 'never',
    message: 'Anthropic has disabled this organization. This is no verdict on the key.',
    action:
      'Ask an organization admin to check the notices and the billing in the Claude Console, or ask Anthropic support. Meterline tries again on its own.',
  },
  individual_account: {
    status: 422,
    retry: 'with_used_key',
    concerns: 'key',
    message: 'This key belongs to an individual account. Anthropic has an Admin API only for organizations.',
    action:
      'Create an organization in the Claude Console under Settings, Organization, and an Admin API key in that organization.',
  },
  organization_mismatch: {
    status: 422,
    retry: 'never',
    message: 'This key belongs to another organization than this connection.',
    action: "Use a key of this connection's organization, or make a second connection for the other organization.",
  },
  already_connected: {
    status: 409,
    retry: 'never',
    message: 'The organization of this key already has a connection.',
    action:
      'Use the connection that the reply names. To change its key, rotate it; to start again, disconnect it first.',
  },
  rate_limited: {
    status: 503,
    retry: 'always',
    message: "This organization has reached Anthropic's rate limit.",
    action:
      'Nothing: Meterline tries again on its own. If this lasts, find out which other tools use the Admin API of this organization.',
  },
  upstream_unavailable: {
    status: 503,
    retry: 'always',
    message: 'Anthropic did not answer, or is unavailable.',
    action:
      'Nothing: Meterline tries again on its own. If this lasts, check status.claude.com, and check that this machine reaches the address in ANTHROPIC_BASE_URL.',
  },
  upstream_invalid: {
    status: 503,
    retry: 'always',
    concerns: 'content',
    message: 'Anthropic sent a reply that is cut short, malformed or contradictory. Meterline stored nothing from it.',
    action:
      'Nothing at first: Meterline tries again on its own. If this lasts for a day, report it with the request id.',
  },
  upstream_refused: {
    status: 503,
    retry: 'never',
    message: 'Anthropic refused a request that should be valid.',
    action: 'Read the detail. Update Meterline if there is a newer release; if not, report this with the request id.',
  },
  reply_too_large: {
    status: 503,
    retry: 'never',
    concerns: 'content',
    message: 'The reply of Anthropic for a single day is larger than Meterline accepts.',
    action: 'Raise METERLINE_MAX_REPLY_MB and restart the worker, if it has the memory.',
  },
  sync_interrupted: {
    status: 503,
    retry: 'always',
    message: 'The sync was cancelled, was terminated or timed out before its end.',
    action:
      'Nothing: the days that it committed stay, and the next sync reads the rest, unless the connection has ended.',
  },
  key_overtaken: {
    status: 409,
    retry: 'never',
    message: 'Somebody asked for a later key, and Anthropic accepted that key before its verdict on this one.',
    action: 'Nothing, if you want to use the later key. If you want to use this one, send it again.',
  },
  invalid_request: {
    status: 400,
    retry: 'never',
    message: 'The request does not fit the API.',
    action: 'Correct what errors lists. /docs describes every request.',
  },
  invalid_allocation: {
    status: 422,
    retry: 'never',
    message: 'The allocation document has the right form, but cannot be carried out.',
    action: 'Correct what errors lists. Each error names the rule or the pool that it is about.',
  },
  unauthorized: {
    status: 401,
    retry: 'never',
    message: 'The request has no valid token, and no session.',
    action: 'Send the header "Authorization: Bearer <token>" with a valid token; in a browser, sign in again.',
  },
  forbidden: {
    status: 403,
    retry: 'never',
    message: 'The token of this request has the role "viewer", which does not allow this.',
    action: 'Use a token with the role "admin".',
  },
  foreign_origin: {
    status: 403,
    retry: 'never',
    message:
      'A browser sent this request, or the cookie of one, and not from a page at the public address of this deployment.',
    action:
      'Open the address that "npm run link" prints. If browsers reach Meterline at another one, set METERLINE_PUBLIC_URL to that. A program sends a token in place of a cookie.',
  },
  not_found: {
    status: 404,
    retry: 'never',
    message: 'No resource has this path or id.',
    action: 'Check the path and the id.',
  },
  method_not_allowed: {
    status: 405,
    retry: 'never',
    message: 'This path does not support this method.',
    action: 'Use a method that the header Allow names.',
  },
  conflict: {
    status: 409,
    retry: 'never',
    message: 'The request is well formed, but contradicts itself or the current state.',
    action: 'The detail names the contradiction. Change the request or the state, and send the request again.',
  },
  too_large: {
    status: 413,
    retry: 'never',
    message: 'The request is larger than the API accepts.',
    action: 'Send less. An allocation document may have 256 KB, any other request 16 KB.',
  },
  too_many_requests: {
    status: 429,
    retry: 'always',
    message:
      'This token has too many requests in progress, or this address sent too many requests without a valid token.',
    action: 'Wait as long as the header Retry-After says, then send fewer requests at once, each with a valid token.',
  },
  unavailable: {
    status: 503,
    retry: 'always',
    message: 'Postgres or Temporal is not available to the API.',
    action: 'The detail or /readyz says which one. Start or repair it, and try again; the API needs no restart.',
  },
  internal: {
    status: 500,
    retry: 'always',
    message: 'Meterline failed because of a defect of its own, and did not complete this.',
    action:
      'Report it with the lines of the log: the log of the API has the id of the request, the log of the worker has the workflow id of the sync.',
  },
} as const satisfies Record<string, FailureEntry>;

/** The stable name of a failure. */
export type FailureCode = keyof typeof TABLE;

/** Every failure that a user can meet. The codes are part of the HTTP contract; the sentences may change. */
export const FAILURES: Readonly<Record<FailureCode, FailureEntry>> = TABLE;

/** In the order of the table. */
export const FAILURE_CODES = Object.keys(TABLE).filter(isFailureCode);

/** A failure as it is stored and shown. It never contains a key, a header or the body of a reply. */
export interface Failure {
  readonly code: FailureCode;
  readonly detail?: string;
  readonly requestId?: string;
  /** The wait that Anthropic asked for, in milliseconds. */
  readonly retryAfterMs?: number;
  /** The connection that holds the organization already, for `already_connected`. */
  readonly connectionId?: string;
}

export function isFailureCode(code: string): code is FailureCode {
  return Object.hasOwn(TABLE, code);
}

/** Whether only another key helps, or the same key once somebody enables it again. */
export function isKeyFailure(code: FailureCode): boolean {
  return FAILURES[code].concerns === 'key';
}

/** Whether the content of a reply caused the failure. In a report that is one day's content, so the other days may still be read. */
export function isContentFailure(code: FailureCode): boolean {
  return FAILURES[code].concerns === 'content';
}

/** Whether Temporal retries an activity that failed with this code, given whether it used the active key. */
export function isRetried(code: FailureCode, withActiveKey: boolean): boolean {
  const { retry } = FAILURES[code];
  return retry === 'always' || (retry === 'with_used_key' && withActiveKey);
}

/** The detail and the request id of a failure, in parentheses and with a space before. */
export function spellDetail({ detail, requestId }: Failure): string {
  const parts = [detail, requestId === undefined ? undefined : `request ${requestId}`].filter((part) => part);
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`;
}

/** The longest wait that a `retry-after` can impose: a spend cap or a wrong header must not park a connection. */
const MAX_RETRY_AFTER_MS = 60_000;
const MIN_RETRY_AFTER_MS = 1_000;
/** The wait if a rate limit names none: a tight loop of requests would never let it reset. */
const RATE_LIMIT_WAIT_MS = 30_000;

/**
 * The wait in milliseconds that a failure itself asks for, between a second and a minute. Null if it asks for none and the
 * caller uses its own backoff.
 */
export function retryDelayMs(code: FailureCode, retryAfterMs: number | null): number | null {
  if (retryAfterMs === null) return code === 'rate_limited' ? RATE_LIMIT_WAIT_MS : null;
  return Math.min(MAX_RETRY_AFTER_MS, Math.max(MIN_RETRY_AFTER_MS, retryAfterMs));
}

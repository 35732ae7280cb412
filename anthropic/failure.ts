import { FAILURES, type FailureCode } from '../domain/failures.ts';

/** What is known of a failed request beside its code. */
export interface AnthropicErrorDetail {
  /** What Anthropic or the network said, without any secret. */
  readonly detail: string;
  readonly requestId?: string | null;
  /** The HTTP status, where there was one. */
  readonly status?: number | null;
  /** What `retry-after` asked for, in milliseconds. */
  readonly retryAfterMs?: number | null;
}

/** Anthropic could not be asked, refused, or answered with something that is no answer. */
export class AnthropicError extends Error {
  override readonly name = 'AnthropicError';
  readonly detail: string;
  readonly requestId: string | null;
  readonly status: number | null;
  readonly retryAfterMs: number | null;

  constructor(
    readonly code: FailureCode,
    { detail, requestId = null, status = null, retryAfterMs = null }: AnthropicErrorDetail,
  ) {
    super(`${FAILURES[code].message} (${detail}${requestId === null ? '' : `; request ${requestId}`})`);
    this.detail = detail;
    this.requestId = requestId;
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }

  /** The same failure under the id of the request that met it, for whoever found it did not know that. */
  withRequestId(requestId: string | null): AnthropicError {
    const { code, detail, status, retryAfterMs } = this;
    return new AnthropicError(code, { detail, status, retryAfterMs, requestId: this.requestId ?? requestId });
  }
}

/** A reply that contradicts the contract. */
export function invalidReply(detail: string): AnthropicError {
  return new AnthropicError('upstream_invalid', { detail });
}

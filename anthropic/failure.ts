import { FAILURES, type FailureCode } from '../domain/failures.ts';

/** What is known about a failed request apart from its code. */
export interface AnthropicErrorDetail {
  /** What Anthropic or the network said, without any secret. */
  readonly detail: string;
  readonly requestId?: string | null;
  /** The HTTP status; null if there was no reply. */
  readonly status?: number | null;
  /** The wait that the header `retry-after` asked for, in milliseconds. */
  readonly retryAfterMs?: number | null;
}

/** Anthropic was not reached, refused the request, or sent a reply that cannot be used. */
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

  /** The same failure with the id of its request, unless it has one already. */
  withRequestId(requestId: string | null): AnthropicError {
    const { code, detail, status, retryAfterMs } = this;
    return new AnthropicError(code, { detail, status, retryAfterMs, requestId: this.requestId ?? requestId });
  }

  /** The same failure, whose detail says what was asked for. */
  about(subject: string): AnthropicError {
    const { code, detail, requestId, status, retryAfterMs } = this;
    return new AnthropicError(code, { detail: `${subject}: ${detail}`, requestId, status, retryAfterMs });
  }
}

/** The failure of a reply that breaks Anthropic's contract. */
export function invalidReply(detail: string): AnthropicError {
  return new AnthropicError('upstream_invalid', { detail });
}

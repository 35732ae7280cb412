import { failureKind, type FailureCode } from '../domain/failures.ts';

/** What is known of a failed request beside its code. */
export interface FailureDetail {
  /** What Anthropic or the network said, without any secret. */
  readonly detail: string;
  readonly requestId?: string | null;
  /** What `retry-after` asked for, in milliseconds. */
  readonly retryAfterMs?: number | null;
}

/** Anthropic could not be asked, refused, or answered with something that is no answer. */
export class AnthropicError extends Error {
  override readonly name = 'AnthropicError';
  readonly detail: string;
  readonly requestId: string | null;
  readonly retryAfterMs: number | null;

  constructor(
    readonly code: FailureCode,
    { detail, requestId = null, retryAfterMs = null }: FailureDetail,
  ) {
    super(`${failureKind(code).message} (${detail}${requestId === null ? '' : `; request ${requestId}`})`);
    this.detail = detail;
    this.requestId = requestId;
    this.retryAfterMs = retryAfterMs;
  }
}

/** A reply that contradicts the contract. */
export function invalidReply(detail: string): AnthropicError {
  return new AnthropicError('upstream_invalid', { detail });
}

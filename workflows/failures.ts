import { ActivityFailure, ApplicationFailure } from '@temporalio/workflow';
import type { AttemptFailure } from '../activities/failures.ts';
import { FAILURES, isFailureCode, spellDetail } from '../domain/failures.ts';

/**
 * Why an activity gave up: the details of the failure under the one that the workflow catches. A timeout has no details;
 * it counts as Anthropic not answering.
 */
export function attemptFailureOf(error: unknown): AttemptFailure {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  if (cause instanceof ApplicationFailure) {
    const [details] = cause.details ?? [];
    if (isAttemptFailure(details)) return details;
    return { failure: { code: 'upstream_unavailable', detail: cause.message }, keyId: null };
  }
  const detail = 'a part of the work timed out';
  return { failure: { code: 'upstream_unavailable', detail }, keyId: null };
}

/** A failure that ends a workflow. Its message has the sentence and the action, so that its page says why in words. */
export function workflowFailure(
  { failure, keyId }: Pick<AttemptFailure, 'failure' | 'keyId'>,
  type: string | null = null,
): ApplicationFailure {
  const { message, action } = FAILURES[failure.code];
  const text = `${message}${spellDetail(failure)} What to do: ${action}`;
  const error = ApplicationFailure.nonRetryable(text, type ?? failure.code, { failure, keyId });
  // The stack would repeat the message and name this function.
  error.stack = '';
  return error;
}

/** The type of the failure under the one that the workflow catches; null for a timeout, which has none. */
export function failureTypeOf(error: unknown): string | null {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  return cause instanceof ApplicationFailure ? (cause.type ?? null) : null;
}

function isAttemptFailure(value: unknown): value is AttemptFailure {
  if (typeof value !== 'object' || value === null || !('failure' in value)) return false;
  const { failure } = value;
  return (
    typeof failure === 'object' &&
    failure !== null &&
    'code' in failure &&
    typeof failure.code === 'string' &&
    isFailureCode(failure.code)
  );
}

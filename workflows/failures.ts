import { ActivityFailure, ApplicationFailure } from '@temporalio/workflow';
import type { AttemptFailure } from '../activities/failures.ts';
import { FAILURES, isFailureCode } from '../domain/failures.ts';
import { spellDetail } from './display.ts';

/**
 * What an activity that gave up says of why: the typed failure at the bottom of what the workflow catches. A timeout
 * has none; it counts as Anthropic not answering.
 */
export function attemptFailureOf(error: unknown): AttemptFailure {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  if (cause instanceof ApplicationFailure) {
    const [details] = cause.details ?? [];
    if (isDetails(details)) return details;
    return { failure: { code: 'upstream_unavailable', detail: cause.message }, keyId: null };
  }
  const detail = 'a part of the work ran out of its time';
  return { failure: { code: 'upstream_unavailable', detail }, keyId: null };
}

/** The sentence and the action, so that a failed workflow's page says why in words. It is not retried as a workflow. */
export function workflowFailure({ failure, keyId }: AttemptFailure, type: string | null = null): ApplicationFailure {
  const { message, action } = FAILURES[failure.code];
  const text = `${message}${spellDetail(failure)} What to do: ${action}`;
  const error = ApplicationFailure.nonRetryable(text, type ?? failure.code, { failure, keyId });
  // The stack would repeat the message and name this function.
  error.stack = '';
  return error;
}

/** The type of the failure at the bottom, or null when it has none. */
export function typeOf(error: unknown): string | null {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  return cause instanceof ApplicationFailure ? (cause.type ?? null) : null;
}

function isDetails(value: unknown): value is AttemptFailure {
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

import { ActivityFailure, ApplicationFailure } from '@temporalio/workflow';
import type { FailureDetails } from '../activities/failures.ts';
import { failureKind, isFailureCode } from '../domain/failures.ts';
import { spellDetail } from './display.ts';

/**
 * What an activity that gave up says of why: the typed failure at the bottom of what the workflow catches. A timeout
 * has none; it counts as Anthropic not answering.
 */
export function detailsOf(error: unknown): FailureDetails {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  if (cause instanceof ApplicationFailure) {
    const [details] = cause.details ?? [];
    if (isDetails(details)) return details;
    return { fault: { code: 'upstream_unavailable', detail: cause.message }, keyId: null };
  }
  const detail = 'a part of the work ran out of its time';
  return { fault: { code: 'upstream_unavailable', detail }, keyId: null };
}

/** The sentence and the action, so that a failed workflow's page says why in words. It is not retried as a workflow. */
export function failureWith({ fault, keyId }: FailureDetails, type: string | null = null): ApplicationFailure {
  const { message, action } = failureKind(fault.code);
  const text = `${message}${spellDetail(fault)} What to do: ${action}`;
  const failure = ApplicationFailure.nonRetryable(text, type ?? fault.code, { fault, keyId });
  // It would say again what the message says, and that this function was called.
  failure.stack = '';
  return failure;
}

/** The type of the failure at the bottom, or null when it has none. */
export function typeOf(error: unknown): string | null {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  return cause instanceof ApplicationFailure ? (cause.type ?? null) : null;
}

function isDetails(value: unknown): value is FailureDetails {
  if (typeof value !== 'object' || value === null || !('fault' in value)) return false;
  const { fault } = value;
  return (
    typeof fault === 'object' &&
    fault !== null &&
    'code' in fault &&
    typeof fault.code === 'string' &&
    isFailureCode(fault.code)
  );
}

import { ActivityFailure, ApplicationFailure } from '@temporalio/workflow';
import type { FailureDetails } from '../activities/failures.ts';
import { isFailureCode } from '../domain/failures.ts';

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

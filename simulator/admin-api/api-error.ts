import type { Violation } from '../conduct.ts';

const ERROR_TYPES = new Map([
  [400, 'invalid_request_error'],
  [401, 'authentication_error'],
  [402, 'billing_error'],
  [403, 'permission_error'],
  [404, 'not_found_error'],
  [405, 'invalid_request_error'],
  [409, 'conflict_error'],
  [413, 'request_too_large'],
  [429, 'rate_limit_error'],
  [504, 'timeout_error'],
  [529, 'overloaded_error'],
]);

/** The Admin API answers a request with an error. `violation` is set if a polite client never sends such a request. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;
  readonly violation: Violation | null;

  constructor(status: number, message: string, violation: Violation | null = null) {
    super(message);
    this.status = status;
    this.violation = violation;
  }
}

/** Anthropic's error type for an HTTP status. */
export function errorTypeOf(status: number): string {
  return ERROR_TYPES.get(status) ?? 'api_error';
}

/** Anthropic's error envelope. It has no `request_id` field if `requestId` is null. */
export function errorBody(type: string, message: string, requestId: string | null): string {
  return JSON.stringify({
    type: 'error',
    error: { type, message },
    ...(requestId === null ? {} : { request_id: requestId }),
  });
}

import type { Misconduct } from '../conduct.ts';

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

/** A request the API answers with an error; `misconduct` where a well-made client would never have sent it. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly status: number;
  readonly misconduct: Misconduct | null;

  constructor(status: number, message: string, misconduct: Misconduct | null = null) {
    super(message);
    this.status = status;
    this.misconduct = misconduct;
  }
}

/** The error type that goes with a status. */
export function errorTypeOf(status: number): string {
  return ERROR_TYPES.get(status) ?? 'api_error';
}

/** The body of an error reply; without `request_id` where none is given. */
export function errorBody(type: string, message: string, requestId: string | null): string {
  return JSON.stringify({
    type: 'error',
    error: { type, message },
    ...(requestId === null ? {} : { request_id: requestId }),
  });
}

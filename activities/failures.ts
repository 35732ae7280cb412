import { ApplicationFailure, CancelledFailure, TemporalFailure } from '@temporalio/common';
import type { ActivityExecuteInput, ActivityInboundCallsInterceptor, Next } from '@temporalio/worker';
import { AnthropicError } from '../anthropic/failure.ts';
import { databaseFault } from '../db/database.ts';
import { KeyUnreadableError } from '../db/key-ring.ts';
import { ConnectionGoneError } from '../db/live.ts';
import type { Day } from '../domain/days.ts';
import {
  failureKind,
  isKeyFailure,
  retryDelayMs,
  isOfOneDay,
  type FailureCode,
  type Fault,
} from '../domain/failures.ts';

/** What a failure of an activity carries to the workflow, beside its type (which is the code). */
export interface FailureDetails {
  readonly fault: Fault;
  /** The key that was used, where one was. */
  readonly keyId: string | null;
  /** The day that was being read, where it was one day alone. */
  readonly day?: Day;
  /** Days that were read before it, and are to be read once more. */
  readonly doubtful?: readonly Day[];
}

/** The type of the failure of an activity whose connection has ended meanwhile. */
export const CONNECTION_GONE = 'connection_gone';
/** The type of the failure of a request that was made with a key which was replaced meanwhile. */
export const KEY_REPLACED = 'key_replaced';

/** An error of Anthropic as a failure that Temporal can retry, and that names the key it was met with. */
export function failureOf(
  error: AnthropicError,
  keyId: string | null,
  reading: Pick<FailureDetails, 'day' | 'doubtful'> = {},
): ApplicationFailure {
  const { code, detail, requestId, retryAfterMs } = error;
  const where = reading.day !== undefined && isOfOneDay(code) ? `${reading.day}: ` : '';
  const fault: Fault = { code, detail: where + detail, ...(requestId === null ? {} : { requestId }) };
  const delayMs = retryDelayMs(code, retryAfterMs);
  return ApplicationFailure.create({
    message: error.message,
    type: code,
    // One rejection is no verdict on a key that serves: public reports tell of single ones for good keys.
    nonRetryable: !failureKind(code).retryable && !(keyId !== null && isKeyFailure(code)),
    details: [{ fault, keyId, ...reading } satisfies FailureDetails],
    ...(delayMs === null ? {} : { nextRetryDelay: delayMs }),
  });
}

/**
 * Everything that leaves an activity as an error passes here. What reaches Temporal is kept for months and shown to
 * many, so it is one of our own sentences: never a bind value, a header or a body.
 */
export function translate(error: unknown): unknown {
  if (error instanceof TemporalFailure || error instanceof CancelledFailure) return error;
  if (error instanceof AnthropicError) return failureOf(error, null);
  if (error instanceof KeyUnreadableError) {
    const fault: Fault = { code: 'key_unreadable' };
    return ApplicationFailure.create({
      message: error.message,
      type: 'key_unreadable' satisfies FailureCode,
      nonRetryable: true,
      details: [{ fault, keyId: error.keyId } satisfies FailureDetails],
    });
  }
  if (error instanceof ConnectionGoneError) {
    return ApplicationFailure.create({ message: error.message, type: CONNECTION_GONE, nonRetryable: true });
  }
  const database = databaseFault(error);
  const message = database?.message ?? `Unexpected: ${error instanceof Error ? describe(error) : 'a value was thrown'}`;
  const fault: Fault = { code: 'unavailable', detail: message };
  return ApplicationFailure.create({
    message,
    type: 'unavailable',
    details: [{ fault, keyId: null } satisfies FailureDetails],
  });
}

function describe(error: Error): string {
  return `${error.name}: ${error.message.replace(/sk-ant-[\w-]*/g, '…').slice(0, 300)}`;
}

/** Puts {@link translate} around every activity of a worker. */
export function translateFailures(): ActivityInboundCallsInterceptor {
  return {
    async execute(
      input: ActivityExecuteInput,
      next: Next<ActivityInboundCallsInterceptor, 'execute'>,
    ): Promise<unknown> {
      try {
        return await next(input);
      } catch (error) {
        throw translate(error);
      }
    },
  };
}

import { ApplicationFailure, CancelledFailure, TemporalFailure } from '@temporalio/common';
import type { ActivityExecuteInput, ActivityInboundCallsInterceptor, Next } from '@temporalio/worker';
import { AnthropicError, invalidReply } from '../anthropic/failure.ts';
import { LargeDay } from '../anthropic/report.ts';
import { databaseFailure } from '../db/core/database.ts';
import { KeyUnreadableError } from '../db/keys/key-ring.ts';
import { ConnectionGoneError } from '../db/connections/live.ts';
import { SumTooLargeError } from '../db/ledger/series.ts';
import type { Day } from '../domain/days.ts';
import {
  FAILURES,
  isKeyFailure,
  retryDelayMs,
  isOfContent,
  type FailureCode,
  type Failure,
} from '../domain/failures.ts';
import { redact } from '../runtime/redact.ts';

/** What a failure of an activity carries to the workflow, beside its type (which is the code). */
export interface AttemptFailure {
  readonly failure: Failure;
  /** The key that was used, where one was. */
  readonly keyId: string | null;
  /** The day that was being read, where it was one day alone. */
  readonly day?: Day;
  /** Days that were read before it, and are to be read once more. */
  readonly suspect?: readonly Day[];
}

/** The type of the failure of an activity whose connection has ended meanwhile. */
export const CONNECTION_GONE = 'connection_gone';
/** The type of the failure of a request that was made with a key which was replaced meanwhile. */
export const KEY_REPLACED = 'key_replaced';

/** An error of Anthropic as it is stored and shown, with the day whose reply is at fault. */
export function failureFrom({ code, detail, requestId, retryAfterMs }: AnthropicError, day?: Day): Failure {
  const where = day === undefined ? '' : `${day}: `;
  return {
    code,
    detail: where + detail,
    ...(requestId === null ? {} : { requestId }),
    ...(retryAfterMs === null ? {} : { retryAfterMs }),
  };
}

/** An error of Anthropic as a failure that Temporal can retry, and that names the key it was met with. */
export function toActivityFailure(
  error: AnthropicError,
  keyId: string | null,
  reading: Pick<AttemptFailure, 'day' | 'suspect'> = {},
): ApplicationFailure {
  const { code, retryAfterMs } = error;
  const failure = failureFrom(error, isOfContent(code) ? reading.day : undefined);
  const delayMs = retryDelayMs(code, retryAfterMs);
  return ApplicationFailure.create({
    message: error.message,
    type: code,
    // One rejection is no verdict on a key that serves: public reports tell of single ones for good keys.
    nonRetryable: !FAILURES[code].retryable && !(keyId !== null && isKeyFailure(code)),
    details: [{ failure, keyId, ...reading } satisfies AttemptFailure],
    ...(delayMs === null ? {} : { nextRetryDelay: delayMs }),
  });
}

/**
 * A failure of reading and storing what was replied. Where the content causes it, whatever its kind, it becomes one of
 * the reply, so that the day it is of fails, and no other; where it is not known to come from elsewhere, the content
 * causes it. What it says is our own sentence: errors quote what they stumbled over.
 */
export function asReplyFailure(error: unknown): unknown {
  if (isOfSurroundings(error)) return error;
  if (error instanceof SumTooLargeError) return invalidReply(error.message);
  const database = databaseFailure(error);
  if (database !== null)
    return database.isOfContent ? invalidReply(`it cannot be stored (${database.message})`) : error;
  return invalidReply(`it cannot be worked with (${error instanceof Error ? error.name : 'a value was thrown'})`);
}

function isOfSurroundings(error: unknown): boolean {
  const own = [TemporalFailure, AnthropicError, LargeDay, ConnectionGoneError, KeyUnreadableError];
  return own.some((kind) => error instanceof kind) || (error instanceof Error && error.name === 'AbortError');
}

/**
 * Everything that leaves an activity as an error passes here. What reaches Temporal is kept for months and shown to
 * many, so it is one of our own sentences: never a bind value, a header or a body.
 */
export function translate(error: unknown): unknown {
  if (error instanceof TemporalFailure || error instanceof CancelledFailure) return error;
  if (error instanceof AnthropicError) return toActivityFailure(error, null);
  if (error instanceof KeyUnreadableError) {
    const failure: Failure = { code: 'key_unreadable' };
    return ApplicationFailure.create({
      message: error.message,
      type: 'key_unreadable' satisfies FailureCode,
      nonRetryable: true,
      details: [{ failure, keyId: error.keyId } satisfies AttemptFailure],
    });
  }
  if (error instanceof ConnectionGoneError) {
    return ApplicationFailure.create({ message: error.message, type: CONNECTION_GONE, nonRetryable: true });
  }
  const database = databaseFailure(error);
  const message = database?.message ?? `Unexpected: ${error instanceof Error ? describe(error) : 'a value was thrown'}`;
  const code: FailureCode = database === null ? 'internal' : 'unavailable';
  const failure: Failure = { code, detail: message };
  // Also a fault of ours is tried again: a worker of a release without it goes on where this one could not.
  return ApplicationFailure.create({
    message,
    type: code,
    details: [{ failure, keyId: null } satisfies AttemptFailure],
  });
}

function describe(error: Error): string {
  return `${error.name}: ${redact(error.message).slice(0, 300)}`;
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

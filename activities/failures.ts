import { ApplicationFailure, CancelledFailure, TemporalFailure } from '@temporalio/common';
import type { ActivityExecuteInput, ActivityInboundCallsInterceptor, Next } from '@temporalio/worker';
import { AnthropicError, invalidReply } from '../anthropic/failure.ts';
import { LargeDay } from '../anthropic/report.ts';
import { databaseFailure } from '../db/core/database.ts';
import { KeyUnreadableError } from '../db/keys/key-ring.ts';
import { ConnectionGoneError } from '../db/connections/live.ts';
import type { Day } from '../domain/days.ts';
import { isContentFailure, isRetried, retryDelayMs, type Failure, type FailureCode } from '../domain/failures.ts';
import { ThreadLostError } from '../pages/failure.ts';
import { redact } from '../runtime/redact.ts';

/** The details of an activity's failure. The type of that failure is the code. */
export interface AttemptFailure {
  readonly failure: Failure;
  /** The key that was used, if any. */
  readonly keyId: string | null;
  /** The day that was being read, if it was read alone. */
  readonly day?: Day;
  /** The days read before it whose lines were not taken. */
  readonly heldBack?: readonly Day[];
}

/** A day that cannot be read, and why. */
export interface UnreadableDay {
  readonly day: Day;
  readonly failure: Failure;
  readonly keyId: string | null;
}

/** The failure type of an activity whose connection ended meanwhile. */
const CONNECTION_GONE = 'connection_gone';
/** The failure type of an activity whose key was rejected and replaced meanwhile. */
export const KEY_REPLACED = 'key_replaced';

/** Whether the reply itself cannot be read. Then the days around it may well be readable. */
export function isUnreadableReply(error: unknown): error is AnthropicError {
  return error instanceof AnthropicError && isContentFailure(error.code);
}

/** An error of Anthropic as it is stored and shown, with the day it is about, if any. */
export function failureFrom({ code, detail, requestId, retryAfterMs }: AnthropicError, day?: Day): Failure {
  const where = day === undefined ? '' : `${day}: `;
  return {
    code,
    detail: where + detail,
    ...(requestId === null ? {} : { requestId }),
    ...(retryAfterMs === null ? {} : { retryAfterMs }),
  };
}

/** An error of Anthropic as a failure that Temporal retries, or not, and that names the active key, if it was used. */
export function toActivityFailure(
  error: AnthropicError,
  keyId: string | null,
  reading: Pick<AttemptFailure, 'day' | 'heldBack'> = {},
): ApplicationFailure {
  const { code, retryAfterMs } = error;
  const failure = failureFrom(error, isContentFailure(code) ? reading.day : undefined);
  const delayMs = retryDelayMs(code, retryAfterMs);
  return ApplicationFailure.create({
    message: error.message,
    type: code,
    nonRetryable: !isRetried(code, keyId !== null),
    details: [{ failure, keyId, ...reading } satisfies AttemptFailure],
    ...(delayMs === null ? {} : { nextRetryDelay: delayMs }),
  });
}

/**
 * What reading and storing a reply failed with. Whatever does not come from Temporal, Anthropic, Postgres or the
 * connection's state comes from the content of the reply, so it becomes an invalid reply, and only the day in it fails.
 * Its detail never quotes the error, which may quote the content.
 */
export function asReplyFailure(error: unknown): unknown {
  if (comesFromElsewhere(error)) return error;
  const database = databaseFailure(error);
  if (database !== null)
    return database.isOfContent ? invalidReply(`it cannot be stored (${database.message})`) : error;
  return invalidReply(`it cannot be processed (${error instanceof Error ? error.name : 'a value was thrown'})`);
}

function comesFromElsewhere(error: unknown): boolean {
  const own = [TemporalFailure, AnthropicError, LargeDay, ThreadLostError, ConnectionGoneError, KeyUnreadableError];
  return own.some((kind) => error instanceof kind) || (error instanceof Error && error.name === 'AbortError');
}

/**
 * Every error that leaves an activity passes here. Temporal stores it for months and shows it to many people, so its
 * message is a sentence of ours: never a bind value, a header or a body.
 */
export function translate(error: unknown): unknown {
  if (error instanceof TemporalFailure || error instanceof CancelledFailure) return error;
  if (error instanceof AnthropicError) return toActivityFailure(error, null);
  if (error instanceof KeyUnreadableError) {
    const failure: Failure = { code: 'key_unreadable' };
    return ApplicationFailure.create({
      message: error.message,
      type: failure.code,
      nonRetryable: !isRetried(failure.code, true),
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
  // A bug of ours is retried, too: once a fixed worker is deployed, it goes on where this one failed.
  return ApplicationFailure.create({
    message,
    type: code,
    nonRetryable: !isRetried(code, false),
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

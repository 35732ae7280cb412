import { z } from 'zod';
import type { Waiting } from '../../domain/connection/waiting.ts';
import { STATUSES } from '../../domain/connection/statuses.ts';
import { isDay, type Day } from '../../domain/days.ts';
import { FAILURE_CODES, type Failure } from '../../domain/failures.ts';
import { KEY_ENDS, KEY_STATES } from '../../domain/keys.ts';
import { REPORTS, type Json } from '../../domain/lines.ts';
import { isDecimal, type Decimal } from '../../domain/money.ts';
import { SYNC_KINDS } from '../../domain/reading.ts';

/**
 * What Postgres answers, as schemas: the values that several tables, columns and read models share. Each query parses what
 * it gets with them, so that a type is never only claimed.
 */

/** A UTC day. Postgres prints a `date` in this form, both as text and inside JSON. */
export const dayJson = z.custom<Day>((value) => typeof value === 'string' && isDay(value), 'is not a day');

/** An instant in milliseconds since the epoch. */
export const instantMs = z.number();

/** A `bigint` in a row of its own: the driver gives its digits, so that none is lost. Only for numbers below 2^53. */
export const bigintText = z
  .string()
  .regex(/^-?\d+$/)
  .transform(Number)
  .pipe(z.int());

/** A `numeric` that Postgres printed, without trailing zeros: stored so, or printed with `trim_scale`. */
export const decimalText = z.custom<Decimal>(
  (value) => typeof value === 'string' && isDecimal(value),
  'is not a decimal',
);

/** A status of a connection. */
export const statusJson = z.enum(STATUSES);
/** A state of a key. */
export const keyStateJson = z.enum(KEY_STATES);
/** Why a key was destroyed. */
export const keyEndJson = z.enum(KEY_ENDS);
/** Why a sync runs. */
export const syncKindJson = z.enum(SYNC_KINDS);
/** One of the two reports. */
export const reportJson = z.enum(REPORTS);
/** The stable code of a failure. */
export const failureCodeJson = z.enum(FAILURE_CODES);

/** A stored failure. */
export const failureJson: z.ZodType<Failure> = z.object({
  code: failureCodeJson,
  detail: z.string().exactOptional(),
  requestId: z.string().exactOptional(),
  retryAfterMs: z.number().exactOptional(),
  connectionId: z.string().exactOptional(),
});

/** What a run of a sync waits for before its next attempt. */
export const waitingJson = z.object({
  failure: failureJson,
  attempt: z.number(),
  attempts: z.number().nullable(),
  atMs: instantMs,
  nextTryAtMs: instantMs,
}) satisfies z.ZodType<Waiting>;

/** Anything that Anthropic reported: JSON of any form, kept as it came. */
export const anyJson: z.ZodType<Json> = z.json();

/** Postgres answered in another form than this code expects. The message names the fields, never their values. */
export class UnexpectedAnswerError extends Error {
  override readonly name = 'UnexpectedAnswerError';
  constructor({ issues }: z.ZodError) {
    const problems = issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
    super(`Postgres answered in another form than expected: ${problems.join('; ')}`);
  }
}

/** What the driver gives, as `schema` has it. Throws {@link UnexpectedAnswerError}. */
export function parseAnswer<Value>(schema: z.ZodType<Value>, answer: unknown): Value {
  const parsed = schema.safeParse(answer);
  if (!parsed.success) throw new UnexpectedAnswerError(parsed.error);
  return parsed.data;
}

import { z } from 'zod';
import type { Waiting } from '../../domain/connection/waiting.ts';
import { STATUSES } from '../../domain/connection/statuses.ts';
import { isDay, type Day } from '../../domain/days.ts';
import { FAILURE_CODES, type Failure } from '../../domain/failures.ts';
import { KEY_STATES } from '../../domain/keys.ts';
import type { Json } from '../../domain/lines.ts';
import { isDecimal, type Decimal } from '../../domain/money.ts';
import { SYNC_KINDS, SYNC_STATES } from '../../domain/reading.ts';

/**
 * Schemas for the values that several tables, columns and read models share. Statements of our own parse every row with
 * them, and so do columns of days, decimals and JSON. Drizzle only claims the types of other columns, which constraints
 * hold, and of `sql<T>` parts in its query builder.
 */

/** A UTC day. Postgres prints a `date` in this form, both as text and inside JSON. */
export const dayJson = z.custom<Day>((value) => typeof value === 'string' && isDay(value), 'is not a day');

/** An instant in milliseconds since the epoch. */
export const instantMs = z.number();

/** A `bigint` outside of JSON, which the driver gives as text. Fails for numbers above 2^53. */
export const bigintText = z
  .string()
  .regex(/^-?\d+$/)
  .transform(Number)
  .pipe(z.int());

/** A `numeric` that Postgres printed without trailing zeros, with `trim_scale` for example. */
export const decimalText = z.custom<Decimal>(
  (value) => typeof value === 'string' && isDecimal(value),
  'is not a decimal',
);

/** A `numeric` column, which Postgres prints with the trailing zeros that were written. */
export const numericText = z
  .string()
  .transform((text) => (text.includes('.') ? text.replace(/\.?0+$/, '') : text))
  .pipe(decimalText);

/** A status of a connection. */
export const statusJson = z.enum(STATUSES);
/** A state of a key. */
export const keyStateJson = z.enum(KEY_STATES);
/** Why a sync runs. */
export const syncKindJson = z.enum(SYNC_KINDS);
/** A state of a sync. */
export const syncStateJson = z.enum(SYNC_STATES);
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

/** Why a run of a sync waits, and until when. */
export const waitingJson = z.object({
  failure: failureJson,
  attempt: z.number(),
  attempts: z.number().nullable(),
  atMs: instantMs,
  nextTryAtMs: instantMs,
}) satisfies z.ZodType<Waiting>;

/** JSON of any form, as Anthropic reported it. */
export const anyJson: z.ZodType<Json> = z.json();

/** An answer of Postgres does not match its schema. The message names the fields, never their values. */
export class UnexpectedAnswerError extends Error {
  override readonly name = 'UnexpectedAnswerError';
  constructor({ issues }: z.ZodError) {
    const problems = issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
    super(`An answer of Postgres does not match its schema: ${problems.join('; ')}`);
  }
}

/** Parses what the driver gave. Throws {@link UnexpectedAnswerError}. */
export function parseAnswer<Value>(schema: z.ZodType<Value>, answer: unknown): Value {
  const parsed = schema.safeParse(answer);
  if (!parsed.success) throw new UnexpectedAnswerError(parsed.error);
  return parsed.data;
}

import { z } from 'zod';
import { ASKABLE_DAY, isAskableDay, toDay } from '../../domain/days.ts';
import { FAILURE_CODES } from '../../domain/failures.ts';
import { isMonth, toMonth } from '../../domain/months.ts';

// The atoms that the schemas of several resources share. Each resource has its own schemas in its folder.
//
// The OpenAPI document publishes each pattern as it is checked here, so a pattern must mean the same in JavaScript and in
// Python: no \d and no \w, for which Python takes more characters, and no \p and no flag, which only one of them has.

/** No query parameters, no fields of a body, or an empty reply. */
export const nothing = z.strictObject({});

const DAY = /^(?:20|21)[0-9]{2}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])$/;

/** A day in a request. */
export const dayIn = z
  .string()
  .refine(isAskableDay, ASKABLE_DAY)
  .transform(toDay)
  .meta({
    override: { type: 'string', format: 'date', pattern: DAY.source, examples: ['2026-01-31'] },
    description: 'A UTC day, inclusive.',
  });

const MONTH = /^(?:20|21)[0-9]{2}-(?:0[1-9]|1[0-2])$/;

/** A month in a request. */
export const monthIn = z
  .string()
  .refine((text) => MONTH.test(text) && isMonth(text), 'must be a month from 2000-01 to 2199-12, in the form YYYY-MM')
  .transform(toMonth)
  .meta({
    override: { type: 'string', pattern: MONTH.source, examples: ['2026-01'] },
    description: 'A UTC month.',
  });

/** The first and the last day of a query. Both are optional; see {@link rangeOf} for the defaults. */
export const rangeQuery = {
  from: dayIn.optional().meta({ description: 'The first UTC day, inclusive. Without it, 30 days before the last.' }),
  to: dayIn.optional().meta({ description: 'The last UTC day, inclusive. Without it, today.' }),
};

/** How many rows a page has. */
export const limitIn = (fallback: number, max: number): z.ZodType<number> =>
  z
    .string()
    .refine((text) => /^[0-9]{1,6}$/.test(text), `must be a whole number from 1 to ${max}`)
    .transform(Number)
    .refine((value) => value >= 1 && value <= max, `must be a whole number from 1 to ${max}`)
    .default(fallback)
    .meta({
      override: { type: 'integer', minimum: 1, maximum: max, default: fallback },
      description: 'The largest number of rows on a page.',
    });

/** An object of JSON in Base64. */
const CURSOR = /^eyJ[A-Za-z0-9_-]{1,6000}$/;
/** What to send as a cursor. */
export const AFTER = 'send the "next" of an earlier page unchanged, or leave "after" out for the first page';

/** Where a page starts. */
export const afterIn = z
  .string()
  .regex(CURSOR, `is no cursor; ${AFTER}`)
  .optional()
  .meta({
    description:
      'The `next` of the page before, unchanged. Without it, the first page. It belongs to one list and query.',
    override: { type: 'string', pattern: CURSOR.source },
  });

/** The query parameters of every list that has pages. */
export const pageQuery = { limit: limitIn(50, 500), after: afterIn };

/** A UTC day in a reply. */
export const dayOut = z.string().meta({ format: 'date', description: 'A UTC day.', examples: ['2026-01-31'] });
/** A UTC month in a reply. */
export const monthOut = z.string().meta({ description: 'A UTC month.', examples: ['2026-01'] });
export const instant = z.string().meta({ format: 'date-time', examples: ['2026-01-31T06:12:00.000Z'] });
export const amount = z
  .string()
  .regex(/^-?[0-9]+(?:\.[0-9]+)?$/)
  .meta({ description: 'An exact decimal in major units.', examples: ['12.3456789'] });
export const wholeNumber = z.int().nonnegative();
export const nullableText = z.string().nullable();
export const uuid = z.string().meta({ format: 'uuid', examples: ['0b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b'] });
/** The part of an Admin key that is shown. */
export const hint = z.string().meta({ description: 'The last four characters of the key.', examples: ['wxyz'] });
export const workflowId = z.string().meta({
  description: "The workflow's id in Temporal.",
  examples: ['connection-0b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b'],
});
export const temporalUrl = nullableText.meta({
  description: "The address of this workflow in Temporal's UI; null if the API does not know that UI.",
});
export const next = nullableText.meta({ description: 'The `after` of the next page; null on the last one.' });

/** Things that are allowed and hardly meant. */
export const warnings = z.array(
  z.strictObject({ path: z.string(), message: z.string().meta({ description: 'A sentence without its full stop.' }) }),
);

/** A page of a list. */
export function listOf<Item extends z.ZodType>(
  item: Item,
): z.ZodObject<{ data: z.ZodArray<Item>; next: typeof next }, z.core.$strict> {
  return z.strictObject({ data: z.array(item), next });
}

const failureCode = z.enum(FAILURE_CODES).meta({
  description: 'The stable name of the failure. /docs says what to do about each.',
  examples: ['key_invalid'],
});

/** A failure of a connection, a sync or a key. */
export const failure = z
  .strictObject({
    code: failureCode,
    message: z.string().meta({ description: 'What happened, as a sentence.' }),
    action: z.string().meta({ description: 'What to do about it, as a sentence.' }),
    detail: z.string().optional().meta({ description: 'What is known about this case.' }),
    request_id: z.string().optional().meta({ description: "Anthropic's id of the request that failed." }),
    connection_id: uuid
      .optional()
      .meta({ description: 'The connection that holds the organization already, for `already_connected`.' }),
    at: instant,
  })
  .meta({ id: 'Failure' });

/** A wait between two attempts. */
export const waiting = z
  .strictObject({
    error: failure.meta({ description: 'How the last attempt failed.' }),
    attempt: wholeNumber.meta({ description: 'How many attempts failed in a row.' }),
    next_try_at: instant.nullable(),
  })
  .meta({ id: 'Waiting', description: 'Meterline waits before it tries again what failed.' });

const requestError = z
  .strictObject({
    path: z.string().meta({ description: 'Where in the request.', examples: ['body.name'] }),
    message: z.string().meta({ description: 'What is wrong there.', examples: ['must not be empty'] }),
  })
  .meta({ id: 'RequestError' });
/** One thing that is wrong with a request. */
export type RequestError = z.output<typeof requestError>;

/** The body of every reply with a status of 400 or more (RFC 9457). */
export const problem = z
  .looseObject({
    type: z.string().meta({
      format: 'uri-reference',
      description: 'The address of the explanation of this code, beside this API.',
      examples: ['/docs#invalid_request'],
    }),
    title: z.string().meta({ description: 'What happened, as a sentence.' }),
    status: z.int().min(400).max(599),
    detail: z.string().meta({ description: 'What is known about this case.' }),
    code: failureCode,
    action: z.string().meta({ description: 'What to do about it.' }),
    errors: z
      .array(requestError)
      .optional()
      .meta({ description: 'Everything that is wrong with the request, and where it is.' }),
    connection_id: uuid.optional().meta({ description: 'The connection that this is about, or that is in the way.' }),
    refused_connection_id: uuid.optional().meta({
      description: 'The connection that was not made. Its events can be read.',
    }),
    request_id: uuid.optional().meta({ description: 'The id of this request in the log of the API.' }),
    anthropic_request_id: z.string().optional().meta({ description: "Anthropic's id of the request that it refused." }),
  })
  .meta({ id: 'Problem' });
/** The body of a problem document. */
export type ProblemDocument = z.output<typeof problem>;

import { z } from 'zod';
import { COST_GROUPS, USAGE_GROUPS } from '../../db/spend/spend.ts';
import { MAX_HISTORY_DAYS, isDay, toDay } from '../../domain/days.ts';
import { KEY_PATTERN, KEY_STATES } from '../../domain/keys.ts';
import { REPORTS } from '../../domain/lines.ts';
import { SYNC_KINDS } from '../../domain/reading.ts';
import { STATUSES } from '../../domain/connection/statuses.ts';
import { TOKEN_NAME_LENGTH, TOKEN_NAME_PATTERN, TOKEN_ROLES, problemWithTokenName } from '../../domain/tokens.ts';

// What comes in. Each pattern stands in the OpenAPI document as it is checked here, so it says the same in JavaScript and
// in Python: no \d and no \w, of which Python takes more, no \p and no flag, which only one of them has.

const DAY = /^(?:20|21)[0-9]{2}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])$/;

/** A day as a parameter. Postgres and the calendar agree on all days of these two centuries. */
export const day = z
  .string()
  .refine(
    (text) => DAY.test(text) && isDay(text),
    'must be a day from 2000-01-01 to 2199-12-31, in the form YYYY-MM-DD',
  )
  .transform(toDay)
  .meta({
    override: { type: 'string', format: 'date', pattern: DAY.source, examples: ['2026-01-31'] },
    description: 'A UTC day, inclusive.',
  });

const limit = (fallback: number, max: number): z.ZodType<number> =>
  z
    .string()
    .refine((text) => /^[0-9]{1,6}$/.test(text), `must be a whole number from 1 to ${max}`)
    .transform(Number)
    .refine((value) => value >= 1 && value <= max, `must be a whole number from 1 to ${max}`)
    .default(fallback)
    .meta({
      override: { type: 'integer', minimum: 1, maximum: max, default: fallback },
      description: 'How many rows a page has at most.',
    });

const CURSOR = /^[A-Za-z0-9_-]{1,6000}$/;

const after = z
  .string()
  .regex(CURSOR, 'is not the "next" of an earlier page of this list')
  .optional()
  .meta({
    description:
      'The `next` of the page before, as it is. Without it, the first page. It belongs to one list and query.',
    override: { type: 'string', pattern: CURSOR.source },
  });

const page = { limit: limit(50, 500), after };

const NAME_LENGTH = 100;
const CONTROLS = '\\u0000-\\u001f\\u007f-\\u009f';
/** What `trim()` takes away, but for control characters. */
const SPACES = ' \\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000\\ufeff';
const NAME_PATTERN = `^(?![^${CONTROLS}]*sk-ant-)[^${CONTROLS}]*[^${CONTROLS}${SPACES}][^${CONTROLS}]*$`;

const name = z
  .string()
  .superRefine((text, context) => {
    const failure = faultOfName(text);
    if (failure !== null) context.addIssue(failure);
  })
  .transform((text) => text.trim())
  .meta({
    override: {
      type: 'string',
      minLength: 1,
      maxLength: NAME_LENGTH,
      pattern: NAME_PATTERN,
      examples: ['Acme production'],
    },
    description:
      'What people call the connection. Spaces at its ends are dropped. It is shown in the clear, so it must not hold a key (`sk-ant-…`).',
  });

function faultOfName(text: string): string | null {
  if (text.trim() === '') return 'must not be empty';
  if (Array.from(text).length > NAME_LENGTH) return `must be at most ${NAME_LENGTH} characters`;
  if (/[\p{Cc}\p{Cs}]/u.test(text)) return 'must not hold control characters';
  // Somebody will paste the key into the wrong field one day.
  return text.includes('sk-ant-') ? 'must not hold a key' : null;
}

// Its shape is checked apart, so that a wrong one is a `key_format` and not a fault of the request.
const adminApiKey = z.string().meta({
  override: {
    type: 'string',
    format: 'password',
    writeOnly: true,
    pattern: KEY_PATTERN,
    examples: ['sk-ant-admin01-EXAMPLE-this-is-not-a-real-key'],
  },
  description: 'An Anthropic Admin API key (`sk-ant-admin…`), whole. It is never shown again.',
});

/** Names of `known` with commas between, none of them twice. */
const groups = <Group extends string>(known: readonly [Group, ...Group[]]) => {
  const [any, twice] = [`(?:${known.join('|')})`, '(?:[a-z_,]*,)?([a-z_]+),(?:[a-z_,]*,)?\\1(?:,|$)'];
  return z
    .string()
    .default('day')
    .transform((text) => text.split(','))
    .pipe(z.array(z.enum(known)))
    .refine((list) => new Set(list).size === list.length, 'names something twice')
    .meta({
      override: {
        type: 'string',
        default: 'day',
        pattern: `^(?!${twice})${any}(?:,${any})*$`,
        examples: ['workspace,model'],
      },
      description: `What rows are grouped by: any of ${known.map((group) => `\`${group}\``).join(', ')}, with commas between and none of them twice.`,
    });
};

/** No query parameters, or no fields. */
export const nothing = z.strictObject({});

/** The body of POST /v1/connections. */
export const newConnection = z
  .strictObject({
    name,
    admin_api_key: adminApiKey,
    backfill_days: z
      .int('must be a whole number')
      .min(1, 'must be at least 1')
      .max(MAX_HISTORY_DAYS, `must be at most ${MAX_HISTORY_DAYS}`)
      .default(31)
      .meta({
        description: 'How many days to read at first, today included. Without it, 31.',
        examples: [31],
        // Generators take a field with a default for one that is always there, and would demand it of their callers.
        override: ({ jsonSchema }: { jsonSchema: { default?: unknown } }) => {
          delete jsonSchema.default;
        },
      }),
  })
  .meta({ id: 'NewConnection' });

/** The body of PATCH /v1/connections/{id}. */
export const renaming = z.strictObject({ name }).meta({ id: 'Renaming' });

/** The body of the routes that take a key. */
export const newKey = z.strictObject({ admin_api_key: adminApiKey }).meta({ id: 'NewKey' });

/** The body of POST /v1/connections/{id}/sync. */
export const syncRequest = z
  .strictObject({
    from: day.optional().meta({ description: 'The first day to read again; with `to`.' }),
    to: day.optional().meta({ description: 'The last day to read again; with `from`.' }),
  })
  .refine(({ from, to }) => (from === undefined) === (to === undefined), 'takes both "from" and "to", or neither')
  .meta({
    id: 'SyncRequest',
    override: { dependentRequired: { from: ['to'], to: ['from'] } },
    description: 'Both days, or neither: then it reads what is missing and the last 31 days.',
  });

/** The body of POST /v1/connections/{id}/backfill. */
export const backfillRequest = z
  .strictObject({
    from: day.meta({
      description: `The first day to keep, at most ${MAX_HISTORY_DAYS} days before today.`,
    }),
  })
  .meta({ id: 'BackfillRequest' });

const INSTANT =
  /^(?:20|21)[0-9]{2}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])$/;

/** The body of POST /v1/tokens. */
export const newToken = z
  .strictObject({
    name: z
      .string()
      .superRefine((text, context) => {
        const failure = problemWithTokenName(text);
        if (failure !== null) context.addIssue(failure);
      })
      .meta({
        override: { minLength: 1, maxLength: TOKEN_NAME_LENGTH, pattern: TOKEN_NAME_PATTERN },
        description: 'Who events say did it. Unique among tokens that are not revoked.',
        examples: ['grafana'],
      }),
    role: z
      .enum(TOKEN_ROLES)
      .meta({ description: 'An `admin` does everything, a `viewer` only reads.', examples: ['viewer'] }),
    expires_at: z
      .string()
      .refine(
        (text) => INSTANT.test(text) && isDay(text.slice(0, 10)),
        'must be an instant in the future, as 2026-01-31T06:12:00Z',
      )
      .transform((text) => new Date(text))
      .optional()
      .meta({
        override: {
          type: 'string',
          format: 'date-time',
          pattern: INSTANT.source,
          examples: ['2199-01-31T06:12:00Z'],
        },
        description:
          'An instant in the future (RFC 3339). Without it, when the token expires that makes this one, or never.',
      }),
  })
  .meta({ id: 'NewToken' });

/** The query of GET /v1/tokens. */
export const tokensQuery = z.strictObject(page);

/** The query of GET /v1/connections. */
export const connectionsQuery = z.strictObject({
  status: z.enum(STATUSES).optional().meta({ description: 'Only connections in this status.' }),
  ...page,
});

/** The query of DELETE /v1/connections/{id}. */
export const disconnectQuery = z.strictObject({
  purge: z
    .string()
    .refine((text) => text === 'true' || text === 'false', 'must be true or false')
    .transform((text) => text === 'true')
    .default(false)
    .meta({
      override: { type: 'boolean', default: false },
      description: 'Delete all that was read, too. This cannot be undone.',
    }),
});

/** The queries of a connection's lists. */
export const keysQuery = z.strictObject({
  state: z.enum(KEY_STATES).optional().meta({ description: 'Only keys in this state.' }),
  ...page,
});
export const workspacesQuery = z.strictObject(page);
export const syncsQuery = z.strictObject({
  kind: z.enum(SYNC_KINDS).optional().meta({ description: 'Only syncs of this kind.' }),
  state: z.enum(['running', 'succeeded', 'failed']).optional().meta({ description: 'Only syncs in this state.' }),
  ...page,
});
export const eventsQuery = z.strictObject({
  type: z
    .string()
    .regex(/^[a-z_]{1,40}$/, 'must be the type of an event')
    .optional()
    .meta({ description: 'Only events of this type, as events name it.', examples: ['status'] }),
  ...page,
});
export const restatementsQuery = z.strictObject({
  report: z.enum(REPORTS).optional().meta({ description: 'Only changes of this report.' }),
  from: day.optional().meta({ description: 'Only changes of this UTC day and later ones.' }),
  to: day.optional().meta({ description: 'Only changes of this UTC day and earlier ones.' }),
  ...page,
});

const range = {
  from: day.optional().meta({ description: 'The first UTC day, inclusive. Without it, 30 days before the last.' }),
  to: day.optional().meta({ description: 'The last UTC day, inclusive. Without it, today.' }),
};
export const coverageQuery = z.strictObject({
  ...range,
  state: z
    .enum(['missing', 'provisional', 'final', 'disagreeing'])
    .optional()
    .meta({ description: 'Only days that are so in cost or in usage.' }),
});

const reportQuery = {
  connection_id: z
    .string()
    .optional()
    .meta({
      override: { format: 'uuid' },
      description: 'Only this connection. Without it, all connections together.',
    }),
  ...range,
  limit: limit(1_000, 10_000),
  after,
};
/** The query of GET /v1/costs. */
export const costsQuery = z.strictObject({ ...reportQuery, group_by: groups(COST_GROUPS) });
/** The query of GET /v1/usage. */
export const usageQuery = z.strictObject({ ...reportQuery, group_by: groups(USAGE_GROUPS) });

import { z } from 'zod';
import { COST_GROUPS, USAGE_GROUPS } from '../db/reports.ts';
import { MAX_HISTORY_DAYS, isDay, toDay } from '../domain/days.ts';
import { KEY_ENDS, KEY_STATES } from '../domain/keys.ts';
import { REPORTS, type UsageCount } from '../domain/lines.ts';
import { SYNC_KINDS } from '../domain/reading.ts';
import { STATUSES } from '../domain/statuses.ts';
import { TOKEN_ROLES, faultOfTokenName } from '../domain/tokens.ts';

// What comes in.

const FIRST_DAY = '2000-01-01';
const LAST_DAY = '2199-12-31';

/** A day as a parameter. Postgres and the calendar agree on all days from the first to the last one taken. */
export const day = z
  .string()
  .refine((text) => isDay(text) && text >= FIRST_DAY && text <= LAST_DAY, 'must be a day in the form YYYY-MM-DD')
  .transform(toDay)
  .meta({
    override: { type: 'string', format: 'date' },
    description: 'A UTC day, inclusive.',
    examples: ['2026-01-31'],
  });

const limit = (fallback: number, max: number): z.ZodType<number> =>
  z
    .string()
    .refine((text) => /^\d{1,6}$/.test(text), `must be a whole number from 1 to ${max}`)
    .transform(Number)
    .refine((value) => value >= 1 && value <= max, `must be a whole number from 1 to ${max}`)
    .default(fallback)
    .meta({ override: { type: 'integer', minimum: 1, maximum: max, default: fallback } });

const after = z.string().optional().meta({ description: 'The "next" of the page before. Opaque.' });

const page = { limit: limit(50, 500), after };

const name = z
  .string()
  .trim()
  .min(1, 'must not be empty')
  .max(100, 'must be at most 100 characters')
  .regex(/^[^\p{Cc}\p{Cs}]*$/u, 'must not hold control characters')
  // It is shown and kept in the clear, and somebody will paste the key into the wrong field one day.
  .refine((text) => !text.includes('sk-ant-'), 'must not hold a key')
  .meta({ description: 'What people call the connection.', examples: ['Acme production'] });

// Its shape is checked apart, so that a wrong one is a `key_format` and not a fault of the request.
const adminApiKey = z
  .string()
  .meta({ description: 'An Anthropic Admin API key (`sk-ant-admin…`). It is never shown again.', format: 'password' });

const groups = <Group extends string>(known: readonly [Group, ...Group[]]) =>
  z
    .string()
    .default('day')
    .transform((text) => text.split(','))
    .pipe(z.array(z.enum(known)))
    .refine((list) => new Set(list).size === list.length, 'names something twice')
    .meta({
      override: { type: 'string', default: 'day' },
      description: `Any of ${known.map((group) => `\`${group}\``).join(', ')}, with commas between.`,
      examples: ['day,workspace,model'],
    });

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
      .meta({ description: 'How many days to read at first, today included.' }),
  })
  .meta({ id: 'NewConnection' });

/** The body of PATCH /v1/connections/{id}. */
export const renaming = z.strictObject({ name }).meta({ id: 'Renaming' });

/** The body of the routes that take a key. */
export const newKey = z.strictObject({ admin_api_key: adminApiKey }).meta({ id: 'NewKey' });

/** The body of POST /v1/connections/{id}/sync. */
export const syncRequest = z
  .strictObject({ from: day.optional(), to: day.optional() })
  .meta({ id: 'SyncRequest', description: 'Both days, or none: then it reads what is missing and the last 31 days.' });

/** The body of POST /v1/connections/{id}/backfill. */
export const backfillRequest = z
  .strictObject({
    from: day.meta({
      description: `The first day to keep, at most ${MAX_HISTORY_DAYS} days before today.`,
    }),
  })
  .meta({ id: 'BackfillRequest' });

/** The body of POST /v1/tokens. */
export const newToken = z
  .strictObject({
    name: z
      .string()
      .superRefine((text, context) => {
        const fault = faultOfTokenName(text);
        if (fault !== null) context.addIssue(fault);
      })
      .meta({ description: 'Who events say did it. Unique among tokens that are not revoked.', examples: ['grafana'] }),
    role: z.enum(TOKEN_ROLES).meta({ description: 'An admin does everything, a viewer only reads.' }),
    expires_at: z.iso
      .datetime({ offset: true, error: 'must be an instant, as 2026-01-31T06:12:00Z' })
      .transform((text) => new Date(text))
      .optional()
      .meta({
        override: { type: 'string', format: 'date-time' },
        description: 'Without it, when the token expires that makes this one, or never.',
      }),
  })
  .meta({ id: 'NewToken' });

/** The query of GET /v1/tokens. */
export const tokensQuery = z.strictObject(page);

/** The query of GET /v1/connections. */
export const connectionsQuery = z.strictObject({ status: z.enum(STATUSES).optional(), ...page });

/** The query of DELETE /v1/connections/{id}. */
export const disconnectQuery = z.strictObject({
  purge: z
    .enum(['true', 'false'])
    .default('false')
    .transform((value) => value === 'true')
    .meta({ override: { type: 'boolean', default: false }, description: 'Delete all that was read, too.' }),
});

/** The queries of a connection's lists. */
export const workspacesQuery = z.strictObject(page);
export const syncsQuery = z.strictObject({
  kind: z.enum(SYNC_KINDS).optional(),
  state: z.enum(['running', 'succeeded', 'failed']).optional(),
  ...page,
});
export const eventsQuery = z.strictObject({
  type: z
    .string()
    .regex(/^[a-z_]{1,40}$/, 'must be the type of an event')
    .optional(),
  ...page,
});
export const restatementsQuery = z.strictObject({
  report: z.enum(REPORTS).optional(),
  from: day.optional(),
  to: day.optional(),
  ...page,
});
export const coverageQuery = z.strictObject({
  from: day.optional(),
  to: day.optional(),
  state: z
    .enum(['missing', 'provisional', 'final', 'disagreeing'])
    .optional()
    .meta({ description: 'Only days that are so in cost or in usage.' }),
});

const reportQuery = {
  connection_id: z.string().optional().meta({ description: 'Without it, all connections together.' }),
  from: day.optional(),
  to: day.optional(),
  limit: limit(1_000, 10_000),
  after,
};
/** The query of GET /v1/costs. */
export const costsQuery = z.strictObject({ ...reportQuery, group_by: groups(COST_GROUPS) });
/** The query of GET /v1/usage. */
export const usageQuery = z.strictObject({ ...reportQuery, group_by: groups(USAGE_GROUPS) });

// What goes out.

const dayOut = z.string().meta({ format: 'date', description: 'A UTC day.', examples: ['2026-01-31'] });
const instant = z.string().meta({ format: 'date-time', examples: ['2026-01-31T06:12:00.000Z'] });
const amount = z
  .string()
  .regex(/^-?\d+(\.\d+)?$/)
  .meta({ description: 'An exact decimal in major units.', examples: ['12.3456789'] });
const wholeNumber = z.int().nonnegative();
const text = z.string().nullable();

const failure = z
  .strictObject({
    code: z.string(),
    message: z.string(),
    action: z.string(),
    detail: z.string().optional(),
    request_id: z.string().optional().meta({ description: "Anthropic's id of the request that failed." }),
    connection_id: z
      .string()
      .optional()
      .meta({ description: 'The connection that holds the organization already, for `already_connected`.' }),
    at: instant,
  })
  .meta({ id: 'Failure' });

const waiting = z
  .strictObject({
    error: failure.meta({ description: 'What the last attempt met.' }),
    attempt: wholeNumber.meta({ description: 'How many attempts there were in a row.' }),
    next_try_at: instant.nullable(),
  })
  .meta({ id: 'Waiting', description: 'A wait before the next attempt of what failed and is tried again on its own.' });

const workflow = z.strictObject({ workflow_id: z.string(), url: z.string().nullable() }).meta({ id: 'Workflow' });

/** One run of a sync. */
export const sync = z
  .strictObject({
    n: wholeNumber,
    kind: z.enum(SYNC_KINDS),
    state: z.enum(['running', 'succeeded', 'failed']),
    from: dayOut,
    to: dayOut,
    days_read: wholeNumber,
    days_changed: wholeNumber,
    requests: wholeNumber,
    bytes: wholeNumber,
    error: failure.nullable(),
    waiting: waiting.nullable().meta({ description: 'What it waits for at this moment, while it runs.' }),
    started_at: instant,
    ended_at: instant.nullable(),
    duration_ms: wholeNumber.nullable(),
    workflow_id: z.string(),
    run_id: z.string(),
    url: z.string().nullable(),
  })
  .meta({ id: 'Sync' });

const candidate = z
  .strictObject({
    id: z.string(),
    hint: z.string(),
    state: z.enum(KEY_STATES),
    error: failure.nullable().meta({ description: 'What it met when it was tried last.' }),
    next_try_at: instant.nullable(),
  })
  .meta({ id: 'Candidate', description: 'A new key, while there is no verdict on it.' });

/** A connection. */
export const connection = z
  .strictObject({
    id: z.string(),
    name: z.string(),
    status: z.enum(STATUSES),
    organization: z.strictObject({ id: z.string(), name: z.string() }).nullable(),
    key: z
      .strictObject({
        id: z.string(),
        hint: z.string().meta({ description: 'The last four characters.' }),
        added_at: instant,
        last_used_at: instant.nullable(),
      })
      .nullable()
      .meta({ description: 'The key that serves; before there is one, the one that is tried.' }),
    candidate: candidate
      .nullable()
      .meta({ description: 'The key that is to serve next: asked for, and not answered yet by Anthropic.' }),
    backfill: z.strictObject({ from: dayOut, to: dayOut, days_done: wholeNumber, days_total: wholeNumber }),
    covered_from: dayOut.nullable(),
    covered_through: dayOut
      .nullable()
      .meta({ description: 'The last day of the unbroken run of stored days from the start on.' }),
    missing_days: wholeNumber,
    last_sync: sync.nullable(),
    next_sync_at: instant.nullable().meta({ description: 'When Anthropic is asked next without anybody asking.' }),
    error: failure.nullable().meta({ description: 'What went wrong and is not made good yet.' }),
    waiting: waiting.nullable().meta({
      description:
        'What it waits for at this moment: within a sync, between two of them, or for an answer about a key.',
    }),
    note: z.string().nullable(),
    temporal: workflow,
    created_at: instant,
  })
  .meta({ id: 'Connection' });

const listOf = <Item extends z.ZodType>(item: Item) =>
  z.strictObject({
    data: z.array(item),
    next: z.string().nullable().meta({ description: 'The "after" of the next page; null on the last one.' }),
  });

const rotation = z.strictObject({
  workflow_id: z.string(),
  name: z.literal('rotateKey'),
  input: z.strictObject({ keyId: z.string() }),
});

/** The query of GET /v1/connections/{id}/keys. */
export const keysQuery = z.strictObject({ state: z.enum(KEY_STATES).optional(), ...page });

/** The keys of a connection: those that serve or may, and what became of the others. Never a key itself. */
export const keyList = listOf(
  z
    .strictObject({
      id: z.string(),
      hint: z.string().meta({ description: 'The last four characters.' }),
      state: z.enum(KEY_STATES),
      error: failure.nullable().meta({ description: 'What it met when it was tried last, or why it was refused.' }),
      end_reason: z.enum(KEY_ENDS).nullable().meta({ description: 'Why it was destroyed.' }),
      next_try_at: instant.nullable(),
      expires_at: instant.nullable().meta({ description: 'When a staged key is destroyed that nobody asked to use.' }),
      signal: rotation.nullable().meta({ description: 'What puts a staged key to use, sent to its workflow.' }),
      added_at: instant,
      requested_at: instant.nullable().meta({ description: 'When somebody asked to use it.' }),
      activated_at: instant.nullable(),
      last_used_at: instant.nullable(),
      ended_at: instant.nullable(),
    })
    .meta({ id: 'Key' }),
).meta({ id: 'KeyList' });

/** A staged key, and the signal that puts it to use. */
export const stagedKey = z
  .strictObject({
    key_id: z.string(),
    hint: z.string(),
    state: z.enum(KEY_STATES),
    signal: rotation,
  })
  .meta({ id: 'StagedKey' });

const tokenFields = {
  id: z.string(),
  name: z.string(),
  role: z.enum(TOKEN_ROLES),
  created_at: instant,
  created_by: z.string().meta({ description: 'The name of the token that made it; `command` for the command line.' }),
  expires_at: instant.nullable(),
  revoked_at: instant.nullable(),
  revoked_by: text,
  last_used_at: instant.nullable().meta({ description: 'To the minute.' }),
};

/** A token, never the token itself. */
export const token = z.strictObject(tokenFields).meta({ id: 'Token' });

/** A token just made: the only reply that holds it. */
export const madeToken = z
  .strictObject({ ...tokenFields, token: z.string().meta({ description: 'Shown this once.', format: 'password' }) })
  .meta({ id: 'MadeToken' });

/** Lists. */
export const connectionList = listOf(connection).meta({ id: 'ConnectionList' });
export const tokenList = listOf(token).meta({ id: 'TokenList' });
export const syncList = listOf(sync).meta({ id: 'SyncList' });
export const workspaceList = listOf(
  z.strictObject({
    id: z.string(),
    name: z.string(),
    created_at: instant.nullable(),
    archived_at: instant.nullable(),
    read_at: instant,
  }),
).meta({ id: 'WorkspaceList' });
export const eventList = listOf(
  z.strictObject({ id: wholeNumber, type: z.string(), actor: z.string(), message: z.string(), at: instant }),
).meta({ id: 'EventList' });
export const restatementList = listOf(
  z.strictObject({
    id: wholeNumber,
    report: z.enum(REPORTS),
    day: dayOut,
    before: amount,
    after: amount,
    lines_added: wholeNumber,
    lines_removed: wholeNumber,
    lines_changed: wholeNumber,
    sync: wholeNumber.meta({ description: 'The number of the sync that found it.' }),
    at: instant,
  }),
).meta({ id: 'RestatementList', description: 'Of cost, before and after are USD; of usage, tokens.' });

const coveredDay = {
  state: z.enum(['missing', 'provisional', 'final']),
  reconciled: z.boolean().meta({ description: 'Whether the lines add up to the total that Anthropic reports.' }),
  disagrees_with: amount.nullable().meta({ description: 'That total, where it stably differs from the lines.' }),
  lines: wholeNumber.nullable(),
  read_at: instant.nullable(),
};
export const coverageList = listOf(
  z.strictObject({
    day: dayOut,
    ...coveredDay,
    amount: amount.nullable(),
    usage: z.strictObject({ ...coveredDay, tokens: amount.nullable() }),
  }),
)
  .extend({
    from: dayOut,
    to: dayOut,
    uncovered_days: wholeNumber.meta({
      description:
        'Days of the range that have no row, since this connection does not keep them: those before it began, after its end or after today; all of them, once it is purged.',
    }),
  })
  .meta({ id: 'CoverageList', description: 'Oldest first; a day without usage has zero lines and is not missing.' });

/** The fields that rows of costs and of usage may be grouped by. */
export const groupFields = {
  day: dayOut.optional(),
  month: z
    .string()
    .optional()
    .meta({ examples: ['2026-01'] }),
  connection: z.strictObject({ id: z.string(), name: z.string() }).optional(),
  workspace: z
    .strictObject({ id: text, name: z.string() })
    .optional()
    .meta({ description: 'The default workspace has no id.' }),
  model: text.optional(),
  context_window: text.optional(),
  service_tier: text.optional(),
  inference_geo: text.optional(),
};
const costRow = z
  .strictObject({
    ...groupFields,
    token_type: text.optional(),
    cost_type: text.optional(),
    description: text.optional(),
    currency: z.string().optional(),
    amount,
  })
  .meta({
    id: 'CostRow',
    description: 'Has the fields that it is grouped by, in which null is what was not reported.',
  });

const reportFields = {
  from: dayOut,
  to: dayOut,
  provisional_days: wholeNumber.meta({ description: 'Days of the range that were read and may still change.' }),
  missing_days: wholeNumber.meta({ description: 'Days of the range that are to be read and are not yet.' }),
  uncovered_days: wholeNumber.meta({
    description:
      'Days of the range of which the sums know nothing, or not all: those after today, those before a connection asked for began, and those that no connection covers. An ended connection covers its days up to its end, a purged one none. Nothing there is not zero.',
  }),
  next: z.string().nullable().meta({ description: 'The "after" of the next page; null on the last one.' }),
};

/** The reply of GET /v1/costs. */
export const costs = z
  .strictObject({
    ...reportFields,
    group_by: z.array(z.enum(COST_GROUPS)),
    data: z.array(costRow),
    total: amount.meta({ description: 'USD, of the whole range, whatever the page.' }),
    other_currencies: z
      .array(z.strictObject({ currency: z.string(), amount }))
      .meta({ description: 'What was charged in another currency; it is in no sum of USD.' }),
  })
  .meta({ id: 'Costs' });

const sum = z.union([wholeNumber, z.bigint().nonnegative()]).meta({
  override: { type: 'integer', minimum: 0 },
  description: 'Exact. Beyond 2^53, where JavaScript rounds, it needs a parser that keeps large whole numbers.',
});

const counts = {
  uncached_input_tokens: sum,
  output_tokens: sum,
  cache_read_input_tokens: sum,
  cache_creation_5m: sum,
  cache_creation_1h: sum,
  web_search_requests: sum,
} satisfies Record<UsageCount, z.ZodType>;

/** Sums of usage. */
export const usageSums = {
  ...counts,
  other_counts: z.record(z.string(), z.union([z.number(), z.bigint(), z.string()])).meta({
    override: { type: 'object', additionalProperties: { type: ['number', 'string'] } },
    description:
      'Counts that this release does not know by name, by their dotted path in the report, but for those that are 0; `{}` where there are none. Those whose name ends in `tokens` are tokens, and count in the total of their day. Exact, as the others; a decimal that JavaScript would round is text.',
    examples: [{ 'cache_creation.ephemeral_24h_input_tokens': 500 }],
  }),
};

/** The reply of GET /v1/usage. */
export const usage = z
  .strictObject({
    ...reportFields,
    group_by: z.array(z.enum(USAGE_GROUPS)),
    data: z.array(z.strictObject({ ...groupFields, ...usageSums }).meta({ id: 'UsageRow' })),
    totals: z.strictObject(usageSums).meta({ id: 'UsageCounts' }),
  })
  .meta({ id: 'Usage' });

/** The replies of /healthz and /readyz. */
export const health = z
  .strictObject({
    status: z.literal('ok'),
    dropped_log_lines: z.int().min(1).optional().meta({
      description:
        'Log lines that this process dropped since it began, because nobody took them: a full disk, or a reader that stopped. Only where there are any.',
    }),
  })
  .meta({ id: 'Health' });
export const readiness = z
  .strictObject({ status: z.literal('ready'), postgres: z.literal('ok'), temporal: z.literal('ok') })
  .meta({ id: 'Readiness' });

const fault = z.strictObject({ path: z.string(), message: z.string() });
/** One fault of a request. */
export type RequestFault = z.output<typeof fault>;

/** Every refusal (RFC 9457). */
export const problem = z
  .looseObject({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.string(),
    action: z.string().meta({ description: 'What to do about it.' }),
    errors: z.array(fault).optional(),
    connection_id: z.string().optional(),
    refused_connection_id: z.string().optional(),
    request_id: z.string().optional(),
  })
  .meta({ id: 'Problem' });
/** The body of every refusal. */
export type ProblemDocument = z.output<typeof problem>;

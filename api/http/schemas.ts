import { z } from 'zod';
import { FAILURE_CODES } from '../../domain/failures.ts';
import { KEY_ENDS, KEY_STATES } from '../../domain/keys.ts';
import { REPORTS } from '../../domain/lines.ts';
import { SYNC_KINDS } from '../../domain/reading.ts';
import { STATUSES } from '../../domain/connection/statuses.ts';
import { TOKEN_ROLES } from '../../domain/tokens.ts';

// What goes out. What comes in is in inputs.ts, and what reports give in report-schemas.ts.

/** Single values. */
export const dayOut = z.string().meta({ format: 'date', description: 'A UTC day.', examples: ['2026-01-31'] });
const instant = z.string().meta({ format: 'date-time', examples: ['2026-01-31T06:12:00.000Z'] });
export const amount = z
  .string()
  .regex(/^-?[0-9]+(?:\.[0-9]+)?$/)
  .meta({ description: 'An exact decimal in major units.', examples: ['12.3456789'] });
export const wholeNumber = z.int().nonnegative();
export const text = z.string().nullable();
export const uuid = z.string().meta({ format: 'uuid', examples: ['0b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b'] });
const hint = z.string().meta({ description: 'The last four characters of the key.', examples: ['wxyz'] });
const workflowId = z.string().meta({
  description: "The workflow's id in Temporal.",
  examples: ['connection-0b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b'],
});
const url = text.meta({ description: "Where Temporal's UI shows it; null where no UI is known." });
const failureCode = z
  .enum(FAILURE_CODES)
  .meta({ description: 'The stable name of the failure. /docs says of each what to do.', examples: ['key_invalid'] });

const failure = z
  .strictObject({
    code: failureCode,
    message: z.string().meta({ description: 'What happened, as a sentence.' }),
    action: z.string().meta({ description: 'What to do about it, as a sentence.' }),
    detail: z.string().optional().meta({ description: 'What is known of this one.' }),
    request_id: z.string().optional().meta({ description: "Anthropic's id of the request that failed." }),
    connection_id: uuid
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

const workflow = z.strictObject({ workflow_id: workflowId, url }).meta({ id: 'Workflow' });

/** One run of a sync. */
export const sync = z
  .strictObject({
    n: wholeNumber.meta({ description: 'The number of the sync, counted per connection.' }),
    kind: z.enum(SYNC_KINDS).meta({ description: 'Why it runs.' }),
    state: z.enum(['running', 'succeeded', 'failed']),
    from: dayOut,
    to: dayOut,
    days_read: wholeNumber.meta({ description: 'Days of both reports that were read.' }),
    days_changed: wholeNumber.meta({ description: 'Of these, the ones whose lines differ from what was stored.' }),
    requests: wholeNumber.meta({ description: 'Requests sent to Anthropic.' }),
    bytes: wholeNumber.meta({ description: 'Bytes of the replies, as they were sent.' }),
    error: failure.nullable().meta({ description: 'Why it failed; null unless it did.' }),
    waiting: waiting.nullable().meta({ description: 'What it waits for at this moment, while it runs.' }),
    started_at: instant,
    ended_at: instant.nullable().meta({ description: 'Null while it runs.' }),
    duration_ms: wholeNumber.nullable(),
    workflow_id: workflowId,
    run_id: z.string().meta({ description: "The run's id in Temporal." }),
    url,
  })
  .meta({ id: 'Sync' });

const candidate = z
  .strictObject({
    id: uuid,
    hint,
    state: z.enum(KEY_STATES),
    error: failure.nullable().meta({ description: 'What it met when it was tried last.' }),
    next_try_at: instant.nullable().meta({ description: 'When it is tried again; null when that is open.' }),
  })
  .meta({ id: 'Candidate', description: 'A new key, while there is no verdict on it.' });

/** A connection. */
export const connection = z
  .strictObject({
    id: uuid,
    name: z.string().meta({ description: 'What people call it.', examples: ['Acme production'] }),
    status: z.enum(STATUSES).meta({
      description:
        'In `degraded` the last sync failed and is tried again; in `awaiting_key` a new key is needed; `refused` and `disconnected` are ends.',
    }),
    organization: z
      .strictObject({ id: z.string(), name: z.string() })
      .nullable()
      .meta({ description: 'As Anthropic names it; null until it is known.' }),
    key: z
      .strictObject({
        id: uuid,
        hint,
        added_at: instant,
        last_used_at: instant.nullable(),
      })
      .nullable()
      .meta({ description: 'The key that serves; before there is one, the one that is tried.' }),
    candidate: candidate
      .nullable()
      .meta({ description: 'The key that is to serve next: asked for, and not answered yet by Anthropic.' }),
    backfill: z
      .strictObject({ from: dayOut, to: dayOut, days_done: wholeNumber, days_total: wholeNumber })
      .meta({ description: 'How far the first days are read.' }),
    covered_from: dayOut.nullable().meta({ description: 'The first day that is stored; null when none is.' }),
    covered_through: dayOut
      .nullable()
      .meta({ description: 'The last day of the unbroken run of stored days from the start on.' }),
    missing_days: wholeNumber.meta({ description: 'Days up to today that are to be read and are not yet.' }),
    last_sync: sync.nullable().meta({ description: 'The newest sync; null before the first.' }),
    next_sync_at: instant.nullable().meta({ description: 'When Anthropic is asked next without anybody asking.' }),
    error: failure.nullable().meta({ description: 'What went wrong and is not made good yet.' }),
    waiting: waiting.nullable().meta({
      description:
        'What it waits for at this moment: within a sync, between two of them, or for an answer about a key.',
    }),
    note: text.meta({ description: 'What is worth knowing and is no error.', examples: ['no usage reported yet'] }),
    temporal: workflow,
    created_at: instant,
  })
  .meta({ id: 'Connection' });

const listOf = <Item extends z.ZodType>(item: Item) =>
  z.strictObject({
    data: z.array(item),
    next: z.string().nullable().meta({ description: 'The `after` of the next page; null on the last one.' }),
  });

const rotation = z
  .strictObject({
    workflow_id: workflowId,
    name: z.literal('rotateKey'),
    input: z.strictObject({ keyId: uuid }),
  })
  .meta({ description: "The signal to send in Temporal's UI or command line. No secret is in it." });

/** The keys of a connection: those that serve or may, and what became of the others. Never a key itself. */
export const keyList = listOf(
  z
    .strictObject({
      id: uuid,
      hint,
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
export const addedCandidate = z
  .strictObject({
    key_id: uuid,
    hint,
    state: z.enum(KEY_STATES),
    signal: rotation,
  })
  .meta({ id: 'StagedKey' });

const tokenFields = {
  id: uuid,
  name: z.string().meta({ examples: ['grafana'] }),
  role: z.enum(TOKEN_ROLES),
  created_at: instant,
  created_by: z.string().meta({ description: 'The name of the token that made it; `command` for the command line.' }),
  expires_at: instant.nullable().meta({ description: 'Null: it never expires.' }),
  revoked_at: instant.nullable().meta({ description: 'Null: it is not revoked.' }),
  revoked_by: text.meta({ description: 'The name of the token that revoked it.' }),
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
    id: z.string().meta({ examples: ['wrkspc_01JwQvzr7rXLA5AGx3HKfFUJ'] }),
    name: z.string().meta({ examples: ['Production'] }),
    created_at: instant.nullable().meta({ description: 'As Anthropic reports it.' }),
    archived_at: instant.nullable().meta({ description: 'Null: it is not archived.' }),
    read_at: instant.meta({ description: 'When it was read last.' }),
  }),
).meta({ id: 'WorkspaceList' });
export const eventList = listOf(
  z.strictObject({
    id: wholeNumber,
    type: z.string().meta({ description: 'What kind of event it is, in small letters.', examples: ['status'] }),
    actor: z.string().meta({
      description: 'The name of the token that asked for it; `meterline` for what happened on its own.',
    }),
    message: z.string().meta({ description: 'What happened, as a sentence.' }),
    at: instant,
  }),
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

const requestError = z
  .strictObject({
    path: z.string().meta({ description: 'Where in the request.', examples: ['body.name'] }),
    message: z.string().meta({ description: 'What is wrong there.', examples: ['must not be empty'] }),
  })
  .meta({ id: 'RequestError' });
/** One thing that is wrong with a request. */
export type RequestError = z.output<typeof requestError>;

/** Every refusal (RFC 9457). */
export const problem = z
  .looseObject({
    type: z.string().meta({
      format: 'uri-reference',
      description: 'Where this kind of problem is explained, beside this API.',
      examples: ['/docs#invalid_request'],
    }),
    title: z.string().meta({ description: 'What happened, as a sentence.' }),
    status: z.int().min(400).max(599),
    detail: z.string().meta({ description: 'What is known of this one.' }),
    code: failureCode,
    action: z.string().meta({ description: 'What to do about it.' }),
    errors: z.array(requestError).optional().meta({ description: 'Each failure of the request, and where it is.' }),
    connection_id: uuid.optional().meta({
      description: 'The connection that this is about, or that is in the way.',
    }),
    refused_connection_id: uuid.optional().meta({
      description: 'The connection that was not made, whose events can be read.',
    }),
    request_id: uuid.optional().meta({ description: 'By which the log of the API names this request.' }),
    anthropic_request_id: z.string().optional().meta({ description: "Anthropic's id of its refusal." }),
  })
  .meta({ id: 'Problem' });
/** The body of every refusal. */
export type ProblemDocument = z.output<typeof problem>;

import { z } from 'zod';
import { STATUSES } from '../../domain/connection/statuses.ts';
import { MAX_HISTORY_DAYS } from '../../domain/days.ts';
import {
  dayIn,
  dayOut,
  failure,
  hint,
  instant,
  listOf,
  nullableText,
  pageQuery,
  temporalUrl,
  uuid,
  waiting,
  wholeNumber,
  workflowId,
} from '../http/schemas.ts';
import { shownName } from '../http/shown-text.ts';
import { adminApiKey, candidate } from '../keys/schemas.ts';
import { sync } from '../syncs/schemas.ts';

const name = shownName({
  most: 100,
  description: 'What people call the connection. Spaces at its ends are dropped.',
  example: 'Acme production',
});

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
        // Generators of clients treat a field with a default as always present, and would demand it of their callers.
        override: ({ jsonSchema }: { jsonSchema: { default?: unknown } }) => {
          delete jsonSchema.default;
        },
      }),
  })
  .meta({ id: 'NewConnection' });

/** The body of PATCH /v1/connections/{id}. */
export const renaming = z.strictObject({ name }).meta({ id: 'Renaming' });

/** The body of POST /v1/connections/{id}/sync. */
export const syncRequest = z
  .strictObject({
    from: dayIn.optional().meta({ description: 'The first day to read again; with `to`.' }),
    to: dayIn.optional().meta({ description: 'The last day to read again; with `from`.' }),
  })
  .refine(({ from, to }) => (from === undefined) === (to === undefined), 'takes both "from" and "to", or neither')
  .meta({
    id: 'SyncRequest',
    override: { dependentRequired: { from: ['to'], to: ['from'] } },
    description: 'Both days, or neither. With neither, the sync reads the missing days and the last 31 days.',
  });

/** The body of POST /v1/connections/{id}/backfill. */
export const backfillRequest = z
  .strictObject({
    from: dayIn.meta({
      description: `The new first day of the connection, at most ${MAX_HISTORY_DAYS} days before today.`,
    }),
  })
  .meta({ id: 'BackfillRequest' });

/** The query of GET /v1/connections. */
export const connectionsQuery = z.strictObject({
  status: z.enum(STATUSES).optional().meta({ description: 'Only connections in this status.' }),
  ...pageQuery,
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
      description: 'Also delete all data of the connection. This cannot be undone.',
    }),
});

const workflow = z.strictObject({ workflow_id: workflowId, url: temporalUrl }).meta({ id: 'Workflow' });

/** A connection. */
export const connection = z
  .strictObject({
    id: uuid,
    name: z.string().meta({ description: 'What people call it.', examples: ['Acme production'] }),
    status: z.enum(STATUSES).meta({
      description:
        'In `degraded` the last sync failed and is tried again; in `awaiting_key` the connection needs a new key; `refused` and `disconnected` are final.',
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
      .meta({ description: 'The active key, or the first candidate while there is no active key.' }),
    candidate: candidate
      .nullable()
      .meta({ description: 'The key that somebody asked to use next. Anthropic has not answered for it yet.' }),
    backfill: z
      .strictObject({ from: dayOut, to: dayOut, days_done: wholeNumber, days_total: wholeNumber })
      .meta({ description: 'The progress of the backfill.' }),
    covered_from: dayOut.nullable().meta({ description: 'The first covered day; null if no day is covered.' }),
    covered_through: dayOut
      .nullable()
      .meta({ description: 'The last day of the unbroken run of covered days that begins at the first one.' }),
    missing_days: wholeNumber.meta({ description: 'Days up to today that are still to be read.' }),
    last_sync: sync.nullable().meta({ description: 'The newest sync; null before the first.' }),
    next_sync_at: instant
      .nullable()
      .meta({ description: 'When Meterline asks Anthropic next without a request from anybody.' }),
    error: failure.nullable().meta({ description: 'The failure that still holds up the connection.' }),
    waiting: waiting.nullable().meta({
      description: 'What the connection waits for now: within a sync, between two syncs, or for an answer about a key.',
    }),
    note: nullableText.meta({
      description: 'Something worth knowing that is not an error.',
      examples: ['no usage reported yet'],
    }),
    temporal: workflow,
    created_at: instant,
  })
  .meta({ id: 'Connection' });

/** The reply of GET /v1/connections. */
export const connectionList = listOf(connection).meta({ id: 'ConnectionList' });

import { z } from 'zod';
import { SYNC_KINDS } from '../../domain/reading.ts';
import {
  dayOut,
  failure,
  instant,
  listOf,
  pageQuery,
  temporalUrl,
  waiting,
  wholeNumber,
  workflowId,
} from '../http/schemas.ts';

const STATES = ['running', 'succeeded', 'failed'] as const;

/** The query of GET /v1/connections/{id}/syncs. */
export const syncsQuery = z.strictObject({
  kind: z.enum(SYNC_KINDS).optional().meta({ description: 'Only syncs of this kind.' }),
  state: z.enum(STATES).optional().meta({ description: 'Only syncs in this state.' }),
  ...pageQuery,
});

/** One run of a sync. */
export const sync = z
  .strictObject({
    n: wholeNumber.meta({ description: 'The number of the sync, counted per connection.' }),
    kind: z.enum(SYNC_KINDS).meta({ description: 'Why it runs.' }),
    state: z.enum(STATES),
    from: dayOut,
    to: dayOut,
    days_read: wholeNumber.meta({
      description: 'How many days the sync read, each once, whichever report and run of it read them.',
    }),
    days_changed: wholeNumber.meta({ description: 'How many of these days differ from the lines stored before.' }),
    requests: wholeNumber.meta({ description: 'Requests sent to Anthropic.' }),
    bytes: wholeNumber.meta({ description: 'Bytes of the replies, as Anthropic sent them.' }),
    error: failure.nullable().meta({ description: 'Why it failed; null unless it did.' }),
    waiting: waiting.nullable().meta({ description: 'What it waits for now, while it runs.' }),
    started_at: instant,
    ended_at: instant.nullable().meta({ description: 'Null while it runs.' }),
    duration_ms: wholeNumber.nullable(),
    workflow_id: workflowId,
    run_id: z.string().meta({ description: "The run's id in Temporal." }),
    url: temporalUrl,
  })
  .meta({ id: 'Sync' });

/** The reply of GET /v1/connections/{id}/syncs. */
export const syncList = listOf(sync).meta({ id: 'SyncList' });

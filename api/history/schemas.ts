import { z } from 'zod';
import { REPORTS } from '../../domain/lines.ts';
import {
  amount,
  dayIn,
  dayOut,
  instant,
  listOf,
  nullableText,
  pageQuery,
  rangeQuery,
  wholeNumber,
} from '../http/schemas.ts';

/** The query of GET /v1/connections/{id}/workspaces. */
export const workspacesQuery = z.strictObject(pageQuery);

const firstSeen = dayOut.meta({ description: 'The UTC day on which Meterline first read it.' });

/** A workspace in {@link workspaceList}. */
export const workspaceItem = z
  .strictObject({
    id: nullableText.meta({
      description: 'The default workspace has no id.',
      examples: ['wrkspc_01JwQvzr7rXLA5AGx3HKfFUJ'],
    }),
    name: z.string().meta({ examples: ['Production'] }),
    tags: z
      .array(z.strictObject({ key: z.string(), value: z.string(), first_seen: firstSeen }))
      .meta({ description: 'Its tags as last read, by key. A changed value is first seen anew.' }),
    names: z
      .array(z.strictObject({ name: z.string(), first_seen: firstSeen }))
      .meta({ description: 'Every name that it had, oldest first. The last one is its name now.' }),
    created_at: instant.nullable().meta({ description: 'As Anthropic reports it.' }),
    archived_at: instant.nullable().meta({ description: 'Null: it is not archived.' }),
    read_at: instant.nullable().meta({ description: 'When Meterline last read it.' }),
  })
  .meta({ id: 'Workspace' });

/** The reply of GET /v1/connections/{id}/workspaces. */
export const workspaceList = listOf(workspaceItem).meta({ id: 'WorkspaceList' });

/** The query of GET /v1/connections/{id}/events. */
export const eventsQuery = z.strictObject({
  type: z
    .string()
    .regex(/^[a-z_]{1,40}$/, 'must be the type of an event')
    .optional()
    .meta({ description: 'Only events of this type.', examples: ['status'] }),
  ...pageQuery,
});

/** The reply of GET /v1/connections/{id}/events. */
export const eventList = listOf(
  z.strictObject({
    id: wholeNumber,
    type: z.string().meta({ description: 'The type of the event, in small letters.', examples: ['status'] }),
    actor: z.string().meta({
      description: 'The name of the token that asked for it; `meterline` if it happened on its own.',
    }),
    message: z.string().meta({ description: 'What happened, as a sentence.' }),
    at: instant,
  }),
).meta({ id: 'EventList' });

/** The query of GET /v1/connections/{id}/restatements. */
export const restatementsQuery = z.strictObject({
  report: z.enum(REPORTS).optional().meta({ description: 'Only restatements of this report.' }),
  from: dayIn.optional().meta({ description: 'Only restatements of this UTC day and later ones.' }),
  to: dayIn.optional().meta({ description: 'Only restatements of this UTC day and earlier ones.' }),
  ...pageQuery,
});

/** The reply of GET /v1/connections/{id}/restatements. */
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
).meta({ id: 'RestatementList', description: '`before` and `after` are USD for cost, and tokens for usage.' });

const DAY_STATES = ['missing', 'provisional', 'final'] as const;

/** The query of GET /v1/connections/{id}/coverage. */
export const coverageQuery = z.strictObject({
  ...rangeQuery,
  state: z
    .enum([...DAY_STATES, 'disagreeing'])
    .optional()
    .meta({
      description:
        'Only days in this state in cost or in usage. `disagreeing` selects the flagged days: those with a `disagrees_with`.',
    }),
});

const reportOfDay = {
  state: z.enum(DAY_STATES),
  reconciled: z.boolean().meta({ description: 'Whether the lines add up to the total that Anthropic reports.' }),
  disagrees_with: amount.nullable().meta({
    description:
      'The total that Anthropic reports, if the day is flagged: the total differs from the lines and was confirmed.',
  }),
  lines: wholeNumber.nullable(),
  read_at: instant.nullable(),
};

/** The reply of GET /v1/connections/{id}/coverage. */
export const coverageList = listOf(
  z.strictObject({
    day: dayOut,
    ...reportOfDay,
    amount: amount.nullable(),
    usage: z.strictObject({ ...reportOfDay, tokens: amount.nullable() }),
  }),
)
  .extend({
    from: dayOut,
    to: dayOut,
    uncovered_days: wholeNumber.meta({
      description:
        'Days of the range without a row, because they are outside of the connection: before it began, after it ended or after today; every day, once it is purged.',
    }),
  })
  .meta({ id: 'CoverageList', description: 'Oldest first; a day without usage has zero lines and is not missing.' });

import { z } from 'zod';
import { COST_GROUPS, USAGE_GROUPS } from '../../db/spend/groups.ts';
import type { UsageCount } from '../../domain/lines.ts';
import {
  afterIn,
  amount,
  dayOut,
  limitIn,
  next,
  nullableText,
  rangeQuery,
  uuid,
  wholeNumber,
} from '../http/schemas.ts';

/** Names of `known`, separated by commas, each at most once. */
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
      description: `How to group the rows: any of ${known.map((group) => `\`${group}\``).join(', ')}, separated by commas, each at most once.`,
    });
};

const spendQuery = {
  connection_id: z
    .string()
    .optional()
    .meta({
      override: { format: 'uuid' },
      description: 'Only this connection. Without it, all connections together.',
    }),
  ...rangeQuery,
  limit: limitIn(1_000, 10_000),
  after: afterIn,
};
/** The query of GET /v1/costs. */
export const costsQuery = z.strictObject({ ...spendQuery, group_by: groups(COST_GROUPS) });
/** The query of GET /v1/usage. */
export const usageQuery = z.strictObject({ ...spendQuery, group_by: groups(USAGE_GROUPS) });

/** The fields that rows of costs and of usage may be grouped by. */
export const groupFields = {
  day: dayOut.optional(),
  month: z
    .string()
    .optional()
    .meta({ examples: ['2026-01'] }),
  connection: z.strictObject({ id: uuid, name: z.string() }).optional(),
  workspace: z
    .strictObject({ id: nullableText, name: z.string() })
    .optional()
    .meta({ description: 'The default workspace has no id.' }),
  model: nullableText.optional(),
  context_window: nullableText.optional(),
  service_tier: nullableText.optional(),
  inference_geo: nullableText.optional(),
};
const costRow = z
  .strictObject({
    ...groupFields,
    token_type: nullableText.optional(),
    cost_type: nullableText.optional(),
    description: nullableText.optional(),
    currency: z.string().optional(),
    amount,
  })
  .meta({
    id: 'CostRow',
    description: 'Has the fields of `group_by`. Null stands for a value that Anthropic did not report.',
  });

const reportFields = {
  from: dayOut,
  to: dayOut,
  provisional_days: wholeNumber.meta({
    description: 'Days of the range that were read and that Anthropic may still change.',
  }),
  missing_days: wholeNumber.meta({ description: 'Days of the range that are still to be read.' }),
  uncovered_days: wholeNumber.meta({
    description:
      'Days of the range that the sums do not contain, or contain only in part: days after today, days before the given connection began, and days that no connection has. An ended connection has its days up to its end; a purged connection has none. Such a day is unknown and not zero.',
  }),
  next,
};

/** The reply of GET /v1/costs. */
export const costs = z
  .strictObject({
    ...reportFields,
    group_by: z.array(z.enum(COST_GROUPS)),
    data: z.array(costRow),
    total: amount.meta({ description: 'In USD, for the whole range and not only this page.' }),
    other_currencies: z
      .array(z.strictObject({ currency: z.string(), amount }))
      .meta({ description: 'Costs in other currencies. No sum in USD contains them.' }),
  })
  .meta({ id: 'Costs' });

const sum = z.union([wholeNumber, z.bigint().nonnegative()]).meta({
  override: { type: 'integer', minimum: 0 },
  description:
    'Exact. JavaScript rounds numbers beyond 2^53, so read those with a parser that keeps large whole numbers.',
});

const counts = {
  uncached_input_tokens: sum,
  output_tokens: sum,
  cache_read_input_tokens: sum,
  cache_creation_5m: sum,
  cache_creation_1h: sum,
  web_search_requests: sum,
} satisfies Record<UsageCount, z.ZodType>;

/** The sums of usage in a row and in the totals. */
export const usageSums = {
  ...counts,
  other_counts: z.record(z.string(), z.union([z.number(), z.bigint(), z.string()])).meta({
    override: { type: 'object', additionalProperties: { type: ['number', 'string'] } },
    description:
      'Counts that this release does not know by name, under their dotted path in the report. Zeros are left out. A count whose name ends in `tokens` is a count of tokens and is part of the total of its day. Exact, like the others; a decimal that JavaScript would round is text.',
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

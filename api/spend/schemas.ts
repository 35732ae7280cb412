import { z } from 'zod';
import { COST_GROUPS, USAGE_GROUPS } from '../../db/spend/spend.ts';
import type { UsageCount } from '../../domain/lines.ts';
import { amount, dayOut, text, uuid, wholeNumber } from '../http/schemas.ts';

/** The fields that rows of costs and of usage may be grouped by. */
export const groupFields = {
  day: dayOut.optional(),
  month: z
    .string()
    .optional()
    .meta({ examples: ['2026-01'] }),
  connection: z.strictObject({ id: uuid, name: z.string() }).optional(),
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
  next: z.string().nullable().meta({ description: 'The `after` of the next page; null on the last one.' }),
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

import { z } from 'zod';
import type { UsageCount } from '../../domain/lines.ts';
import { COVERAGE_STATES } from '../../domain/reading.ts';
import { COMPARES } from '../../domain/spend/compare.ts';
import { amount, dayOut, instant, next, nullableText, uuid, wholeNumber } from '../http/schemas.ts';

/** The fields that rows may be grouped by, beside tags. Each report lets only its own through. */
export const groupFields = {
  day: dayOut.optional(),
  week: dayOut.optional().meta({ description: 'The Monday of a week.' }),
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
  token_type: nullableText.optional(),
  context_window: nullableText.optional(),
  service_tier: nullableText.optional(),
  inference_geo: nullableText.optional(),
  cost_type: nullableText.optional(),
  description: nullableText.optional(),
  currency: nullableText.optional(),
};

/** A row of a report. Beside these fields it may have tags. */
function rowOf<Fields extends z.ZodRawShape>(id: string, fields: Fields) {
  return z
    .object({ ...groupFields, ...fields })
    .catchall(z.unknown())
    .meta({
      id,
      override: { additionalProperties: { type: ['string', 'null'] } },
      description:
        'Has the fields of `group_by`; a tag is the field `tag.<key>`. Null stands for a value that Anthropic did not report, and for a tag that the workspace does not have.',
    });
}

const certaintyOf = (range: string) => ({
  provisional_days: wholeNumber.meta({
    description: `Days of ${range} that were read and that Anthropic may still change.`,
  }),
  missing_days: wholeNumber.meta({ description: `Days of ${range} that are still to be read.` }),
  uncovered_days: wholeNumber.meta({
    description: `Days of ${range} that the sums do not contain, or contain only in part: days after today, days before a connection began, and days that no connection has. An ended connection has its days up to its end; a purged connection has none. Such a day is unknown and not zero.`,
  }),
});

/** The fields of every report. */
export const reportFields = {
  from: dayOut,
  to: dayOut,
  group_by: z.array(z.string()).meta({ description: 'As in the request.' }),
  ...certaintyOf('the range'),
  as_of: instant.nullable().meta({
    description:
      'When the newest of the days was read; null if none was. It differs from page to page exactly if a sync wrote in between: its last digits stand for all days, so compare it as a text.',
  }),
  compare: z
    .strictObject({ with: z.enum(COMPARES), from: dayOut, to: dayOut, ...certaintyOf('the earlier range') })
    .optional()
    .meta({ id: 'ComparedRange', description: 'The earlier range, if the query compares.' }),
  next,
};

const previous = amount.optional().meta({ description: 'The amount of the earlier range, if the query compares.' });
const change = amount.optional().meta({ description: '`amount` − `previous`.' });
const rowsLeft = wholeNumber.meta({ description: 'How many rows are not in `data`.' });

/** The reply of GET /v1/costs. */
export const costs = z
  .strictObject({
    ...reportFields,
    data: z.array(rowOf('CostRow', { amount, previous, change })),
    other: z.strictObject({ rows: rowsLeft, amount, previous, change }).optional().meta({
      id: 'OtherCosts',
      description:
        'With `order=-amount`: the rows that are not in `data`, in USD. With them, the rows add up to `total`.',
    }),
    total: amount.meta({ description: 'In USD, for the whole range and not only this page.' }),
    total_previous: previous,
    other_currencies: z
      .array(z.strictObject({ currency: z.string(), amount, previous, change }))
      .meta({ description: 'Costs in other currencies. No sum in USD contains them.' }),
  })
  .meta({ id: 'Costs' });

const changeFields = {
  before: amount.meta({ description: 'The amount of the earlier range.' }),
  after: amount.meta({ description: 'The amount of the range.' }),
  change: amount.meta({
    description: '`after` − `before`; `volume`, `mix`, `price` and `unmatched` add up to it exactly.',
  }),
  volume: amount.meta({
    description: 'What as many tokens more or less would have cost at the mix and the prices of before.',
  }),
  mix: amount.meta({ description: 'Tokens moved between models, workspaces and so on; also what came and went.' }),
  price: amount.meta({ description: 'The same tokens cost more or less than before.' }),
  unmatched: amount.meta({ description: 'Costs without tokens, such as web searches.' }),
};

/** The reply of GET /v1/costs/changes. */
export const changes = z
  .strictObject({
    ...reportFields,
    compare: reportFields.compare.unwrap(),
    data: z.array(rowOf('ChangeRow', changeFields)),
    other: z
      .strictObject({ rows: rowsLeft, ...changeFields })
      .optional()
      .meta({
        id: 'OtherChanges',
        description:
          'With `order=-amount`: the rows that are not in `data`, in USD. With them, the rows add up to `total`.',
      }),
    total: z
      .strictObject(changeFields)
      .meta({ id: 'Change', description: 'The sums of all rows in USD, and not only of this page.' }),
    other_currencies: z
      .array(
        z.strictObject({
          currency: z.string(),
          before: changeFields.before,
          after: changeFields.after,
          change: amount.meta({ description: '`after` − `before`.' }),
        }),
      )
      .meta({ description: 'Costs in other currencies. No sum in USD contains them.' }),
  })
  .meta({ id: 'Changes' });

/** Why a row has no price. */
export const NO_PRICE = ['no_tokens', 'not_billed', 'other_currency'] as const;
/** One of {@link NO_PRICE}. */
export type NoPrice = (typeof NO_PRICE)[number];

/** Why a row has no savings. */
export const NO_SAVINGS = ['no_price', 'other_currency'] as const;
/** One of {@link NO_SAVINGS}. */
export type NoSavings = (typeof NO_SAVINGS)[number];

const wholeText = z
  .string()
  .regex(/^-?[0-9]+(?:[.][0-9]+)?$/)
  .meta({ examples: ['23001293181'] });
const unitCostFields = {
  amount,
  tokens: wholeText.meta({ description: 'A whole number as text, since JavaScript rounds numbers beyond 2^53.' }),
  usd_per_million: amount.nullable().meta({ description: 'What a million of the tokens that were billed cost.' }),
  reason: z.enum(NO_PRICE).nullable().meta({
    description:
      'Why there is no price: the row has no tokens, none of them was billed, or they were billed in another currency.',
  }),
  unmatched_amount: amount.meta({
    description: 'The part of `amount` that no counted tokens belong to, such as web searches.',
  }),
  unpriced_tokens: wholeText.meta({
    description: 'The part of `tokens` that was not billed, such as those of the priority tier.',
  }),
  cache_hit_rate: amount.nullable().optional().meta({
    description:
      'The tokens read from the cache, divided by all input tokens: read, written and uncached. Null without any.',
  }),
  cache_hit_rate_reason: z
    .enum(['no_input_tokens'])
    .nullable()
    .optional()
    .meta({ description: 'Why there is no rate: the row has no input tokens.' }),
  cache_savings: amount.nullable().optional().meta({
    description:
      'What billed cache reads saved against the price of uncached tokens, less what billed cache writes cost beyond it. Null if that price was not billed in USD in the month.',
  }),
  cache_savings_reason: noSavings('uncached tokens'),
  batch_savings: amount.nullable().optional().meta({
    description:
      'What billed tokens of the batch tier saved against the price of the standard tier. Null if that price was not billed in USD in the month.',
  }),
  batch_savings_reason: noSavings('the standard tier'),
};

function noSavings(comparedWith: string) {
  return z
    .enum(NO_SAVINGS)
    .nullable()
    .optional()
    .meta({
      description: `Why there are no savings: the price of ${comparedWith} was not billed in USD in the month, or the row is in another currency.`,
    });
}

/** The reply of GET /v1/unit-costs. */
export const unitCosts = z
  .strictObject({
    ...reportFields,
    data: z.array(rowOf('UnitCostRow', unitCostFields)),
    other: z
      .strictObject({ rows: rowsLeft, ...unitCostFields })
      .optional()
      .meta({
        id: 'OtherUnitCosts',
        description:
          'With `order=-amount`: the rows that are not in `data`, in USD. With them, the rows add up to `total`.',
      }),
    total: z
      .strictObject(unitCostFields)
      .meta({ id: 'UnitCost', description: 'Of all rows in USD, and not only of this page.' }),
    other_currencies: z
      .array(z.strictObject({ currency: z.string(), amount }))
      .meta({ description: 'Costs in other currencies. No sum in USD contains them.' }),
  })
  .meta({ id: 'UnitCosts' });

/** The reply of GET /v1/coverage. */
export const coverage = z
  .strictObject({
    from: dayOut,
    to: dayOut,
    data: z
      .array(
        z
          .strictObject({
            day: dayOut,
            state: z.enum(COVERAGE_STATES).meta({
              description: 'The first of these that holds for any of the connections. `final` holds for all of them.',
            }),
            flagged: z.boolean().meta({
              description: "Whether a connection's lines differ from the total that Anthropic reports for them.",
            }),
            restated: z
              .strictObject({
                before: amount.meta({ description: 'The cost as first read complete.' }),
                after: amount.meta({ description: 'The cost as last restated.' }),
                changed: amount.meta({ description: '`after` − `before`; 0 if lines moved within the day.' }),
                at: instant.meta({ description: 'When the last restatement was read.' }),
                times: wholeNumber.meta({ description: 'How many restatements there were.' }),
              })
              .nullable()
              .meta({
                description:
                  'How Anthropic changed the cost of the day after it was complete, in USD, over the connections for which it did; null if it did not. The growth of today is no such change.',
              }),
          })
          .meta({ id: 'CoveredDay' }),
      )
      .meta({ description: 'Every day of the range, oldest first.' }),
    ...certaintyOf('the range'),
  })
  .meta({ id: 'Coverage' });

const exactNumber =
  'Exact. JavaScript rounds numbers beyond 2^53, so read those with a parser that keeps large whole numbers.';
const otherCounts =
  'Counts that this release does not know by name, under their dotted path in the report. Zeros are left out. A count whose name ends in `tokens` is a count of tokens and is part of the total of its day. Exact, like the others; a decimal that JavaScript would round is text.';

/** The sums of usage, each of the kind `sum`. */
function sumsOf<Sum extends z.ZodType>(sum: Sum) {
  const counts = {
    uncached_input_tokens: sum,
    output_tokens: sum,
    cache_read_input_tokens: sum,
    cache_creation_5m: sum,
    cache_creation_1h: sum,
    web_search_requests: sum,
  } satisfies Record<UsageCount, z.ZodType>;
  return {
    ...counts,
    other_counts: z.record(z.string(), z.union([z.number(), z.bigint(), z.string()])).meta({
      override: { type: 'object', additionalProperties: { type: ['number', 'string'] } },
      description: otherCounts,
      examples: [{ 'cache_creation.ephemeral_24h_input_tokens': 500 }],
    }),
  };
}

/** The sums of usage in a row and in the totals. */
export const usageSums = sumsOf(
  z.union([wholeNumber, z.bigint().nonnegative()]).meta({
    override: { type: 'integer', minimum: 0 },
    description: exactNumber,
  }),
);
const usageCounts = z.strictObject(usageSums).meta({ id: 'UsageCounts' });
const countChanges = z
  .strictObject(
    sumsOf(z.union([z.int(), z.bigint()]).meta({ override: { type: 'integer' }, description: exactNumber })),
  )
  .meta({ id: 'UsageChanges' });
const comparedCounts = {
  previous: usageCounts.optional().meta({ description: 'The counts of the earlier range, if the query compares.' }),
  change: countChanges.optional().meta({ description: 'The counts of the range less those of the earlier one.' }),
};

/** The reply of GET /v1/usage. */
export const usage = z
  .strictObject({
    ...reportFields,
    data: z.array(rowOf('UsageRow', { ...usageSums, ...comparedCounts })),
    totals: usageCounts,
    totals_previous: comparedCounts.previous,
  })
  .meta({ id: 'Usage' });

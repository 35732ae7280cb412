import { z } from 'zod';
import { MOST, NAME_LENGTH } from '../../domain/allocation/check.ts';
import {
  amount,
  dayOut,
  instant,
  listOf,
  monthIn,
  monthOut,
  nullableText,
  pageQuery,
  warnings as anyWarnings,
  wholeNumber,
} from '../http/schemas.ts';

const name = z.string().meta({
  override: { type: 'string', minLength: 1, maxLength: NAME_LENGTH },
  description: 'Shown in the clear. Without control characters, keys and tokens.',
  examples: ['Platform'],
});
const values = z.array(z.string().nullable()).meta({
  description: 'Any of these. Null stands for what Anthropic did not report, and for a workspace without the tag.',
});
const conditions = z.record(z.string(), values);

const where = z
  .object({ not: conditions.optional().meta({ description: 'Only lines with none of these values.' }) })
  .catchall(values)
  .meta({
    id: 'AllocationConditions',
    description:
      'Which lines match, by dimension: `connection` (ids), `workspace` (ids; `default` or null is the default workspace), `model`, `token_type`, `context_window`, `service_tier`, `inference_geo`, `cost_type`, `description`, `currency` and `tag.<key>`. A line matches if every condition holds; `{}` matches every line.',
    examples: [{ model: ['claude-opus-4-5'], not: { workspace: ['default'] } }],
  });

const rule = z
  .strictObject({
    name: name.meta({ description: 'Unique among rules. `lines` shows it.' }),
    where,
    to: z
      .union(
        [z.string(), z.strictObject({ tag: z.string() }), z.strictObject({ pool: z.string() })],
        'must be the name of a cost center, {"tag": "<key>"} or {"pool": "<name>"}',
      )
      .meta({
        description:
          'A cost center by its name; `{"tag": "team"}` for the cost center that this tag of the workspace names, where a line without the tag does not match; or `{"pool": "name"}`.',
      }),
  })
  .meta({ id: 'AllocationRule' });

const pool = z
  .strictObject({
    name: name.meta({ description: 'Unique among pools.' }),
    split: z
      .union(
        [
          z.literal('even'),
          z.strictObject({ fixed: z.record(z.string(), z.string()) }),
          z.strictObject({ proportional: z.enum(['cost', 'tokens']) }),
        ],
        'must be "even", {"proportional": "cost"}, {"proportional": "tokens"}, or {"fixed": {"<name>": "<percent>"}} with percentages as text',
      )
      .meta({
        description:
          'In equal parts; in fixed percentages that add up to 100, as decimals in text; or in proportion to what the recipients have in the month, with what they get from earlier pools.',
        examples: [{ fixed: { Platform: '60', Research: '40' } }],
      }),
    among: z
      .array(
        z.union(
          [z.string(), z.strictObject({ pool: z.string() })],
          'must be the name of a cost center, or {"pool": "<name>"}',
        ),
      )
      .optional()
      .meta({
        description:
          'Who shares: cost centers, and pools that come later. Without it, every cost center that a line of the month goes to directly; with fixed percentages, the names that have one.',
      }),
  })
  .meta({ id: 'AllocationPool' });

const rules = z
  .array(rule)
  .max(MOST.rules, `must have at most ${MOST.rules} rules`)
  .meta({
    description: 'In their order. The first rule that matches a line decides.',
    examples: [[{ name: 'By team', where: {}, to: { tag: 'team' } }]],
  });
const pools = z
  .array(pool)
  .max(MOST.pools, `must have at most ${MOST.pools} pools`)
  .optional()
  .meta({ description: 'In their order. A pool shares with cost centers and with later pools.' });
const from = monthIn.meta({ description: 'The first month in which it is in force.' });

/** The body of PUT /v1/allocation. */
export const newAllocation = z.strictObject({ from, rules, pools }).meta({ id: 'NewAllocation' });

/** The body of POST /v1/allocation/preview. */
export const previewedAllocation = z
  .strictObject({
    month: monthIn.meta({ description: 'The month to try it on. It must be open.' }),
    from: from.optional(),
    rules,
    pools,
  })
  .meta({ id: 'PreviewedAllocation' });

/** The query of GET /v1/allocation. */
export const allocationQuery = z.strictObject({
  month: monthIn
    .optional()
    .meta({ description: 'The document in force in this month. Without it, in the running one.' }),
});
/** The query of GET /v1/allocation/versions. */
export const versionsQuery = z.strictObject(pageQuery);

const warnings = anyWarnings.meta({
  description:
    'What is allowed and hardly meant: rules that no line reaches, pools that stay empty, and rules by a connection that does not exist, or that has a newer one of the same organization beside it; values with white space at an end, which look like others.',
});

const versionFields = {
  version: wholeNumber.meta({ description: 'From 1 on.' }),
  from: monthOut,
  rules: z.array(rule),
  pools: z.array(pool),
  stored_by: z.string().meta({ description: 'The name of the token that stored it.' }),
  stored_at: instant,
};

/** The reply of GET and PUT /v1/allocation. */
export const allocation = z.strictObject({ ...versionFields, warnings }).meta({ id: 'Allocation' });

/** The reply of GET /v1/allocation/versions. */
export const versionList = listOf(
  z
    .strictObject({
      ...versionFields,
      in_force: z.boolean().meta({ description: 'False: a later version from the same month took its place.' }),
      through: z
        .union([monthOut, z.null()])
        .meta({ description: 'The last month before another version is in force; null if none is.' }),
    })
    .meta({ id: 'AllocationVersion' }),
);

const center = nullableText.meta({ description: 'Null stands for what belongs to nobody.' });

/** The reply of POST /v1/allocation/preview. */
export const preview = z
  .strictObject({
    month: monthOut,
    from: dayOut,
    to: dayOut,
    data: z
      .array(
        z
          .strictObject({
            cost_center: center,
            before: amount.meta({ description: 'By the document that is in force, in USD.' }),
            after: amount.meta({ description: 'By the document of the request, in USD.' }),
            change: amount,
          })
          .meta({ id: 'PreviewRow' }),
      )
      .meta({ description: 'Both columns add up to `total`. Adjustments of closed months are not in it.' }),
    pools: z
      .array(
        z
          .strictObject({
            pool: z.string(),
            amount: amount.meta({
              description: 'What rules give to the pool, without what it gets from earlier pools.',
            }),
            shares: z.array(z.strictObject({ cost_center: center, share: amount })).meta({
              description: 'The fractions of the cost centers, through later pools. They add up to 1.',
            }),
          })
          .meta({ id: 'PreviewPool' }),
      )
      .meta({ description: 'How the document of the request shares its pools.' }),
    total: amount.meta({ description: 'The bill of the month in USD.' }),
    warnings,
    provisional_days: wholeNumber,
    missing_days: wholeNumber,
    uncovered_days: wholeNumber,
  })
  .meta({ id: 'AllocationPreview' });

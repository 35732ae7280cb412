import { z } from 'zod';
import { STATEMENT_STATES } from '../../domain/allocation/statement.ts';
import { parseDecimal } from '../../domain/money.ts';
import { COST_DIMENSIONS, GRAINS } from '../../domain/spend/query.ts';
import {
  afterIn,
  amount,
  dayOut,
  instant,
  limitIn,
  monthOut,
  next,
  nullableText,
  wholeNumber,
} from '../http/schemas.ts';
import { shownText } from '../http/shown-text.ts';
import { connections, filterValue, groupsOf } from '../spend/parameters.ts';
import { groupFields } from '../spend/schemas.ts';

const COST_CENTER = 'cost_center';
const format = z
  .enum(['json', 'csv'])
  .optional()
  .meta({ description: 'CSV has all rows, whatever the limit. Without it, the header Accept decides.' });
const ofConnections = {
  connection_id: connections.connection_id.meta({
    description: 'Only lines of these connections; repeat it for several. Shares are of all connections all the same.',
  }),
};
const revision = z
  .string()
  .refine((text) => /^[1-9][0-9]{0,5}$/.test(text), 'must be a whole number from 1 on')
  .transform(Number)
  .optional()
  .meta({
    override: { type: 'integer', minimum: 1, maximum: 999_999 },
    description: 'An earlier statement of a month that was reopened. Without it, the month as it stands.',
  });
const paged = { limit: limitIn(1_000, 10_000), after: afterIn, format };

/** The query of GET /v1/chargeback/{month}. */
export const chargebackQuery = z.strictObject({
  ...paged,
  ...ofConnections,
  revision,
  group_by: groupsOf({ dimensions: COST_DIMENSIONS, grains: GRAINS }, COST_CENTER, [COST_CENTER]),
});
/** The query of GET /v1/chargeback/{month}/lines. */
export const linesQuery = z.strictObject({
  ...paged,
  ...ofConnections,
  revision,
  cost_center: filterValue.optional().meta({
    description: 'Only what belongs to this cost center; empty for what belongs to nobody. Without it, everything.',
  }),
});
/** The query of GET /v1/chargeback/{month}/journal. */
export const journalQuery = z.strictObject({ ...ofConnections, revision, format });

const REASON_LENGTH = 300;
const INVOICE = /^[+-]?[0-9]{1,40}(?:[.][0-9]{0,60})?$/;

/** The body of POST /v1/chargeback/{month}/close. */
export const closing = z
  .strictObject({
    override: shownText({
      most: REASON_LENGTH,
      description: 'Why the month is closed although days are not certain. The audit shows it.',
      example: 'The last day is small.',
    }).optional(),
    invoice_amount: z
      .string()
      .refine((text) => INVOICE.test(text), 'must be a decimal as text, such as "1234.56"')
      .transform((text) => parseDecimal(text))
      .optional()
      .meta({
        override: { type: 'string', pattern: INVOICE.source, examples: ['1234.56'] },
        description: "What Anthropic's invoice says, in USD.",
      }),
  })
  .meta({ id: 'Closing' });

/** The body of POST /v1/chargeback/{month}/reopen. */
export const reopening = z
  .strictObject({
    reason: shownText({
      most: REASON_LENGTH,
      description: 'Why. The audit shows it.',
      example: 'A late correction belongs into this month.',
    }),
  })
  .meta({ id: 'Reopening' });

const costCenter = nullableText.meta({ description: 'Null stands for what belongs to nobody.' });
const chargedFields = {
  direct: amount.meta({ description: 'What rules give. Of nobody: what no rule took.' }),
  shared: amount.meta({ description: 'Shares of pools. Of nobody: what pools without recipients keep.' }),
  adjustment: amount.meta({ description: 'Corrections of closed months.' }),
  amount: amount.meta({ description: '`direct` + `shared` + `adjustment`.' }),
};

const state = z.enum(['open', ...STATEMENT_STATES]).meta({
  description: '`open` may still change; `closed` stays as it is; `reopened` is an earlier revision.',
});
const version = wholeNumber.nullable().meta({
  description: 'The version of the allocation document; null if none is in force, so that nothing is allocated.',
});
const dayCounts = {
  provisional_days: wholeNumber.meta({ description: 'Days of the month that Anthropic may still change.' }),
  missing_days: wholeNumber.meta({ description: 'Days of the month that are still to be read.' }),
  uncovered_days: wholeNumber.meta({
    description: 'Days of the month that lie in the future, or that no connection covers.',
  }),
};
const statement = z
  .strictObject({
    at: instant,
    by: z.string().meta({ description: 'The name of the token that closed it.' }),
    override: nullableText.meta({ description: 'Why it was closed although days were not certain; null if all were.' }),
    invoice_amount: amount.nullable().meta({ description: "What Anthropic's invoice says; null if nobody named it." }),
    invoice_difference: amount
      .nullable()
      .meta({ description: '`invoice_amount` − the bill of the month: tax, credits.' }),
    lines: wholeNumber.meta({ description: 'How many lines it keeps.' }),
    sha256: z.string().meta({ description: 'Of its lines; docs/chargeback.md says how to compute it.' }),
  })
  .meta({ id: 'StatementFacts' });
const reopened = z
  .strictObject({ at: instant, by: z.string(), reason: z.string() })
  .meta({ id: 'Reopened', description: 'How the month was opened again.' });
const blockers = z
  .array(
    z
      .strictObject({
        day: dayOut,
        state: z.enum(['missing', 'uncovered', 'provisional']),
        flagged: z.boolean().meta({ description: 'Whether the lines differ from the total that Anthropic reports.' }),
      })
      .meta({ id: 'UncertainDay' }),
  )
  .meta({ description: 'Days that are not certain.' });
const closable = z
  .strictObject({
    possible: z.boolean(),
    why: nullableText.meta({ description: 'Why the month cannot be closed, as a sentence; null if it can.' }),
    needs_override: z.boolean().meta({ description: 'Whether an `override` closes it all the same.' }),
    days: blockers,
  })
  .meta({ id: 'Closable', description: 'Whether the month can be closed now.' });

/** The reply of GET /v1/chargeback/{month}. */
export const chargeback = z
  .strictObject({
    month: monthOut,
    state,
    revision: wholeNumber
      .nullable()
      .meta({ description: 'Which statement of the month it is; null while it is open.' }),
    version,
    group_by: z.array(z.string()),
    data: z.array(
      z
        .object({ cost_center: costCenter.optional(), ...groupFields, ...chargedFields })
        .catchall(z.unknown())
        .meta({
          id: 'ChargebackRow',
          override: { additionalProperties: { type: ['string', 'null'] } },
          description: 'Has the fields of `group_by`; a tag is the field `tag.<key>`.',
        }),
    ),
    unallocated: z
      .strictObject({
        amount: amount.meta({ description: 'What belongs to nobody: the rows whose `cost_center` is null.' }),
        largest: z
          .array(
            z
              .strictObject({
                why: z.enum(['no_rule', 'pool_without_recipients']),
                pool: nullableText,
                workspace: z.strictObject({ id: nullableText, name: z.string() }),
                model: nullableText,
                cost_type: nullableText,
                amount,
              })
              .meta({ id: 'UnallocatedGroup' }),
          )
          .meta({ description: 'At most ten groups, the largest first.' }),
      })
      .meta({ id: 'Unallocated' }),
    allocated_percent: amount
      .nullable()
      .meta({ description: 'What belongs to somebody, in percent of all; null if all is zero.' }),
    total: amount.meta({
      description: 'The bill of the month in USD. Amounts add up to `total` + `total_adjustment`.',
    }),
    total_adjustment: amount,
    other_currencies: z
      .array(z.strictObject({ currency: z.string(), amount }))
      .meta({ description: 'Costs in other currencies. No sum in USD contains them.' }),
    ...dayCounts,
    statement: statement.nullable().meta({ description: 'Null while the month is open.' }),
    reopened: reopened.nullable(),
    closable: closable.nullable().meta({ description: 'Null once the month is closed.' }),
    next,
  })
  .meta({ id: 'Chargeback' });

/** Whether a closed month can be opened again. */
export const reopenable = z
  .strictObject({
    possible: z.boolean(),
    why: nullableText.meta({ description: 'Why the month cannot be opened again, as a sentence; null if it can.' }),
  })
  .meta({ id: 'Reopenable' });

/** A row of GET /v1/chargeback. */
const listedMonth = z
  .strictObject({
    month: monthOut,
    state: z.enum(['open', 'closed']),
    reopenable: reopenable.nullable().meta({ description: 'Null while the month is open.' }),
    statements: z
      .array(
        z
          .strictObject({
            revision: wholeNumber,
            state,
            version,
            total: amount,
            total_adjustment: amount,
            ...dayCounts,
            ...statement.shape,
            reopened: reopened.nullable(),
          })
          .meta({ id: 'Statement' }),
      )
      .meta({ description: 'Every statement of the month, the latest first.' }),
  })
  .meta({ id: 'ChargebackMonth' });
/** The reply of GET /v1/chargeback. */
export const months = z
  .strictObject({ data: z.array(listedMonth).meta({ description: 'Every month that has costs, the latest first.' }) })
  .meta({ id: 'ChargebackMonths' });

/** The reply of closing and reopening. */
export const statementOut = listedMonth.shape.statements.element
  .extend({ month: monthOut })
  .meta({ id: 'ClosedMonth' });

const {
  day,
  connection,
  workspace,
  model,
  token_type,
  context_window,
  service_tier,
  inference_geo,
  cost_type,
  description,
  currency,
} = groupFields;
/** The reply of GET /v1/chargeback/{month}/lines. */
export const lines = z
  .strictObject({
    month: monthOut,
    state,
    data: z.array(
      z
        .strictObject({
          cost_center: costCenter,
          day: day.unwrap(),
          connection: connection.unwrap(),
          workspace: workspace.unwrap(),
          description: description.unwrap(),
          cost_type: cost_type.unwrap(),
          model: model.unwrap(),
          token_type: token_type.unwrap(),
          context_window: context_window.unwrap(),
          service_tier: service_tier.unwrap(),
          inference_geo: inference_geo.unwrap(),
          currency: currency.unwrap(),
          line_amount: amount.meta({ description: 'The amount of the whole line.' }),
          share: amount.meta({ description: 'The fraction of it: 1, or the share of the pool.' }),
          amount: amount.meta({ description: '`line_amount` × `share`, exact.' }),
          rule: z
            .strictObject({ place: wholeNumber.meta({ description: 'From 1 on.' }), name: z.string() })
            .nullable()
            .meta({ description: 'The rule that decided; null if none matched.' }),
          pool: nullableText.meta({ description: 'The pool that shares it; null for direct cost.' }),
          version,
          adjusts: z
            .union([monthOut, z.null()])
            .meta({ description: 'The closed month that this corrects, by its rules; null for a line of the month.' }),
        })
        .meta({ id: 'ChargebackLine' }),
    ),
    next,
  })
  .meta({ id: 'ChargebackLines' });

/** The reply of GET /v1/chargeback/{month}/journal. */
export const journal = z
  .strictObject({
    month: monthOut,
    state,
    data: z
      .array(
        z
          .strictObject({
            entry: z.enum(['cost', 'adjustment', 'bill']).meta({
              description:
                '`cost` of the month and `adjustment` of closed months by cost center; `bill` is what they are set against.',
            }),
            cost_center: costCenter,
            debit: amount.nullable(),
            credit: amount.nullable(),
            amount: amount.meta({ description: 'In cents: above zero is a debit, below zero a credit.' }),
          })
          .meta({ id: 'JournalEntry' }),
      )
      .meta({ description: 'Rounded to cents once, by largest remainder. The amounts add up to zero.' }),
    total: amount.meta({
      description: 'The debits of `cost` and `adjustment`: `total` + `total_adjustment` in cents.',
    }),
  })
  .meta({ id: 'Journal' });

import { z } from 'zod';
import { MEASURES, RECURRING } from '../../domain/budgets/budget.ts';
import { toDecimal } from '../../domain/money.ts';
import { COVERAGE_STATES } from '../../domain/reading.ts';
import {
  amount,
  dayIn,
  dayOut,
  instant,
  listOf,
  nullableText,
  pageQuery,
  uuid,
  warnings,
  wholeNumber,
} from '../http/schemas.ts';
import { shownName, shownText } from '../http/shown-text.ts';
import { storedQueryIn, storedQueryOut } from '../spend/stored-query.ts';

const MAX_THRESHOLDS = 20;
const MAX_CHANNELS = 20;
const ABOVE_ZERO = '^(?=[0-9.]*[1-9])[0-9]{1,12}(?:[.][0-9]{1,12})?$';

const decimalIn = (description: string, example: string) =>
  z
    .string()
    .regex(
      new RegExp(ABOVE_ZERO),
      'must be a decimal above zero as text, such as "1234.56", with at most 12 digits before and after the point',
    )
    .transform(toDecimal)
    .meta({ override: { type: 'string', pattern: ABOVE_ZERO, examples: [example] }, description });

const of = z.enum(MEASURES).meta({
  description:
    '`actual` is what is spent, provisional days included; `forecast` is what the period is expected to come to.',
});
const percent = decimalIn('Of the amount of the budget.', '80');
const usd = decimalIn('US dollars.', '500');

const threshold = z
  .union([z.strictObject({ of, percent }), z.strictObject({ of, usd })], {
    error: 'must have "of" and either "percent" or "usd", each a decimal above zero as text',
  })
  .meta({ override: { examples: [{ of: 'actual', percent: '80' }] } });

const name = shownName({
  most: 100,
  description: 'What people call the budget. No two budgets have the same name. Spaces at its ends are dropped.',
  example: 'Platform team',
});
const filters = storedQueryIn({ groups: null });
const costCenter = shownText({
  most: 200,
  description: 'A cost center of the chargeback, in place of filters. What it is charged counts, without adjustments.',
  example: 'platform',
});
const period = z
  .union([z.enum(RECURRING), z.strictObject({ from: dayIn, to: dayIn })], {
    error: 'must be month, quarter, year, or {"from": a day, "to": a day}',
  })
  .meta({
    description: 'A UTC month, quarter or year, which recurs, or the days from `from` to `to`.',
    override: { examples: ['month'] },
  });
const budgetAmount = decimalIn('What may be spent in each period, in US dollars.', '10000');
const thresholds = z
  .array(threshold)
  .min(1, 'must have a threshold')
  .max(MAX_THRESHOLDS, `must have at most ${MAX_THRESHOLDS} thresholds`)
  .meta({
    description: 'When to tell. Each tells once in a period.',
    override: { examples: [[{ of: 'actual', percent: '80' }]] },
  });
const channels = z
  .array(z.guid('must be the id of a channel'))
  .max(MAX_CHANNELS, `must have at most ${MAX_CHANNELS} channels`)
  .meta({ description: 'The channels that are told, by their ids. None stands for all that take such notices.' });

const given = { name, filters: filters.optional(), cost_center: costCenter.optional() };

/** The body of POST /v1/budgets. */
export const newBudget = z
  .strictObject({ ...given, period, amount: budgetAmount, thresholds, channels: channels.optional() })
  .meta({ id: 'NewBudget' });

/** The body of PATCH /v1/budgets/{id}. */
export const budgetChange = z
  .strictObject({
    ...given,
    name: name.optional(),
    period: period.optional(),
    amount: budgetAmount.optional(),
    thresholds: thresholds.optional(),
    channels: channels.optional(),
  })
  .meta({ id: 'BudgetChange' });

/** The body of POST /v1/budgets/replay. */
export const replayed = z
  .strictObject({
    filters: filters.optional(),
    cost_center: costCenter.optional(),
    period,
    amount: budgetAmount,
    thresholds,
    from: dayIn.optional().meta({ description: 'The first day that is replayed. Without it, 92 days ago.' }),
  })
  .meta({ id: 'BudgetReplay' });

/** The query of GET /v1/budgets. */
export const budgetsQuery = z.strictObject(pageQuery);

const range = z.strictObject({ from: dayOut, to: dayOut });
const thresholdOut = {
  of: z.enum(MEASURES),
  percent: amount.nullable().meta({ description: 'Of the amount; null for a threshold in dollars.' }),
  usd: amount.nullable().meta({ description: 'US dollars; null for a percentage.' }),
};

const basics = {
  id: uuid,
  name: z.string().meta({ examples: ['Platform team'] }),
  filters: storedQueryOut.nullable().meta({ description: 'Null for a budget of a cost center.' }),
  cost_center: nullableText,
  period: z.union([z.enum(RECURRING), range]),
  amount,
  channels: z.array(uuid),
  created_at: instant,
  warnings: warnings.meta({
    description:
      'Filters by a connection that does not exist any more, or that has a newer one of the same organization beside it.',
  }),
};

/** A budget in a list. */
export const budgetItem = z
  .strictObject({
    ...basics,
    thresholds: z.array(z.strictObject(thresholdOut)),
    assessed: z
      .strictObject({
        on: dayOut,
        from: dayOut,
        to: dayOut,
        spent: amount.meta({ description: 'US dollars over every day that was read.' }),
        percent: amount.meta({ description: 'Of the amount, cut after two decimals.' }),
        expected: amount
          .nullable()
          .meta({ description: 'What the whole period is expected to come to; null if nothing can be said.' }),
      })
      .nullable()
      .meta({
        description:
          'The period that today lies in, as it was assessed last: after the last sync. Null until it is assessed. `GET /v1/budgets/{id}` counts anew and says which days are missing.',
      }),
  })
  .meta({ id: 'BudgetItem' });

/** The reply of GET /v1/budgets. */
export const budgetList = listOf(budgetItem).meta({ id: 'BudgetList' });

const withdrawn = z
  .strictObject({ fired_at: instant, withdrawn_at: instant, notice_id: uuid })
  .meta({ id: 'WithdrawnAlert', description: 'An alert that a correction undid.' });

const band = { mean: amount, low: amount, high: amount };

/** A budget as GET /v1/budgets/{id} shows it. */
export const budget = z
  .strictObject({
    ...basics,
    current: range.meta({ description: 'The period that today lies in, or the only one. All below is about it.' }),
    spent: amount.meta({ description: 'US dollars over every day that is read, provisional ones too.' }),
    percent: amount.meta({ description: 'Of the amount, cut after two decimals.' }),
    is_lower_bound: z
      .boolean()
      .meta({ description: 'Whether more was spent than is read: days are missing or uncovered.' }),
    provisional_days: wholeNumber,
    missing_days: wholeNumber.meta({ description: 'Days before today that are not read yet.' }),
    uncovered_days: wholeNumber.meta({ description: 'Days up to today that no connection covers.' }),
    matches: z.boolean().meta({ description: 'Whether the scope matched any cost in this period so far.' }),
    forecast: z
      .strictObject({
        method: nullableText.meta({
          description: 'How it was made; `actual` if every day is settled, null if nothing can be said.',
        }),
        mean: amount.nullable().meta({ description: 'What the whole period is expected to come to.' }),
        low: amount.nullable().meta({ description: 'In eight of ten cases it comes to at least this,' }),
        high: amount.nullable().meta({ description: 'and at most this.' }),
        reason: nullableText.meta({ description: 'Why there is none.' }),
        made_on: dayOut.nullable(),
        days: z
          .array(z.strictObject({ day: dayOut, ...band }))
          .meta({ description: 'For a chart: what is expected to be spent by the end of each day to come.' }),
      })
      .meta({ description: 'The last one that was kept.' }),
    days_to_exhaustion: wholeNumber.nullable().meta({
      description:
        'On which day from today on the amount is expected to be used up: 1 is today, 0 is past. Null if not in this period.',
    }),
    thresholds: z.array(
      z.strictObject({
        ...thresholdOut,
        amount: amount.meta({ description: 'What it comes to in US dollars.' }),
        fired_at: instant.nullable().meta({ description: 'When it told in this period; null if it did not.' }),
        notice_id: uuid.nullable(),
        withdrawn: z.array(withdrawn),
      }),
    ),
    days: z
      .array(z.strictObject({ day: dayOut, spent: amount, state: z.enum(COVERAGE_STATES) }))
      .meta({ description: 'For a chart: what is spent by the end of each day of the period up to today.' }),
  })
  .meta({ id: 'Budget' });

/** The reply of POST /v1/budgets/replay. */
export const replay = z
  .strictObject({
    from: dayOut,
    to: dayOut,
    settled_days: wholeNumber.meta({ description: 'How many days were replayed: those that are settled.' }),
    alerts: z.array(
      z.strictObject({
        day: dayOut.meta({ description: 'The day by whose end it would have been known.' }),
        period: range,
        ...thresholdOut,
        amount: amount.meta({ description: 'What the threshold comes to in US dollars.' }),
        value: amount.meta({ description: 'What reached it.' }),
      }),
    ),
  })
  .meta({ id: 'BudgetReplayed' });

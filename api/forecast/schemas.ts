import { z } from 'zod';
import { COST_DIMENSIONS } from '../../domain/spend/query.ts';
import { amount, dayIn, dayOut, limitIn, nullableText, wholeNumber } from '../http/schemas.ts';
import { costFilters, groupsOf } from '../spend/parameters.ts';
import { groupFields } from '../spend/schemas.ts';

/** What a forecast can be split by: other currencies are not forecast, and a description belongs to one model and token type. */
export const FORECAST_DIMENSIONS = COST_DIMENSIONS.filter(
  (dimension) => dimension !== 'description' && dimension !== 'currency',
);

/** The query of GET /v1/forecast. */
export const forecastQuery = z.strictObject({
  ...costFilters,
  group_by: groupsOf({ dimensions: FORECAST_DIMENSIONS, grains: [] }, null, []),
  through: z
    .union([z.literal('month_end'), dayIn], { error: 'must be month_end, or a day such as 2026-01-31' })
    .default('month_end')
    .meta({
      description: 'The last day: `month_end`, or a day from today up to a year ahead.',
      override: { examples: ['month_end'] },
    }),
  limit: limitIn(100, 1_000),
});

const band = {
  mean: amount.meta({ description: 'US dollars.' }),
  low: amount.meta({ description: 'In eight of ten cases it comes to at least this,' }),
  high: amount.meta({ description: 'and at most this.' }),
};
const total = z.strictObject(band).meta({ id: 'ExpectedTotal' });
const dayAhead = z.strictObject({ day: dayOut, ...band });
const share = z.number().meta({ description: 'Its part of what is expected after `basis`; 1 is all of it.' });
const groupAhead = {
  share,
  spent: amount.meta({ description: 'Up to `basis`, exactly; the days after it are part of what is expected.' }),
  total,
  days: z.array(dayAhead).meta({ description: 'The days after `basis`.' }),
};

/** The reply of GET /v1/forecast. */
export const forecast = z
  .strictObject({
    from: dayOut.meta({ description: 'The first day of this month.' }),
    through: dayOut,
    basis: dayOut.nullable().meta({ description: 'The last settled day, which is the last one that it knows.' }),
    method: nullableText.meta({
      description:
        'What forecasts this very series best: a single method, or `combination`. Null if nothing can be said; `reason` says why.',
      examples: ['level_weekday'],
    }),
    reason: nullableText,
    backtest: z
      .strictObject({
        origins: wholeNumber.meta({ description: 'From how many past days the forecast was repeated.' }),
        error: z.number().meta({ description: 'The mean absolute error of the sum to come; 0.05 is 5 % of it.' }),
        bias: z.number().meta({ description: 'The mean error: above zero, it said too much.' }),
        coverage: z.number().meta({ description: 'The share of these sums that the band held; 0.8 is promised.' }),
      })
      .nullable()
      .meta({ description: 'How it would have done on the past of this very series.' }),
    spent: amount.meta({ description: 'US dollars over every day that is read, provisional ones too.' }),
    is_lower_bound: z.boolean().meta({ description: 'Whether more was spent than is read.' }),
    provisional_days: wholeNumber,
    missing_days: wholeNumber.meta({ description: 'Days before today that are not read yet.' }),
    uncovered_days: wholeNumber.meta({ description: 'Days up to today that no connection covers.' }),
    days: z.array(z.strictObject({ day: dayOut, kind: z.enum(['actual', 'forecast']), ...band })).meta({
      description:
        'Each day that is read, up to `basis`, as it is, and each later one as it is expected. The means add up to the mean of `total`; lows and highs do not, since errors of days partly cancel.',
    }),
    total: total.nullable().meta({ description: 'From `from` through `through`, what is spent included.' }),
    group_by: z.array(z.string()),
    data: z.array(
      z
        .object({ ...groupFields, ...groupAhead })
        .catchall(z.unknown())
        .meta({
          id: 'GroupForecast',
          override: { additionalProperties: { type: ['string', 'null'] } },
          description: 'A group, largest first. Groups share the total, by what they cost in the last 28 days.',
        }),
    ),
    other: z
      .strictObject({ groups: wholeNumber, ...groupAhead })
      .optional()
      .meta({
        id: 'OtherForecast',
        description: 'The groups beyond `limit`. With them, the groups add up to `total`.',
      }),
  })
  .meta({ id: 'Forecast' });

import { z } from 'zod';
import type { Scope } from '../../domain/budgets/budget.ts';
import type { BandDay } from '../../domain/budgets/state.ts';
import { COST_DIMENSIONS, type Dimension } from '../../domain/spend/query.ts';
import { jsonOf } from '../core/columns.ts';
import { dayJson, decimalText } from '../core/json.ts';

const dimension = z.custom<Dimension>(
  (value) =>
    typeof value === 'string' && (value.startsWith('tag.') || COST_DIMENSIONS.some((known) => known === value)),
  'is no dimension',
);

/** What a budget counts, as stored. */
export const scopeJson: z.ZodType<Scope> = z.union([
  z.strictObject({
    filters: z.array(z.strictObject({ dimension, excludes: z.boolean(), values: z.array(z.string().nullable()) })),
  }),
  z.strictObject({ costCenter: z.string() }),
]);

/** The days of a forecast, as stored. */
export const bandJson: z.ZodType<readonly BandDay[]> = z.array(
  z.strictObject({ day: dayJson, mean: decimalText, low: decimalText, high: decimalText }),
);

/** A {@link scopeJson}. */
export const scopeColumn = jsonOf(scopeJson);
/** A {@link bandJson}. */
export const bandColumn = jsonOf(bandJson);

import { z } from 'zod';
import { sql, type SQL } from 'drizzle-orm';
import type { Day, DayRange } from '../../domain/days.ts';
import { monthOf } from '../../domain/months.ts';
import type { FocusLine } from '../../domain/focus/row.ts';
import { COST_DIMENSIONS } from '../../domain/lines.ts';
import { DAY_STATES } from '../../domain/reading.ts';
import type { SpendQuery } from '../../domain/spend/query.ts';
import { list } from '../core/database.ts';
import { decimalText } from '../core/json.ts';

/** What is exported. */
export interface FocusQuery extends DayRange {
  readonly today: Day;
  /** Null for all connections. */
  readonly connections: readonly string[] | null;
}

/** The spend query that has the same lines, added up. */
export function spendQueryOf({ from, to, today, connections }: FocusQuery): SpendQuery {
  const filters =
    connections === null ? [] : [{ dimension: 'connection' as const, excludes: false, values: connections }];
  return { from, to, today, filters, groupBy: [], order: 'key', comparison: null, after: null, limit: null };
}

/** The columns of {@link COST_DIMENSIONS} in a table. */
export function dimensionsIn(table: SQL): SQL {
  return list(COST_DIMENSIONS.map((name) => sql`${table}.${sql.raw(name)}`));
}

/** The columns that {@link lineSchema} takes from a table with {@link COST_DIMENSIONS}. */
export function describing(table: SQL): SQL {
  const names = {
    workspace_id: 'workspaceId',
    description: 'description',
    cost_type: 'costType',
    model: 'model',
    token_type: 'tokenType',
    context_window: 'contextWindow',
    service_tier: 'serviceTier',
    inference_geo: 'inferenceGeo',
    currency: 'currency',
  } as const satisfies Record<(typeof COST_DIMENSIONS)[number], keyof FocusLine>;
  return list(COST_DIMENSIONS.map((name) => sql`${table}.${sql.raw(name)} as ${sql.identifier(names[name])}`));
}

/** A decimal in its one spelling. */
export function decimalIn(decimal: SQL): SQL {
  return sql`trim_scale(${decimal})::text`;
}

/** An instant in RFC 3339, in UTC and to the second. */
export function secondOf(instant: SQL): SQL {
  return sql`to_char(${instant} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')`;
}

/** The tags in a column of JSON as pairs. */
export function pairsOf(tags: SQL): SQL {
  return sql`(select jsonb_agg(jsonb_build_array(t.key, t.value)) from jsonb_each_text(${tags}) t)`;
}

const text = z.string().nullable();
/** Postgres has checked that there is such a day, so only its form is left: a file has two for each line. */
const day = z.custom<Day>((value) => typeof value === 'string' && /^\d{4}-\d\d-\d\d$/.test(value), 'is not a day');

/** The fields of a {@link FocusLine} as Postgres answers them, but for who it belongs to. */
export const lineFields = {
  day,
  billingMonth: day.transform(monthOf),
  accountId: z.string(),
  accountName: text,
  workspaceId: text,
  workspaceName: text,
  tags: z.array(z.tuple([z.string(), z.string()])).nullable(),
  description: text,
  costType: text,
  model: text,
  tokenType: text,
  contextWindow: text,
  serviceTier: text,
  inferenceGeo: text,
  currency: z.string(),
  amount: decimalText,
  tokens: decimalText.nullable(),
  isCorrection: z.boolean(),
  readAt: text,
  dayState: z.enum(DAY_STATES).nullable(),
};

/** A line of a file that is not split by cost center. */
export const lineSchema: z.ZodType<FocusLine> = z.object({ ...lineFields, allocation: z.null() });

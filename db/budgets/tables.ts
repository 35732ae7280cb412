import { isNull, sql, type SQL } from 'drizzle-orm';
import {
  bigserial,
  boolean,
  check,
  integer,
  pgTable,
  primaryKey,
  text,
  uniqueIndex,
  uuid,
  index,
  type AnyPgColumn,
} from 'drizzle-orm/pg-core';
import { MEASURES, RECURRING, type Measure } from '../../domain/budgets/budget.ts';
import { connections } from '../connections/tables.ts';
import { NOW, areCounts, day, decimal, hasLength, instant, isFiniteDecimal, isOneOf } from '../core/columns.ts';
import { channels, notices } from '../notices/tables.ts';
import { bandColumn, scopeColumn } from './columns.ts';

/** The longest name of a budget, in characters. */
export const BUDGET_NAME_LENGTH = 100;

/** How much may be spent, of what, and in which period. A deleted budget keeps its row, since its alerts show it. */
export const budgets = pgTable(
  'budgets',
  {
    id: uuid().primaryKey(),
    /** Pages go by it, newest first. */
    no: bigserial({ mode: 'number' }).notNull(),
    name: text().notNull(),
    scope: scopeColumn().notNull(),
    /** How its periods recur, or `fixed`. */
    recurs: text().$type<(typeof RECURRING)[number] | 'fixed'>().notNull(),
    from: day('from_day'),
    to: day('to_day'),
    /** US dollars. */
    amount: decimal().notNull(),
    /** The UTC day on which it was made, by the clock of whoever made it. */
    createdOn: day('created_on').notNull(),
    createdAt: instant('created_at').notNull().default(NOW),
    /** Whether it was judged since a person made or changed it. */
    isJudged: boolean('is_judged').notNull().default(false),
    deletedAt: instant('deleted_at'),
  },
  (table) => [
    check('budgets_name', hasLength(table.name, BUDGET_NAME_LENGTH)),
    check('budgets_recurs', isOneOf(table.recurs, [...RECURRING, 'fixed'])),
    check(
      'budgets_range',
      sql`num_nonnulls(${table.from}, ${table.to}) = case when ${table.recurs} = 'fixed' then 2 else 0 end`,
    ),
    check('budgets_order', sql`${table.from} <= ${table.to}`),
    check('budgets_amount', sql`${table.amount} > 0 and ${isFiniteDecimal(table.amount)}`),
    uniqueIndex('budgets_one_by_name').on(table.name).where(isNull(table.deletedAt)),
    uniqueIndex('budgets_by_no').on(table.no),
  ],
);

/** When a budget tells. A threshold with another number is another threshold. */
export const budgetThresholds = pgTable(
  'budget_thresholds',
  {
    budgetId: uuid('budget_id')
      .notNull()
      .references(() => budgets.id, { onDelete: 'cascade' }),
    /** The order in which they were given. */
    place: integer().notNull(),
    of: text().$type<Measure>().notNull(),
    percent: decimal(),
    usd: decimal(),
  },
  (table) => [
    primaryKey({ columns: [table.budgetId, table.place] }),
    check('budget_thresholds_place', areCounts(table.place)),
    check('budget_thresholds_of', isOneOf(table.of, MEASURES)),
    check('budget_thresholds_value', isOnePositive(table)),
    uniqueIndex('budget_thresholds_once').on(table.budgetId, table.of, ...valueOf(table)),
  ],
);

/** The channels that a budget names. Without any, all channels that take its notices are told. */
export const budgetChannels = pgTable(
  'budget_channels',
  {
    budgetId: uuid('budget_id')
      .notNull()
      .references(() => budgets.id, { onDelete: 'cascade' }),
    channelId: uuid('channel_id')
      .notNull()
      .references(() => channels.id),
  },
  (table) => [primaryKey({ columns: [table.budgetId, table.channelId] })],
);

/** A threshold that was reached in a period. It knows the threshold by its numbers, so it outlives a changed budget. */
export const budgetAlerts = pgTable(
  'budget_alerts',
  {
    id: uuid().primaryKey(),
    no: bigserial({ mode: 'number' }).notNull(),
    budgetId: uuid('budget_id')
      .notNull()
      .references(() => budgets.id, { onDelete: 'cascade' }),
    from: day('from_day').notNull(),
    to: day('to_day').notNull(),
    of: text().$type<Measure>().notNull(),
    percent: decimal(),
    usd: decimal(),
    /** What the threshold came to and what reached it, in US dollars. */
    threshold: decimal().notNull(),
    value: decimal().notNull(),
    readDays: integer('read_days').notNull(),
    /** The day and a digest of the numbers that a forecast alert was decided on; null for an actual one. */
    basisDay: day('basis_day'),
    basis: text(),
    firedAt: instant('fired_at').notNull().default(NOW),
    noticeId: uuid('notice_id')
      .notNull()
      .references(() => notices.id),
    withdrawnAt: instant('withdrawn_at'),
  },
  (table) => [
    check('budget_alerts_period', sql`${table.from} <= ${table.to}`),
    check('budget_alerts_of', isOneOf(table.of, MEASURES)),
    check('budget_alerts_value', isOnePositive(table)),
    check('budget_alerts_finite', sql`${isFiniteDecimal(table.threshold)} and ${isFiniteDecimal(table.value)}`),
    check('budget_alerts_reached', sql`${table.value} >= ${table.threshold}`),
    check('budget_alerts_read_days', areCounts(table.readDays)),
    check(
      'budget_alerts_basis',
      sql`num_nonnulls(${table.basisDay}, ${table.basis}) = case when ${table.of} = 'forecast' then 2 else 0 end`,
    ),
    check('budget_alerts_order', sql`${table.withdrawnAt} >= ${table.firedAt}`),
    // Each threshold fires once in a period, whoever decides it, unless it was withdrawn.
    uniqueIndex('budget_alerts_once')
      .on(table.budgetId, table.from, table.to, table.of, ...valueOf(table))
      .where(isNull(table.withdrawnAt)),
    uniqueIndex('budget_alerts_notice').on(table.noticeId),
    index('budget_alerts_of_budget').on(table.budgetId, table.from),
  ],
);

/**
 * What a budget, or a connection in a month, was expected to come to: the last forecast of each day. Once the period is over
 * and its days are settled, `actual` has what it came to.
 */
export const forecasts = pgTable(
  'forecasts',
  {
    no: bigserial({ mode: 'number' }).primaryKey(),
    budgetId: uuid('budget_id').references(() => budgets.id, { onDelete: 'cascade' }),
    connectionId: uuid('connection_id').references(() => connections.id, { onDelete: 'cascade' }),
    from: day('from_day').notNull(),
    to: day('to_day').notNull(),
    madeOn: day('made_on').notNull(),
    /** Null if there is none, for the reason in `reason`. */
    method: text(),
    reason: text(),
    /** The last settled day that it knows. */
    basisDay: day('basis_day'),
    mean: decimal(),
    low: decimal(),
    high: decimal(),
    /** The days after the basis, each with its band. */
    band: bandColumn(),
    /** What was spent of the period when it was made, over every day that was read, and the last one of these. */
    spent: decimal().notNull(),
    spentThrough: day('spent_through'),
    /** Mean and band as people see them: not below what was read. */
    shownMean: decimal('shown_mean'),
    shownLow: decimal('shown_low'),
    shownHigh: decimal('shown_high'),
    actual: decimal(),
    /** The mean less the actual. */
    error: decimal(),
  },
  (table) => [
    check('forecasts_owner', sql`num_nonnulls(${table.budgetId}, ${table.connectionId}) = 1`),
    check('forecasts_period', sql`${table.from} <= ${table.to} and ${table.from} <= ${table.madeOn}`),
    check(
      'forecasts_method',
      sql`num_nonnulls(${table.method}, ${table.basisDay}, ${table.mean}, ${table.low}, ${table.high}, ${table.band}, ${table.shownMean}, ${table.shownLow}, ${table.shownHigh}) = case when ${table.reason} is null then 9 else 0 end`,
    ),
    check('forecasts_band', sql`${table.low} <= ${table.mean} and ${table.mean} <= ${table.high}`),
    check(
      'forecasts_finite',
      sql`${isFiniteDecimal(table.mean)} and ${isFiniteDecimal(table.low)} and ${isFiniteDecimal(table.high)} and ${isFiniteDecimal(table.actual)}`,
    ),
    check('forecasts_spent', isFiniteDecimal(table.spent)),
    check('forecasts_spent_through', sql`${table.spentThrough} between ${table.from} and ${table.to}`),
    check(
      'forecasts_shown',
      sql`${table.shownMean} >= ${table.mean} and ${table.shownLow} >= ${table.low} and ${table.shownHigh} >= ${table.high} and ${isFiniteDecimal(table.shownMean)} and ${isFiniteDecimal(table.shownLow)} and ${isFiniteDecimal(table.shownHigh)}`,
    ),
    check('forecasts_error', sql`${table.error} is not distinct from ${table.mean} - ${table.actual}`),
    uniqueIndex('forecasts_of_budget').on(table.budgetId, table.from, table.to, table.madeOn),
    uniqueIndex('forecasts_of_connection').on(table.connectionId, table.from, table.to, table.madeOn),
    index('forecasts_unjudged')
      .on(table.to)
      .where(sql`actual is null and method is not null`),
  ],
);

/** One row: when everything was assessed last. Whoever assesses locks the table before its snapshot. */
export const assessState = pgTable(
  'assess_state',
  {
    isOnly: boolean('is_only').primaryKey().default(true),
    /** The UTC day as of which it was assessed last, by the clock of the workflow. */
    assessedOn: day('assessed_on').notNull(),
    assessedAt: instant('assessed_at').notNull().default(NOW),
  },
  (table) => [check('assess_state_one', sql`${table.isOnly}`)],
);

interface Valued {
  readonly percent: AnyPgColumn;
  readonly usd: AnyPgColumn;
}

function isOnePositive({ percent, usd }: Valued): SQL {
  return sql`num_nonnulls(${percent}, ${usd}) = 1 and coalesce(${percent}, ${usd}) > 0 and ${isFiniteDecimal(percent)} is not false and ${isFiniteDecimal(usd)} is not false`;
}

/** Unique indexes take two nulls for different values, so the value that is not there is zero, which no threshold has. */
function valueOf({ percent, usd }: Valued): readonly [SQL, SQL] {
  return [sql`coalesce(${percent}, 0)`, sql`coalesce(${usd}, 0)`];
}

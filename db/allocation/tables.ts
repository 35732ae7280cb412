import { sql, type SQL } from 'drizzle-orm';
import {
  check,
  integer,
  pgTable,
  primaryKey,
  text,
  unique,
  uniqueIndex,
  uuid,
  type AnyPgColumn,
} from 'drizzle-orm/pg-core';
import { STATEMENT_STATES, type StatementState } from '../../domain/allocation/statement.ts';
import { NOW, areCounts, bytea, day, decimal, instant, isFiniteDecimal, isOneOf, json } from '../core/columns.ts';

/** Every allocation document that was stored. None is ever changed: a statement names the one by which it was closed. */
export const allocationVersions = pgTable(
  'allocation_versions',
  {
    /** From 1 on, without gaps. */
    version: integer().primaryKey(),
    /** The first day of the month from which it is in force. Of several from the same month, the last one counts. */
    from: day('from_day').notNull(),
    document: json().notNull(),
    /** The name of the token that stored it. */
    actor: text().notNull(),
    at: instant('at').notNull().default(NOW),
  },
  (table) => [
    check('allocation_versions_version', sql`${table.version} >= 1`),
    check('allocation_versions_from', isFirstOfMonth(table.from)),
    check('allocation_versions_actor', sql`${table.actor} <> ''`),
  ],
);

/** A month as it was closed. A month that was reopened and closed again has several, by their revision. */
export const statements = pgTable(
  'statements',
  {
    /** In the order in which they were closed. */
    statementNo: integer('statement_no').primaryKey(),
    /** The first day of the month. */
    month: day().notNull(),
    revision: integer().notNull(),
    state: text().$type<StatementState>().notNull(),
    /** The document in force; null if there was none, so that nothing was allocated. */
    version: integer().references(() => allocationVersions.version),
    /** In USD: the bill of the month, and what earlier statements were corrected by. */
    total: decimal().notNull(),
    totalAdjustment: decimal('total_adjustment').notNull(),
    lines: integer().notNull(),
    provisionalDays: integer('provisional_days').notNull(),
    missingDays: integer('missing_days').notNull(),
    uncoveredDays: integer('uncovered_days').notNull(),
    /** SHA-256 of everything that its replies are made of: see docs/chargeback.md. */
    hash: bytea().notNull(),
    /** What Anthropic's invoice says, in USD, where somebody named it. */
    invoiceAmount: decimal('invoice_amount'),
    /** Why it was closed although days were not certain. */
    override: text(),
    closedBy: text('closed_by').notNull(),
    closedAt: instant('closed_at').notNull().default(NOW),
    reopenedBy: text('reopened_by'),
    reopenedAt: instant('reopened_at'),
    reopenReason: text('reopen_reason'),
  },
  (table) => [
    unique('statements_revision').on(table.month, table.revision),
    // Two people may close a month at the same instant.
    uniqueIndex('statements_one_closed_per_month')
      .on(table.month)
      .where(sql`state = 'closed'`),
    check('statements_month', isFirstOfMonth(table.month)),
    check('statements_revision_number', sql`${table.revision} >= 1`),
    check('statements_state', isOneOf(table.state, STATEMENT_STATES)),
    check(
      'statements_finite',
      sql`${isFiniteDecimal(table.total)} and ${isFiniteDecimal(table.totalAdjustment)} and ${isFiniteDecimal(table.invoiceAmount)}`,
    ),
    check('statements_counts', areCounts(table.lines, table.provisionalDays, table.missingDays, table.uncoveredDays)),
    check(
      'statements_override',
      sql`${table.provisionalDays} + ${table.missingDays} + ${table.uncoveredDays} = 0 or ${table.override} is not null`,
    ),
    check('statements_hash', sql`octet_length(${table.hash}) = 32`),
    check(
      'statements_reopened',
      sql`(${table.state} = 'reopened') = (num_nonnulls(${table.reopenedBy}, ${table.reopenedAt}, ${table.reopenReason}) = 3)`,
    ),
    check('statements_actor', sql`${table.closedBy} <> ''`),
  ],
);

/** No foreign key: a statement is written after what belongs to it, since its hash covers that. */
const ofStatement = () => integer('statement_no').notNull();

/**
 * What the lines of a statement are about and where they go. A copy, since the ledger's own rows go with a purge. No foreign
 * key to the ledger, and none from lines, which would cost more than the lines.
 */
export const statementSeries = pgTable(
  'statement_series',
  {
    statementNo: integer('statement_no').notNull(),
    /** That of the ledger for lines of the month, below zero for those that correct earlier statements. */
    seriesNo: integer('series_no').notNull(),
    /** The statement whose rules apply: this one, or an earlier one whose lines these correct. */
    rulesOf: integer('rules_of').notNull(),
    organization: text().notNull(),
    connectionId: uuid('connection_id').notNull(),
    /** As in `cost_series`: the same for every connection of an organization. */
    seriesId: uuid('series_id').notNull(),
    workspaceId: text('workspace_id'),
    description: text(),
    costType: text('cost_type'),
    model: text(),
    tokenType: text('token_type'),
    contextWindow: text('context_window'),
    serviceTier: text('service_tier'),
    inferenceGeo: text('inference_geo'),
    currency: text().notNull(),
    /** The place of the rule that decided, from 0 on; null if none matched. */
    rule: integer(),
    /** The cost center that the rule gives it to; null for a pool and where no rule matched. */
    center: text(),
    pool: text(),
  },
  (table) => [
    primaryKey({ columns: [table.statementNo, table.seriesNo] }),
    check(
      'statement_series_target',
      sql`num_nonnulls(${table.center}, ${table.pool}) = (case when ${table.rule} is null then 0 else 1 end)`,
    ),
  ],
);

/** The lines of a statement, and those that correct earlier statements. */
export const statementLines = pgTable(
  'statement_lines',
  {
    statementNo: integer('statement_no').notNull(),
    day: day().notNull(),
    seriesNo: integer('series_no').notNull(),
    amount: decimal().notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.statementNo, table.day, table.seriesNo] }),
    check('statement_lines_finite', isFiniteDecimal(table.amount)),
  ],
);

/** How the pools of a statement were shared, through later pools. */
export const statementShares = pgTable(
  'statement_shares',
  {
    statementNo: ofStatement(),
    pool: text().notNull(),
    /** Null for what stayed with nobody. */
    center: text(),
    fraction: decimal().notNull(),
  },
  (table) => [
    unique('statement_shares_of_pool').on(table.statementNo, table.pool, table.center).nullsNotDistinct(),
    check('statement_shares_fraction', sql`${table.fraction} > 0 and ${table.fraction} <= 1`),
  ],
);

/** The names and tags of the workspaces of each organization when a statement was closed. */
export const statementWorkspaces = pgTable(
  'statement_workspaces',
  {
    statementNo: ofStatement(),
    organization: text().notNull(),
    workspaceId: text('workspace_id').notNull(),
    name: text().notNull(),
    tags: json().notNull(),
    /** When it was listed. Where organizations have a workspace of the same id, the last one listed gives the name. */
    readAt: instant('read_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.statementNo, table.organization, table.workspaceId] })],
);

/** The names of connections when a statement was closed. */
export const statementConnections = pgTable(
  'statement_connections',
  {
    statementNo: ofStatement(),
    connectionId: uuid('connection_id').notNull(),
    organization: text().notNull(),
    name: text().notNull(),
  },
  (table) => [primaryKey({ columns: [table.statementNo, table.connectionId] })],
);

/**
 * The digest that the cost of each day of an organization had when a statement took its lines: of its own days, and of days
 * of earlier statements whose corrections it carries. A day with another digest now was corrected since.
 */
export const statementDays = pgTable(
  'statement_days',
  {
    statementNo: ofStatement(),
    organization: text().notNull(),
    day: day().notNull(),
    digest: bytea().notNull(),
  },
  (table) => [primaryKey({ columns: [table.statementNo, table.organization, table.day] })],
);

function isFirstOfMonth(column: AnyPgColumn): SQL {
  return sql`extract(day from ${column}) = 1`;
}

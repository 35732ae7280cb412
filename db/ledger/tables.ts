import { isNotNull, sql } from 'drizzle-orm';
import {
  bigint,
  bigserial,
  boolean,
  check,
  index,
  integer,
  pgSequence,
  pgTable,
  primaryKey,
  smallint,
  text,
  unique,
  uuid,
} from 'drizzle-orm/pg-core';
import { REPORTS, TOKEN_COUNTS, TOKEN_TYPES, type Report } from '../../domain/lines.ts';
import {
  DAY_STATES,
  SYNC_KINDS,
  SYNC_STATES,
  type DayState,
  type SyncKind,
  type SyncState,
} from '../../domain/reading.ts';
import { connections } from '../connections/tables.ts';
import {
  NOW,
  areCounts,
  bytea,
  day,
  decimal,
  failure,
  instant,
  isFiniteDecimal,
  isOneOf,
  json,
  waiting,
} from '../core/columns.ts';

/** The place of a token type among the counts of usage, from 1 on. Token types have no quotes in them. */
const TOKEN_KIND = `case token_type ${TOKEN_COUNTS.map((count, index) => `when '${TOKEN_TYPES[count]}' then ${index + 1}`).join(' ')} end`;

/**
 * What cost lines are about. Dimensions repeat every day, so each set of them is stored once. There is no foreign key,
 * which took nearly half of the time of storing series: they are stored under a lock of their connection, which is never
 * deleted.
 */
export const costSeries = pgTable(
  'cost_series',
  {
    connectionId: uuid('connection_id').notNull(),
    seriesId: uuid('series_id').notNull(),
    seriesNo: integer('series_no').notNull().generatedAlwaysAsIdentity(),
    workspaceId: text('workspace_id'),
    description: text(),
    costType: text('cost_type'),
    model: text(),
    tokenType: text('token_type'),
    contextWindow: text('context_window'),
    serviceTier: text('service_tier'),
    inferenceGeo: text('inference_geo'),
    currency: text().notNull(),
    extra: json(),
    /** Costs and usage of tokens meet by it: a digest of what usage is grouped by. */
    unitId: uuid('unit_id').notNull(),
    /** The place of the token type among the counts of usage, from 1 on; null where usage has no column for it. */
    tokenKind: smallint('token_kind').generatedAlwaysAs(sql.raw(TOKEN_KIND)),
  },
  (table) => [
    primaryKey({ columns: [table.connectionId, table.seriesId] }),
    unique('cost_series_no').on(table.seriesNo),
  ],
);

/**
 * The cost of a day, in major units. This table is the big one: short numbers stand for the day (a row of `days`) and the
 * series, so a line and its index entry take about 75 bytes. There are no foreign keys: Postgres would look one up for
 * every line written, and search all lines for every series of a purge. One statement writes the lines with both numbers
 * from the same transaction, and a purge deletes lines first.
 */
export const costLines = pgTable(
  'cost_lines',
  {
    dayNo: integer('day_no').notNull(),
    seriesNo: integer('series_no').notNull(),
    amount: decimal().notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.dayNo, table.seriesNo] }),
    check('cost_lines_finite', isFiniteDecimal(table.amount)),
  ],
);

/**
 * The cost of a day by workspace, model, cost type and currency, written in the transaction that writes its lines: a year of
 * lines takes seconds to add up, and a year of these a fraction of one. The lowest series of a group that the day has stands
 * for it, so rows are read like lines, but for these four dimensions alone. No foreign keys, as in {@link costLines}.
 */
export const costRollup = pgTable(
  'cost_rollup',
  {
    dayNo: integer('day_no').notNull(),
    seriesNo: integer('series_no').notNull(),
    amount: decimal().notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.dayNo, table.seriesNo] }),
    check('cost_rollup_finite', isFiniteDecimal(table.amount)),
  ],
);

/**
 * The cost of a day by everything but the description, with a column per kind of token, so that a row meets the usage of its
 * unit. Written in the transaction that writes the lines: questions about prices, and nearly all that lines of years are
 * asked, take a fraction of the time. The lowest series of a cell that the day has stands for it. Amounts are null where the
 * cell has no line. No foreign keys, as in {@link costLines}.
 */
export const costCells = pgTable(
  'cost_cells',
  {
    dayNo: integer('day_no').notNull(),
    seriesNo: integer('series_no').notNull(),
    /** Of no token type, or of one that usage has no count for. */
    other: decimal(),
    uncachedInputTokens: decimal('uncached_input_tokens'),
    outputTokens: decimal('output_tokens'),
    cacheReadInputTokens: decimal('cache_read_input_tokens'),
    cacheCreation5m: decimal('cache_creation_5m'),
    cacheCreation1h: decimal('cache_creation_1h'),
  },
  (table) => [
    primaryKey({ columns: [table.dayNo, table.seriesNo] }),
    check(
      'cost_cells_finite',
      sql.join(
        [
          table.other,
          table.uncachedInputTokens,
          table.outputTokens,
          table.cacheReadInputTokens,
          table.cacheCreation5m,
          table.cacheCreation1h,
        ].map(isFiniteDecimal),
        sql` and `,
      ),
    ),
  ],
);

/** What usage lines are about. No foreign key, as in {@link costSeries}. */
export const usageSeries = pgTable(
  'usage_series',
  {
    connectionId: uuid('connection_id').notNull(),
    seriesId: uuid('series_id').notNull(),
    seriesNo: integer('series_no').notNull().generatedAlwaysAsIdentity(),
    workspaceId: text('workspace_id'),
    model: text(),
    serviceTier: text('service_tier'),
    contextWindow: text('context_window'),
    inferenceGeo: text('inference_geo'),
    extra: json(),
    unitId: uuid('unit_id').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.connectionId, table.seriesId] }),
    unique('usage_series_no').on(table.seriesNo),
  ],
);

const count = (name: string) => bigint(name, { mode: 'bigint' }).notNull();

/** The usage of a day. No foreign keys, as in {@link costLines}. */
export const usageLines = pgTable(
  'usage_lines',
  {
    dayNo: integer('day_no').notNull(),
    seriesNo: integer('series_no').notNull(),
    uncachedInputTokens: count('uncached_input_tokens'),
    outputTokens: count('output_tokens'),
    cacheReadInputTokens: count('cache_read_input_tokens'),
    cacheCreation5m: count('cache_creation_5m'),
    cacheCreation1h: count('cache_creation_1h'),
    webSearchRequests: count('web_search_requests'),
    /** Exact decimals by their dotted path. Those named `…tokens` count in the day's total. */
    extraCounts: json('extra_counts'),
  },
  (table) => [
    primaryKey({ columns: [table.dayNo, table.seriesNo] }),
    // Few lines have such counts, and most reports ask for days without any.
    index('usage_lines_with_extra_counts').on(table.dayNo).where(isNotNull(table.extraCounts)),
  ],
);

/** Each attempt at reading takes a number before its first request. Only a higher number replaces a day. */
export const readAttempts = pgSequence('read_attempts');

/** One row per day of a report that was read. A day without a row is missing. */
export const days = pgTable(
  'days',
  {
    connectionId: uuid('connection_id')
      .notNull()
      .references(() => connections.id, { onDelete: 'cascade' }),
    report: text().$type<Report>().notNull(),
    day: day().notNull(),
    /** What its lines know it by. */
    dayNo: integer('day_no').notNull().generatedAlwaysAsIdentity(),
    state: text().$type<DayState>().notNull(),
    reconciled: boolean().notNull(),
    /** The total that Anthropic reports, where two reads of it agree and the lines do not: the day is flagged. */
    disagreesWith: decimal('disagrees_with'),
    lines: integer().notNull(),
    /** USD for cost, tokens for usage. */
    total: decimal().notNull(),
    digest: bytea().notNull(),
    /** The number of the attempt that last read it. */
    attempt: bigint({ mode: 'number' }).notNull(),
    /** The UTC day on which it was last read. A sync reads a day again until it is old enough on that day. */
    readOn: day('read_on').notNull(),
    readAt: instant('read_at').notNull().default(NOW),
    /** The sync that last read it, and the one that wrote its present lines. */
    sync: integer().notNull(),
    writtenBy: integer('written_by').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.connectionId, table.report, table.day] }),
    unique('days_no').on(table.dayNo),
    check('days_report', isOneOf(table.report, REPORTS)),
    check('days_state', isOneOf(table.state, DAY_STATES)),
    check('days_final', sql`${table.state} <> 'final' or (${table.reconciled} and ${table.readOn} > ${table.day})`),
    check('days_flag', sql`not (${table.reconciled} and ${table.disagreesWith} is not null)`),
    check('days_finite', sql`${isFiniteDecimal(table.total)} and ${isFiniteDecimal(table.disagreesWith)}`),
    // A day without usage has no lines and a total of zero.
    check('days_empty', sql`${table.lines} > 0 or ${table.total} = 0`),
    check('days_lines', areCounts(table.lines)),
    check('days_numbers', sql`least(${table.attempt}, ${table.sync}, ${table.writtenBy}) >= 1`),
    check('days_digest', sql`octet_length(${table.digest}) = 32`),
    check('days_read_on', sql`${table.readOn} >= ${table.day}`),
  ],
);

/** A change to a day that had been read complete. */
export const restatements = pgTable(
  'restatements',
  {
    connectionId: uuid('connection_id')
      .notNull()
      .references(() => connections.id, { onDelete: 'cascade' }),
    id: bigserial({ mode: 'number' }).notNull(),
    report: text().$type<Report>().notNull(),
    day: day().notNull(),
    before: decimal().notNull(),
    after: decimal().notNull(),
    linesAdded: integer('lines_added').notNull(),
    linesRemoved: integer('lines_removed').notNull(),
    linesChanged: integer('lines_changed').notNull(),
    sync: integer().notNull(),
    at: instant('at').notNull().default(NOW),
    /** Whether the end of a sync has decided to tell people of it, or not to. */
    weighed: boolean().notNull().default(false),
  },
  (table) => [
    primaryKey({ columns: [table.connectionId, table.id] }),
    index('restatements_unweighed')
      .on(table.connectionId)
      .where(sql`not weighed`),
    check('restatements_report', isOneOf(table.report, REPORTS)),
    check('restatements_finite', sql`${isFiniteDecimal(table.before)} and ${isFiniteDecimal(table.after)}`),
    check('restatements_counts', areCounts(table.linesAdded, table.linesRemoved, table.linesChanged)),
    check('restatements_sync', sql`${table.sync} >= 1`),
  ],
);

/** One row per run of a sync. A sync that was reset in the Temporal UI has several. */
export const syncs = pgTable(
  'syncs',
  {
    connectionId: uuid('connection_id')
      .notNull()
      .references(() => connections.id, { onDelete: 'cascade' }),
    n: integer().notNull(),
    runId: text('run_id').notNull(),
    kind: text().$type<SyncKind>().notNull(),
    state: text().$type<SyncState>().notNull(),
    from: day('from_day').notNull(),
    to: day('to_day').notNull(),
    everyDay: boolean('every_day').notNull().default(false),
    /** Counted at its end: a day counts once, though it has two reports and a retry may read it again. */
    daysRead: integer('days_read').notNull().default(0),
    daysChanged: integer('days_changed').notNull().default(0),
    requests: integer().notNull().default(0),
    bytes: bigint({ mode: 'number' }).notNull().default(0),
    failure: failure(),
    /** What it waits for before its next attempt. Over once its instant has come. */
    waiting: waiting(),
    startedAt: instant('started_at').notNull().default(NOW),
    endedAt: instant('ended_at'),
    /** Whether what it read was assessed. */
    assessed: boolean().notNull().default(false),
  },
  (table) => [
    primaryKey({ columns: [table.connectionId, table.n, table.runId] }),
    // The workers ask for running syncs every few seconds, and next to none of the syncs of years are running.
    index('syncs_running')
      .on(table.connectionId)
      .where(sql`state = 'running'`),
    index('syncs_unassessed')
      .on(table.connectionId)
      .where(sql`not assessed and state <> 'running'`),
    check('syncs_n', sql`${table.n} >= 1`),
    check('syncs_run', sql`${table.runId} <> ''`),
    check('syncs_kind', isOneOf(table.kind, SYNC_KINDS)),
    check('syncs_state', isOneOf(table.state, SYNC_STATES)),
    check('syncs_window', sql`${table.from} <= ${table.to}`),
    check('syncs_counts', areCounts(table.requests, table.bytes)),
    check(
      'syncs_days',
      sql`${areCounts(table.daysRead, table.daysChanged)} and ${table.daysChanged} <= ${table.daysRead}`,
    ),
    check('syncs_ended', sql`(${table.state} = 'running') = (${table.endedAt} is null)`),
    check('syncs_failure', sql`(${table.state} = 'failed') = (${table.failure} is not null)`),
  ],
);

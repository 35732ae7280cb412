import { isNotNull, isNull, sql } from 'drizzle-orm';
import {
  bigint,
  bigserial,
  boolean,
  check,
  customType,
  index,
  integer,
  numeric,
  pgSequence,
  pgTable,
  primaryKey,
  text,
  timestamp,
  unique,
  uniqueIndex,
  uuid,
  type AnyPgColumn,
} from 'drizzle-orm/pg-core';
import type { z } from 'zod';
import { KEY_ENDS, KEY_STATES, type KeyEnd, type KeyState } from '../../domain/keys.ts';
import type { Report } from '../../domain/lines.ts';
import { SYNC_KINDS, type DayState, type SyncKind } from '../../domain/reading.ts';
import { STATUSES, type Status } from '../../domain/connection/statuses.ts';
import { TOKEN_ROLES, type TokenRole } from '../../domain/tokens.ts';
import type { Day } from '../../domain/days.ts';
import { anyJson, dayJson, failureJson, parseAnswer, waitingJson } from './json.ts';

const bytea = customType<{ data: Buffer }>({ dataType: () => 'bytea' });
const day = customType<{ data: Day; driverData: string }>({
  dataType: () => 'date',
  fromDriver: (text) => parseAnswer(dayJson, text),
});
/** A `jsonb` column: what it holds is parsed when it is read. */
const jsonOf = <Value>(schema: z.ZodType<Value>) =>
  customType<{ data: Value; driverData: unknown }>({
    dataType: () => 'jsonb',
    toDriver: (value) => JSON.stringify(value),
    fromDriver: (value) => parseAnswer(schema, value),
  });
const failure = jsonOf(failureJson);
const waiting = jsonOf(waitingJson);
const json = jsonOf(anyJson);
const daySet = customType<{ data: string }>({ dataType: () => 'datemultirange' });
const instant = (name: string) => timestamp(name, { withTimezone: true });
const oneOf = (column: string, values: readonly string[]): ReturnType<typeof sql> =>
  sql.raw(`${column} in (${values.map((value) => `'${value}'`).join(', ')})`);

/** One per connected organization: where it stands, and what its next step depends on. */
export const connections = pgTable(
  'connections',
  {
    id: uuid().primaryKey(),
    name: text().notNull(),
    status: text().$type<Status>().notNull(),
    organizationId: text('organization_id'),
    organizationName: text('organization_name'),
    began: day().notNull(),
    backfillTo: day('backfill_to').notNull(),
    discoveredAt: instant('discovered_at'),
    syncedAt: instant('synced_at'),
    failure: failure(),
    failureKeyId: uuid('failure_key_id'),
    failedAt: instant('failed_at'),
    failureCount: integer('failure_count').notNull().default(0),
    /** Of a failure that lies in the key: when Anthropic was asked about it last, answered last, and rejected it first. */
    probedAt: instant('probed_at'),
    answeredAt: instant('answered_at'),
    rejectedAt: instant('rejected_at'),
    lastSync: integer('last_sync').notNull().default(0),
    createdAt: instant('created_at').notNull().defaultNow(),
    endedAt: instant('ended_at'),
    purgedAt: instant('purged_at'),
  },
  (table) => [
    check('connections_purged', sql`${table.purgedAt} is null or ${table.endedAt} is not null`),
    check('connections_status', oneOf('status', STATUSES)),
    check('connections_backfill', sql`${table.began} <= ${table.backfillTo}`),
    check('connections_failure', sql`(${table.failure} is null) = (${table.failedAt} is null)`),
    check('connections_answered', sql`${table.answeredAt} is null or ${table.failure} is not null`),
    check('connections_rejected', sql`${table.rejectedAt} is null or ${table.answeredAt} is not null`),
    // One live connection per organization, whoever connects it at the same instant.
    uniqueIndex('connections_one_live_per_organization')
      .on(table.organizationId)
      .where(sql`status not in ('refused', 'disconnected')`),
    index('connections_by_creation').on(table.createdAt, table.id),
  ],
);

/** What is done with keys is numbered in its order. */
export const keySteps = pgSequence('key_steps');

/** Admin API keys, sealed. The ciphertext is gone once a key is refused or destroyed. */
export const keys = pgTable(
  'keys',
  {
    connectionId: uuid('connection_id')
      .notNull()
      .references(() => connections.id, { onDelete: 'cascade' }),
    id: uuid().notNull(),
    state: text().$type<KeyState>().notNull(),
    hint: text().notNull(),
    sealed: bytea(),
    encryptionKeyId: text('encryption_key_id'),
    addedAt: instant('added_at').notNull().defaultNow(),
    requestedAt: instant('requested_at'),
    /** The order in which keys were asked for, and in which they began to serve: clocks may step back. */
    requestedNo: bigint('requested_no', { mode: 'number' }),
    activatedNo: bigint('activated_no', { mode: 'number' }),
    /** The last sync that had its number when the key began to serve: a later one runs wholly on it. */
    activatedSync: integer('activated_sync'),
    tries: integer().notNull().default(0),
    triedAt: instant('tried_at'),
    failure: failure(),
    activatedAt: instant('activated_at'),
    lastUsedAt: instant('last_used_at'),
    endedAt: instant('ended_at'),
    /** Why a destroyed key is destroyed, and the key that overtook it. */
    endReason: text('end_reason').$type<KeyEnd>(),
    overtakenBy: uuid('overtaken_by'),
  },
  (table) => [
    primaryKey({ columns: [table.connectionId, table.id] }),
    check('keys_state', oneOf('state', KEY_STATES)),
    check('keys_why_ended', sql`(${table.endReason} is not null) = (state = 'destroyed')`),
    check('keys_end_reasons', oneOf('end_reason', KEY_ENDS)),
    check('keys_overtaken', sql`(${table.overtakenBy} is null) or (end_reason = 'overtaken')`),
    // A key that is out of service leaves nothing that could be opened.
    check('keys_sealed', sql`(${table.sealed} is null) = (state in ('refused', 'destroyed'))`),
    check('keys_ring', sql`(${table.sealed} is null) = (${table.encryptionKeyId} is null)`),
    check('keys_requested', sql`(${table.requestedAt} is null) = (${table.requestedNo} is null)`),
    check(
      'keys_activated',
      sql`num_nulls(${table.activatedAt}, ${table.activatedNo}, ${table.activatedSync}) in (0, 3)`,
    ),
    uniqueIndex('keys_one_active')
      .on(table.connectionId)
      .where(sql`state = 'active'`),
    index('keys_by_encryption_key').on(table.encryptionKeyId).where(isNotNull(table.sealed)),
  ],
);

/** Workspaces as last listed, archived ones too. The default workspace is not listed by Anthropic and has no row. */
export const workspaces = pgTable(
  'workspaces',
  {
    connectionId: uuid('connection_id')
      .notNull()
      .references(() => connections.id, { onDelete: 'cascade' }),
    id: text().notNull(),
    name: text().notNull(),
    createdAt: instant('created_at'),
    archivedAt: instant('archived_at'),
    reported: json().notNull(),
    readAt: instant('read_at').notNull().defaultNow(),
  },
  (table) => [primaryKey({ columns: [table.connectionId, table.id] })],
);

/**
 * What cost lines are about. Dimensions repeat every day, so each set of them is stored once. Without a foreign key, which
 * took nearly half of the time of storing them: they are stored under a lock of their connection, which is never deleted.
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
  },
  (table) => [
    primaryKey({ columns: [table.connectionId, table.seriesId] }),
    unique('cost_series_no').on(table.seriesNo),
  ],
);

/**
 * The cost of a day, in major units. This table is the big one: short numbers stand for the day (of `days`, and so of a
 * connection) and the series, which keeps a line and its index entry at about 75 bytes. It has no foreign keys, which
 * would be looked up for every line written, and would search all lines for every series of a purge; the one statement
 * that writes lines has both numbers from the same transaction, and a purge deletes lines first.
 */
export const costLines = pgTable(
  'cost_lines',
  {
    dayNo: integer('day_no').notNull(),
    seriesNo: integer('series_no').notNull(),
    amount: numeric().notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.dayNo, table.seriesNo] }),
    check('cost_lines_finite', sql`${table.amount} not in ('NaN', 'Infinity', '-Infinity')`),
  ],
);

/** What usage lines are about. Without a foreign key, as {@link costSeries}. */
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
  },
  (table) => [
    primaryKey({ columns: [table.connectionId, table.seriesId] }),
    unique('usage_series_no').on(table.seriesNo),
  ],
);

const count = (name: string) => bigint(name, { mode: 'bigint' }).notNull();

/** The usage of a day. Without a foreign key, as {@link costLines}. */
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
    /** Exact decimals by their dotted path, of which those named `…tokens` count in the day's total. */
    extraCounts: json('extra_counts'),
  },
  (table) => [
    primaryKey({ columns: [table.dayNo, table.seriesNo] }),
    // Few lines have such counts, and most reports ask for days without any.
    index('usage_lines_with_extra_counts').on(table.dayNo).where(isNotNull(table.extraCounts)),
  ],
);

/** Each attempt at reading takes a number before its first request; only a higher number replaces a day. */
export const readAttempts = pgSequence('read_attempts');

/** One row per day of a report that was read; a day without a row is missing. */
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
    /** The ungrouped total where it stably disagrees with the lines: the day is flagged. */
    disagreesWith: numeric('disagrees_with'),
    lines: integer().notNull(),
    /** Of cost: USD. Of usage: tokens. */
    total: numeric().notNull(),
    digest: bytea().notNull(),
    /** The number of the attempt that read it last. */
    attempt: bigint({ mode: 'number' }).notNull(),
    /** The day on which it was read last. A day that was not over then, or not old enough, is read again. */
    readOn: day('read_on').notNull(),
    readAt: instant('read_at').notNull().defaultNow(),
    /** The sync that read it last, and the one that wrote what it holds. */
    sync: integer().notNull(),
    writtenBy: integer('written_by'),
  },
  (table) => [
    primaryKey({ columns: [table.connectionId, table.report, table.day] }),
    unique('days_no').on(table.dayNo),
    check('days_report', oneOf('report', ['cost', 'usage'])),
    check('days_state', oneOf('state', ['provisional', 'final'])),
    check('days_flag', sql`not (${table.reconciled} and ${table.disagreesWith} is not null)`),
    // No usage is zero lines and a zero total.
    check('days_empty', sql`${table.lines} > 0 or ${table.total} = 0`),
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
    before: numeric().notNull(),
    after: numeric().notNull(),
    linesAdded: integer('lines_added').notNull(),
    linesRemoved: integer('lines_removed').notNull(),
    linesChanged: integer('lines_changed').notNull(),
    sync: integer().notNull(),
    at: instant('at').notNull().defaultNow(),
  },
  (table) => [primaryKey({ columns: [table.connectionId, table.id] })],
);

/** One row per run of a sync: a sync that was reset in the Temporal UI has several. */
export const syncs = pgTable(
  'syncs',
  {
    connectionId: uuid('connection_id')
      .notNull()
      .references(() => connections.id, { onDelete: 'cascade' }),
    n: integer().notNull(),
    runId: text('run_id').notNull(),
    kind: text().$type<SyncKind>().notNull(),
    state: text().$type<'running' | 'succeeded' | 'failed'>().notNull(),
    from: day('from_day').notNull(),
    to: day('to_day').notNull(),
    everyDay: boolean('every_day').notNull().default(false),
    /** As sets, since a day has two reports, and a retry may read it again: it counts once. */
    readDays: daySet('read_days'),
    changedDays: daySet('changed_days'),
    requests: integer().notNull().default(0),
    bytes: bigint({ mode: 'number' }).notNull().default(0),
    failure: failure(),
    /** What it waits for before its next attempt, until that instant; what it says of a past one is over. */
    waiting: waiting(),
    startedAt: instant('started_at').notNull().defaultNow(),
    endedAt: instant('ended_at'),
  },
  (table) => [
    primaryKey({ columns: [table.connectionId, table.n, table.runId] }),
    // The workers ask for these every few seconds, and of the syncs of years next to none are under way.
    index('syncs_running')
      .on(table.connectionId)
      .where(sql`state = 'running'`),
    check('syncs_kind', oneOf('kind', SYNC_KINDS)),
    check('syncs_state', oneOf('state', ['running', 'succeeded', 'failed'])),
    check('syncs_ended', sql`(state = 'running') = (${table.endedAt} is null)`),
    check('syncs_failure', sql`(state = 'failed') = (${table.failure} is not null)`),
  ],
);

/** What happened to a connection, and who did it. */
export const events = pgTable(
  'events',
  {
    connectionId: uuid('connection_id')
      .notNull()
      .references(() => connections.id, { onDelete: 'cascade' }),
    id: bigserial({ mode: 'number' }).notNull(),
    type: text().notNull(),
    /** The name of the token that asked for it, or `meterline` for what happened on its own. */
    actor: text().notNull(),
    message: text().notNull(),
    at: instant('at').notNull().defaultNow(),
    /** By what an activity that runs twice knows the event that it kept. */
    keptBy: text('kept_by'),
  },
  (table) => [
    primaryKey({ columns: [table.connectionId, table.id] }),
    uniqueIndex('events_kept_once').on(table.connectionId, table.keptBy).where(isNotNull(table.keptBy)),
  ],
);

/** Tokens of the HTTP API, hashed. A row is never deleted: it is the record of who made a token, and who revoked it. */
export const tokens = pgTable(
  'tokens',
  {
    id: uuid().primaryKey().defaultRandom(),
    name: text().notNull(),
    role: text().$type<TokenRole>().notNull(),
    /** SHA-256 of the token. */
    hash: bytea().notNull().unique(),
    /** The token that made it, with which it is revoked, too; null where a command or the first token did. */
    madeWith: uuid('made_with').references((): AnyPgColumn => tokens.id),
    /** As whom events show who did it. */
    createdBy: text('created_by').notNull(),
    createdAt: instant('created_at').notNull().defaultNow(),
    expiresAt: instant('expires_at'),
    revokedBy: text('revoked_by'),
    revokedAt: instant('revoked_at'),
    lastUsedAt: instant('last_used_at'),
  },
  (table) => [
    check('tokens_role', oneOf('role', TOKEN_ROLES)),
    check('tokens_expiry', sql`${table.expiresAt} > ${table.createdAt}`),
    check('tokens_revoked', sql`(${table.revokedAt} is null) = (${table.revokedBy} is null)`),
    // Events know a token by its name.
    uniqueIndex('tokens_one_by_name').on(table.name).where(isNull(table.revokedAt)),
  ],
);

import { isNotNull, sql } from 'drizzle-orm';
import {
  bigserial,
  check,
  foreignKey,
  index,
  integer,
  pgTable,
  primaryKey,
  text,
  uniqueIndex,
  uuid,
  type AnyPgColumn,
  type ForeignKeyBuilder,
} from 'drizzle-orm/pg-core';
import { CONNECTION_EVENTS, EVENT_MESSAGE_LENGTH } from '../../domain/events.ts';
import { WORKSPACE_LENGTHS } from '../../domain/workspaces.ts';
import { LIVE_STATUSES, STATUSES, type Status } from '../../domain/connection/statuses.ts';
import { NOW, areCounts, day, failure, hasLength, instant, isOneOf, json } from '../core/columns.ts';

/** One row per connection: its status, and what its next step depends on. */
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
    /** For a failure of the key: when Anthropic was last asked about the key, last answered, and first rejected it. */
    probedAt: instant('probed_at'),
    answeredAt: instant('answered_at'),
    rejectedAt: instant('rejected_at'),
    /** When something first failed since a sync succeeded, or since a pause. */
    troubledAt: instant('troubled_at'),
    lastSync: integer('last_sync').notNull().default(0),
    createdAt: instant('created_at').notNull().default(NOW),
    endedAt: instant('ended_at'),
    purgedAt: instant('purged_at'),
  },
  (table) => [
    check('connections_name', sql`${table.name} <> ''`),
    check('connections_status', isOneOf(table.status, STATUSES)),
    check('connections_ended', sql`(${table.endedAt} is null) = (${isOneOf(table.status, LIVE_STATUSES)})`),
    check('connections_purged', sql`${table.purgedAt} is null or ${table.endedAt} is not null`),
    check('connections_organization', sql`(${table.organizationId} is null) = (${table.organizationName} is null)`),
    check('connections_backfill', sql`${table.began} <= ${table.backfillTo}`),
    check('connections_failure', sql`(${table.failure} is null) = (${table.failedAt} is null)`),
    check('connections_failure_key', sql`${table.failureKeyId} is null or ${table.failure} is not null`),
    check('connections_answered', sql`${table.answeredAt} is null or ${table.failure} is not null`),
    check('connections_rejected', sql`${table.rejectedAt} is null or ${table.answeredAt} is not null`),
    check('connections_troubled', sql`${table.troubledAt} is null or ${table.endedAt} is null`),
    check('connections_counts', areCounts(table.failureCount, table.lastSync)),
    // Two people may connect the same organization at the same instant.
    uniqueIndex('connections_one_live_per_organization')
      .on(table.organizationId)
      .where(sql`status not in ('refused', 'disconnected')`),
    index('connections_by_creation').on(table.createdAt, table.id),
  ],
);

/** Workspaces as last listed, archived ones too. Anthropic does not list the default workspace, so it has no row. */
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
    readAt: instant('read_at').notNull().default(NOW),
  },
  (table) => [primaryKey({ columns: [table.connectionId, table.id] })],
);

/** The tags of workspaces as last listed. A tag that is no longer listed has no row. */
export const workspaceTags = pgTable(
  'workspace_tags',
  {
    connectionId: uuid('connection_id').notNull(),
    workspaceId: text('workspace_id').notNull(),
    key: text().notNull(),
    value: text().notNull(),
    /** The UTC day on which this value was first listed. */
    firstSeen: day('first_seen').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.connectionId, table.workspaceId, table.key] }),
    ofWorkspace('workspace_tags_workspace', table),
    check('workspace_tags_key', hasLength(table.key, WORKSPACE_LENGTHS.tagKey)),
    check('workspace_tags_value', hasLength(table.value, WORKSPACE_LENGTHS.tagValue)),
  ],
);

/** Every name that a workspace had, in the order of `id`. The last one is its name now. */
export const workspaceNames = pgTable(
  'workspace_names',
  {
    connectionId: uuid('connection_id').notNull(),
    workspaceId: text('workspace_id').notNull(),
    /** A workspace may be renamed twice on a day. */
    id: bigserial({ mode: 'number' }).notNull(),
    name: text().notNull(),
    /** The UTC day on which it was first listed under this name. */
    firstSeen: day('first_seen').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.connectionId, table.workspaceId, table.id] }),
    ofWorkspace('workspace_names_workspace', table),
    check('workspace_names_name', hasLength(table.name, WORKSPACE_LENGTHS.name)),
  ],
);

/** A purge deletes workspaces, and with each one what belongs to it. */
function ofWorkspace(name: string, table: { connectionId: AnyPgColumn; workspaceId: AnyPgColumn }): ForeignKeyBuilder {
  return foreignKey({
    name,
    columns: [table.connectionId, table.workspaceId],
    foreignColumns: [workspaces.connectionId, workspaces.id],
  }).onDelete('cascade');
}

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
    at: instant('at').notNull().default(NOW),
    /** An activity that Temporal runs twice gives its event the same key both times, so it is recorded once. */
    dedupKey: text('dedup_key'),
  },
  (table) => [
    primaryKey({ columns: [table.connectionId, table.id] }),
    check('events_type', isOneOf(table.type, CONNECTION_EVENTS)),
    check('events_actor', sql`${table.actor} <> ''`),
    check('events_message', hasLength(table.message, EVENT_MESSAGE_LENGTH)),
    uniqueIndex('events_dedup').on(table.connectionId, table.dedupKey).where(isNotNull(table.dedupKey)),
  ],
);

import { sql, type SQL } from 'drizzle-orm';
import { bigserial, check, pgTable, text, uuid, type AnyPgColumn } from 'drizzle-orm/pg-core';
import { LINK_MINUTES, SESSION_DAYS } from '../../domain/sessions.ts';
import { NOW, bytea, instant } from '../core/columns.ts';
import { tokens } from '../tokens/tables.ts';

/** Constraints take no parameters. */
function endsWithin(created: AnyPgColumn, end: AnyPgColumn, interval: string): SQL {
  return sql`${end} > ${created} and ${end} <= ${created} + ${sql.raw(`interval '${interval}'`)}`;
}

/** Links that nobody has used yet. The use of a link deletes its row; the record of it is an event. */
export const links = pgTable(
  'links',
  {
    id: uuid().primaryKey().defaultRandom(),
    /** SHA-256 of the link token. */
    hash: bytea().notNull().unique(),
    /** The name that events give whoever created it. */
    createdBy: text('created_by').notNull(),
    createdAt: instant('created_at').notNull().default(NOW),
    expiresAt: instant('expires_at').notNull(),
  },
  (table) => [
    check('links_hash', sql`octet_length(${table.hash}) = 32`),
    check('links_created_by', sql`${table.createdBy} <> ''`),
    check('links_expiry', endsWithin(table.createdAt, table.expiresAt, `${LINK_MINUTES} minutes`)),
  ],
);

/** Sessions of browsers. The end of a session deletes its row; the record of it is an event. */
export const sessions = pgTable(
  'sessions',
  {
    /** Pages go by it, newest first. */
    no: bigserial({ mode: 'number' }).primaryKey(),
    id: uuid().notNull().unique().defaultRandom(),
    /** SHA-256 of the secret in the cookie. */
    hash: bytea().notNull().unique(),
    /** The token that it began with. Without it and a `bootstrapTag`, it began with a link. */
    tokenId: uuid('token_id').references(() => tokens.id),
    /** The `METERLINE_API_TOKEN` that it began with, as a tag of the key ring: whoever has the database cannot guess it. */
    bootstrapTag: bytea('bootstrap_tag'),
    createdAt: instant('created_at').notNull().default(NOW),
    /** To the minute. */
    lastSeenAt: instant('last_seen_at').notNull().default(NOW),
    /** Never after its token expires. */
    expiresAt: instant('expires_at').notNull(),
  },
  (table) => [
    check('sessions_hash', sql`octet_length(${table.hash}) = 32`),
    check('sessions_begun_with', sql`num_nonnulls(${table.tokenId}, ${table.bootstrapTag}) <= 1`),
    check('sessions_bootstrap_tag', sql`octet_length(${table.bootstrapTag}) = 32`),
    check('sessions_last_seen', sql`${table.lastSeenAt} >= ${table.createdAt}`),
    check('sessions_expiry', endsWithin(table.createdAt, table.expiresAt, `${SESSION_DAYS} days`)),
  ],
);

import { isNull, sql } from 'drizzle-orm';
import { check, pgTable, text, uniqueIndex, uuid, type AnyPgColumn } from 'drizzle-orm/pg-core';
import { TOKEN_NAME_LENGTH, TOKEN_ROLES, type TokenRole } from '../../domain/tokens.ts';
import { NOW, bytea, hasLength, instant, isOneOf } from '../core/columns.ts';

/** Tokens of the HTTP API, hashed. No row is ever deleted: the table is the record of who created and revoked a token. */
export const tokens = pgTable(
  'tokens',
  {
    id: uuid().primaryKey().defaultRandom(),
    name: text().notNull(),
    role: text().$type<TokenRole>().notNull(),
    /** SHA-256 of the token. */
    hash: bytea().notNull().unique(),
    /** The token that created this one and takes it along when it is revoked; null for `bootstrap` and commands. */
    createdWith: uuid('created_with').references((): AnyPgColumn => tokens.id),
    /** The name that events give whoever created it. */
    createdBy: text('created_by').notNull(),
    createdAt: instant('created_at').notNull().default(NOW),
    expiresAt: instant('expires_at'),
    revokedBy: text('revoked_by'),
    revokedAt: instant('revoked_at'),
    lastUsedAt: instant('last_used_at'),
  },
  (table) => [
    check('tokens_name', hasLength(table.name, TOKEN_NAME_LENGTH)),
    check('tokens_role', isOneOf(table.role, TOKEN_ROLES)),
    check('tokens_hash', sql`octet_length(${table.hash}) = 32`),
    check('tokens_created_by', sql`${table.createdBy} <> ''`),
    check('tokens_expiry', sql`${table.expiresAt} > ${table.createdAt}`),
    check('tokens_revoked', sql`(${table.revokedAt} is null) = (${table.revokedBy} is null)`),
    // Events know a token by its name.
    uniqueIndex('tokens_one_by_name').on(table.name).where(isNull(table.revokedAt)),
  ],
);

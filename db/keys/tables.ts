import { isNotNull, sql } from 'drizzle-orm';
import {
  bigint,
  check,
  index,
  integer,
  pgSequence,
  pgTable,
  primaryKey,
  text,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core';
import { KEY_ENDS, KEY_STATES, type KeyEnd, type KeyState } from '../../domain/keys.ts';
import { connections } from '../connections/tables.ts';
import { NOW, areCounts, bytea, failure, hasLength, instant, isOneOf } from '../core/columns.ts';

/** A hint is at most this many characters of a key, the last ones. */
const HINT_LENGTH = 4;

/** Numbers the requests for keys and their activations in one order, since clocks may step back. */
export const keySteps = pgSequence('key_steps');

/** Admin API keys, sealed. A key that is refused or destroyed has no ciphertext any more. */
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
    addedAt: instant('added_at').notNull().default(NOW),
    requestedAt: instant('requested_at'),
    /** From {@link keySteps}. */
    requestedNo: bigint('requested_no', { mode: 'number' }),
    activatedNo: bigint('activated_no', { mode: 'number' }),
    /** The connection's last sync number when the key became active. A sync with a higher number runs wholly on the key. */
    activatedSync: integer('activated_sync'),
    tries: integer().notNull().default(0),
    triedAt: instant('tried_at'),
    failure: failure(),
    activatedAt: instant('activated_at'),
    lastUsedAt: instant('last_used_at'),
    endedAt: instant('ended_at'),
    endReason: text('end_reason').$type<KeyEnd>(),
    /** The later key that Anthropic accepted first. */
    overtakenBy: uuid('overtaken_by'),
  },
  (table) => [
    primaryKey({ columns: [table.connectionId, table.id] }),
    check('keys_state', isOneOf(table.state, KEY_STATES)),
    // A hint is the only part of a key in the clear.
    check('keys_hint', hasLength(table.hint, HINT_LENGTH)),
    check('keys_why_ended', sql`(${table.endReason} is not null) = (${table.state} = 'destroyed')`),
    check('keys_end_reasons', isOneOf(table.endReason, KEY_ENDS)),
    check(
      'keys_overtaken',
      sql`(${table.overtakenBy} is not null) = (${table.endReason} is not distinct from 'overtaken')`,
    ),
    check('keys_refused', sql`${table.state} <> 'refused' or ${table.failure} is not null`),
    check('keys_ended', sql`(${table.endedAt} is null) = (${table.state} in ('candidate', 'active', 'superseded'))`),
    // A key that is out of service leaves nothing that could be opened.
    check('keys_sealed', sql`(${table.sealed} is null) = (${table.state} in ('refused', 'destroyed'))`),
    check('keys_encryption_key', sql`(${table.sealed} is null) = (${table.encryptionKeyId} is null)`),
    check('keys_requested', sql`(${table.requestedAt} is null) = (${table.requestedNo} is null)`),
    check(
      'keys_activated',
      sql`num_nulls(${table.activatedAt}, ${table.activatedNo}, ${table.activatedSync}) in (0, 3)`,
    ),
    check('keys_served', sql`${table.state} not in ('active', 'superseded') or ${table.activatedAt} is not null`),
    check('keys_counts', areCounts(table.tries, table.activatedSync)),
    check('keys_tried', sql`(${table.tries} = 0) = (${table.triedAt} is null)`),
    uniqueIndex('keys_one_active')
      .on(table.connectionId)
      .where(sql`state = 'active'`),
    index('keys_by_encryption_key').on(table.encryptionKeyId).where(isNotNull(table.sealed)),
  ],
);

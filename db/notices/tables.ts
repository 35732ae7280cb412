import { isNotNull, isNull, sql } from 'drizzle-orm';
import { bigserial, check, index, integer, pgTable, text, uniqueIndex, uuid } from 'drizzle-orm/pg-core';
import { SEVERITIES, type Severity } from '../../domain/notices/content.ts';
import {
  CHANNEL_KINDS,
  DELIVERY_STATES,
  type ChannelKind,
  type DeliveryState,
} from '../../domain/notices/deliveries.ts';
import { NOTICE_KINDS, type NoticeKind } from '../../domain/notices/kinds.ts';
import { ADDRESS_LENGTH } from '../../domain/notices/targets.ts';
import { connections } from '../connections/tables.ts';
import { NOW, areCounts, bytea, hasLength, instant, isOneOf, json } from '../core/columns.ts';
import { noticeContent, subscriptionsColumn } from './columns.ts';

/** The longest name of a channel, in characters. */
export const CHANNEL_NAME_LENGTH = 100;
/** The longest text that the other side said, as it is kept. */
export const WORDS_LENGTH = 500;

/** Where notices go. A deleted channel keeps its row, since its deliveries show it, and loses its secrets. */
export const channels = pgTable(
  'channels',
  {
    id: uuid().primaryKey(),
    /** Pages go by it, newest first. */
    no: bigserial({ mode: 'number' }).notNull(),
    name: text().notNull(),
    kind: text().$type<ChannelKind>().notNull(),
    /** The part of the target that may be shown: a host, or the last characters of a key. */
    hint: text().notNull(),
    /** What the target consists of, sealed; null for mail, whose addresses have rows, and for a deleted channel. */
    sealed: bytea(),
    encryptionKeyId: text('encryption_key_id'),
    subscriptions: subscriptionsColumn().notNull(),
    createdAt: instant('created_at').notNull().default(NOW),
    /** The other side said that the address is gone, or somebody disabled the channel. */
    disabledAt: instant('disabled_at'),
    disabledReason: text('disabled_reason'),
    deletedAt: instant('deleted_at'),
    /** The delivery whose turn it is, where the channel gets one message at a time, and until when at the latest. */
    turn: uuid(),
    turnUntil: instant('turn_until'),
  },
  (table) => [
    check('channels_name', hasLength(table.name, CHANNEL_NAME_LENGTH)),
    check('channels_kind', isOneOf(table.kind, CHANNEL_KINDS)),
    // A channel that is gone leaves nothing that could be opened.
    check(
      'channels_sealed',
      sql`(${table.sealed} is not null) = (${table.kind} <> 'email' and ${table.deletedAt} is null)`,
    ),
    check('channels_encryption_key', sql`(${table.sealed} is null) = (${table.encryptionKeyId} is null)`),
    check('channels_disabled', sql`(${table.disabledAt} is null) = (${table.disabledReason} is null)`),
    check('channels_turn', sql`(${table.turn} is null) = (${table.turnUntil} is null)`),
    uniqueIndex('channels_one_by_name').on(table.name).where(isNull(table.deletedAt)),
    uniqueIndex('channels_by_no').on(table.no),
    index('channels_by_encryption_key').on(table.encryptionKeyId).where(isNotNull(table.sealed)),
  ],
);

/** The mail addresses of a channel, in the order of `no`. */
export const channelAddresses = pgTable(
  'channel_addresses',
  {
    channelId: uuid('channel_id')
      .notNull()
      .references(() => channels.id, { onDelete: 'cascade' }),
    no: bigserial({ mode: 'number' }).notNull(),
    address: text().notNull(),
    /** Whoever reads the mails wanted no more of them. */
    unsubscribedAt: instant('unsubscribed_at'),
  },
  (table) => [
    check('channel_addresses_address', hasLength(table.address, ADDRESS_LENGTH)),
    uniqueIndex('channel_addresses_one').on(table.channelId, sql`lower(${table.address})`),
  ],
);

/** What a person should know, once. */
export const notices = pgTable(
  'notices',
  {
    id: uuid().primaryKey(),
    /** Pages go by it, newest first. */
    no: bigserial({ mode: 'number' }).notNull(),
    kind: text().$type<NoticeKind>().notNull(),
    /** Whoever decides twice decides the same thing, and it is told once. */
    dedupeKey: text('dedupe_key').notNull(),
    severity: text().$type<Severity>().notNull(),
    /** Null for a notice that is about no connection. */
    connectionId: uuid('connection_id').references(() => connections.id, { onDelete: 'cascade' }),
    /** The words, chosen once: every try says the same. */
    content: noticeContent().notNull(),
    data: json().notNull(),
    openedAt: instant('opened_at').notNull().default(NOW),
    closedAt: instant('closed_at'),
    /** It proved to be wrong. */
    withdrawnAt: instant('withdrawn_at'),
    /** Why it was wrong, as a sentence. */
    withdrawnReason: text('withdrawn_reason'),
  },
  (table) => [
    check('notices_kind', isOneOf(table.kind, NOTICE_KINDS)),
    check('notices_severity', isOneOf(table.severity, SEVERITIES)),
    check('notices_dedupe_key', hasLength(table.dedupeKey, 300)),
    check('notices_end', sql`num_nonnulls(${table.closedAt}, ${table.withdrawnAt}) <= 1`),
    check('notices_withdrawn', sql`(${table.withdrawnAt} is null) = (${table.withdrawnReason} is null)`),
    check('notices_order', sql`coalesce(${table.closedAt}, ${table.withdrawnAt}) >= ${table.openedAt}`),
    uniqueIndex('notices_once').on(table.dedupeKey),
    uniqueIndex('notices_by_no').on(table.no),
    index('notices_by_kind').on(table.kind, table.no),
    index('notices_of_connection').on(table.connectionId, table.kind, table.openedAt),
  ],
);

/** What a delivery tells of: that a notice opened, that it closed, or that it was wrong. */
export const OCCASIONS = ['opened', 'closed', 'withdrawn'] as const;
export type Occasion = (typeof OCCASIONS)[number];

/** One notice to one address. */
export const deliveries = pgTable(
  'deliveries',
  {
    id: uuid().primaryKey(),
    /** Pages go by it, newest first. */
    no: bigserial({ mode: 'number' }).notNull(),
    noticeId: uuid('notice_id')
      .notNull()
      .references(() => notices.id, { onDelete: 'cascade' }),
    occasion: text().$type<Occasion>().notNull().default('opened'),
    channelId: uuid('channel_id')
      .notNull()
      .references(() => channels.id),
    /** A mail address, or the id of a channel of another kind. */
    address: text().notNull(),
    state: text().$type<DeliveryState>().notNull().default('pending'),
    /** Of all tries. Whoever works on a delivery holds its number, so that an older try changes nothing any more. */
    tries: integer().notNull().default(0),
    /** Since it was queued; the wait before the next try follows from it. */
    failures: integer().notNull().default(0),
    resends: integer().notNull().default(0),
    createdAt: instant('created_at').notNull().default(NOW),
    /** When it was created or a person had it sent again. It is tried for a day from then. */
    queuedAt: instant('queued_at').notNull().default(NOW),
    /** When a workflow first looked at it since. */
    begunAt: instant('begun_at'),
    nextTryAt: instant('next_try_at'),
    triedAt: instant('tried_at'),
    endedAt: instant('ended_at'),
    /** The run of the workflow that recorded the end. A person who resets that workflow starts another run. */
    endedBy: text('ended_by'),
    /** The other side's words, or ours, about the last try. */
    words: text(),
  },
  (table) => [
    check('deliveries_occasion', isOneOf(table.occasion, OCCASIONS)),
    check('deliveries_state', isOneOf(table.state, DELIVERY_STATES)),
    check('deliveries_address', hasLength(table.address, ADDRESS_LENGTH)),
    check('deliveries_counts', areCounts(table.tries, table.failures, table.resends)),
    check('deliveries_ended', sql`(${table.endedAt} is null) = (${table.state} in ('pending', 'sending'))`),
    check('deliveries_next_try', sql`${table.nextTryAt} is null or ${table.state} = 'pending'`),
    check('deliveries_sending', sql`${table.state} not in ('sending', 'sent', 'unknown') or ${table.tries} > 0`),
    check('deliveries_words', sql`${table.state} not in ('failed', 'held', 'unknown') or ${table.words} is not null`),
    check('deliveries_words_length', hasLength(table.words, WORDS_LENGTH)),
    // A person who is in two channels is told once.
    uniqueIndex('deliveries_once').on(table.noticeId, table.occasion, sql`lower(${table.address})`),
    uniqueIndex('deliveries_by_no').on(table.no),
    index('deliveries_by_state').on(table.state, table.no),
    index('deliveries_of_channel').on(table.channelId, table.no),
    index('deliveries_under_way')
      .on(table.no)
      .where(sql`state in ('pending', 'sending')`),
  ],
);

import { sql } from 'drizzle-orm';
import { bigserial, check, integer, pgTable, text, uniqueIndex, uuid } from 'drizzle-orm/pg-core';
import { EVERY, HOURS, TIME_ZONE_LENGTH, type Every } from '../../domain/reports/periods.ts';
import { NOW, day, hasLength, instant, isOneOf } from '../core/columns.ts';
import { notices } from '../notices/tables.ts';
import { storedQueryColumn } from './columns.ts';

/** The longest name of a report, in characters. */
export const REPORT_NAME_LENGTH = 100;

/** What is told again and again: the costs of each day, week or month. Each row has a Schedule in Temporal. */
export const reports = pgTable(
  'reports',
  {
    id: uuid().primaryKey(),
    /** Pages go by it, newest first. */
    no: bigserial({ mode: 'number' }).notNull(),
    name: text().notNull(),
    every: text().$type<Every>().notNull(),
    /** The local hour in the time zone. */
    hour: integer().notNull(),
    timeZone: text('time_zone').notNull(),
    query: storedQueryColumn().notNull(),
    /** Null for every channel that takes reports. A channel that is deleted later stays here, so that nobody else is told instead. */
    channelIds: uuid('channel_ids').array(),
    createdAt: instant('created_at').notNull().default(NOW),
    createdBy: text('created_by').notNull(),
    /** The period that was told last. */
    lastFrom: day('last_from'),
    lastTo: day('last_to'),
    lastAt: instant('last_at'),
    lastNoticeId: uuid('last_notice_id').references(() => notices.id, { onDelete: 'set null' }),
  },
  (table) => [
    check('reports_name', hasLength(table.name, REPORT_NAME_LENGTH)),
    check('reports_every', isOneOf(table.every, EVERY)),
    // Clock changes skip and repeat earlier hours, and a skipped hour would skip a report.
    check(
      'reports_hour',
      sql`${table.hour} between ${sql.raw(String(HOURS.least))} and ${sql.raw(String(HOURS.most))}`,
    ),
    check('reports_time_zone', hasLength(table.timeZone, TIME_ZONE_LENGTH)),
    check('reports_channels', sql`cardinality(${table.channelIds}) > 0`),
    check('reports_created_by', sql`${table.createdBy} <> ''`),
    check('reports_last', sql`num_nonnulls(${table.lastFrom}, ${table.lastTo}, ${table.lastAt}) in (0, 3)`),
    check('reports_last_period', sql`${table.lastFrom} <= ${table.lastTo}`),
    check('reports_last_notice', sql`${table.lastNoticeId} is null or ${table.lastAt} is not null`),
    uniqueIndex('reports_one_by_name').on(table.name),
    uniqueIndex('reports_by_no').on(table.no),
  ],
);

import { sql } from 'drizzle-orm';
import {
  bigserial,
  boolean,
  check,
  index,
  integer,
  pgTable,
  text,
  uniqueIndex,
  uuid,
  type AnyPgColumn,
} from 'drizzle-orm/pg-core';
import {
  FEEDBACKS,
  INCIDENT_ENDS,
  INCIDENT_KINDS,
  INCIDENT_STATES,
  SENSITIVITIES,
  type Feedback,
  type IncidentEnd,
  type IncidentKind,
  type IncidentState,
  type Sensitivity,
} from '../../domain/anomalies/incident.ts';
import { SEVERITIES, type Severity } from '../../domain/notices/content.ts';
import { connections } from '../connections/tables.ts';
import { NOW, areCounts, day, decimal, hasLength, instant, isFiniteDecimal, isOneOf } from '../core/columns.ts';
import { notices } from '../notices/tables.ts';
import { incidentColumn } from './columns.ts';

/** The longest note of a feedback, in characters. */
export const NOTE_LENGTH = 1_000;

/** An incident that ends with its connection, and with nothing that was spent. */
export const STORED_ENDS = [...INCIDENT_ENDS, 'disconnected'] as const;
export type StoredEnd = IncidentEnd | 'disconnected';

/** What was unusual about the spend of a connection. Every amount is in US dollars. */
export const incidents = pgTable(
  'incidents',
  {
    id: uuid().primaryKey(),
    /** Pages go by it, newest first. */
    no: bigserial({ mode: 'number' }).notNull(),
    connectionId: uuid('connection_id')
      .notNull()
      .references(() => connections.id, { onDelete: 'cascade' }),
    /** Whoever decides twice decides about the same incident. It has names of models in it, so it may be long. */
    key: text().notNull(),
    kind: text().$type<IncidentKind>().notNull(),
    severity: text().$type<Severity>().notNull(),
    state: text().$type<IncidentState>().notNull(),
    /** Null while it is open. */
    end: text('end_reason').$type<StoredEnd>(),
    firstDay: day('first_day').notNull(),
    lastDay: day('last_day').notNull(),
    detectedOn: day('detected_on').notNull(),
    observed: decimal().notNull(),
    expected: decimal().notNull(),
    excess: decimal().notNull(),
    /** The spend of the cause on so many of its days, and on as many days before them, from every line of both. */
    comparedDays: integer('compared_days').notNull(),
    before: decimal().notNull(),
    after: decimal().notNull(),
    volume: decimal().notNull(),
    mix: decimal().notNull(),
    price: decimal().notNull(),
    unmatched: decimal().notNull(),
    /** As it was decided. */
    incident: incidentColumn().notNull(),
    /** How often it was opened: one that a correction withdrew may come back with the next. */
    openings: integer().notNull().default(1),
    /** What people were told when it opened; null if it was long over when it was found. */
    noticeId: uuid('notice_id').references(() => notices.id, { onDelete: 'set null' }),
    openedAt: instant('opened_at').notNull().default(NOW),
    endedAt: instant('ended_at'),
  },
  (table) => [
    check('incidents_kind', isOneOf(table.kind, INCIDENT_KINDS)),
    check('incidents_severity', isOneOf(table.severity, SEVERITIES)),
    check('incidents_state', isOneOf(table.state, INCIDENT_STATES)),
    check('incidents_end', isOneOf(table.end, STORED_ENDS)),
    check(
      'incidents_ended',
      sql`(${table.state} = 'open') = (${table.end} is null) and (${table.end} is null) = (${table.endedAt} is null)`,
    ),
    check('incidents_days', sql`${table.firstDay} <= least(${table.lastDay}, ${table.detectedOn})`),
    check('incidents_excess', sql`${table.excess} = ${table.observed} - ${table.expected}`),
    check(
      'incidents_change',
      sql`${table.after} - ${table.before} = ${table.volume} + ${table.mix} + ${table.price} + ${table.unmatched}`,
    ),
    check(
      'incidents_finite',
      areFinite(
        table.observed,
        table.expected,
        table.before,
        table.after,
        table.volume,
        table.mix,
        table.price,
        table.unmatched,
      ),
    ),
    check('incidents_counts', sql`${areCounts(table.comparedDays)} and ${table.openings} >= 1`),
    check('incidents_order', sql`${table.endedAt} >= ${table.openedAt}`),
    uniqueIndex('incidents_once').on(table.connectionId, sql`md5(${table.key})`),
    uniqueIndex('incidents_by_no').on(table.no),
    index('incidents_of_connection').on(table.connectionId, table.no),
    index('incidents_open')
      .on(table.no)
      .where(sql`state = 'open'`),
  ],
);

/** What people said about incidents. The latest one counts. */
export const incidentFeedback = pgTable(
  'incident_feedback',
  {
    no: bigserial({ mode: 'number' }).primaryKey(),
    incidentId: uuid('incident_id')
      .notNull()
      .references(() => incidents.id, { onDelete: 'cascade' }),
    feedback: text().$type<Feedback>().notNull(),
    note: text(),
    /** The name of the token that gave it. */
    actor: text().notNull(),
    at: instant('at').notNull().default(NOW),
    /** Whether anything was assessed since. */
    isAssessed: boolean('is_assessed').notNull().default(false),
  },
  (table) => [
    check('incident_feedback_feedback', isOneOf(table.feedback, FEEDBACKS)),
    check('incident_feedback_note', hasLength(table.note, NOTE_LENGTH)),
    check('incident_feedback_actor', sql`${table.actor} <> ''`),
    index('incident_feedback_unassessed')
      .on(table.no)
      .where(sql`not is_assessed`),
    index('incident_feedback_of_incident').on(table.incidentId, table.no),
  ],
);

/** One row at most: how much it takes to open an incident. Without it, as much as at `medium`. */
export const anomalySettings = pgTable(
  'anomaly_settings',
  {
    isOnly: boolean('is_only').primaryKey().default(true),
    sensitivity: text().$type<Sensitivity>().notNull(),
    /** Whether anything was assessed since it was set. */
    isAssessed: boolean('is_assessed').notNull().default(false),
  },
  (table) => [
    check('anomaly_settings_one', sql`${table.isOnly}`),
    check('anomaly_settings_sensitivity', isOneOf(table.sensitivity, SENSITIVITIES)),
  ],
);

/** What the spend of a connection was last assessed from. Whoever assesses it locks its row. */
export const anomalyAssessments = pgTable('anomaly_assessments', {
  connectionId: uuid('connection_id')
    .primaryKey()
    .references(() => connections.id, { onDelete: 'cascade' }),
  /** A digest of the settled days, the feedback and the sensitivity. The same again gives no verdict. */
  basis: text().notNull(),
  assessedAt: instant('assessed_at').notNull().default(NOW),
});

function areFinite(...columns: AnyPgColumn[]): ReturnType<typeof sql> {
  return sql.join(columns.map(isFiniteDecimal), sql` and `);
}

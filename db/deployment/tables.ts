import { sql } from 'drizzle-orm';
import { bigserial, check, index, pgTable, text } from 'drizzle-orm/pg-core';
import { DEPLOYMENT_EVENTS, EVENT_MESSAGE_LENGTH, type DeploymentEvent } from '../../domain/events.ts';
import { NOW, hasLength, instant, isOneOf } from '../core/columns.ts';

/** What happened to the deployment as a whole, and who did it. What concerns one connection is in its `events`. */
export const deploymentEvents = pgTable(
  'deployment_events',
  {
    /** Pages go by it, newest first. */
    id: bigserial({ mode: 'number' }).primaryKey(),
    type: text().$type<DeploymentEvent>().notNull(),
    /** The name of the token that asked for it; `console` for a session without one, `command` for a command on the server. */
    actor: text().notNull(),
    message: text().notNull(),
    at: instant('at').notNull().default(NOW),
  },
  (table) => [
    check('deployment_events_type', isOneOf(table.type, DEPLOYMENT_EVENTS)),
    check('deployment_events_actor', sql`${table.actor} <> ''`),
    check('deployment_events_message', hasLength(table.message, EVENT_MESSAGE_LENGTH)),
    index('deployment_events_by_type').on(table.type, table.id),
  ],
);

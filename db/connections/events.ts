import { sql } from 'drizzle-orm';
import { METERLINE, TEMPORAL } from '../../domain/tokens.ts';
import type { Db } from '../core/database.ts';
import { events } from '../core/schema.ts';

/** The kinds of events that are kept. */
export type EventType =
  | 'created'
  | 'status'
  | 'organization'
  | 'key_added'
  | 'key_active'
  | 'key_refused'
  | 'key_restored'
  | 'key_destroyed'
  | 'key_unanswered'
  | 'key_probed'
  | 'clock'
  | 'sync_failed'
  | 'day_flagged'
  | 'restatement'
  | 'workspaces_unread'
  | 'signal'
  | 'signal_received'
  | 'request'
  | 'renamed'
  | 'purged';

/**
 * Keeps that something happened. `message` is a sentence for people and holds no secret. With the same `keptBy`, twice is
 * once.
 */
export async function addEvent(
  db: Db,
  connectionId: string,
  event: { type: EventType; actor?: string; message: string; keptBy?: string | undefined },
): Promise<void> {
  await db
    .insert(events)
    .values({
      connectionId,
      type: event.type,
      actor: event.actor ?? METERLINE,
      message: event.message.slice(0, 500),
      keptBy: event.keptBy ?? null,
    })
    .onConflictDoNothing();
}

/** Keeps an event of each signal that a connection received, in their order, once. Nothing where there is no connection. */
export async function recordSignals(
  db: Db,
  connectionId: string,
  received: readonly string[],
  keptBy: string,
): Promise<void> {
  for (const [index, what] of received.entries()) {
    await db.execute(sql`
      insert into events (connection_id, type, actor, message, kept_by)
      select c.id, ${'signal_received' satisfies EventType}, ${TEMPORAL}, ${`Received the signal ${what}.`}, ${`${keptBy} ${index}`}
      from connections c where c.id = ${connectionId}
      on conflict do nothing
    `);
  }
}

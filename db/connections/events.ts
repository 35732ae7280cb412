import { and, desc, eq, lt, sql } from 'drizzle-orm';
import { METERLINE, TEMPORAL } from '../../domain/tokens.ts';
import { EVENT_MESSAGE_LENGTH, type ConnectionEvent } from '../../domain/events.ts';
import type { Db } from '../core/database.ts';
import { events } from '../schema.ts';

/**
 * Adds an event. `message` is a sentence for people and holds no secret. A second event with the same `dedupKey` is
 * ignored, so that an activity which runs twice adds one event.
 */
export async function addEvent(
  db: Db,
  connectionId: string,
  event: { type: ConnectionEvent; actor?: string; message: string; dedupKey?: string | undefined },
): Promise<void> {
  await db
    .insert(events)
    .values({
      connectionId,
      type: event.type,
      actor: event.actor ?? METERLINE,
      message: event.message.slice(0, EVENT_MESSAGE_LENGTH),
      dedupKey: event.dedupKey ?? null,
    })
    .onConflictDoNothing();
}

/**
 * Adds an event for each signal that a connection received, in their order. Does nothing if the connection does not
 * exist. As in {@link addEvent}, the same `dedupKey` adds them once.
 */
export async function recordSignals(
  db: Db,
  connectionId: string,
  received: readonly string[],
  dedupKey: string,
): Promise<void> {
  for (const [index, signal] of received.entries()) {
    await db.execute(sql`
      insert into events (connection_id, type, actor, message, dedup_key)
      select c.id, ${'signal_received' satisfies ConnectionEvent}, ${TEMPORAL}, ${`Received the signal ${signal}.`}, ${`${dedupKey} ${index}`}
      from connections c where c.id = ${connectionId}
      on conflict do nothing
    `);
  }
}

/** The events of a connection, newest first; `after` is the id of the last one seen. */
export async function listEvents(
  db: Db,
  connectionId: string,
  page: { type: string | null; after: number | null; limit: number },
): Promise<{ id: number; type: string; actor: string; message: string; at: Date }[]> {
  return db
    .select({ id: events.id, type: events.type, actor: events.actor, message: events.message, at: events.at })
    .from(events)
    .where(
      and(
        eq(events.connectionId, connectionId),
        page.type === null ? undefined : eq(events.type, page.type),
        page.after === null ? undefined : lt(events.id, page.after),
      ),
    )
    .orderBy(desc(events.id))
    .limit(page.limit);
}

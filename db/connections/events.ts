import { sql } from 'drizzle-orm';
import { METERLINE, TEMPORAL } from '../../domain/tokens.ts';
import { EVENT_MESSAGE_LENGTH, type ConnectionEvent } from '../../domain/events.ts';
import type { Db } from '../core/database.ts';
import { events } from '../core/schema.ts';

/**
 * Keeps that something happened. `message` is a sentence for people and holds no secret. With the same `keptBy`, twice is
 * once.
 */
export async function addEvent(
  db: Db,
  connectionId: string,
  event: { type: ConnectionEvent; actor?: string; message: string; keptBy?: string | undefined },
): Promise<void> {
  await db
    .insert(events)
    .values({
      connectionId,
      type: event.type,
      actor: event.actor ?? METERLINE,
      message: event.message.slice(0, EVENT_MESSAGE_LENGTH),
      dedupKey: event.keptBy ?? null,
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
      insert into events (connection_id, type, actor, message, dedup_key)
      select c.id, ${'signal_received' satisfies ConnectionEvent}, ${TEMPORAL}, ${`Received the signal ${what}.`}, ${`${keptBy} ${index}`}
      from connections c where c.id = ${connectionId}
      on conflict do nothing
    `);
  }
}

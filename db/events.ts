import { METERLINE } from '../domain/tokens.ts';
import type { Db } from './database.ts';
import { events } from './schema.ts';

/** The kinds of events that are kept. */
export type EventType =
  | 'created'
  | 'status'
  | 'organization'
  | 'key_staged'
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
  | 'request'
  | 'renamed'
  | 'purged';

/** Keeps that something happened. `message` is a sentence for people and holds no secret. */
export async function addEvent(
  db: Db,
  connectionId: string,
  event: { type: EventType; actor?: string; message: string },
): Promise<void> {
  await db.insert(events).values({
    connectionId,
    type: event.type,
    actor: event.actor ?? METERLINE,
    message: event.message.slice(0, 500),
  });
}

import { and, eq, gt, inArray } from 'drizzle-orm';
import type { Day } from '../../domain/days.ts';
import { LIVE_STATUSES, statusAfterExtension } from '../../domain/connection/statuses.ts';
import type { AdminKey } from '../../domain/keys.ts';
import type { Db } from '../core/database.ts';
import { connections } from '../schema.ts';
import type { KeyRing } from '../keys/key-ring.ts';
import { addCandidate } from '../keys/candidates.ts';
import { addEvent } from './events.ts';
import { lockLive } from './live.ts';
import { setStatus } from './status.ts';

/** A connection to be created, with its first key. */
export interface NewConnection {
  readonly id: string;
  readonly name: string;
  readonly began: Day;
  readonly backfillTo: Day;
  readonly keyId: string;
  readonly adminKey: AdminKey;
  readonly actor: string;
}

/** Stores a connection and its first key, sealed, in one transaction. */
export async function createConnection(db: Db, ring: KeyRing, connection: NewConnection): Promise<void> {
  await db.transaction(async (tx) => {
    const { id, name, began, backfillTo, keyId, adminKey, actor } = connection;
    await tx.insert(connections).values({ id, name, status: 'validating', began, backfillTo });
    await addEvent(tx, id, {
      type: 'created',
      actor,
      message: `Connection "${name}" was created; its history begins on ${began}.`,
    });
    await addCandidate(tx, ring, { connectionId: id, keyId, adminKey, requested: true, actor });
  });
}

/** Renames a connection. False if it does not exist. */
export async function renameConnection(db: Db, connectionId: string, name: string, actor: string): Promise<boolean> {
  return db.transaction(async (tx) => {
    const renamed = await tx
      .update(connections)
      .set({ name })
      .where(eq(connections.id, connectionId))
      .returning({ id: connections.id });
    if (renamed.length === 0) return false;
    await addEvent(tx, connectionId, { type: 'renamed', actor, message: `The connection was renamed to "${name}".` });
    return true;
  });
}

/**
 * Moves the first day of a connection back to `from`, and adds an event that names who asked. The first day only ever
 * moves back, so a connection that begins no later is unchanged, whoever asks at the same time.
 */
export async function extendHistory(
  db: Db,
  connectionId: string,
  from: Day,
  actor: string,
): Promise<'extended' | 'unchanged' | 'ended'> {
  return db.transaction(async (tx) => {
    const connection = await lockLive(tx, connectionId);
    if (connection === null) return 'ended';
    const extended = await tx
      .update(connections)
      .set({ began: from })
      .where(and(eq(connections.id, connectionId), gt(connections.began, from)))
      .returning({ id: connections.id });
    if (extended.length === 0) return 'unchanged';
    await addEvent(tx, connectionId, { type: 'request', actor, message: `Asked to extend history back to ${from}.` });
    await setStatus(tx, connectionId, statusAfterExtension(connection.status));
    return 'extended';
  });
}

/** The connections that have not ended, oldest first. */
export async function listLiveConnections(db: Db): Promise<{ id: string; name: string }[]> {
  return db
    .select({ id: connections.id, name: connections.name })
    .from(connections)
    .where(inArray(connections.status, LIVE_STATUSES))
    .orderBy(connections.createdAt);
}

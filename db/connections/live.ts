import { and, eq, sql, type SQL } from 'drizzle-orm';
import { LIVE_STATUSES, isLive, type Status } from '../../domain/connection/statuses.ts';
import type { Failure } from '../../domain/failures.ts';
import { textArray, type Db } from '../core/database.ts';
import { addEvent } from './events.ts';
import { connections } from '../core/schema.ts';

/** The connection was disconnected, refused or deleted: nothing more is written for it. */
export class ConnectionGoneError extends Error {
  override readonly name = 'ConnectionGoneError';
  constructor(readonly connectionId: string) {
    super('The connection has ended, so nothing more is stored for it');
  }
}

/**
 * Moves a connection that stands at `from` on to `to`, as its workflow would next: a step that is told with what leads to
 * it. Elsewhere, or where not `provided`, nothing changes.
 */
export async function moveOn(tx: Db, connectionId: string, from: Status, to: Status, provided?: SQL): Promise<void> {
  const moved = await tx
    .update(connections)
    .set({ status: to })
    .where(and(eq(connections.id, connectionId), eq(connections.status, from), provided))
    .returning({ id: connections.id });
  if (moved.length > 0) await addEvent(tx, connectionId, { type: 'status', message: `The connection is ${to}.` });
}

/** The columns of a failure that nothing was asked about yet. */
export const UNASKED = { probedAt: null, answeredAt: null, rejectedAt: null } as const;

/** The columns of a connection without a failure. */
export const NO_FAILURE = { failure: null, failureKeyId: null, failedAt: null, failureCount: 0, ...UNASKED } as const;

/**
 * Locks a connection against a disconnect until the transaction ends. Null when it is gone or has ended.
 * Locks of this kind do not wait for each other nor for changes of status; a disconnect waits for them.
 */
export async function shareLive(tx: Db, connectionId: string): Promise<Status | null> {
  const [found] = await tx
    .select({ status: connections.status })
    .from(connections)
    .where(eq(connections.id, connectionId))
    .for('key share');
  return found !== undefined && isLive(found.status) ? found.status : null;
}

/** As {@link shareLive}, as a part of another statement: its id, and no row when it is gone or has ended. */
export function sharingLive(connectionId: string): SQL {
  return sql`select id from connections where id = ${connectionId} and status = any(${textArray(LIVE_STATUSES)}) for key share`;
}

/**
 * Locks a connection for a change, one at a time. Null when it is gone or has ended. With `update`, which is for its
 * end, also waits for what {@link shareLive} holds.
 */
export async function lockLive(
  tx: Db,
  connectionId: string,
  strength: 'no key update' | 'update' = 'no key update',
): Promise<{ status: Status; organizationId: string | null; name: string; failure: Failure | null } | null> {
  const [found] = await tx
    .select({
      status: connections.status,
      organizationId: connections.organizationId,
      name: connections.name,
      failure: connections.failure,
    })
    .from(connections)
    .where(eq(connections.id, connectionId))
    .for(strength);
  return found !== undefined && isLive(found.status) ? found : null;
}

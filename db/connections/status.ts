import { eq, sql } from 'drizzle-orm';
import { FAILURES, type Failure } from '../../domain/failures.ts';
import { isLive, mayFollow, type Status } from '../../domain/connection/statuses.ts';
import type { Db } from '../core/database.ts';
import { connections } from '../schema.ts';
import { destroyAllKeys } from '../keys/ends.ts';
import { existsRequestedCandidate } from '../keys/candidates.ts';
import { addEvent } from './events.ts';
import { NO_FAILURE } from './failure.ts';
import { lockLive } from './live.ts';

/** Whether a connection moved to another status. It does not if its present status does not allow that. */
export interface StatusChange {
  readonly moved: boolean;
}

/**
 * Moves a connection to another status if its present one allows it, and adds an event. Its keys are destroyed if it
 * ends. Nothing else changes the status of a connection.
 */
export async function setStatus(db: Db, connectionId: string, to: Status): Promise<StatusChange> {
  return db.transaction(async (tx) => {
    // The end waits for the days that are being written. Afterwards none is written.
    const connection = await lockLive(tx, connectionId, isLive(to) ? 'no key update' : 'update');
    if (connection === null || !mayFollow(connection.status, to)) return { moved: false };
    // Refused is an end, so a key that somebody asked for since this was decided is tried first.
    if (to === 'refused' && (await existsRequestedCandidate(tx, connectionId))) return { moved: false };
    if (!isLive(to)) await destroyAllKeys(tx, connectionId);
    await tx
      .update(connections)
      .set({
        status: to,
        ...(isLive(to) ? {} : { endedAt: sql`now()` }),
        ...(to === 'disconnected' ? NO_FAILURE : {}),
      })
      .where(eq(connections.id, connectionId));
    await addEvent(tx, connectionId, { type: 'status', message: messageOf(to, connection.failure) });
    return { moved: true };
  });
}

function messageOf(to: Status, failure: Failure | null): string {
  if (to === 'disconnected') return 'The connection is disconnected; its keys are destroyed.';
  // A failure may still be stored in other statuses, but it is not the reason for them.
  const isReason = to === 'degraded' || to === 'awaiting_key';
  return `The connection is ${to}${isReason && failure !== null ? `: ${FAILURES[failure.code].message}` : '.'}`;
}

import { eq, sql, type SQL } from 'drizzle-orm';
import { FAILURES, type Failure } from '../../domain/failures.ts';
import { isLive, mayFollow, type Status } from '../../domain/connection/statuses.ts';
import type { Db } from '../core/database.ts';
import { connections } from '../schema.ts';
import { destroyAllKeys } from '../keys/ends.ts';
import { existsRequestedCandidate } from '../keys/candidates.ts';
import { addEvent } from './events.ts';
import { closeIncidentsOf } from '../anomalies/incidents.ts';
import { closeNoticesOf } from '../notices/outbox.ts';
import { tellTrouble } from '../notices/trouble.ts';
import { NO_FAILURE } from './failure.ts';
import { lockLive } from './live.ts';

/** Whether a connection moved to another status. It does not if its present status does not allow that. */
export interface StatusChange {
  readonly moved: boolean;
}

/**
 * Moves a connection to another status if its present one allows it, and adds an event. Tells people at once if it awaits
 * a key. If it ends, its keys are destroyed, its notices and its open incidents closed. Nothing else changes the status of a connection.
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
        ...troubledAtAfter(connection.status, to),
      })
      .where(eq(connections.id, connectionId));
    await addEvent(tx, connectionId, { type: 'status', message: messageOf(to, connection.failure) });
    if (to === 'awaiting_key') await tellTrouble(tx, connectionId);
    if (!isLive(to)) {
      await closeNoticesOf(tx, connectionId);
      await closeIncidentsOf(tx, connectionId);
    }
    return { moved: true };
  });
}

function messageOf(to: Status, failure: Failure | null): string {
  if (to === 'disconnected') return 'The connection is disconnected; its keys are destroyed.';
  // A failure may still be stored in other statuses, but it is not the reason for them.
  const isReason = isTrouble(to) && failure !== null;
  return `The connection is ${to}${isReason ? `: ${FAILURES[failure.code].message}` : '.'}`;
}

/** Trouble begins with the first failure since a sync succeeded. Whoever pauses a connection starts the count anew. */
function troubledAtAfter(from: Status, to: Status): { troubledAt?: SQL | null } {
  if (from === 'paused' || to === 'paused' || !isLive(to)) return { troubledAt: isTrouble(to) ? sql`now()` : null };
  return isTrouble(to) ? { troubledAt: sql`coalesce(${connections.troubledAt}, now())` } : {};
}

function isTrouble(status: Status): boolean {
  return status === 'degraded' || status === 'awaiting_key';
}

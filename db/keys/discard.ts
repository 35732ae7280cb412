import { and, eq, isNull, lt, sql } from 'drizzle-orm';
import { CANDIDATE_LIFETIME_MS } from '../../domain/keys.ts';
import { addEvent } from '../connections/events.ts';
import { lockLive } from '../connections/live.ts';
import type { Db } from '../core/database.ts';
import { endKeys } from './ends.ts';
import { keys } from './tables.ts';

/** The result of a request to discard a key. */
export type Discarding =
  | { readonly outcome: 'discarded' | 'unknown' }
  /** The key stays: it is active, superseded, or the only one with which the connection can begin. */
  | { readonly outcome: 'active' | 'superseded' | 'only_key' };

/**
 * Destroys a candidate, with an event that names who asked. A key whose ciphertext is gone already counts as discarded. A
 * key that Anthropic accepted meanwhile stays, because the verdict and this function both lock the connection's row.
 */
export async function discardCandidate(
  db: Db,
  key: { connectionId: string; keyId: string },
  actor: string,
): Promise<Discarding> {
  const { connectionId, keyId } = key;
  return db.transaction(async (tx) => {
    const live = await lockLive(tx, connectionId);
    const [found] = await tx
      .select({ state: keys.state, hint: keys.hint })
      .from(keys)
      .where(and(eq(keys.connectionId, connectionId), eq(keys.id, keyId)))
      .for('update');
    if (found === undefined) return { outcome: 'unknown' };
    if (found.state === 'active') return { outcome: 'active' };
    if (found.state === 'superseded') return { outcome: 'superseded' };
    if (found.state !== 'candidate') return { outcome: 'discarded' };
    if (live?.organizationId === null && !(await hasOtherRequested(tx, connectionId, keyId)))
      return { outcome: 'only_key' };
    await endKeys(tx, connectionId, { from: ['candidate'], which: eq(keys.id, keyId) }, { reason: 'discarded' });
    const message = `Candidate ${keyId}, key …${found.hint}, was discarded; it is destroyed.`;
    await addEvent(tx, connectionId, { type: 'key_destroyed', actor, message });
    return { outcome: 'discarded' };
  });
}

/** Whether somebody asked to use another candidate, so that a connection without a key may still get one. */
async function hasOtherRequested(tx: Db, connectionId: string, keyId: string): Promise<boolean> {
  const [found] = await tx
    .select({ others: sql<boolean | null>`bool_or(${keys.requestedAt} is not null)` })
    .from(keys)
    .where(and(eq(keys.connectionId, connectionId), eq(keys.state, 'candidate'), sql`${keys.id} <> ${keyId}`));
  return found?.others === true;
}

/** Destroys the candidates that nobody asked to use for 24 hours. Returns how many it found. */
export async function destroyForgottenCandidates(db: Db): Promise<number> {
  const forgotten = await db
    .select({ connectionId: keys.connectionId, id: keys.id })
    .from(keys)
    .where(
      and(
        eq(keys.state, 'candidate'),
        isNull(keys.requestedAt),
        lt(keys.addedAt, sql`now() - make_interval(secs => ${CANDIDATE_LIFETIME_MS / 1000})`),
      ),
    );
  for (const { connectionId, id } of forgotten) {
    await db.transaction(async (tx) => {
      // Somebody may have asked to use it since it was found.
      const which = and(eq(keys.id, id), isNull(keys.requestedAt));
      for (const { hint } of await endKeys(tx, connectionId, { from: ['candidate'], which }, { reason: 'unused' })) {
        const message = `Key …${hint} was a candidate that nobody used for 24 hours; it is destroyed.`;
        await addEvent(tx, connectionId, { type: 'key_destroyed', message });
      }
    });
  }
  return forgotten.length;
}

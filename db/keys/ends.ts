import { and, eq, inArray, isNull, lt, sql, type SQL } from 'drizzle-orm';
import type { Failure } from '../../domain/failures.ts';
import { CANDIDATE_LIFETIME_MS, type KeyEnd, type KeyState } from '../../domain/keys.ts';
import type { Db } from '../core/database.ts';
import { addEvent } from '../connections/events.ts';
import { lockLive } from '../connections/live.ts';
import { keys } from '../core/schema.ts';

/** A key that is to end, in the state in which it may. */
interface Ending {
  readonly from: readonly KeyState[];
  readonly which?: SQL | undefined;
}

type End = { readonly failure: Failure } | { readonly reason: KeyEnd; readonly overtakenBy?: string };

/** Ends keys and destroys their ciphertexts. A key with a fault is refused, another one destroyed. */
export async function endKeys(
  db: Db,
  connectionId: string,
  { from, which }: Ending,
  end: End,
): Promise<{ hint: string }[]> {
  const columns =
    'failure' in end
      ? { state: 'refused' as const, failure: end.failure }
      : { state: 'destroyed' as const, endReason: end.reason, overtakenBy: end.overtakenBy ?? null };
  return db
    .update(keys)
    .set({ ...columns, sealed: null, encryptionKeyId: null, endedAt: sql`now()` })
    .where(and(eq(keys.connectionId, connectionId), inArray(keys.state, [...from]), which))
    .returning({ hint: keys.hint });
}

/** A candidate that was asked for before the accepted key, and got no answer yet, must not replace it when it does. */
export async function destroyOvertaken(
  tx: Db,
  connectionId: string,
  accepted: { keyId: string; hint: string },
): Promise<void> {
  const since = sql`(select k.requested_no from keys k where k.connection_id = ${connectionId} and k.id = ${accepted.keyId})`;
  const overtaken = await endKeys(
    tx,
    connectionId,
    { from: ['candidate'], which: lt(keys.requestedNo, since) },
    { reason: 'overtaken', overtakenBy: accepted.keyId },
  );
  for (const { hint } of overtaken) {
    const message = `Key …${hint} was overtaken by key …${accepted.hint} before there was a verdict on it; it is destroyed.`;
    await addEvent(tx, connectionId, { type: 'key_destroyed', message });
  }
}

/** Refuses a candidate for good and destroys its ciphertext. The active key goes on. */
export async function refuseKey(
  db: Db,
  key: { connectionId: string; keyId: string },
  failure: Failure,
  message: string,
): Promise<void> {
  await db.transaction(async (tx) => {
    const which = eq(keys.id, key.keyId);
    for (const { hint } of await endKeys(tx, key.connectionId, { from: ['candidate'], which }, { failure })) {
      await addEvent(tx, key.connectionId, { type: 'key_refused', message: `Key …${hint} is refused: ${message}` });
    }
  });
}

/** Destroys the replaced keys, once sync `n` succeeded, if it ran wholly on the active key: it was numbered after that began. */
export async function destroySuperseded(db: Db, connectionId: string, n: number): Promise<void> {
  const [active] = await db
    .select({ activatedSync: keys.activatedSync })
    .from(keys)
    .where(and(eq(keys.connectionId, connectionId), eq(keys.state, 'active')));
  if (active?.activatedSync == null || active.activatedSync >= n) return;
  for (const { hint } of await endKeys(db, connectionId, { from: ['superseded'] }, { reason: 'replaced' })) {
    await addEvent(db, connectionId, { type: 'key_destroyed', message: `Key …${hint}, replaced, is destroyed.` });
  }
}

/** Destroys every key of a connection that still has a ciphertext, since the connection ends. */
export async function destroyAllKeys(db: Db, connectionId: string): Promise<void> {
  await endKeys(db, connectionId, { from: ['candidate', 'active', 'superseded'] }, { reason: 'connection_ended' });
}

/** Destroys the candidates that nobody asked to use for a day. Returns how many. */
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
      const which = and(eq(keys.id, id), isNull(keys.requestedAt));
      for (const { hint } of await endKeys(tx, connectionId, { from: ['candidate'], which }, { reason: 'unused' })) {
        const message = `Key …${hint} was staged and not used for 24 hours; it is destroyed.`;
        await addEvent(tx, connectionId, { type: 'key_destroyed', message });
      }
    });
  }
  return forgotten.length;
}

/** What came of the wish to discard a key. */
export type Discarding =
  | { readonly outcome: 'discarded' | 'unknown' }
  /** It is in use, or is what the connection is to begin with. */
  | { readonly outcome: 'serves' | 'replaced' | 'first' };

/**
 * Destroys a candidate, and leaves an event of who asked. A key whose ciphertext is gone already is discarded, too. One
 * that was accepted meanwhile serves, and stays: Anthropic's verdict and this take turns at the connection's row.
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
    if (found.state === 'active') return { outcome: 'serves' };
    if (found.state === 'superseded') return { outcome: 'replaced' };
    if (found.state !== 'candidate') return { outcome: 'discarded' };
    if (live?.organizationId === null && !(await hasOtherCandidate(tx, connectionId, keyId)))
      return { outcome: 'first' };
    await endKeys(tx, connectionId, { from: ['candidate'], which: eq(keys.id, keyId) }, { reason: 'discarded' });
    const message = `Key …${found.hint}, staged as ${keyId}, was discarded; it is destroyed.`;
    await addEvent(tx, connectionId, { type: 'key_destroyed', actor, message });
    return { outcome: 'discarded' };
  });
}

/** Whether another candidate was asked for, so that a connection without a key may still get one. */
async function hasOtherCandidate(tx: Db, connectionId: string, keyId: string): Promise<boolean> {
  const [found] = await tx
    .select({ others: sql<boolean>`bool_or(${keys.requestedAt} is not null)` })
    .from(keys)
    .where(and(eq(keys.connectionId, connectionId), eq(keys.state, 'candidate'), sql`${keys.id} <> ${keyId}`));
  return found?.others === true;
}

/** Keeps why a rotation to a key changed nothing. `keptBy` makes twice once. */
export async function recordRotation(db: Db, connectionId: string, keyId: string, keptBy?: string): Promise<void> {
  const [key] = await db
    .select({ hint: keys.hint, state: keys.state, failure: keys.failure, endReason: keys.endReason })
    .from(keys)
    .where(and(eq(keys.connectionId, connectionId), eq(keys.id, keyId)));
  const why = key === undefined ? 'this connection has no key with this id' : `key …${key.hint} ${fateOf(key)}`;
  await addEvent(db, connectionId, { type: 'signal', message: `rotateKey: ${why}, so nothing changed`, keptBy });
}

function fateOf(key: { state: KeyState; failure: Failure | null; endReason: KeyEnd | null }): string {
  switch (key.state) {
    case 'candidate':
      return 'waits behind many others';
    case 'active':
      return 'is in use already';
    case 'superseded':
      return 'was replaced by a later key';
    case 'refused':
      return `was refused${key.failure === null ? '' : ` with ${key.failure.code}`}`;
    case 'destroyed':
      return key.endReason === null ? 'is destroyed' : ENDS[key.endReason];
  }
}

const ENDS: Readonly<Record<KeyEnd, string>> = {
  replaced: 'was replaced by a later key and is destroyed',
  overtaken: 'was overtaken by a later key and is destroyed',
  unused: 'was not used in time and is destroyed',
  discarded: 'was discarded and is destroyed',
  connection_ended: 'was destroyed when the connection ended',
};

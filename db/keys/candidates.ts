import { randomUUID } from 'node:crypto';
import { and, eq, isNotNull, isNull, lt, sql } from 'drizzle-orm';
import { FAILURES, type Failure } from '../../domain/failures.ts';
import type { AdminKey, KeyState } from '../../domain/keys.ts';
import { addEvent } from '../connections/events.ts';
import { lockLive } from '../connections/live.ts';
import type { Db } from '../core/database.ts';
import { endKeys } from './ends.ts';
import type { KeyRing } from './key-ring.ts';
import { REQUESTED } from './steps.ts';
import { keys } from './tables.ts';

/** Stores a sealed candidate. No sync uses it before Anthropic accepts it. */
export async function addCandidate(
  db: Db,
  ring: KeyRing,
  key: { connectionId: string; keyId: string; adminKey: AdminKey; requested: boolean; actor: string },
): Promise<{ hint: string; state: KeyState }> {
  const { connectionId, keyId, adminKey } = key;
  const { hint } = adminKey;
  const state = 'candidate';
  await db.insert(keys).values({
    connectionId,
    id: keyId,
    state,
    hint,
    ...ring.seal(adminKey, key),
    ...(key.requested ? REQUESTED : {}),
  });
  const message = `Key …${hint} is added as candidate ${keyId}.`;
  await addEvent(db, connectionId, { type: 'key_added', actor: key.actor, message });
  return { hint, state };
}

/**
 * Adds a candidate to a connection; null if the connection has ended. The lock keeps the connection from ending in
 * between, because its end destroys only the keys that it finds.
 */
export async function addCandidateToLive(
  db: Db,
  ring: KeyRing,
  key: { connectionId: string; adminKey: AdminKey; requested: boolean; actor: string },
): Promise<{ keyId: string; hint: string; state: KeyState } | null> {
  return db.transaction(async (tx) => {
    if ((await lockLive(tx, key.connectionId)) === null) return null;
    const keyId = randomUUID();
    return { keyId, ...(await addCandidate(tx, ring, { ...key, keyId })) };
  });
}

/** Whether the connection has a candidate that somebody asked to use. */
export async function existsRequestedCandidate(db: Db, connectionId: string): Promise<boolean> {
  const found = await db
    .select({ id: keys.id })
    .from(keys)
    .where(and(eq(keys.connectionId, connectionId), eq(keys.state, 'candidate'), isNotNull(keys.requestedAt)))
    .limit(1);
  return found.length > 0;
}

/**
 * Records that Anthropic gave no answer about a candidate, which stays one. Only the first time adds an event, because the
 * key itself shows how often it was tried.
 */
export async function deferKey(
  db: Db,
  key: { connectionId: string; keyId: string },
  failure: Failure,
  nowMs: number,
): Promise<void> {
  await db.transaction(async (tx) => {
    const [deferred] = await tx
      .update(keys)
      .set({ tries: sql`${keys.tries} + 1`, triedAt: new Date(nowMs), failure })
      .where(and(eq(keys.connectionId, key.connectionId), eq(keys.id, key.keyId), eq(keys.state, 'candidate')))
      .returning({ hint: keys.hint, tries: keys.tries });
    if (deferred?.tries !== 1) return;
    const message = `There is no verdict on key …${deferred.hint} yet; it is tried again on its own: ${FAILURES[failure.code].message}`;
    await addEvent(tx, key.connectionId, { type: 'key_unanswered', message });
  });
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

const UNTOLD_AFTER_SECONDS = 10;

/** Candidates that are not tried ten seconds after somebody asked to use them: nobody told their workflows. */
export async function listUntoldKeys(db: Db): Promise<{ connectionId: string; keyId: string }[]> {
  return db
    .select({ connectionId: keys.connectionId, keyId: keys.id })
    .from(keys)
    .where(
      and(
        eq(keys.state, 'candidate'),
        isNull(keys.triedAt),
        lt(keys.requestedAt, sql`now() - make_interval(secs => ${UNTOLD_AFTER_SECONDS})`),
      ),
    );
}

import { and, desc, eq, isNotNull, isNull, lt, sql, type SQL } from 'drizzle-orm';
import { FAILURES, isKeyFailure, type FailureCode, type Failure } from '../../domain/failures.ts';
import type { AdminKey, KeyState } from '../../domain/keys.ts';
import { databaseFailure, type Db } from '../core/database.ts';
import { addEvent } from '../connections/events.ts';
import { destroyOvertaken, endKeys } from './ends.ts';
import type { KeyRing } from './key-ring.ts';
import { connections, keys } from '../core/schema.ts';
import { NO_FAILURE } from '../connections/failure.ts';
import { lockLive } from '../connections/live.ts';

const UNTOLD_AFTER_SECONDS = 10;

/** An opened key. It lives only inside the activity that uses it. */
export interface OpenedKey {
  readonly keyId: string;
  readonly adminKey: AdminKey;
}

/** The next number in the order in which keys are asked for and begin to serve. */
const NEXT_STEP = sql<number>`nextval('key_steps')`;
const REQUESTED = { requestedAt: sql`now()`, requestedNo: NEXT_STEP };

/** The columns of a key that begins to serve. */
function activated(connectionId: string): {
  state: 'active';
  activatedAt: SQL;
  activatedNo: SQL<number>;
  activatedSync: SQL<number>;
} {
  const lastSync = sql<number>`(select last_sync from connections where id = ${connectionId})`;
  return { state: 'active', activatedAt: sql`clock_timestamp()`, activatedNo: NEXT_STEP, activatedSync: lastSync };
}

/** Stores a candidate, sealed. It serves nothing until it is tried and accepted. */
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
  await addEvent(db, connectionId, {
    type: 'key_added',
    actor: key.actor,
    message: `Key …${hint} is staged as ${keyId}.`,
  });
  return { hint, state };
}

/** The key that serves now, opened; null when there is none. Throws KeyUnreadableError. */
export async function openActiveKey(db: Db, ring: KeyRing, connectionId: string): Promise<OpenedKey | null> {
  return openKey(db, ring, connectionId, 'active');
}

/** A candidate, opened; null when it is none any more. Marks that it was asked for. Throws KeyUnreadableError. */
export async function openCandidate(
  db: Db,
  ring: KeyRing,
  connectionId: string,
  keyId: string,
): Promise<OpenedKey | null> {
  await db
    .update(keys)
    .set(REQUESTED)
    .where(
      and(
        eq(keys.connectionId, connectionId),
        eq(keys.id, keyId),
        eq(keys.state, 'candidate'),
        isNull(keys.requestedAt),
      ),
    );
  return openKey(db, ring, connectionId, 'candidate', keyId);
}

async function openKey(
  db: Db,
  ring: KeyRing,
  connectionId: string,
  state: KeyState,
  keyId?: string,
): Promise<OpenedKey | null> {
  const [key] = await db
    .select({ id: keys.id, sealed: keys.sealed, encryptionKeyId: keys.encryptionKeyId })
    .from(keys)
    .where(
      and(
        eq(keys.connectionId, connectionId),
        eq(keys.state, state),
        keyId === undefined ? undefined : eq(keys.id, keyId),
      ),
    );
  if (key?.sealed == null || key.encryptionKeyId === null) return null;
  const adminKey = ring.open(
    { sealed: key.sealed, encryptionKeyId: key.encryptionKeyId },
    { connectionId, keyId: key.id },
  );
  return { keyId: key.id, adminKey };
}

/** Notes that Anthropic accepted a request with this key. */
export async function recordKeyUse(db: Db, connectionId: string, keyId: string): Promise<void> {
  await db
    .update(keys)
    .set({ lastUsedAt: sql`now()` })
    .where(and(eq(keys.connectionId, connectionId), eq(keys.id, keyId)))
    .prepare('key_used')
    .execute();
}

/** Whether a candidate waits that somebody asked to use. */
export async function hasRequestedCandidate(db: Db, connectionId: string): Promise<boolean> {
  const found = await db
    .select({ id: keys.id })
    .from(keys)
    .where(and(eq(keys.connectionId, connectionId), eq(keys.state, 'candidate'), isNotNull(keys.requestedAt)))
    .limit(1);
  return found.length > 0;
}

/** What became of a candidate that Anthropic accepted. */
export type Acceptance =
  | { readonly outcome: 'accepted' | 'gone' }
  | { readonly outcome: 'organization_mismatch' }
  | { readonly outcome: 'already_connected'; readonly connectionId: string };

/**
 * Makes a candidate the active key, in one transaction; the one it replaces is kept until a sync succeeds with the new
 * one. The first key of a connection brings its organization. Changes nothing where the organization is another one or
 * is connected already.
 */
export async function acceptKey(
  db: Db,
  key: { connectionId: string; keyId: string },
  organization: { id: string; name: string },
): Promise<Acceptance> {
  const { connectionId, keyId } = key;
  try {
    return await db.transaction(async (tx) => {
      const connection = await lockLive(tx, connectionId);
      if (connection === null) return { outcome: 'gone' };
      if (connection.organizationId !== null && connection.organizationId !== organization.id) {
        return { outcome: 'organization_mismatch' };
      }
      // What was wrong with the key before says nothing of this one, also while the connection is paused.
      const isMended = connection.failure !== null && isKeyFailure(connection.failure.code);
      const [candidate] = await tx
        .select({ hint: keys.hint })
        .from(keys)
        .where(and(eq(keys.connectionId, connectionId), eq(keys.id, keyId), eq(keys.state, 'candidate')));
      if (candidate === undefined) return { outcome: 'gone' };
      await tx
        .update(keys)
        .set({ state: 'superseded' })
        .where(and(eq(keys.connectionId, connectionId), eq(keys.state, 'active')));
      await tx
        .update(keys)
        .set({ ...activated(connectionId), failure: null, lastUsedAt: sql`now()` })
        .where(and(eq(keys.connectionId, connectionId), eq(keys.id, keyId)));
      await tx
        .update(connections)
        .set({
          organizationId: organization.id,
          organizationName: organization.name,
          ...(connection.organizationId === null || isMended ? NO_FAILURE : {}),
        })
        .where(eq(connections.id, connectionId));
      if (connection.organizationId === null) {
        const message = `Anthropic knows this organization as "${organization.name}" (${organization.id}).`;
        await addEvent(tx, connectionId, { type: 'organization', message });
      }
      await addEvent(tx, connectionId, { type: 'key_active', message: `Key …${candidate.hint} serves from now on.` });
      await destroyOvertaken(tx, connectionId, { keyId, hint: candidate.hint });
      return { outcome: 'accepted' };
    });
  } catch (error) {
    if (databaseFailure(error)?.constraint !== 'connections_one_live_per_organization') throw error;
    const [holder] = await db
      .select({ id: connections.id })
      .from(connections)
      .where(and(eq(connections.organizationId, organization.id), isNull(connections.endedAt)));
    // The holder may have ended between the two statements; the caller tries again then.
    if (holder === undefined) throw error;
    return { outcome: 'already_connected', connectionId: holder.id };
  }
}

/** Notes that a candidate got no answer. It stays one, and is tried again; the first time leaves an event. */
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
    // Once is enough to know; how often it was tried since is shown with the key.
    if (deferred?.tries !== 1) return;
    const message = `There is no verdict on key …${deferred.hint} yet; it is tried again on its own: ${FAILURES[failure.code].message}`;
    await addEvent(tx, key.connectionId, { type: 'key_unanswered', message });
  });
}

/**
 * The active key was rejected before its first success: the one it replaced serves again, and carries why until it is
 * replaced itself. Does nothing when the rejected key is not the active one any more, or nothing is there to go back to.
 */
export async function restoreKey(
  db: Db,
  connectionId: string,
  rejectedKeyId: string,
  code: FailureCode,
): Promise<void> {
  await db.transaction(async (tx) => {
    if ((await lockLive(tx, connectionId)) === null) return;
    const [previous] = await tx
      .select({ id: keys.id, hint: keys.hint })
      .from(keys)
      .where(and(eq(keys.connectionId, connectionId), eq(keys.state, 'superseded')))
      .orderBy(desc(keys.activatedNo))
      .limit(1);
    if (previous === undefined) return;
    const failure: Failure = { code, detail: 'It was rejected before its first success.' };
    const ended = await endKeys(tx, connectionId, { from: ['active'], which: eq(keys.id, rejectedKeyId) }, { failure });
    if (ended.length === 0) return;
    const message = `Key …${ended[0]?.hint ?? ''} was rejected before its first success; key …${previous.hint} serves again.`;
    await tx
      .update(keys)
      .set({ ...activated(connectionId), failure: { code, detail: message } })
      .where(and(eq(keys.connectionId, connectionId), eq(keys.id, previous.id)));
    await tx.update(connections).set(NO_FAILURE).where(eq(connections.id, connectionId));
    await addEvent(tx, connectionId, { type: 'key_restored', message });
  });
}

/** Candidates that somebody asked to use and that were not tried in the ten seconds since: nobody told the workflow. */
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

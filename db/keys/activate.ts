import { and, desc, eq, isNull, sql } from 'drizzle-orm';
import { isKeyFailure, type Failure, type FailureCode } from '../../domain/failures.ts';
import { addEvent } from '../connections/events.ts';
import { NO_FAILURE } from '../connections/failure.ts';
import { lockLive, type ConnectionState } from '../connections/live.ts';
import { connections } from '../connections/tables.ts';
import { databaseFailure, type Db } from '../core/database.ts';
import { withdrawNotice, writeNotice } from '../notices/outbox.ts';
import { notices } from '../notices/tables.ts';
import { destroyOvertaken, endKeys } from './ends.ts';
import { activated } from './steps.ts';
import { keys } from './tables.ts';

/** What became of a candidate that Anthropic accepts. */
export type Acceptance =
  | { readonly outcome: 'accepted' | 'gone' }
  | { readonly outcome: 'organization_mismatch' }
  | { readonly outcome: 'already_connected'; readonly connectionId: string };

interface Organization {
  readonly id: string;
  readonly name: string;
}

/**
 * Makes a candidate the active key, in one transaction. The key that it replaces stays until a sync succeeds with the new
 * one. The first key of a connection sets its organization. Changes nothing if the connection has another organization, or
 * another connection has this one.
 */
export async function acceptKey(
  db: Db,
  key: { connectionId: string; keyId: string },
  organization: Organization,
): Promise<Acceptance> {
  const { connectionId, keyId } = key;
  try {
    return await db.transaction(async (tx) => {
      const connection = await lockLive(tx, connectionId);
      if (connection === null) return { outcome: 'gone' };
      if (connection.organizationId !== null && connection.organizationId !== organization.id) {
        return { outcome: 'organization_mismatch' };
      }
      const hint = await activate(tx, connectionId, keyId);
      if (hint === null) return { outcome: 'gone' };
      await setOrganization(tx, connectionId, connection, organization);
      await addEvent(tx, connectionId, { type: 'key_active', message: `Key …${hint} serves from now on.` });
      await destroyOvertaken(tx, connectionId, { keyId, hint });
      if (connection.organizationId !== null)
        await tellRotation(tx, { id: connectionId, name: connection.name }, keyId, hint);
      return { outcome: 'accepted' };
    });
  } catch (error) {
    if (databaseFailure(error)?.constraint !== 'connections_one_live_per_organization') throw error;
    const holder = await liveConnectionOf(db, organization.id);
    // The other connection may have ended between the two statements. The caller tries again then.
    if (holder === null) throw error;
    return { outcome: 'already_connected', connectionId: holder };
  }
}

/** Makes a candidate the active key and supersedes the one before. Returns its hint, or null if it is no candidate. */
async function activate(tx: Db, connectionId: string, keyId: string): Promise<string | null> {
  const [candidate] = await tx
    .select({ hint: keys.hint })
    .from(keys)
    .where(and(eq(keys.connectionId, connectionId), eq(keys.id, keyId), eq(keys.state, 'candidate')));
  if (candidate === undefined) return null;
  await tx
    .update(keys)
    .set({ state: 'superseded' })
    .where(and(eq(keys.connectionId, connectionId), eq(keys.state, 'active')));
  await tx
    .update(keys)
    .set({ ...activated(connectionId), failure: null, lastUsedAt: sql`now()` })
    .where(and(eq(keys.connectionId, connectionId), eq(keys.id, keyId)));
  return candidate.hint;
}

async function setOrganization(
  tx: Db,
  connectionId: string,
  before: ConnectionState,
  { id, name }: Organization,
): Promise<void> {
  const isFirstKey = before.organizationId === null;
  // A failure of the key before says nothing about this one, even while the connection is paused.
  const isMended = before.failure !== null && isKeyFailure(before.failure.code);
  await tx
    .update(connections)
    .set({ organizationId: id, organizationName: name, ...(isFirstKey || isMended ? NO_FAILURE : {}) })
    .where(eq(connections.id, connectionId));
  if (!isFirstKey) return;
  const message = `Anthropic knows this organization as "${name}" (${id}).`;
  await addEvent(tx, connectionId, { type: 'organization', message });
}

/** The first key of a connection is no rotation. */
async function tellRotation(
  tx: Db,
  connection: { id: string; name: string },
  keyId: string,
  hint: string,
): Promise<void> {
  await writeNotice(tx, {
    kind: 'key_rotated',
    dedupeKey: rotationOf(connection.id, keyId),
    connectionId: connection.id,
    data: { connection, hint },
  });
}

/** What people were told of a key holds no more once the key before serves again. */
async function withdrawRotation(tx: Db, connectionId: string, keyId: string, reason: string): Promise<void> {
  const [told] = await tx
    .select({ id: notices.id })
    .from(notices)
    .where(eq(notices.dedupeKey, rotationOf(connectionId, keyId)));
  if (told !== undefined) await withdrawNotice(tx, told.id, reason);
}

/** The key of the notice that tells of a rotation. */
function rotationOf(connectionId: string, keyId: string): string {
  return `key_rotated:${connectionId}:${keyId}`;
}

async function liveConnectionOf(db: Db, organizationId: string): Promise<string | null> {
  const [holder] = await db
    .select({ id: connections.id })
    .from(connections)
    .where(and(eq(connections.organizationId, organizationId), isNull(connections.endedAt)));
  return holder?.id ?? null;
}

/**
 * Gives a connection back its superseded key, after Anthropic rejected the active one before its first success. The
 * restored key carries the reason until another key replaces it. Does nothing if the rejected key is not active any more,
 * or there is no superseded key.
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
    const which = eq(keys.id, rejectedKeyId);
    const [rejected] = await endKeys(tx, connectionId, { from: ['active'], which }, { failure });
    if (rejected === undefined) return;
    const message = `Key …${rejected.hint} was rejected before its first success; key …${previous.hint} serves again.`;
    await tx
      .update(keys)
      .set({ ...activated(connectionId), failure: { code, detail: message } })
      .where(and(eq(keys.connectionId, connectionId), eq(keys.id, previous.id)));
    await tx.update(connections).set(NO_FAILURE).where(eq(connections.id, connectionId));
    await addEvent(tx, connectionId, { type: 'key_restored', message });
    await withdrawRotation(tx, connectionId, rejectedKeyId, message);
  });
}

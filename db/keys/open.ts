import { and, eq, isNull, sql } from 'drizzle-orm';
import type { AdminKey, KeyState } from '../../domain/keys.ts';
import type { Db } from '../core/database.ts';
import type { KeyRing } from './key-ring.ts';
import { REQUESTED } from './steps.ts';
import { keys } from './tables.ts';

/** An opened key. It lives only inside the activity that uses it. */
export interface OpenedKey {
  readonly keyId: string;
  readonly adminKey: AdminKey;
}

/** Opens the active key; null if there is none. Throws KeyUnreadableError. */
export async function openActiveKey(db: Db, ring: KeyRing, connectionId: string): Promise<OpenedKey | null> {
  return openKey(db, ring, connectionId, 'active');
}

/** The id of the active key; null if there is none. */
export async function activeKeyId(db: Db, connectionId: string): Promise<string | null> {
  const [active] = await db
    .select({ id: keys.id })
    .from(keys)
    .where(and(eq(keys.connectionId, connectionId), eq(keys.state, 'active')));
  return active?.id ?? null;
}

/**
 * Opens a candidate to use it, and records the request if it is the first one; null if the key is no candidate any more.
 * Throws KeyUnreadableError.
 */
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

/** Records that Anthropic accepted a request with this key. */
export async function recordKeyUse(db: Db, connectionId: string, keyId: string): Promise<void> {
  await db
    .update(keys)
    .set({ lastUsedAt: sql`now()` })
    .where(and(eq(keys.connectionId, connectionId), eq(keys.id, keyId)))
    .prepare('key_used')
    .execute();
}

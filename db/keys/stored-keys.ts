import { and, asc, eq, isNotNull, ne, sql, type SQL } from 'drizzle-orm';
import type { AdminKey, KeyState } from '../../domain/keys.ts';
import { databaseFailure, type Db } from '../core/database.ts';
import { KeyUnreadableError, type KeyRing, type Sealed } from './key-ring.ts';
import { connections, keys } from '../core/schema.ts';

const BATCH = 200;
const LOCK_NOT_AVAILABLE = '55P03';

/** A stored key that still has a ciphertext, as it may be named to a person. */
export interface StoredKey {
  readonly connectionId: string;
  readonly connectionName: string;
  readonly keyId: string;
  readonly hint: string;
  readonly state: KeyState;
  readonly encryptionKeyId: string;
}

/** How many stored keys are sealed under a encryption key. */
export interface EncryptionKeyUse {
  readonly encryptionKeyId: string;
  readonly keys: number;
}

/** Which encryption keys the stored keys are sealed under, and which of those do not open. */
export interface StoredKeysCheck {
  readonly uses: readonly EncryptionKeyUse[];
  readonly unreadable: readonly StoredKey[];
}

/** Counts the stored keys by their encryption key, and tries each of them. Changes nothing. */
export async function checkStoredKeys(db: Db, ring: KeyRing): Promise<StoredKeysCheck> {
  const unreadable: StoredKey[] = [];
  for await (const { key, sealed } of storedKeys(db)) {
    if (open(ring, key, sealed) === null) unreadable.push(key);
  }
  return { uses: await countByEncryptionKey(db), unreadable };
}

const NAMED_AT_MOST = 20;

/** What a check of the stored keys comes to, in a sentence that says what to do, for the log and for the command. */
export function describeStoredKeysCheck(
  { uses, unreadable }: StoredKeysCheck,
  ring: KeyRing,
): { level: 'info' | 'error'; message: string } {
  const [first, ...others] = ring.ids;
  if (unreadable.length > 0) {
    const names = [...new Map(unreadable.map((key) => [key.connectionId, nameOf(key)])).values()];
    const more = names.length > NAMED_AT_MOST ? ` and ${names.length - NAMED_AT_MOST} more` : '';
    const message =
      `The present encryption keys do not open the stored keys of ${names.length} connection(s): ` +
      `${names.slice(0, NAMED_AT_MOST).join(', ')}${more}. Put the encryption keys that they were stored under ` +
      `(${quoted(unreadable.map(({ encryptionKeyId }) => encryptionKeyId))}) back into METERLINE_ENCRYPTION_KEYS and restart, or send ` +
      'each of them a new Admin key (POST /v1/connections/{id}/rotate-key). All others go on.';
    return { level: 'error', message };
  }
  const behind = uses.filter(({ encryptionKeyId }) => encryptionKeyId !== first);
  if (behind.length > 0) {
    const count = behind.reduce((sum, { keys: some }) => sum + some, 0);
    const where = quoted(behind.map(({ encryptionKeyId }) => encryptionKeyId));
    const message = `Every stored key opens; ${count} of them under ${where}, which "npm run keys -- rewrap" seals under "${first}".`;
    return { level: 'info', message };
  }
  if (others.length === 0) return { level: 'info', message: 'Every stored key opens.' };
  const message = `Every stored key opens, under "${first}": drop ${quoted(others)} from METERLINE_ENCRYPTION_KEYS.`;
  return { level: 'info', message };
}

/** A key as people find it: by its connection. */
export function nameOf({ connectionId, connectionName }: StoredKey): string {
  return `"${connectionName}" (${connectionId})`;
}

function quoted(ids: readonly string[]): string {
  return [...new Set(ids)].map((id) => `"${id}"`).join(', ');
}

/**
 * Seals every stored key anew under the first key of the ring, one by one, so that it may be cut off anywhere and run
 * again, and holds up nobody. A key that is destroyed meanwhile stays so. What does not open is passed by. `onProgress`
 * is told how many are done. Returns what is left under another encryption key, as Postgres says afterwards.
 */
export async function rewrapStoredKeys(
  db: Db,
  ring: KeyRing,
  onProgress: (done: number) => void = () => undefined,
): Promise<{ rewrapped: number; left: StoredKey[] }> {
  const isElsewhere = ne(keys.encryptionKeyId, ring.ids[0]);
  let rewrapped = 0;
  // Again until a round finds nothing to do: keys may be stored behind it by a process that has not the new ring yet.
  for (let before = -1; before < rewrapped;) {
    before = rewrapped;
    for await (const stored of storedKeys(db, isElsewhere)) {
      if (!(await rewrap(db, ring, stored))) continue;
      rewrapped += 1;
      if (rewrapped % BATCH === 0) onProgress(rewrapped);
    }
  }
  const left: StoredKey[] = [];
  for await (const { key } of storedKeys(db, isElsewhere)) left.push(key);
  return { rewrapped, left };
}

/**
 * Whether a key is sealed anew. One that does not open, whose row is locked for longer than `lock_timeout` (a disconnect
 * with purge may hold it), or that was changed since it was read is passed by, so that it holds up no other. Nothing is
 * taken for done by that: {@link rewrapStoredKeys} asks Postgres for what is left, and the command then fails and names it.
 */
async function rewrap(db: Db, ring: KeyRing, { key, sealed }: Stored): Promise<boolean> {
  const adminKey = open(ring, key, sealed);
  if (adminKey === null) return false;
  try {
    const replaced = await db
      .update(keys)
      .set(ring.seal(adminKey, key))
      .where(
        and(
          eq(keys.connectionId, key.connectionId),
          eq(keys.id, key.keyId),
          // Whoever destroyed or sealed it since it was read is right.
          eq(keys.sealed, sealed),
          eq(keys.encryptionKeyId, key.encryptionKeyId),
        ),
      )
      .returning({ id: keys.id });
    return replaced.length > 0;
  } catch (error) {
    if (databaseFailure(error)?.code === LOCK_NOT_AVAILABLE) return false;
    throw error;
  }
}

function open(ring: KeyRing, key: StoredKey, sealed: Sealed['sealed']): AdminKey | null {
  try {
    return ring.open({ sealed, encryptionKeyId: key.encryptionKeyId }, key);
  } catch (error) {
    if (error instanceof KeyUnreadableError) return null;
    throw error;
  }
}

async function countByEncryptionKey(db: Db): Promise<EncryptionKeyUse[]> {
  const found = await db
    .select({ encryptionKeyId: keys.encryptionKeyId, keys: sql<number>`count(*)::int` })
    .from(keys)
    .where(isNotNull(keys.sealed))
    .groupBy(keys.encryptionKeyId)
    .orderBy(keys.encryptionKeyId);
  return found.flatMap(({ encryptionKeyId, keys: count }) =>
    encryptionKeyId === null ? [] : [{ encryptionKeyId, keys: count }],
  );
}

interface Stored {
  readonly key: StoredKey;
  readonly sealed: Buffer;
}

/** In batches, so that memory does not grow with their number, and no transaction lasts for long. */
async function* storedKeys(db: Db, which?: SQL): AsyncGenerator<Stored> {
  let after: SQL | undefined;
  for (;;) {
    const batch = await db
      .select({
        connectionId: keys.connectionId,
        connectionName: connections.name,
        keyId: keys.id,
        hint: keys.hint,
        state: keys.state,
        encryptionKeyId: keys.encryptionKeyId,
        sealed: keys.sealed,
      })
      .from(keys)
      .innerJoin(connections, eq(connections.id, keys.connectionId))
      .where(and(isNotNull(keys.sealed), which, after))
      .orderBy(asc(keys.connectionId), asc(keys.id))
      .limit(BATCH);
    for (const { sealed, encryptionKeyId, ...key } of batch) {
      if (sealed !== null && encryptionKeyId !== null) yield { key: { ...key, encryptionKeyId }, sealed };
    }
    const last = batch.at(-1);
    if (last === undefined || batch.length < BATCH) return;
    after = sql`(${keys.connectionId}, ${keys.id}) > (${last.connectionId}, ${last.keyId})`;
  }
}

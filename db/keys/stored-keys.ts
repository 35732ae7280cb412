import { and, asc, eq, isNotNull, ne, sql, type SQL } from 'drizzle-orm';
import { z } from 'zod';
import type { AdminKey, KeyState } from '../../domain/keys.ts';
import { databaseFailure, rows, type Db } from '../core/database.ts';
import { sealedChannels, storedChannels, type StoredChannel } from '../notices/stored-channels.ts';
import { connections, keys } from '../schema.ts';
import { KeyUnreadableError, type KeyRing, type Sealed } from './key-ring.ts';

const BATCH = 200;
const LOCK_NOT_AVAILABLE = '55P03';

/** A stored key that still has a ciphertext, without the ciphertext. */
export interface StoredKey {
  readonly connectionId: string;
  readonly connectionName: string;
  readonly keyId: string;
  readonly hint: string;
  readonly state: KeyState;
  readonly encryptionKeyId: string;
}

/** How many stored keys and secrets of channels are sealed under an encryption key. */
export interface EncryptionKeyUse {
  readonly encryptionKeyId: string;
  readonly keys: number;
}

/** Which encryption keys the stored keys and the secrets of channels are sealed under, and which of them do not open. */
export interface StoredKeysCheck {
  readonly uses: readonly EncryptionKeyUse[];
  readonly unreadable: readonly StoredKey[];
  readonly unreadableChannels: readonly StoredChannel[];
}

/** Counts what is sealed under each encryption key, and tries to open each key and secret. Changes nothing. */
export async function checkStoredKeys(db: Db, ring: KeyRing): Promise<StoredKeysCheck> {
  const unreadable: StoredKey[] = [];
  for await (const { key, sealed } of storedKeys(db)) {
    if (open(ring, key, sealed) === null) unreadable.push(key);
  }
  const unreadableChannels: StoredChannel[] = [];
  for (const channel of await storedChannels(db)) if (!channel.opens(ring)) unreadableChannels.push(channel);
  return { uses: await countByEncryptionKey(db), unreadable, unreadableChannels };
}

const NAMED_AT_MOST = 20;

/** The result of a check as sentences that say what to do, for the log and for the command. */
export function describeStoredKeysCheck(
  { uses, unreadable, unreadableChannels }: StoredKeysCheck,
  ring: KeyRing,
): { level: 'info' | 'error'; message: string } {
  const [first, ...others] = ring.ids;
  if (unreadable.length === 0 && unreadableChannels.length > 0) {
    const names = unreadableChannels.slice(0, NAMED_AT_MOST).map(({ name }) => `"${name}"`);
    const message =
      `The present encryption keys do not open the secrets of ${unreadableChannels.length} channel(s): ${names.join(', ')}. ` +
      `Put the encryption keys that they were stored under (${quoted(unreadableChannels.map(({ encryptionKeyId }) => encryptionKeyId))}) ` +
      'back into METERLINE_ENCRYPTION_KEYS and restart, or give each channel its target again (PATCH /v1/channels/{id}).';
    return { level: 'error', message };
  }
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

/** Names a key to people by its connection. */
export function nameOf({ connectionId, connectionName }: StoredKey): string {
  return `"${connectionName}" (${connectionId})`;
}

function quoted(ids: readonly string[]): string {
  return [...new Set(ids)].map((id) => `"${id}"`).join(', ');
}

/**
 * Seals every stored key anew under the first encryption key, one by one. It blocks nobody, and can be
 * interrupted and run again at any time. Skips a key that does not open, and leaves a destroyed key destroyed. Calls `onProgress` with
 * the number of keys so far. Returns the keys that are still under another encryption key.
 */
export async function rewrapStoredKeys(
  db: Db,
  ring: KeyRing,
  onProgress: (done: number) => void = () => undefined,
): Promise<{ rewrapped: number; left: StoredKey[] }> {
  const isElsewhere = ne(keys.encryptionKeyId, ring.ids[0]);
  let rewrapped = 0;
  // A process that still has the old key ring may store keys during a round, so the rounds go on until one finds none.
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
 * Seals a key anew; false if it was skipped. Skips a key that does not open or that somebody changed since it was read. Also
 * skips a key whose row stays locked for longer than `lock_timeout`, as a disconnect with purge may hold it for minutes.
 * {@link rewrapStoredKeys} returns the keys that are left, and the command then names them and fails.
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
          // Somebody may have destroyed or sealed it since it was read.
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
  return rows(
    db,
    z.object({ encryptionKeyId: z.string(), keys: z.int() }),
    sql`
      select encryption_key_id as "encryptionKeyId", count(*)::int as keys
      from (
        select encryption_key_id from keys where sealed is not null
        union all select encryption_key_id from channels where ${sealedChannels()}
      ) stored
      group by 1 order by 1
    `,
  );
}

interface Stored {
  readonly key: StoredKey;
  readonly sealed: Buffer;
}

/** Reads in batches, so that memory does not grow with the number of keys and no transaction lasts long. */
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

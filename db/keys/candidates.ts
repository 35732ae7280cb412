import { randomUUID } from 'node:crypto';
import type { AdminKey, KeyState } from '../../domain/keys.ts';
import { lockLive } from '../connections/live.ts';
import type { Db } from '../core/database.ts';
import type { KeyRing } from './key-ring.ts';
import { addCandidate } from './keys.ts';

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

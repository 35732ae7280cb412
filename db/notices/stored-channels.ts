import { and, eq, isNotNull, ne, sql, type SQL } from 'drizzle-orm';
import type { Db } from '../core/database.ts';
import { SecretUnreadableError, type KeyRing, type Sealed } from '../keys/key-ring.ts';
import { channels } from './tables.ts';

/** A channel with a secret, without the secret. */
export interface StoredChannel {
  readonly channelId: string;
  readonly name: string;
  readonly encryptionKeyId: string;
  /** Whether the secret opens with these encryption keys. */
  readonly opens: (ring: KeyRing) => boolean;
}

/** The condition of the channels that have a secret, for a statement on `channels`. */
export function sealedChannels(): SQL {
  return sql`sealed is not null`;
}

/** Every channel with a secret. There are few. */
export async function storedChannels(db: Db): Promise<StoredChannel[]> {
  return (await sealedSecrets(db)).map(({ channel }) => channel);
}

/** Seals the secret of every channel anew under the first encryption key. Returns those that are still under another one. */
export async function rewrapChannels(db: Db, ring: KeyRing): Promise<{ rewrapped: number; left: StoredChannel[] }> {
  const isElsewhere = ne(channels.encryptionKeyId, ring.ids[0]);
  let rewrapped = 0;
  for (const { channel, sealed } of await sealedSecrets(db, isElsewhere)) {
    const secret = open(ring, channel.channelId, sealed);
    if (secret === null) continue;
    const replaced = await db
      .update(channels)
      .set(ring.sealSecret(secret, channel.channelId))
      // Somebody may have deleted the channel or given it another secret since it was read.
      .where(and(eq(channels.id, channel.channelId), eq(channels.sealed, sealed.sealed)))
      .returning({ id: channels.id });
    rewrapped += replaced.length;
  }
  const left = (await sealedSecrets(db, isElsewhere)).map(({ channel }) => channel);
  return { rewrapped, left };
}

async function sealedSecrets(db: Db, which?: SQL): Promise<{ channel: StoredChannel; sealed: Sealed }[]> {
  const found = await db
    .select({
      channelId: channels.id,
      name: channels.name,
      sealed: channels.sealed,
      encryptionKeyId: channels.encryptionKeyId,
    })
    .from(channels)
    .where(and(isNotNull(channels.sealed), which))
    .orderBy(channels.no);
  return found.flatMap(({ channelId, name, sealed: blob, encryptionKeyId }) => {
    if (blob === null || encryptionKeyId === null) return [];
    const sealed = { sealed: blob, encryptionKeyId };
    const opens = (ring: KeyRing): boolean => open(ring, channelId, sealed) !== null;
    return [{ channel: { channelId, name, encryptionKeyId, opens }, sealed }];
  });
}

function open(ring: KeyRing, channelId: string, sealed: Sealed): string | null {
  try {
    return ring.openSecret(sealed, channelId);
  } catch (error) {
    if (error instanceof SecretUnreadableError) return null;
    throw error;
  }
}

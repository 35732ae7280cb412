import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto';
import { AdminKey } from '../../domain/keys.ts';

const VERSION = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEY_BYTES = 32;
const BOX_OVERHEAD = NONCE_BYTES + TAG_BYTES;

/** A stored key cannot be opened: its encryption key is gone, or somebody changed its row or copied it from elsewhere. */
export class KeyUnreadableError extends Error {
  override readonly name = 'KeyUnreadableError';
  constructor(readonly keyId: string) {
    super('The stored key cannot be opened with the present encryption keys');
  }
}

/** The secret of a channel cannot be opened, for one of the same reasons. */
export class SecretUnreadableError extends Error {
  override readonly name = 'SecretUnreadableError';
  constructor(readonly channelId: string) {
    super('The secret of the channel cannot be opened with the present encryption keys');
  }
}

/** The row that a sealed key belongs to. It opens nowhere else. */
export interface SealedPlace {
  readonly connectionId: string;
  readonly keyId: string;
}

/** A sealed key, and the id of the encryption key that its data key is wrapped under. */
export interface Sealed {
  readonly sealed: Buffer;
  readonly encryptionKeyId: string;
}

/** Seals and opens Admin API keys, and the secrets of channels. */
export interface KeyRing {
  /** The ids of the encryption keys. The first one seals. */
  readonly ids: readonly [first: string, ...others: string[]];
  seal(adminKey: AdminKey, place: SealedPlace): Sealed;
  /** Throws {@link KeyUnreadableError}. */
  open(sealed: Sealed, place: SealedPlace): AdminKey;
  /** Seals a secret of a channel. It opens for this channel only. */
  sealSecret(secret: string, channelId: string): Sealed;
  /** Throws {@link SecretUnreadableError}. */
  openSecret(sealed: Sealed, channelId: string): string;
  /**
   * Tags by which a secret text is known again: HMAC-SHA256, one for each encryption key, the first one's first. Unlike a
   * hash, a tag does not help whoever lacks the encryption keys to guess the text.
   */
  tags(text: string): readonly [first: Buffer, ...others: Buffer[]];
}

/**
 * Makes a key ring of encryption keys of 32 bytes each. The first one seals, all of them open.
 *
 * A blob is `version(1) | box(data key under the encryption key) | box(secret under the data key)`, a box is
 * `nonce(12) | tag(16) | ciphertext`, all AES-256-GCM. The table, the row (connection and key, or channel) and the encryption
 * key are its associated data, so that a row copied to another place does not open.
 */
export function createKeyRing(keys: readonly EncryptionKey[]): KeyRing {
  const [first, ...others] = keys;
  if (first === undefined)
    throw new Error('A key ring needs at least one encryption key: set METERLINE_ENCRYPTION_KEYS');
  if (keys.some(({ key }) => key.length !== KEY_BYTES)) throw new Error('Each encryption key must be 32 bytes long');
  return {
    ids: [first.id, ...others.map(({ id }) => id)],
    seal: (adminKey, { connectionId, keyId }) => seal(first, adminKey.reveal(), ['keys', connectionId, keyId]),
    open(sealed, { connectionId, keyId }) {
      const text = open(keys, sealed, ['keys', connectionId, keyId]);
      const parsed = text === null ? null : AdminKey.parse(text);
      if (parsed?.ok !== true) throw new KeyUnreadableError(keyId);
      return parsed.key;
    },
    sealSecret: (secret, channelId) => seal(first, secret, ['channels', channelId]),
    openSecret(sealed, channelId) {
      const text = open(keys, sealed, ['channels', channelId]);
      if (text === null) throw new SecretUnreadableError(channelId);
      return text;
    },
    tags: (text) => [tag(first.key, text), ...others.map(({ key }) => tag(key, text))],
  };
}

function tag(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key)
    .update(JSON.stringify(['meterline', 'tag', text]))
    .digest();
}

interface EncryptionKey {
  readonly id: string;
  readonly key: Buffer;
}

/** `place` is the table, and what names the row in it. */
function seal({ id, key }: EncryptionKey, text: string, place: readonly string[]): Sealed {
  const aad = associatedData(place, id);
  const dataKey = randomBytes(KEY_BYTES);
  const sealed = Buffer.concat([Buffer.of(VERSION), box(key, dataKey, aad), box(dataKey, Buffer.from(text), aad)]);
  return { sealed, encryptionKeyId: id };
}

/** Null if the text does not open here. */
function open(
  keys: readonly EncryptionKey[],
  { sealed, encryptionKeyId }: Sealed,
  place: readonly string[],
): string | null {
  const encryptionKey = keys.find(({ id }) => id === encryptionKeyId);
  if (encryptionKey === undefined || sealed[0] !== VERSION) return null;
  const aad = associatedData(place, encryptionKeyId);
  const split = 1 + BOX_OVERHEAD + KEY_BYTES;
  try {
    const dataKey = unbox(encryptionKey.key, sealed.subarray(1, split), aad);
    return unbox(dataKey, sealed.subarray(split), aad).toString();
  } catch {
    return null;
  }
}

function associatedData(place: readonly string[], encryptionKeyId: string): Buffer {
  return Buffer.from(JSON.stringify(['meterline', ...place, encryptionKeyId]));
}

function box(key: Buffer, plain: Buffer, aad: Buffer): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(aad);
  const ciphertext = Buffer.concat([cipher.update(plain), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), ciphertext]);
}

function unbox(key: Buffer, sealed: Buffer, aad: Buffer): Buffer {
  const nonce = sealed.subarray(0, NONCE_BYTES);
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES }).setAAD(aad);
  decipher.setAuthTag(sealed.subarray(NONCE_BYTES, BOX_OVERHEAD));
  return Buffer.concat([decipher.update(sealed.subarray(BOX_OVERHEAD)), decipher.final()]);
}

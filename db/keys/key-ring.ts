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

/** Seals and opens Admin API keys. */
export interface KeyRing {
  /** The ids of the encryption keys. The first one seals. */
  readonly ids: readonly [first: string, ...others: string[]];
  seal(adminKey: AdminKey, place: SealedPlace): Sealed;
  /** Throws {@link KeyUnreadableError}. */
  open(sealed: Sealed, place: SealedPlace): AdminKey;
  /**
   * Tags by which a secret text is known again: HMAC-SHA256, one for each encryption key, the first one's first. Unlike a
   * hash, a tag does not help whoever lacks the encryption keys to guess the text.
   */
  tags(text: string): readonly [first: Buffer, ...others: Buffer[]];
}

/**
 * Makes a key ring of encryption keys of 32 bytes each. The first one seals, all of them open.
 *
 * A blob is `version(1) | box(data key under the encryption key) | box(Admin key under the data key)`, a box is
 * `nonce(12) | tag(16) | ciphertext`, all AES-256-GCM. Table, connection, key and encryption key are its associated data, so
 * that a row copied to another place does not open.
 */
export function createKeyRing(keys: readonly { id: string; key: Buffer }[]): KeyRing {
  const [first, ...others] = keys;
  if (first === undefined)
    throw new Error('A key ring needs at least one encryption key: set METERLINE_ENCRYPTION_KEYS');
  if (keys.some(({ key }) => key.length !== KEY_BYTES)) throw new Error('Each encryption key must be 32 bytes long');
  return {
    ids: [first.id, ...others.map(({ id }) => id)],
    seal(adminKey, place) {
      const aad = associatedData(place, first.id);
      const dataKey = randomBytes(KEY_BYTES);
      const sealed = Buffer.concat([
        Buffer.of(VERSION),
        box(first.key, dataKey, aad),
        box(dataKey, Buffer.from(adminKey.reveal()), aad),
      ]);
      return { sealed, encryptionKeyId: first.id };
    },
    open({ sealed, encryptionKeyId }, place) {
      const encryptionKey = keys.find(({ id }) => id === encryptionKeyId);
      if (encryptionKey === undefined || sealed[0] !== VERSION) throw new KeyUnreadableError(place.keyId);
      const aad = associatedData(place, encryptionKeyId);
      const split = 1 + BOX_OVERHEAD + KEY_BYTES;
      let text: string;
      try {
        const dataKey = unbox(encryptionKey.key, sealed.subarray(1, split), aad);
        text = unbox(dataKey, sealed.subarray(split), aad).toString();
      } catch {
        throw new KeyUnreadableError(place.keyId);
      }
      const parsed = AdminKey.parse(text);
      if (!parsed.ok) throw new KeyUnreadableError(place.keyId);
      return parsed.key;
    },
    tags: (text) => [tag(first.key, text), ...others.map(({ key }) => tag(key, text))],
  };
}

function tag(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key)
    .update(JSON.stringify(['meterline', 'tag', text]))
    .digest();
}

function associatedData({ connectionId, keyId }: SealedPlace, encryptionKeyId: string): Buffer {
  return Buffer.from(JSON.stringify(['meterline', 'keys', connectionId, keyId, encryptionKeyId]));
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

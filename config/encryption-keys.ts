import { z } from 'zod';

/** A key that encrypts the data keys of stored Admin API keys. */
export interface EncryptionKey {
  readonly id: string;
  /** 32 bytes. */
  readonly key: Buffer;
}

const ENTRY = /^([A-Za-z0-9_.-]{1,32}):([A-Za-z0-9+/]+={0,2})$/;
const KEY_BYTES = 32;
const LEAST_DISTINCT_BYTES = 16;

/** `METERLINE_ENCRYPTION_KEYS`: `id:base64`, several with commas between; the first encrypts, all decrypt. */
export const encryptionKeys = z.string().transform((text, context): readonly EncryptionKey[] => {
  const keys = text.split(',').map((entry) => {
    const [, id = '', base64 = ''] = ENTRY.exec(entry.trim()) ?? [];
    return { id, key: Buffer.from(base64, 'base64') };
  });
  const problem = problemWith(keys);
  if (problem === null) return keys;
  context.addIssue(problem);
  return z.NEVER;
});

function problemWith(keys: readonly EncryptionKey[]): string | null {
  if (keys.some(({ id }) => id === '')) return 'must be id:base64, or several of these with commas between';
  if (keys.some(({ key }) => key.length !== KEY_BYTES)) return `must have ${KEY_BYTES} bytes in base64 in each key`;
  if (keys.some(({ key }) => isGuessable(key))) return 'must have random keys, as "npm run keys -- new" makes them';
  if (new Set(keys.map(({ id }) => id)).size < keys.length) return 'must not have the same id twice';
  return null;
}

/**
 * Whether somebody typed this key or copied it from an example. Fewer than one in ten thousand million random keys has
 * fewer than 16 different bytes, printable bytes only, or bytes at one constant distance.
 */
function isGuessable(key: Buffer): boolean {
  const steps = [...key.subarray(1)].map((byte, index) => (byte - (key[index] ?? 0)) & 0xff);
  return (
    new Set(key).size < LEAST_DISTINCT_BYTES ||
    new Set(steps).size === 1 ||
    key.every((byte) => byte >= 0x20 && byte <= 0x7e)
  );
}

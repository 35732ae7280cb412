import { randomBytes, randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createKeyRing, type Sealed } from '../../db/keys/key-ring.ts';
import { ADMIN_KEY_TEXTS, adminKey } from '../support/admin-key.ts';
import { SECRET } from './support.ts';

const KEY = adminKey(SECRET);
const key = randomBytes(32);
const ring = createKeyRing([{ id: 'now', key }]);
const place = { connectionId: randomUUID(), keyId: randomUUID() };

/** That this opens nothing, and says so without the secret. */
function opensNot(sealed: Sealed, where = place, opener = ring): void {
  expect(() => opener.open(sealed, where)).toThrow(
    expect.objectContaining({
      name: 'KeyUnreadableError',
      keyId: where.keyId,
      message: expect.not.stringContaining('sk-ant') as unknown,
    }),
  );
}

describe('a sealed key', () => {
  it('opens to the sealed text, in its own row', () => {
    fc.assert(
      fc.property(ADMIN_KEY_TEXTS, fc.uuid(), fc.uuid(), (text, connectionId, keyId) => {
        const here = { connectionId, keyId };
        expect(ring.open(ring.seal(adminKey(text), here), here).reveal()).toBe(text);
      }),
    );
  });

  it('opens in no other place', () => {
    const sealed = ring.seal(KEY, place);
    opensNot(sealed, { ...place, connectionId: randomUUID() });
    opensNot(sealed, { ...place, keyId: randomUUID() });
    opensNot(sealed, { connectionId: place.keyId, keyId: place.connectionId });
    expect(ring.open(sealed, place).reveal()).toBe(SECRET);
  });

  it('does not open after any byte was changed, removed or added', () => {
    const { sealed, encryptionKeyId } = ring.seal(KEY, place);
    for (let index = 0; index < sealed.length; index += 1) {
      const tampered = Buffer.from(sealed);
      tampered.writeUInt8(sealed.readUInt8(index) ^ 1, index);
      opensNot({ sealed: tampered, encryptionKeyId });
    }
    for (let length = 0; length < sealed.length; length += 1)
      opensNot({ sealed: sealed.subarray(0, length), encryptionKeyId });
    opensNot({ sealed: Buffer.concat([sealed, Buffer.of(0)]), encryptionKeyId });
  });

  it('opens under no other ring, and under no other name of the same encryption key', () => {
    const sealed = ring.seal(KEY, place);
    opensNot(sealed, place, createKeyRing([{ id: 'now', key: randomBytes(32) }]));
    opensNot(sealed, place, createKeyRing([{ id: 'other', key }]));
    opensNot(
      { ...sealed, encryptionKeyId: 'other' },
      place,
      createKeyRing([
        { id: 'now', key },
        { id: 'other', key },
      ]),
    );
  });

  it('is never the same twice, and does not hold the secret', () => {
    const [one, two] = [ring.seal(KEY, place), ring.seal(KEY, place)];
    expect(one.sealed.equals(two.sealed)).toBe(false);
    expect(one.sealed.includes(Buffer.from(SECRET.slice(0, 8)))).toBe(false);
    expect(one.sealed.includes(key)).toBe(false);
  });
});

describe('a ring of several keys', () => {
  it('seals with its first and opens with all', () => {
    const next = createKeyRing([
      { id: 'next', key: randomBytes(32) },
      { id: 'now', key },
    ]);
    expect(next.open(ring.seal(KEY, place), place).reveal()).toBe(SECRET);
    const sealed = next.seal(KEY, place);
    expect(sealed.encryptionKeyId).toBe('next');
    opensNot(sealed);
  });

  it('needs at least one, and each of 32 bytes', () => {
    expect(() => createKeyRing([])).toThrow('METERLINE_ENCRYPTION_KEYS');
    for (const bytes of [0, 16, 31, 33]) {
      expect(() =>
        createKeyRing([
          { id: 'a', key: Buffer.alloc(32) },
          { id: 'b', key: Buffer.alloc(bytes) },
        ]),
      ).toThrow('32 bytes');
    }
  });
});

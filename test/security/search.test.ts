import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { SPELLING_NAMES, SHORTEST, Search, adminKey, secret, textsOf } from './search.ts';
import { spelled } from './spelled.ts';

const KEY = `sk-ant-admin01-${randomBytes(60).toString('base64url')}`;
const search = new Search([adminKey('the key', KEY), secret('bytes', randomBytes(32))]);
const noise = (length: number): Buffer => randomBytes(length);

describe('the search for secrets', () => {
  it.each(SPELLING_NAMES)('finds a key wherever it stands: %s', (spelling) => {
    for (let before = 0; before < 40; before += 1) {
      for (const written of spelled(spelling, KEY)) {
        const found = search.in('here', Buffer.concat([noise(before), written, noise(7)]));
        expect(found.map(({ secret: name, place }) => [name, place])).toContainEqual(['the key', 'here']);
      }
    }
  });

  it('finds a part of a key, wherever that part begins', () => {
    const hidden = KEY.slice('sk-ant-admin01-'.length, -4);
    for (let from = 0; from + SHORTEST <= hidden.length; from += 1) {
      const part = hidden.slice(from, from + SHORTEST);
      for (let before = 0; before < 9; before += 1) {
        expect(search.in('', `${'.'.repeat(before)}${part}.`)).toMatchObject([{ at: before, bytes: SHORTEST }]);
      }
    }
  });

  it('does not report the prefix of all keys, a hint or random text', () => {
    expect(search.in('', `sk-ant-admin01-…${KEY.slice(-4)} ${KEY.slice(-4 - SHORTEST + 1)}`)).toEqual([]);
    expect(search.in('', `${KEY.slice(0, 'sk-ant-admin01-'.length + SHORTEST - 1)}.`)).toEqual([]);
    expect(search.in('', noise(4_000_000))).toEqual([]);
  });

  it('searches every text and all bytes of a value', () => {
    const value = { a: [{ b: Buffer.from(KEY) }, new Map([['c', new Map([[KEY, 1]])]])], long: 7n };
    expect(textsOf(value).toString().split(KEY)).toHaveLength(3);
  });
});

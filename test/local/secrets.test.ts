import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { isWholeToken, mintToken } from '../../db/tokens/secret.ts';
import { readOrMakeSecret } from '../../local/secrets.ts';
import { temporaryFolder } from './fakes.ts';

describe('a secret of the embedded stack', () => {
  test('is made once, and only its owner can read it', () => {
    const path = join(temporaryFolder(), 'secret');
    const first = readOrMakeSecret(path, () => 'one');
    const second = readOrMakeSecret(path, () => 'two');
    expect(first).toEqual({ value: 'one', isNew: true });
    expect(second).toEqual({ value: 'one', isNew: false });
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test('that is the API token has the prefix and the checksum of every token', () => {
    const { value } = readOrMakeSecret(join(temporaryFolder(), 'api-token'), mintToken);
    expect(value).toMatch(/^meterline_/);
    expect(isWholeToken(value)).toBe(true);
    expect(isWholeToken(`${value.slice(0, -1)}!`)).toBe(false);
    expect(mintToken()).not.toBe(value);
  });

  test('that is empty is an error, and is not replaced', () => {
    const path = join(temporaryFolder(), 'secret');
    writeFileSync(path, '\n');
    expect(() => readOrMakeSecret(path, () => 'new')).toThrow('is empty');
  });
});

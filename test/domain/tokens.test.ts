import { describe, expect, it } from 'vitest';
import { TOKEN_NAME_PATTERN, problemWithTokenName } from '../../domain/tokens.ts';

describe('the name of a token', () => {
  it('contains no invisible character: no control or format character of Unicode', () => {
    const pattern = new RegExp(TOKEN_NAME_PATTERN, 'u');
    const hidden = Array.from({ length: 0x110000 }, (_, code) => code)
      .filter((code) => code < 0xd800 || code > 0xdfff)
      .map((code) => String.fromCodePoint(code))
      .filter((character) => /[\p{Cc}\p{Cf}]/u.test(character));
    expect(hidden.length).toBeGreaterThan(200);
    const taken = hidden.filter((one) => problemWithTokenName(`a${one}b`) === null || pattern.test(`a${one}b`));
    expect(taken).toEqual([]);
  });

  it.each(['grafana', 'Ada Lovelace', 'café', '数据', '😀'.repeat(100), "it's #1 (prod)", 'commander'])(
    'may be %s',
    (name) => {
      expect(problemWithTokenName(name)).toBeNull();
    },
  );

  it.each([
    '',
    ' a',
    'a ',
    '\u00a0a',
    'x'.repeat(101),
    '😀'.repeat(101),
    'command',
    'Bootstrap',
    'METERLINE',
    '\ud800',
  ])('is not %j', (name) => {
    expect(problemWithTokenName(name)).toMatch(/^must/);
  });
});

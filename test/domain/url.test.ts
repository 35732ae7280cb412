import { describe, expect, it } from 'vitest';
import { problemWithUrl } from '../../domain/notices/targets.ts';
import { ALLOW_NOTHING } from '../../domain/notices/allow-list.ts';
import { parseUrl } from '../../domain/url.ts';

/** Enough for V8 to compile what is called, after which Node's own test of an address answers otherwise. */
const OFTEN = 20_000;

describe('an address', () => {
  it('is read alike however often a process has read one', () => {
    const hosts = new Set<string | undefined>();
    const problems = new Set<string | null>();
    for (let call = 0; call < OFTEN; call += 1) {
      hosts.add(parseUrl('https://münchen.example/x')?.host);
      problems.add(problemWithUrl('https://münchen.example/x', ALLOW_NOTHING));
    }
    expect([...hosts]).toEqual(['xn--mnchen-3ya.example']);
    expect([...problems]).toEqual([null]);
  });

  it('may be relative to another, and is null if it is none', () => {
    expect(parseUrl('/x?y', 'https://a.example/z')?.href).toBe('https://a.example/x?y');
    expect(['', 'a.example', 'https://', 'https://a b/', '/x'].map((text) => parseUrl(text))).toEqual(
      Array.from({ length: 5 }, () => null),
    );
  });
});

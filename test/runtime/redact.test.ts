import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { redact } from '../../runtime/redact.ts';

const PART = 12;
const CHARACTERS = Array.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.~+/=:|-');
const ofKey = (lengths: { minLength: number; maxLength: number }): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(...CHARACTERS), ...lengths });
/** Keys of few different characters too: their parts repeat and overlap. */
const key = fc.oneof(
  ofKey({ minLength: 24, maxLength: 256 }),
  fc.string({ unit: fc.constantFrom('a', 'b', '-'), minLength: 24, maxLength: 60 }),
);
const filler = fc.oneof(fc.constantFrom('', ' ', '"', 'key: ', 'sk-ant-', '\n'), fc.string({ unit: 'binary' }));

function partsOf(secret: string): string[] {
  return Array.from({ length: secret.length - PART + 1 }, (_, at) => secret.slice(at, at + PART));
}

/** A key, and a text in which parts of it stand between other texts. */
const quoted = key.chain((secret) =>
  fc.record({
    secret: fc.constant(secret),
    text: fc
      .array(
        fc.tuple(filler, fc.nat(secret.length), fc.nat(secret.length)).map(([other, from, to]) => {
          return other + secret.slice(from, to) + (from > to ? secret : '');
        }),
        { maxLength: 8 },
      )
      .map((pieces) => pieces.join('')),
  }),
);

describe('a redacted text', () => {
  it('holds no part of 12 characters of a known key, wherever the text quotes the key, cut or repeated', () => {
    fc.assert(
      fc.property(quoted, ({ secret, text }) => {
        const redacted = redact(text, secret);
        expect(partsOf(secret).filter((part) => redacted.includes(part))).toEqual([]);
      }),
    );
  });

  it('shows only the prefix of an Anthropic key, even if the caller did not name the key', () => {
    fc.assert(
      fc.property(filler, ofKey({ minLength: 5, maxLength: 100 }), filler, (before, secret, after) => {
        const redacted = redact(`${before}"sk-ant-${secret}" ${after}`);
        expect(redacted.startsWith(redact(`${before}"`))).toBe(true);
        expect(redacted.endsWith(redact(`" ${after}`))).toBe(true);
        expect(redacted.slice(redact(`${before}"`).length, -redact(`" ${after}`).length)).toBe('sk-ant-…');
      }),
    );
  });

  it('keeps everything else: shorter parts of a key, and texts without a key', () => {
    const secret = `sk-ant-admin01-${'Canary_'.repeat(12)}AA`;
    expect(redact(`It ends in ${secret.slice(-4)}, or in Canary_Cana.`, secret)).toBe(
      'It ends in y_AA, or in Canary_Cana.',
    );
    expect(redact(`<${secret}${secret}> <${secret.slice(3, 40)}> and more`, secret)).toBe('<…> <…> and more');
    expect(redact('no key at all', '')).toBe('no key at all');
    expect(redact('a short secret, twice: hush hush', 'hush')).toBe('a short secret, twice: … …');
  });
});

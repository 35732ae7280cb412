import { describe, expect, it } from 'vitest';
import { keyVerdict, problemWithName } from '../../console/parts/admin-key.ts';
import { AdminKey } from '../../domain/keys.ts';

const REST = 'x'.repeat(40);

describe('the look at a pasted key', () => {
  it('lets an Admin key pass, also with spaces around it', () => {
    expect(keyVerdict(` sk-ant-admin01-${REST}\n`).kind).toBe('good');
  });

  it('says nothing about an empty field', () => {
    expect(keyVerdict('  ').kind).toBe('none');
  });

  it.each([
    [`sk-ant-api03-${REST}`, /workspace key/],
    [`sk-ant-api01-${REST}`, /claude\.ai for Enterprise/],
    [`sk-ant-admin01-${REST} ${REST}`, /space/],
    ['sk-ant-admin01-short', /too short/],
    [`sk-ant-admin01-${'x'.repeat(300)}`, /too long/],
    [`sk-ant-admin01-${REST}…`, /characters/],
  ])('stops %s', (text, reason) => {
    const verdict = keyVerdict(text);
    expect(verdict).toEqual({ kind: 'wrong', message: expect.stringMatching(reason) as unknown });
    expect(JSON.stringify(verdict)).not.toContain(text);
  });

  it('warns of another beginning, which only Anthropic can judge', () => {
    expect(keyVerdict(`sk-proj-${REST}`).kind).toBe('unusual');
  });

  it('stops exactly what the API would refuse without asking Anthropic', () => {
    const texts = [
      `sk-ant-admin01-${REST}`,
      `sk-ant-api03-${REST}`,
      `sk-ant-api01-${REST}`,
      `sk-ant-org-${REST}`,
      `sk-ant-admin01-${REST} x`,
      `sk-ant-admin01-${REST}"`,
      'sk-ant-admin01-12345678',
      'sk-ant-admin01-123456789',
      'x'.repeat(256),
      'x'.repeat(257),
    ];
    expect(texts.map((text) => keyVerdict(text).kind !== 'wrong')).toEqual(
      texts.map((text) => AdminKey.parse(text).ok),
    );
  });
});

describe('the look at a name', () => {
  it('stops a key, which everybody would see', () => {
    expect(problemWithName(`sk-ant-admin01-${REST}`)).toMatch(/key and not a name/);
  });

  it('wants 1 to 100 characters', () => {
    expect([problemWithName(' '), problemWithName('é'.repeat(101)), problemWithName('🦊'.repeat(100))]).toEqual([
      'Give it a name.',
      'Use at most 100 characters.',
      null,
    ]);
  });
});

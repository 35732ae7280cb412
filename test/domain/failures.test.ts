import { expect, it } from 'vitest';
import { FAILURE_CODES, isContentFailure, isKeyFailure, isRetried } from '../../domain/failures.ts';

it('only these failures lie in the key, and only these in the content of a reply', () => {
  expect(FAILURE_CODES.filter(isKeyFailure)).toEqual([
    'key_invalid',
    'key_forbidden',
    'key_unreadable',
    'individual_account',
  ]);
  expect(FAILURE_CODES.filter(isContentFailure)).toEqual(['upstream_invalid', 'reply_too_large']);
});

it('a rejection is retried only with the active key, and a key that cannot be opened never is', () => {
  expect(FAILURE_CODES.filter((code) => isRetried(code, true) && !isRetried(code, false))).toEqual([
    'key_invalid',
    'key_forbidden',
    'individual_account',
  ]);
  expect(isRetried('key_unreadable', true)).toBe(false);
});

it('a defect of ours is retried, since a fixed worker goes on where the broken one failed', () => {
  expect(isRetried('internal', false)).toBe(true);
});

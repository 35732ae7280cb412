import { describe, expect, it } from 'vitest';
import { networkCodeOf, networkSentence } from '../../runtime/network-errors.ts';

describe('a network failure', () => {
  it.each([
    [Object.assign(new Error('x'), { code: 'ECONNREFUSED' }), 'the connection was refused'],
    [Object.assign(new Error('x'), { code: 'HPE_INVALID_CONSTANT' }), 'what answered does not speak HTTP'],
    [Object.assign(new Error('x'), { name: 'HTTPParserError', code: undefined }), 'what answered does not speak HTTP'],
    [Object.assign(new Error('x'), { code: undefined }), 'network failure unknown'],
    [new Error('x'), 'network failure unknown'],
    ['x', 'network failure unknown'],
  ])('is said in words', (error, words) => {
    expect(networkSentence(networkCodeOf(error))).toBe(words);
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { orderByKey } from '../../domain/order.ts';

const key = fc.oneof(fc.nat(5), fc.integer({ min: 0, max: 2 ** 32 - 1 }));

describe('the places of items', () => {
  it('are in the order of their keys, and items with equal keys keep their order', () => {
    fc.assert(
      fc.property(fc.array(key, { maxLength: 300 }), (keys) => {
        const places = keys.map((_, place) => place);
        const wanted = places.sort((a, b) => (keys[a] ?? 0) - (keys[b] ?? 0) || a - b);
        expect([...orderByKey(keys)]).toEqual(wanted);
      }),
    );
  });

  it('are in that order also where there are more items than can be packed', () => {
    const keys = Float64Array.from({ length: 2 ** 21 + 10 }, (_, place) => Math.imul(place, 0x9e3779b1) >>> 12);
    const order = orderByKey(keys);
    const seen = new Uint8Array(keys.length);
    let inOrder = 0;
    for (const [at, place] of order.entries()) {
      seen[place] = 1;
      const before = order[at - 1] ?? place;
      const [last, next] = [keys[before] ?? 0, keys[place] ?? 0];
      if (last < next || (last === next && before <= place)) inOrder += 1;
    }
    expect(inOrder).toBe(keys.length);
    expect(seen.every((once) => once === 1)).toBe(true);
  });
});

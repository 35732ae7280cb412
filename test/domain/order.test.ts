import fc from 'fast-check';
import { expect, it } from 'vitest';
import { sortedByKey } from '../../domain/order.ts';

it('items are sorted by their keys, and items with equal keys keep their order', () => {
  const keys = fc.array(fc.oneof(fc.nat(5), fc.integer({ min: 0, max: 2 ** 32 - 1 })), { maxLength: 300 });
  fc.assert(
    fc.property(keys, (given) => {
      const items = given.map((key, place) => ({ key, place }));
      const expected = [...items].sort((a, b) => a.key - b.key || a.place - b.place);
      expect(sortedByKey(items, ({ key }) => key)).toEqual(expected);
    }),
  );
});

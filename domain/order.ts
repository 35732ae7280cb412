/** A float holds 53 bits: 32 for the key, and 21 for the place of the item. */
const MAX_ITEMS = 2 ** 21;

/**
 * Sorts items by their keys, which are whole numbers below 2^32; items with equal keys keep their order. Each key is
 * packed into one number with the place of its item: numbers are sorted many times faster than items are compared.
 */
export function sortedByKey<T extends object>(items: readonly T[], keyOf: (item: T) => number): T[] {
  if (items.length > MAX_ITEMS) return [...items].sort((a, b) => keyOf(a) - keyOf(b));
  const packed = new Float64Array(items.length);
  let place = 0;
  for (const item of items) {
    packed[place] = keyOf(item) * MAX_ITEMS + place;
    place += 1;
  }
  packed.sort();
  const sorted: T[] = [];
  for (const number of packed) {
    const item = items[number % MAX_ITEMS];
    if (item !== undefined) sorted.push(item);
  }
  return sorted;
}

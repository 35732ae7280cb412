/** So many items can be numbered beside 32 bits in a float. */
const PLACES = 2 ** 21;

/**
 * Items in the order of their keys, whole numbers from 0 to 2^32 - 1; those with equal keys as they were. Numbers alone
 * are put in order many times faster than items by a comparison of two.
 */
export function inOrderOf<T>(items: readonly T[], keyOf: (item: T) => number): T[] {
  if (items.length > PLACES) return [...items].sort((a, b) => keyOf(a) - keyOf(b));
  const places = new Float64Array(items.length);
  let count = 0;
  for (const item of items) {
    places[count] = keyOf(item) * PLACES + count;
    count += 1;
  }
  places.sort();
  const ordered: T[] = [];
  for (const place of places) ordered.push(items[place % PLACES] as T);
  return ordered;
}

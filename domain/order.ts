/** A float holds 53 bits: 32 for the key, and 21 for the place of the item. */
const MAX_ITEMS = 2 ** 21;

/**
 * The places of items in the order of their keys, which are whole numbers from 0 to below 2^32; items with equal keys keep
 * their order. Each key is packed into one number with the place of its item: numbers are sorted many times faster than
 * items are compared.
 */
export function orderByKey(keys: ArrayLike<number>): Int32Array {
  const order = new Int32Array(keys.length);
  if (keys.length > MAX_ITEMS)
    return order.map((_, place) => place).sort((a, b) => (keys[a] ?? 0) - (keys[b] ?? 0) || a - b);
  const packed = new Float64Array(keys.length);
  for (let place = 0; place < packed.length; place += 1) packed[place] = (keys[place] ?? 0) * MAX_ITEMS + place;
  packed.sort();
  for (let at = 0; at < packed.length; at += 1) order[at] = (packed[at] ?? 0) % MAX_ITEMS;
  return order;
}

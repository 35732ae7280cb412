export const TWO_TO_32 = 4_294_967_296;

/** A stable 32-bit number for a text. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return mix(hash, text.length);
}

/** A stable 32-bit number for up to five numbers (MurmurHash3). It has no state: earlier calls change nothing. */
export function mix(a: number, b = 0, c = 0, d = 0, e = 0): number {
  let hash = stir(stir(stir(stir(stir(0x9e3779b9, a), b), c), d), e);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** `mix` as a fraction in [0, 1). */
export function fraction(a: number, b = 0, c = 0, d = 0, e = 0): number {
  return mix(a, b, c, d, e) / TWO_TO_32;
}

/** `length` characters of `alphabet`, the same for the same seed. */
export function randomText(alphabet: string, length: number, seed: number): string {
  let text = '';
  for (let index = 0; index < length; index += 1) text += alphabet.charAt(mix(seed, index) % alphabet.length);
  return text;
}

/** A version 4 UUID, the same for the same seed. */
export function randomUuid(seed: number): string {
  const hex = randomText('0123456789abcdef', 30, seed);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(12, 15)}-a${hex.slice(15, 18)}-${hex.slice(18, 30)}`;
}

/** A copy in an order that the seed decides. */
export function shuffled<T>(items: readonly T[], seed: number): T[] {
  const copy = [...items];
  for (let last = copy.length - 1; last > 0; last -= 1) {
    const other = mix(seed, last) % (last + 1);
    const [left, right] = [copy[last], copy[other]];
    if (left !== undefined && right !== undefined) {
      copy[last] = right;
      copy[other] = left;
    }
  }
  return copy;
}

/** The item at `index`, modulo the number of items. Throws RangeError if there are no items. */
export function pick<T>(items: readonly T[], index: number): T {
  const item = items[index % items.length];
  if (item === undefined) throw new RangeError('nothing to choose from');
  return item;
}

function stir(hash: number, value: number): number {
  let k = Math.imul(value | 0, 0xcc9e2d51);
  k = Math.imul((k << 15) | (k >>> 17), 0x1b873593);
  const mixed = hash ^ k;
  return (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) | 0;
}

/** The value of a closed list that a query of the address names; null for any other text. */
export function chosenOf<Key extends string>(words: Readonly<Record<Key, unknown>>, text: string | null): Key | null {
  return text !== null && isKeyOf(words, text) ? text : null;
}

/** Whether a text is a key of an object with fixed keys. */
export function isKeyOf<Key extends string>(words: Readonly<Record<Key, unknown>>, text: string): text is Key {
  return Object.hasOwn(words, text);
}

/** The keys of an object with fixed keys, in their order. */
export function keysOf<Key extends string>(words: Readonly<Record<Key, unknown>>): Key[] {
  return Object.keys(words).filter((key) => isKeyOf(words, key));
}

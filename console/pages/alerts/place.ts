import { searchOf, type Query } from '../../client/client.ts';
import { linkTo } from '../../route.ts';

/** The parts of the page, in the order of their tabs. */
export const PARTS = ['notices', 'channels', 'deliveries', 'reports'] as const;
/** One of {@link PARTS}. */
export type Part = (typeof PARTS)[number];

/** The address of a part of the page, or of one thing in it. */
export function placeOf(part: Part, id: string | null = null, query: Query = {}): string {
  return linkTo(['alerts', part, ...(id === null ? [] : [id])], searchOf(query));
}

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

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

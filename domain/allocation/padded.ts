import type { Filter } from '../spend/query.ts';
import type { Allocation } from './document.ts';
import type { Warning } from './reach.ts';

/** A value of a tag of a workspace. */
export interface TagValue {
  readonly key: string;
  readonly value: string;
}

/** Whether white space stands at an end of a text, where nobody sees it. */
export function isPadded(text: string): boolean {
  return text !== text.trim();
}

/** The tags that name cost centers, by their keys. */
export function followedTags({ rules }: Allocation): string[] {
  return [...new Set(rules.flatMap(({ to }) => ('tag' in to ? [to.tag] : [])))];
}

/**
 * Values with white space at an end: those that rules ask for, and `tags` that name cost centers. Each is another value than
 * the one that looks the same, since the ledger keeps what Anthropic says.
 */
export function paddedWarnings({ rules }: Allocation, tags: readonly TagValue[]): Warning[] {
  return rules.flatMap(({ name, where, to }, index): Warning[] => {
    const path = `rules.${index}`;
    const named = 'tag' in to ? tags.filter(({ key, value }) => key === to.tag && isPadded(value)) : [];
    return [
      ...where.flatMap(paddedIn).map(({ key, value }) => ({
        path,
        message: `the rule "${name}" asks for the ${key} "${value}", which has white space at an end`,
      })),
      ...named.map(({ key, value }) => ({
        path,
        message: `the rule "${name}" makes the cost center "${value}", with white space at an end, of the tag ${key} of a workspace: it is another one than "${value.trim()}"`,
      })),
    ];
  });
}

function paddedIn({ dimension, values }: Filter): TagValue[] {
  return values.flatMap((value) => (value !== null && isPadded(value) ? [{ key: dimension, value }] : []));
}

import type { Dimension, Filter } from '../spend/query.ts';
import type { Rule } from './document.ts';

/** The value of a line in a dimension; null where it has none. Connections by their id. */
export type ValueOf = (dimension: Dimension) => string | null;

/** Where a line goes: the place of the rule that decides, and the cost center or the pool. */
export interface Match {
  readonly rule: number;
  readonly to: { readonly center: string } | { readonly pool: string };
}

/**
 * The first rule that matches a line; null if none does. The service decides in SQL (`db/allocation/targets`), where the lines
 * are. This says the same in plain words, for the tests that hold the SQL to it.
 */
export function matchOf(rules: readonly Rule[], valueOf: ValueOf): Match | null {
  for (const [index, { where, to }] of rules.entries()) {
    if (!where.every((filter) => lets(filter, valueOf(filter.dimension)))) continue;
    if (!('tag' in to)) return { rule: index, to };
    const center = valueOf(`tag.${to.tag}`);
    if (center !== null) return { rule: index, to: { center } };
  }
  return null;
}

function lets({ values, excludes }: Filter, value: string | null): boolean {
  return values.includes(value) !== excludes;
}

import { DEFAULT_WORKSPACE } from '../workspaces.ts';
import type { Condition } from './incident.ts';

/** A condition with the name that people know its value by. Webhooks carry it, so it is a type that counts as JSON. */
export type NamedCondition = { readonly dimension: string; readonly value: string | null; readonly name: string };

/** Conditions with names. Workspaces are known by those in `workspaces`, by id, and without one by their id. */
export function named(
  conditions: readonly Condition[],
  workspaces: ReadonlyMap<string, string>,
): readonly NamedCondition[] {
  return conditions.map(({ dimension, value }) => ({
    dimension,
    value,
    name: nameOf({ dimension, value }, workspaces),
  }));
}

function nameOf({ dimension, value }: Condition, workspaces: ReadonlyMap<string, string>): string {
  if (dimension === 'workspace') return value === null ? DEFAULT_WORKSPACE : (workspaces.get(value) ?? value);
  return value ?? 'not reported';
}

const DIMENSION_WORDS: Readonly<Record<string, string>> = { cost_type: 'cost type' };

/** Conditions in words: alternatives on one dimension with "or", dimensions that hold together with "and". */
export function conditionsInWords(conditions: readonly NamedCondition[]): string {
  const dimensions = [...new Set(conditions.map(({ dimension }) => dimension))];
  return dimensions
    .map((dimension) => {
      const names = conditions.filter((one) => one.dimension === dimension).map(({ name }) => name);
      return `${DIMENSION_WORDS[dimension] ?? dimension} ${names.join(' or ')}`;
    })
    .join(' and ');
}

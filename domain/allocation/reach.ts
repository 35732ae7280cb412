import type { Dimension, Filter } from '../spend/query.ts';
import type { Allocation, Rule } from './document.ts';

/** Something that is allowed and hardly meant, and where it is in the document. */
export interface Warning {
  readonly path: string;
  readonly message: string;
}

/** What a document has no use for: rules that no line can reach, and pools that no rule leads to. */
export function warningsOf({ rules, pools }: Allocation): Warning[] {
  return [...rules.flatMap((rule, index) => ruleWarnings(rules, rule, index)), ...poolWarnings(rules, pools)];
}

function ruleWarnings(rules: readonly Rule[], rule: Rule, index: number): Warning[] {
  const path = `rules.${index}`;
  if (isContradiction(rule.where)) {
    return [{ path, message: `the rule "${rule.name}" matches no line: its conditions contradict each other` }];
  }
  const before = rules.slice(0, index).find((earlier) => takesAllOf(earlier, rule));
  if (before === undefined) return [];
  return [{ path, message: `no line reaches the rule "${rule.name}": the rule "${before.name}" before it takes them` }];
}

function poolWarnings(rules: readonly Rule[], pools: Allocation['pools']): Warning[] {
  const fed = new Set(rules.flatMap(({ to }) => ('pool' in to ? [to.pool] : [])));
  return pools.flatMap(({ name, among }, index) => {
    if (!fed.has(name)) {
      return [{ path: `pools.${index}`, message: `the pool "${name}" stays empty: no rule and no pool leads to it` }];
    }
    for (const recipient of among ?? []) if ('pool' in recipient) fed.add(recipient.pool);
    return [];
  });
}

/** What the conditions say about one dimension: the values that pass (null: all but the excluded ones), and those that do not. */
interface Bounds {
  readonly within: ReadonlySet<string | null> | null;
  readonly without: ReadonlySet<string | null>;
}

function boundsOf(where: readonly Filter[], dimension: Dimension): Bounds {
  let within: ReadonlySet<string | null> | null = null;
  const without = new Set<string | null>();
  for (const filter of where) {
    if (filter.dimension !== dimension) continue;
    if (filter.excludes) for (const value of filter.values) without.add(value);
    else within = new Set(filter.values.filter((value) => within === null || within.has(value)));
  }
  if (within === null) return { within, without };
  return { within: new Set([...within].filter((value) => !without.has(value))), without: new Set() };
}

function isContradiction(where: readonly Filter[]): boolean {
  return where.some(({ dimension }) => boundsOf(where, dimension).within?.size === 0);
}

/** Whether every line that `later` would match goes to `earlier` already. */
function takesAllOf(earlier: Rule, later: Rule): boolean {
  if ('tag' in earlier.to && !hasTag(later, earlier.to.tag)) return false;
  return earlier.where.every((filter) => {
    const { within, without } = boundsOf(later.where, filter.dimension);
    if (within !== null) {
      const named = new Set(filter.values);
      return [...within].every((value) => named.has(value) !== filter.excludes);
    }
    // A rule that follows a tag matches no line without it.
    const isNever = (value: string | null): boolean =>
      without.has(value) || (value === null && 'tag' in later.to && filter.dimension === `tag.${later.to.tag}`);
    return filter.excludes && filter.values.every(isNever);
  });
}

/** Whether every line that the rule matches has this tag. */
function hasTag({ where, to }: Rule, tag: string): boolean {
  if ('tag' in to && to.tag === tag) return true;
  const { within, without } = boundsOf(where, `tag.${tag}`);
  return within === null ? without.has(null) : !within.has(null);
}

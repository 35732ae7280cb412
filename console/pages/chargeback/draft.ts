/**
 * The allocation document while somebody edits it. Each rule and pool has a key of its own, so that the page knows it after
 * it was moved or renamed.
 */

/** Values of one dimension that a rule asks for, or excludes. An empty text is "not reported". */
export interface Condition {
  readonly dimension: string;
  readonly excludes: boolean;
  readonly values: readonly string[];
}

/** Where the lines of a rule go. */
export interface Target {
  readonly kind: 'center' | 'tag' | 'pool';
  /** Of the cost center or the pool, or the key of the tag. */
  readonly name: string;
}

/** A rule. */
export interface DraftRule {
  readonly key: string;
  readonly name: string;
  readonly where: readonly Condition[];
  readonly to: Target;
}

/** How a pool is split. `cost` and `tokens` are proportions. */
export type Split = 'even' | 'fixed' | 'cost' | 'tokens';

/** Who shares a pool. `percent` counts with fixed shares only. */
export interface Recipient {
  readonly key: string;
  readonly kind: 'center' | 'pool';
  readonly name: string;
  readonly percent: string;
}

/** A pool. `among` is null for every cost center with direct cost. */
export interface DraftPool {
  readonly key: string;
  readonly name: string;
  readonly split: Split;
  readonly among: readonly Recipient[] | null;
}

/** The whole document, but for the month from which on it is in force. */
export interface Draft {
  readonly rules: readonly DraftRule[];
  readonly pools: readonly DraftPool[];
}

/** A draft without anything. */
export const EMPTY: Draft = { rules: [], pools: [] };

let made = 0;

/** A key that no other rule, pool or recipient of this page has. */
export function newKey(): string {
  made += 1;
  return `k${made}`;
}

/** A rule to begin with. */
export function newRule(where: readonly Condition[] = [], to: Target = { kind: 'center', name: '' }): DraftRule {
  return { key: newKey(), name: '', where, to };
}

/** A pool to begin with. */
export function newPool(): DraftPool {
  return { key: newKey(), name: '', split: 'cost', among: null };
}

/** A recipient to begin with. */
export function newRecipient(): Recipient {
  return { key: newKey(), kind: 'center', name: '', percent: '' };
}

/** The cost centers that a draft names, in their order. */
export function centersOf({ rules, pools }: Draft): string[] {
  const named = [
    ...rules.flatMap(({ to }) => (to.kind === 'center' ? [to.name] : [])),
    ...pools.flatMap(({ among }) => (among ?? []).flatMap(({ kind, name }) => (kind === 'center' ? [name] : []))),
  ];
  return [...new Set(named.filter((name) => name !== ''))];
}

/** A draft with another pool in the place of one. Whatever leads to it follows its new name. */
export function withPool(draft: Draft, pool: DraftPool): Draft {
  const before = draft.pools.find(({ key }) => key === pool.key)?.name ?? pool.name;
  const isIt = (kind: string, name: string): boolean => before !== '' && kind === 'pool' && name === before;
  return {
    rules: draft.rules.map((rule) =>
      isIt(rule.to.kind, rule.to.name) ? { ...rule, to: { ...rule.to, name: pool.name } } : rule,
    ),
    pools: draft.pools.map((each) => {
      if (each.key === pool.key) return pool;
      const among = each.among?.map((one) => (isIt(one.kind, one.name) ? { ...one, name: pool.name } : one));
      return among === undefined ? each : { ...each, among };
    }),
  };
}

/** What a rule still lacks, as a sentence without a subject; null if nothing. */
export function lackOf({ to, where }: DraftRule): string | null {
  if (to.name === '') return 'does not say yet where its lines go';
  return where.some(({ values }) => values.length === 0) ? 'has a condition without a value' : null;
}

/** The part of a draft that can be tried already: without rules that lead nowhere yet, and without conditions that ask for nothing. */
export function finishedOf({ rules, pools }: Draft): Draft {
  return {
    pools,
    rules: rules
      .filter(({ to }) => to.name !== '')
      .map((rule) => ({ ...rule, where: rule.where.filter(({ values }) => values.length > 0) })),
  };
}

/** The document for the API, without its month. */
export function documentOf({ rules, pools }: Draft): { readonly rules: unknown[]; readonly pools: unknown[] } {
  return {
    rules: rules.map(({ name, where, to }) => ({
      // A rule without a name is called what it leads to, as people would.
      name: nameOf(name, to),
      where: whereOf(where),
      to: to.kind === 'center' ? to.name : { [to.kind]: to.name },
    })),
    pools: pools.map(({ name, split, among }) => ({
      name,
      split: splitOf(split, among ?? []),
      ...(among === null ? {} : { among: among.map((one) => (one.kind === 'center' ? one.name : { pool: one.name })) }),
    })),
  };
}

/** The name that a rule goes by: its own, or that of what it leads to. */
export function nameOf(name: string, to: Target): string {
  if (name !== '') return name;
  return to.kind === 'tag' && to.name !== '' ? `By ${to.name}` : to.name;
}

function whereOf(conditions: readonly Condition[]): Record<string, unknown> {
  const not = valuesBy(conditions.filter(({ excludes }) => excludes));
  const own = valuesBy(conditions.filter(({ excludes }) => !excludes));
  return { ...own, ...(Object.keys(not).length === 0 ? {} : { not }) };
}

function valuesBy(conditions: readonly Condition[]): Record<string, (string | null)[]> {
  const found = new Map<string, (string | null)[]>();
  for (const { dimension, values } of conditions) {
    const nothing = dimension === 'workspace' ? 'default' : null;
    const own = values.map((value) => (value === '' ? nothing : value));
    found.set(dimension, [...(found.get(dimension) ?? []), ...own]);
  }
  return Object.fromEntries(found);
}

function splitOf(split: Split, among: readonly Recipient[]): unknown {
  if (split === 'even') return split;
  if (split !== 'fixed') return { proportional: split };
  return { fixed: Object.fromEntries(among.map(({ name, percent }) => [name, percent.trim()])) };
}

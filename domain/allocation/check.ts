import { HIDDEN } from '../characters.ts';
import { addDecimals, isNegative, parseDecimal, toDecimal, ZERO, type Decimal } from '../money.ts';
import type { Month } from '../months.ts';
import { COST_DIMENSIONS, type Dimension, type Filter } from '../spend/query.ts';
import { SECRET_PATTERN } from '../tokens.ts';
import { WORKSPACE_LENGTHS } from '../workspaces.ts';
import {
  recipientKey,
  type Allocation,
  type Pool,
  type Recipient,
  type Rule,
  type Split,
  type Target,
} from './document.ts';

/** The values of each dimension that let a line through, by the name of the dimension. */
export type Conditions = Readonly<Record<string, readonly (string | null)[]>>;

/** A rule as people write it. Null stands for a value that Anthropic did not report. */
export interface RuleDocument {
  readonly name: string;
  readonly where: { readonly not?: Conditions | undefined } & Readonly<Record<string, unknown>>;
  readonly to: string | { readonly tag: string } | { readonly pool: string };
}

/** A pool as people write it. Percentages are decimals. */
export interface PoolDocument {
  readonly name: string;
  readonly split:
    'even' | { readonly fixed: Readonly<Record<string, string>> } | { readonly proportional: 'cost' | 'tokens' };
  readonly among?: readonly (string | { readonly pool: string })[] | undefined;
}

/** An allocation as people write it. */
export interface AllocationDocument {
  readonly from: Month;
  readonly rules: readonly RuleDocument[];
  readonly pools: readonly PoolDocument[];
}

/** What is wrong with a document, and where. */
export interface Fault {
  readonly path: string;
  readonly message: string;
}

/** The longest name of a rule, a pool or a cost center, in characters. */
export const NAME_LENGTH = 200;
/** The most rules, pools, recipients of a pool, and values of a condition. */
export const MOST = { rules: 500, pools: 50, recipients: 500, values: 1_000 } as const;
const DEFAULT_WORKSPACE = 'default';
const KNOWN = `${COST_DIMENSIONS.join(', ')} and tag.<key>`;
const UNFIT = new RegExp(`[${HIDDEN}]|\\p{Cs}`, 'u');
/** U+0000 and halves of surrogate pairs, which Postgres does not store. */
const UNSTORABLE = /\0|\p{Cs}/u;
/** As long as a key that is read from Anthropic may be. */
const TAG_LENGTH = WORKSPACE_LENGTHS.tagKey;
const SECRET = new RegExp(`sk-ant-|${SECRET_PATTERN}`);
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/**
 * Reads a document of the right shape. Gives every fault at once, each with the rule or the pool that has it; the allocation
 * means something only if there are none.
 */
export function readAllocation(document: AllocationDocument): { allocation: Allocation; faults: Fault[] } {
  const faults = new Faults();
  const pools = document.pools.map((pool, index) => readPool(pool, index, document.pools, faults));
  const rules = document.rules.map((rule, index) => readRule(rule, index, document.pools, faults));
  checkUnique('rules', 'rule', document.rules, faults);
  checkUnique('pools', 'pool', document.pools, faults);
  checkDepth(pools, faults);
  return { allocation: { from: document.from, rules, pools }, faults: faults.all };
}

class Faults {
  readonly all: Fault[] = [];

  add(path: string, message: string): void {
    this.all.push({ path, message });
  }

  name(path: string, name: string, what: string): void {
    const problem = problemWithName(name);
    if (problem !== null) this.add(path, `the name of ${what} ${problem}`);
  }
}

/** What is wrong with the name of a rule, a pool or a cost center; null if nothing is. */
export function problemWithName(name: string): string | null {
  if (name === '' || name !== name.trim()) return 'must not be empty, nor begin or end with a space';
  if (Array.from(name).length > NAME_LENGTH) return `must be at most ${NAME_LENGTH} characters`;
  if (UNFIT.test(name)) return 'must not contain control characters';
  // People paste keys into the wrong field, and names are shown in the clear.
  return SECRET.test(name) ? 'must not contain a key or a token' : null;
}

function checkUnique(path: string, what: string, all: readonly { readonly name: string }[], faults: Faults): void {
  for (const [index, { name }] of all.entries()) {
    const first = all.findIndex((other) => other.name === name);
    if (first < index)
      faults.add(`${path}.${index}.name`, `the ${what} ${quoted(name)} is there twice: names are unique`);
  }
}

/** A name for a message. Somebody may have pasted a secret into it. */
function quoted(name: string): string {
  return problemWithName(name) === null ? `"${name}"` : 'with an unusable name';
}

function readRule(rule: RuleDocument, index: number, pools: readonly PoolDocument[], faults: Faults): Rule {
  const path = `rules.${index}`;
  faults.name(`${path}.name`, rule.name, 'the rule');
  const say = (at: string, message: string): void => {
    faults.add(`${path}.${at}`, `the rule ${quoted(rule.name)}: ${message}`);
  };
  const { not, ...own } = rule.where;
  const where = [...filtersOf(own, false, 'where', say), ...filtersOf(not ?? {}, true, 'where.not', say)];
  return { name: rule.name, where, to: targetOf(rule.to, pools, say) };
}

function targetOf(to: RuleDocument['to'], pools: readonly PoolDocument[], say: Say): Target {
  if (typeof to === 'string') {
    const problem = problemWithName(to);
    if (problem !== null) say('to', `the cost center ${problem}`);
    return { center: to };
  }
  if ('tag' in to) {
    if (dimensionOf(`tag.${to.tag}`) === null) say('to.tag', 'must be the key of a tag');
    return { tag: to.tag };
  }
  if (!pools.some(({ name }) => name === to.pool))
    say('to.pool', `there is no pool ${quoted(to.pool)} in this document`);
  return { pool: to.pool };
}

type Say = (path: string, message: string) => void;

function filtersOf(conditions: Readonly<Record<string, unknown>>, excludes: boolean, path: string, say: Say): Filter[] {
  return Object.entries(conditions).flatMap(([name, given]): Filter[] => {
    const dimension = dimensionOf(name);
    // Somebody may have put a secret where the name of a dimension belongs.
    const isPlain = /^[a-z_.]{1,30}$/.test(name);
    const at = isPlain ? `${path}.${name}` : path;
    if (dimension === null) {
      say(at, `${isPlain ? `"${name}"` : 'a key'} is no dimension; the dimensions are ${KNOWN}`);
      return [];
    }
    const values = textsOf(given);
    if (values.length === 0) say(at, 'needs at least one value; leave the dimension out to take every line');
    if (values.length > MOST.values) say(at, `must not have more than ${MOST.values} values`);
    if (values.includes('')) say(at, 'has an empty value; null stands for what Anthropic did not report');
    if (dimension === 'connection' && !values.every((value) => value !== null && UUID.test(value))) {
      say(at, 'must be ids of connections; GET /v1/connections lists them');
    }
    if (values.some((value) => value !== null && UNSTORABLE.test(value))) say(at, 'has a value that is no whole text');
    if (values.some((value) => value !== null && SECRET.test(value))) say(at, 'must not contain a key or a token');
    return [{ dimension, excludes, values: [...new Set(values.map((value) => valueOf(dimension, value)))] }];
  });
}

function textsOf(given: unknown): (string | null)[] {
  const all: readonly unknown[] = Array.isArray(given) ? given : [];
  return all.flatMap((value) => (typeof value === 'string' || value === null ? [value] : []));
}

function valueOf(dimension: Dimension, value: string | null): string | null {
  if (value === null || (dimension === 'workspace' && value === DEFAULT_WORKSPACE)) return null;
  return dimension === 'connection' ? value.toLowerCase() : value;
}

function dimensionOf(name: string): Dimension | null {
  if (name.startsWith('tag.')) {
    const key = name.slice('tag.'.length);
    const isFit = key !== '' && Array.from(key).length <= TAG_LENGTH && !key.includes(',');
    return isFit && !UNSTORABLE.test(key) && !SECRET.test(key) ? `tag.${key}` : null;
  }
  return COST_DIMENSIONS.find((dimension) => dimension === name) ?? null;
}

function readPool(pool: PoolDocument, index: number, pools: readonly PoolDocument[], faults: Faults): Pool {
  const path = `pools.${index}`;
  faults.name(`${path}.name`, pool.name, 'the pool');
  const say = (at: string, message: string): void => {
    faults.add(`${path}.${at}`, `the pool ${quoted(pool.name)}: ${message}`);
  };
  const among = pool.among?.map(recipientOf) ?? null;
  if (among !== null) checkRecipients(among, index, pools, say);
  const { split } = pool;
  if (split === 'even') return { name: pool.name, split: { kind: 'even' }, among };
  if ('fixed' in split) return { name: pool.name, ...fixedOf(split.fixed, among, say) };
  return { name: pool.name, split: { kind: 'proportional', to: split.proportional }, among };
}

/** How many pools a share goes through at most. Each adds twelve digits to the amounts. */
const MOST_IN_ROW = 10;

/** The longest way through pools that begins with each of them. Pools lead to later ones. */
function checkDepth(pools: readonly Pool[], faults: Faults): void {
  const depths = new Map<string, number>();
  for (const [index, { name, among }] of [...pools.entries()].reverse()) {
    const later = (among ?? []).map((recipient) => ('pool' in recipient ? (depths.get(recipient.pool) ?? 0) : 0));
    const depth = 1 + Math.max(0, ...later);
    depths.set(name, depth);
    if (depth === MOST_IN_ROW + 1) {
      const message = `the pool ${quoted(name)}: its shares go through more than ${MOST_IN_ROW} pools in a row`;
      faults.add(`pools.${index}.among`, message);
    }
  }
}

function recipientOf(given: string | { readonly pool: string }): Recipient {
  return typeof given === 'string' ? { center: given } : { pool: given.pool };
}

function checkRecipients(among: readonly Recipient[], index: number, pools: readonly PoolDocument[], say: Say): void {
  if (among.length === 0)
    say('among', 'needs at least one recipient; leave it out for every cost center with direct cost');
  if (among.length > MOST.recipients) say('among', `must not have more than ${MOST.recipients} recipients`);
  const keys = among.map(recipientKey);
  for (const [place, recipient] of among.entries()) {
    const at = `among.${place}`;
    if (keys.indexOf(recipientKey(recipient)) < place) say(at, 'names the same recipient twice');
    if ('center' in recipient) {
      const problem = problemWithName(recipient.center);
      if (problem !== null) say(at, `the cost center ${problem}`);
      continue;
    }
    const other = pools.findIndex(({ name }) => name === recipient.pool);
    if (other < 0) say(at, `there is no pool ${quoted(recipient.pool)} in this document`);
    else if (other === index) say(at, 'is a cycle: it shares with itself');
    else if (other < index) {
      say(at, `is a cycle: the pool ${quoted(recipient.pool)} comes before it, and a pool shares only with later ones`);
    }
  }
}

/** The shares name the recipients. `among` may be left out; if it is there, it says which of them are pools. */
function fixedOf(
  fixed: Readonly<Record<string, string>>,
  among: readonly Recipient[] | null,
  say: Say,
): { split: Split; among: readonly Recipient[] } {
  const names = Object.keys(fixed);
  const recipients = among ?? names.map((center) => ({ center }));
  const nameOf = (recipient: Recipient): string => ('center' in recipient ? recipient.center : recipient.pool);
  if (names.length === 0) say('split.fixed', 'needs at least one share');
  if (names.length > MOST.recipients) say('split.fixed', `must not have more than ${MOST.recipients} shares`);
  for (const name of among === null ? names : []) {
    const problem = problemWithName(name);
    if (problem !== null) say('split.fixed', `the cost center ${problem}`);
  }
  const isSame =
    new Set(recipients.map(nameOf)).size === names.length &&
    recipients.length === names.length &&
    recipients.every((recipient) => Object.hasOwn(fixed, nameOf(recipient)));
  if (!isSame) say('among', 'must name the recipients that have a fixed share, and no others');
  const percents = recipients.map((recipient) => percentOf(fixed, nameOf(recipient), say));
  const sum = addDecimals(percents);
  if (names.length > 0 && isSame && sum !== HUNDRED)
    say('split.fixed', `the shares must add up to 100, and add up to ${sum}`);
  return { split: { kind: 'fixed', percents }, among: recipients };
}

const HUNDRED = toDecimal('100');

function percentOf(fixed: Readonly<Record<string, string>>, name: string, say: Say): Decimal {
  const percent = Object.hasOwn(fixed, name) ? parseDecimal(fixed[name] ?? '') : ZERO;
  if (percent === null) say('split.fixed', `the share of ${quoted(name)} must be a decimal as text, such as "12.5"`);
  else if (Object.hasOwn(fixed, name) && (percent === ZERO || isNegative(percent))) {
    say('split.fixed', `the share of ${quoted(name)} must be above zero`);
  }
  return percent ?? ZERO;
}

/** The document of an allocation, in one spelling: equal allocations have equal documents. */
export function documentOf({ from, rules, pools }: Allocation): AllocationDocument {
  return { from, rules: rules.map(ruleDocument), pools: pools.map(poolDocument) };
}

function ruleDocument({ name, where, to }: Rule): RuleDocument {
  const not = conditionsOf(where.filter(({ excludes }) => excludes));
  const own = conditionsOf(where.filter(({ excludes }) => !excludes));
  return {
    name,
    where: { ...own, ...(Object.keys(not).length === 0 ? {} : { not }) },
    to: 'center' in to ? to.center : to,
  };
}

function conditionsOf(filters: readonly Filter[]): Conditions {
  return Object.fromEntries(
    filters.map(({ dimension, values }) => [
      dimension,
      values.map((value) => (value === null && dimension === 'workspace' ? DEFAULT_WORKSPACE : value)),
    ]),
  );
}

function poolDocument({ name, split, among }: Pool): PoolDocument {
  const recipients = among?.map((one) => ('center' in one ? one.center : one));
  switch (split.kind) {
    case 'even':
      return { name, split: 'even', ...(recipients === undefined ? {} : { among: recipients }) };
    case 'fixed':
      return {
        name,
        split: { fixed: fixedShares(among ?? [], split.percents) },
        ...(recipients === undefined ? {} : { among: recipients }),
      };
    case 'proportional':
      return { name, split: { proportional: split.to }, ...(recipients === undefined ? {} : { among: recipients }) };
  }
}

function fixedShares(among: readonly Recipient[], percents: readonly Decimal[]): Record<string, string> {
  return Object.fromEntries(
    among.map((one, index) => ['center' in one ? one.center : one.pool, percents[index] ?? ZERO]),
  );
}

import { tokensByType } from '../spend/changes.ts';
import type { CostLine, Ledger, UsageLine, Value } from '../spend/ledger.ts';
import { costLinesOf, keyOf, usageLinesOf, type Placed } from '../spend/oracle.ts';
import type { Query } from '../spend/query.ts';
import type { Conditions, Document, Pool, Rule } from './documents.ts';

/** Allocates line by line, as docs/chargeback.md says. It shares no code with what it checks. */

const DIGITS = 120;
const WHOLE = 10n ** 12n;

export function unitsOf(text: string): bigint {
  const [, sign = '', whole = '', fraction = ''] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text) ?? [];
  if (whole === '') throw new Error(`the oracle cannot read ${JSON.stringify(text)}`);
  const units = BigInt(whole + fraction.padEnd(DIGITS, '0'));
  return sign === '-' ? -units : units;
}

export function textOf(units: bigint): string {
  const digits = (units < 0n ? -units : units).toString().padStart(DIGITS + 1, '0');
  const fraction = digits.slice(-DIGITS).replace(/0+$/, '');
  return `${units < 0n ? '-' : ''}${digits.slice(0, -DIGITS)}${fraction === '' ? '' : `.${fraction}`}`;
}

/** A fraction of the whole, exact: `over` is a power of 10^12. */
interface Fraction {
  readonly part: bigint;
  readonly over: bigint;
}

type ValueOf = (dimension: string) => Value;
type To = { readonly center: string } | { readonly pool: string };

function passes(conditions: Conditions, valueOf: ValueOf, excludes: boolean): boolean {
  return Object.entries(conditions).every(([dimension, values]) => {
    const asked = values.map((one) => (dimension === 'workspace' && one === 'default' ? null : one));
    return asked.includes(valueOf(dimension)) !== excludes;
  });
}

/** The first rule that matches. */
export function matchOf(rules: readonly Rule[], valueOf: ValueOf): { rule: number; to: To } | null {
  for (const [place, { where, to }] of rules.entries()) {
    const { not = {}, ...own } = where;
    if (!passes(own as Conditions, valueOf, false) || !passes(not as Conditions, valueOf, true)) continue;
    if (typeof to === 'string') return { rule: place, to: { center: to } };
    if ('pool' in to) return { rule: place, to };
    const center = valueOf(`tag.${to.tag}`);
    if (center !== null) return { rule: place, to: { center } };
  }
  return null;
}

export type Direct = Map<string, bigint>;
const keyOfTo = (to: To): string => ('center' in to ? `center ${to.center}` : `pool ${to.pool}`);

export function directOf(all: readonly { to: To | null; units: bigint }[]): Direct {
  const sums: Direct = new Map();
  for (const { to, units } of all) if (to !== null) sums.set(keyOfTo(to), (sums.get(keyOfTo(to)) ?? 0n) + units);
  return sums;
}

/** Fractions of 12 digits by largest remainder, ties by name. */
function fractionsOf(weights: readonly { key: string; weight: bigint }[]): bigint[] {
  const positive = weights.map(({ weight }) => (weight < 0n ? 0n : weight));
  const used = positive.every((weight) => weight === 0n) ? positive.map(() => 1n) : positive;
  const total = used.reduce((sum, weight) => sum + weight, 0n);
  const floors = used.map((weight) => (weight * WHOLE) / total);
  let left = WHOLE - floors.reduce((sum, floor) => sum + floor, 0n);
  const order = used
    .map((weight, place) => ({ place, rest: (weight * WHOLE) % total, key: weights[place]?.key ?? '' }))
    .sort((a, b) => (a.rest > b.rest ? -1 : a.rest < b.rest ? 1 : a.key < b.key ? -1 : 1));
  for (const { place } of order) {
    if (left === 0n) break;
    floors[place] = (floors[place] ?? 0n) + 1n;
    left -= 1n;
  }
  return floors;
}

/** The fractions of each pool, through later pools, by cost center; null stands for nobody. */
export function sharesOf(
  pools: readonly Pool[],
  cost: Direct,
  tokens: Direct,
): Map<string, Map<string | null, Fraction>> {
  const has = { cost: new Map(cost), tokens: new Map(tokens) };
  const centers = [...cost.keys()].filter((key) => key.startsWith('center ')).map((key) => ({ center: key.slice(7) }));
  const own = new Map<string, { to: To; fraction: bigint }[]>();
  for (const { name, split, among } of pools) {
    const fixed = typeof split === 'object' && 'fixed' in split ? split.fixed : null;
    const listed = among ?? (fixed === null ? null : Object.keys(fixed));
    const recipients: To[] = listed?.map((one) => (typeof one === 'string' ? { center: one } : one)) ?? centers;
    const weights = recipients.map((to) => {
      const key = keyOfTo(to);
      if (fixed !== null) return { key, weight: unitsOf(fixed['center' in to ? to.center : to.pool] ?? '0') };
      if (split === 'even') return { key, weight: 1n };
      const measure = typeof split === 'object' && 'proportional' in split ? split.proportional : 'cost';
      return { key, weight: has[measure].get(key) ?? 0n };
    });
    const fractions = recipients.length === 0 ? [] : fractionsOf(weights);
    own.set(
      name,
      recipients.map((to, place) => ({ to, fraction: fractions[place] ?? 0n })),
    );
    // Amounts grow by twelve digits with each pool, so all of them grow.
    for (const amounts of [has.cost, has.tokens]) {
      const amount = amounts.get(`pool ${name}`) ?? 0n;
      for (const [key, units] of amounts) amounts.set(key, units * WHOLE);
      for (const { to, fraction } of own.get(name) ?? []) {
        amounts.set(keyOfTo(to), (amounts.get(keyOfTo(to)) ?? 0n) + amount * fraction);
      }
    }
  }
  const flat = new Map<string, Map<string | null, Fraction>>();
  for (const { name } of [...pools].reverse()) {
    const shares = new Map<string | null, Fraction>();
    const add = (center: string | null, { part, over }: Fraction): void => {
      const before = shares.get(center) ?? { part: 0n, over: 1n };
      shares.set(center, { part: before.part * over + part * before.over, over: over * before.over });
    };
    const recipients = own.get(name) ?? [];
    if (recipients.length === 0) add(null, { part: 1n, over: 1n });
    for (const { to, fraction } of recipients) {
      if ('center' in to) add(to.center, { part: fraction, over: WHOLE });
      else
        for (const [center, { part, over }] of flat.get(to.pool) ?? [])
          add(center, { part: part * fraction, over: over * WHOLE });
    }
    flat.set(name, shares);
  }
  return flat;
}

/** Of a line, what belongs to each cost center, and whether it is a share. */
export interface Part {
  readonly placed: Placed<CostLine>;
  readonly center: string | null;
  readonly isShared: boolean;
  readonly units: bigint;
}

/** A query of a month. */
export function monthQuery(month: string, last: string): Query {
  const rest = { report: 'costs', filters: [], groupBy: [], order: 'key', compare: null, limit: 1 } as const;
  return { from: `${month}-01`, to: last, ...rest };
}

/** How the pools of a document are shared in a month. */
export type Shares = ReturnType<typeof sharesOf>;

/** How a document shares its pools in a month. */
export function monthShares(ledger: Ledger, { rules, pools }: Pick<Document, 'rules' | 'pools'>, query: Query): Shares {
  const lines = costLinesOf(ledger, query).filter(({ line }) => line.currency === 'USD');
  const cost = lines.map((placed) => ({
    to: matchOf(rules, valuesOf(ledger, placed))?.to ?? null,
    units: unitsOf(placed.line.amount),
  }));
  const tokens = usageLinesOf(ledger, query).flatMap((placed) =>
    tokensByType(placed.line)
      .filter(([, count]) => count !== 0n)
      .map(([type, units]) => ({ to: matchOf(rules, valuesOfTokens(ledger, placed, type))?.to ?? null, units })),
  );
  return sharesOf(pools, directOf(cost), directOf(tokens));
}

/** Every line of a month, with who it belongs to. Whoever has no share has no part. */
export function allocate(
  ledger: Ledger,
  document: Pick<Document, 'rules' | 'pools'>,
  query: Query,
  shares = monthShares(ledger, document, query),
): Part[] {
  const sharing = (pool: string): [string | null, Fraction][] =>
    [...(shares.get(pool) ?? [])].filter(([, { part }]) => part !== 0n);
  return costLinesOf(ledger, query).flatMap((placed): Part[] => {
    const to = matchOf(document.rules, valuesOf(ledger, placed))?.to ?? null;
    const units = unitsOf(placed.line.amount);
    if (to === null) return [{ placed, center: null, isShared: false, units }];
    if ('center' in to) return [{ placed, center: to.center, isShared: false, units }];
    return sharing(to.pool).map(([center, { part, over }]) => {
      if ((units * part) % over !== 0n) throw new Error('the oracle needs more digits');
      return { placed, center, isShared: true, units: (units * part) / over };
    });
  });
}

export function valuesOf(ledger: Ledger, placed: Placed<CostLine | UsageLine>): ValueOf {
  return (dimension) => keyOf(ledger, { ...monthQuery('2026-03', ''), groupBy: [dimension] }, placed)[0] ?? null;
}

/** What tokens have in the dimensions of costs that usage lacks. */
function valuesOfTokens(ledger: Ledger, placed: Placed<UsageLine>, type: string): ValueOf {
  const of = valuesOf(ledger, placed);
  const fixed: Readonly<Record<string, Value>> = {
    token_type: type,
    cost_type: 'tokens',
    currency: 'USD',
    description: null,
  };
  return (dimension) => {
    if (Object.hasOwn(fixed, dimension)) return fixed[dimension] ?? null;
    const value = of(dimension);
    return dimension === 'inference_geo' && value === 'not_available' ? null : value;
  };
}

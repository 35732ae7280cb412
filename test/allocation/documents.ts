import fc from 'fast-check';
import { VALUES, type Value } from '../spend/ledger.ts';

/** Random allocation documents, in the form that people send. */

export type Conditions = Readonly<Record<string, readonly Value[]>>;
export interface Rule {
  readonly name: string;
  readonly where: Readonly<Record<string, readonly Value[] | Conditions>>;
  readonly to: string | { readonly tag: string } | { readonly pool: string };
}
export interface Pool {
  readonly name: string;
  readonly split:
    'even' | { readonly fixed: Readonly<Record<string, string>> } | { readonly proportional: 'cost' | 'tokens' };
  readonly among?: readonly (string | { readonly pool: string })[];
}
export interface Document {
  readonly from: string;
  readonly rules: readonly Rule[];
  readonly pools: readonly Pool[];
}

/** The cost centers that rules name. Some tags have the same names. */
const CENTERS = ['A', 'b', 'platform', 'Ünïcode ☃', '=1+1'];
const POOLS = ['first', 'second', 'third'];

const COLUMNS = [
  'workspace',
  'model',
  'token_type',
  'context_window',
  'service_tier',
  'inference_geo',
  'cost_type',
  'description',
  'currency',
] as const;

const oneOf = (name: string, values: readonly Value[]): fc.Arbitrary<Conditions> =>
  fc
    .subarray(
      values.filter((value) => value !== ''),
      { minLength: 1 },
    )
    .map((chosen) => ({ [name]: chosen }));

function condition(connectionIds: readonly string[]): fc.Arbitrary<Conditions> {
  return fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(...COLUMNS).chain((column) => oneOf(column, VALUES[column])) },
    {
      weight: 3,
      arbitrary: fc
        .constantFrom(...(['team', 'env', 'cost center'] as const))
        .chain((tag) => oneOf(`tag.${tag}`, VALUES.tags[tag])),
    },
    { weight: 1, arbitrary: oneOf('connection', connectionIds) },
  );
}

const together = (all: readonly Conditions[]): Conditions => Object.assign({}, ...all) as Conditions;

function rule(connectionIds: readonly string[], pools: readonly string[]): fc.Arbitrary<Omit<Rule, 'name'>> {
  return fc.record({
    where: fc
      .tuple(fc.array(condition(connectionIds), { maxLength: 2 }), fc.array(condition(connectionIds), { maxLength: 1 }))
      .map(([own, not]) => ({ ...together(own), ...(not.length === 0 ? {} : { not: together(not) }) })),
    to: fc.oneof(
      fc.constantFrom(...CENTERS),
      fc.constantFrom(...['team', 'env', 'cost center']).map((tag) => ({ tag })),
      ...(pools.length === 0 ? [] : [{ weight: 3, arbitrary: fc.constantFrom(...pools).map((pool) => ({ pool })) }]),
    ),
  });
}

function pool(name: string, later: readonly string[]): fc.Arbitrary<Pool> {
  const among = fc
    .tuple(fc.subarray(CENTERS, { minLength: 1 }), fc.subarray([...later]))
    .map(([centers, others]) => [...centers, ...others.map((other) => ({ pool: other }))]);
  return fc
    .oneof(
      fc.record({
        split: fc.constantFrom('even' as const, { proportional: 'cost' as const }, { proportional: 'tokens' as const }),
        among,
      }),
      fc.record({
        split: fc.constantFrom('even' as const, { proportional: 'cost' as const }, { proportional: 'tokens' as const }),
      }),
      fc
        .tuple(among, fc.integer({ min: 1, max: 9_999 }))
        .map(([recipients, seed]) => ({ split: { fixed: fixedOf(recipients, seed) }, among: recipients })),
    )
    .map((own) => ({ name, ...own }));
}

/** Percentages that add up to 100, with decimals. */
function fixedOf(recipients: readonly (string | { pool: string })[], seed: number): Record<string, string> {
  const names = recipients.map((one) => (typeof one === 'string' ? one : one.pool));
  const each = names.map((_, place) =>
    place === names.length - 1 ? 0 : (seed * (place + 1)) % Math.floor(10_000 / names.length) || 1,
  );
  const last = 10_000 - each.reduce((sum, part) => sum + part, 0);
  return Object.fromEntries(
    names.map((name, place) => [name, ((place === names.length - 1 ? last : (each[place] ?? 0)) / 100).toFixed(2)]),
  );
}

/** A document from `from` on. */
export function document(from: string, connectionIds: readonly string[]): fc.Arbitrary<Document> {
  return fc.integer({ min: 0, max: POOLS.length }).chain((count) => {
    const names = POOLS.slice(0, count);
    return fc
      .record({
        rules: fc.array(rule(connectionIds, names), { maxLength: 7 }),
        pools: fc.tuple(...names.map((name, place) => pool(name, names.slice(place + 1)))),
      })
      .map(({ rules, pools }) => ({
        from,
        rules: rules.map((one, place) => ({ name: `rule ${place}`, ...one })),
        pools,
      }));
  });
}

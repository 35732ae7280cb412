import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { documentOf, readAllocation, type AllocationDocument } from '../../domain/allocation/check.ts';
import type { Allocation } from '../../domain/allocation/document.ts';
import { inCents } from '../../domain/allocation/journal.ts';
import { matchOf } from '../../domain/allocation/match.ts';
import { warningsOf } from '../../domain/allocation/reach.ts';
import { ONE, allocate, fractionsOf, sharesOf, type Direct } from '../../domain/allocation/shares.ts';
import {
  ZERO,
  addDecimals,
  multiplyDecimals,
  subtractDecimals,
  toDecimal,
  toUnits,
  type Decimal,
} from '../../domain/money.ts';
import { document } from '../allocation/documents.ts';
import { matchOf as naiveMatchOf } from '../allocation/oracle.ts';
import { VALUES } from '../spend/ledger.ts';

const CONNECTIONS = ['0b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b', '1b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b'];
const documents = document('2026-03', CONNECTIONS) as fc.Arbitrary<AllocationDocument>;

const decimal = fc
  .tuple(fc.bigInt(-(10n ** 24n), 10n ** 24n), fc.integer({ min: 0, max: 18 }))
  .map(([units, scale]): Decimal => multiplyDecimals(toDecimal(units.toString()), toDecimal(`1e-${scale}`)));
const amounts = (names: readonly string[]): fc.Arbitrary<Map<string, Decimal>> =>
  fc
    .array(fc.tuple(fc.constantFrom(...names), fc.oneof(decimal, fc.constant(ZERO))), { maxLength: 5 })
    .map((all) => new Map(all));
const direct: fc.Arbitrary<Direct> = fc.record({
  centers: amounts(['A', 'b', 'platform', 'Ünïcode ☃', 'x']),
  pools: amounts(['first', 'second', 'third']),
});

const { tags, ...columns } = VALUES;
const VALUES_OF: readonly (readonly [string, readonly (string | null)[]])[] = [
  ...Object.entries(columns),
  ...Object.entries(tags).map(([name, own]) => [`tag.${name}`, own] as const),
  ['connection', CONNECTIONS],
];
/** The values of a line by their dimension. */
const line = fc
  .tuple(...VALUES_OF.map(([name, own]) => fc.constantFrom(...own).map((value) => [name, value] as const)))
  .map((drawn) => new Map<string, string | null>(drawn));

function allocationOf(given: AllocationDocument): Allocation {
  const { allocation, faults } = readAllocation(given);
  expect(faults).toEqual([]);
  return allocation;
}

const FAULTS: readonly (readonly [what: string, part: object, path: string, message: string])[] = [
  [
    'a pool that shares with itself',
    { pools: [{ name: 'p', split: 'even', among: [{ pool: 'p' }] }] },
    'pools.0.among.0',
    'is a cycle: it shares with itself',
  ],
  [
    'a pool that shares with an earlier one',
    {
      pools: [
        { name: 'a', split: 'even' },
        { name: 'b', split: 'even', among: [{ pool: 'a' }] },
      ],
    },
    'pools.1.among.0',
    'is a cycle',
  ],
  [
    'an unknown pool among recipients',
    { pools: [{ name: 'p', split: 'even', among: [{ pool: 'q' }] }] },
    'pools.0.among.0',
    'there is no pool "q"',
  ],
  [
    'shares of 99',
    { pools: [{ name: 'p', split: { fixed: { a: '60', b: '39' } } }] },
    'pools.0.split.fixed',
    'must add up to 100, and add up to 99',
  ],
  [
    'shares that only a float adds up',
    { pools: [{ name: 'p', split: { fixed: { a: '33.3', b: '33.3', c: '33.4000000001' } } }] },
    'pools.0.split.fixed',
    'add up to 100.0000000001',
  ],
  [
    'a share of zero',
    { pools: [{ name: 'p', split: { fixed: { a: '0', b: '100' } } }] },
    'pools.0.split.fixed',
    'the share of "a" must be above zero',
  ],
  [
    'a share that is no number',
    { pools: [{ name: 'p', split: { fixed: { a: 'half', b: '100' } } }] },
    'pools.0.split.fixed',
    'the share of "a" must be a decimal',
  ],
  [
    'recipients without a share',
    { pools: [{ name: 'p', split: { fixed: { a: '100' } }, among: ['a', 'b'] }] },
    'pools.0.among',
    'must name the recipients that have a fixed share',
  ],
  ['nobody', { pools: [{ name: 'p', split: 'even', among: [] }] }, 'pools.0.among', 'needs at least one recipient'],
  [
    'a recipient twice',
    { pools: [{ name: 'p', split: 'even', among: ['a', 'a'] }] },
    'pools.0.among.1',
    'names the same recipient twice',
  ],
  [
    'two pools of one name',
    {
      pools: [
        { name: 'p', split: 'even' },
        { name: 'p', split: 'even' },
      ],
    },
    'pools.1.name',
    'the pool "p" is there twice',
  ],
  [
    'an unknown dimension',
    { rules: [{ name: 'r', where: { team: ['a'] }, to: 'A' }] },
    'rules.0.where.team',
    'the rule "r": "team" is no dimension',
  ],
  [
    'an unknown dimension to exclude',
    { rules: [{ name: 'r', where: { not: { usage: ['a'] } }, to: 'A' }] },
    'rules.0.where.not.usage',
    'is no dimension',
  ],
  [
    'a grain',
    { rules: [{ name: 'r', where: { day: ['2026-01-01'] }, to: 'A' }] },
    'rules.0.where.day',
    'is no dimension',
  ],
  [
    'a rule to a pool that is not there',
    { rules: [{ name: 'r', where: {}, to: { pool: 'p' } }] },
    'rules.0.to.pool',
    'the rule "r": there is no pool "p"',
  ],
  [
    'no value',
    { rules: [{ name: 'r', where: { model: [] }, to: 'A' }] },
    'rules.0.where.model',
    'needs at least one value',
  ],
  [
    'an empty value',
    { rules: [{ name: 'r', where: { model: [''] }, to: 'A' }] },
    'rules.0.where.model',
    'null stands for what Anthropic did not report',
  ],
  [
    'a connection that is no id',
    { rules: [{ name: 'r', where: { connection: ['Acme'] }, to: 'A' }] },
    'rules.0.where.connection',
    'must be ids of connections',
  ],
  ['an empty cost center', { rules: [{ name: 'r', where: {}, to: ' ' }] }, 'rules.0.to', 'must not be empty'],
  [
    'a rule twice',
    {
      rules: [
        { name: 'r', where: {}, to: 'A' },
        { name: 'r', where: {}, to: 'B' },
      ],
    },
    'rules.1.name',
    'the rule "r" is there twice',
  ],
  [
    'a key as a name',
    { rules: [{ name: 'sk-ant-admin01-x', where: {}, to: 'A' }] },
    'rules.0.name',
    'must not contain a key or a token',
  ],
];

describe('shares of pools', () => {
  it('add up to 1 exactly, for every pool, whatever the weights', () => {
    fc.assert(
      fc.property(documents, direct, direct, (given, cost, tokens) => {
        for (const { centers, unallocated, recipients } of sharesOf(allocationOf(given), cost, tokens)) {
          expect(addDecimals([...centers.values(), unallocated])).toBe(ONE);
          if (recipients.length > 0) expect(addDecimals(recipients.map(({ fraction }) => fraction))).toBe(ONE);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('leave the sum as it is: cost centers and nobody have what rules gave', () => {
    fc.assert(
      fc.property(documents, direct, direct, decimal, (given, cost, tokens, unmatched) => {
        const allocation = allocationOf(given);
        const pools = new Map([...cost.pools].filter(([name]) => allocation.pools.some((pool) => pool.name === name)));
        const shares = sharesOf(allocation, { ...cost, pools }, tokens);
        const { centers, unallocated } = allocate({ ...cost, pools }, unmatched, shares);
        const before = addDecimals([...cost.centers.values(), ...pools.values(), unmatched]);
        expect(addDecimals([...centers.values(), unallocated])).toBe(before);
      }),
      { numRuns: 500 },
    );
  });

  it('do not depend on the order in which cost centers come', () => {
    fc.assert(
      fc.property(documents, direct, (given, cost) => {
        const allocation = allocationOf(given);
        const reversed = { centers: new Map([...cost.centers].reverse()), pools: new Map([...cost.pools].reverse()) };
        expect(sharesOf(allocation, reversed, reversed)).toEqual(sharesOf(allocation, cost, cost));
      }),
    );
  });

  it('are within a unit of the last digit of the exact proportion', () => {
    const weights = [1, 1, 1].map((_, index) => ({ key: `center ${index}`, weight: ONE }));
    expect(fractionsOf(weights)).toEqual(['0.333333333334', '0.333333333333', '0.333333333333']);
    const negative = [toDecimal('-5'), toDecimal('3'), ZERO].map((weight, index) => ({
      key: `center ${index}`,
      weight,
    }));
    expect(fractionsOf(negative)).toEqual(['0', '1', '0']);
    expect(fractionsOf([ZERO, toDecimal('-1')].map((weight, index) => ({ key: `center ${index}`, weight })))).toEqual([
      '0.5',
      '0.5',
    ]);
    expect(fractionsOf([])).toEqual([]);
  });
});

describe('a document', () => {
  it('reads back as it was written, in one spelling', () => {
    fc.assert(
      fc.property(documents, (given) => {
        const allocation = allocationOf(given);
        expect(readAllocation(documentOf(allocation))).toEqual({ allocation, faults: [] });
      }),
    );
  });

  it('matches lines as a second reading of it does', () => {
    fc.assert(
      fc.property(documents, line, (given, drawn) => {
        const valueOf = (dimension: string): string | null => drawn.get(dimension) ?? null;
        expect(matchOf(allocationOf(given).rules, valueOf)).toEqual(naiveMatchOf(given.rules as never, valueOf));
      }),
      { numRuns: 1_000 },
    );
  });

  it('has a warning only for rules that take no line', () => {
    let warned = 0;
    fc.assert(
      fc.property(documents, fc.array(line, { minLength: 40, maxLength: 40 }), (given, lines) => {
        const allocation = allocationOf(given);
        const silent = new Set(warningsOf(allocation).map(({ path }) => path));
        warned += silent.size;
        for (const drawn of lines) {
          const match = matchOf(allocation.rules, (dimension) => drawn.get(dimension) ?? null);
          if (match !== null) expect(silent).not.toContain(`rules.${match.rule}`);
        }
      }),
      { numRuns: 500, seed: 4 },
    );
    expect(warned).toBeGreaterThan(50);
  });

  it('warns of what no line reaches, by name', () => {
    const rules = [
      { name: 'opus', where: { model: ['opus', 'sonnet'] }, to: 'A' },
      { name: 'sonnet of one', where: { model: ['sonnet'], workspace: ['w1'] }, to: 'B' },
      { name: 'never', where: { model: ['x'], not: { model: ['x'] } }, to: 'C' },
      { name: 'tagged', where: {}, to: { tag: 'team' } },
      { name: 'tagged again', where: { 'tag.team': ['a'] }, to: 'D' },
      { name: 'untagged', where: { 'tag.team': [null] }, to: 'E' },
      { name: 'rest', where: {}, to: 'F' },
      { name: 'after all', where: { model: ['y'] }, to: 'G' },
    ];
    const given = { from: '2026-03' as const, rules, pools: [{ name: 'unused', split: 'even' as const }] };
    expect(warningsOf(allocationOf(given)).map(({ path }) => path)).toEqual([
      'rules.1',
      'rules.2',
      'rules.4',
      'rules.7',
      'pools.0',
    ]);
  });

  it.each(FAULTS)('is refused for %s, at its place', (_what, part, path, message) => {
    const { faults } = readAllocation({ from: '2026-03', rules: [], pools: [], ...part });
    expect(faults).toContainEqual({ path, message: expect.stringContaining(message) as string });
    for (const fault of faults) expect(fault.message).not.toContain('sk-ant');
  });
});

describe('a journal', () => {
  it('is in cents that add up to the exact sum in cents, and none is a cent away', () => {
    const entry = fc.record({ key: fc.string(), amount: decimal });
    fc.assert(
      fc.property(fc.uniqueArray(entry, { selector: ({ key }) => key, maxLength: 8 }), (entries) => {
        const cents = inCents(entries);
        const [sum = 0n, cent = 1n] = toUnits([addDecimals(cents), toDecimal('0.01')]).units;
        expect(sum % cent).toBe(0n);
        const exact = addDecimals(entries.map(({ amount }) => amount));
        const [rest = 0n, half = 0n] = toUnits([subtractDecimals(exact, addDecimals(cents)), toDecimal('0.005')]).units;
        expect(rest <= half && rest >= -half).toBe(true);
        for (const [index, { amount }] of entries.entries()) {
          const [away = 0n, limit = 1n] = toUnits([
            subtractDecimals(amount, cents[index] ?? ZERO),
            toDecimal('0.01'),
          ]).units;
          expect(away < limit && away > -limit).toBe(true);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('gives the cents that are left to the largest remainders, ties by name', () => {
    const of = (...texts: string[]): readonly Decimal[] =>
      inCents(texts.map((text, index) => ({ key: `${index}`, amount: toDecimal(text) })));
    expect(of('0.006', '0.006', '0.008')).toEqual(['0.01', '0', '0.01']);
    expect(of('-0.006', '0.001')).toEqual(['0', '0']);
    expect(of('-0.006', '-0.001')).toEqual(['-0.01', '0']);
    expect(of('3', '4')).toEqual(['3', '4']);
    expect(of('0.005')).toEqual(['0']);
    expect(of('0.015')).toEqual(['0.02']);
  });
});

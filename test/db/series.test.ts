import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SumTooLargeError, digestOf, identifyCost, identifyUsage } from '../../db/ledger/day-content.ts';
import { columnOf, extraOf, seriesIdOf } from '../../db/ledger/series.ts';
import { COST_DIMENSIONS, type CostLine, type Json } from '../../domain/lines.ts';
import { toDecimal } from '../../domain/money.ts';
import { cost, usage } from './support.ts';

const json: fc.Arbitrary<Json> = fc
  .jsonValue({ maxDepth: 2 })
  .map((value): Json => JSON.parse(JSON.stringify(value)) as Json);
const dimensions = fc.dictionary(fc.string({ minLength: 1, maxLength: 8 }), json, {
  maxKeys: 6,
  noNullPrototype: true,
});
const shuffled = (fields: Readonly<Record<string, Json>>): fc.Arbitrary<Record<string, Json>> =>
  fc
    .shuffledSubarray(Object.entries(fields), { minLength: Object.keys(fields).length })
    .map((entries) => Object.fromEntries(entries));

describe('the id of a series', () => {
  it('does not depend on the order of fields, and null equals absent', () => {
    const pair = dimensions.chain((given) => fc.tuple(fc.constant(given), shuffled(given)));
    fc.assert(
      fc.property(pair, fc.string(), ([given, other], name) => {
        expect(seriesIdOf(other)).toBe(seriesIdOf(given));
        expect(seriesIdOf({ [name]: null, ...other })).toBe(seriesIdOf(given));
      }),
    );
  });

  it('depends on every field and value', () => {
    const of = [
      {},
      { a: 'x' },
      { a: 'y' },
      { b: 'x' },
      { a: 1 },
      { a: '1' },
      { a: true },
      { a: ['x'] },
      { a: { b: 'x' } },
      { a: '' },
    ];
    expect(new Set(of.map(seriesIdOf)).size).toBe(of.length);
  });

  it('stays the same when an unknown field gets a column', () => {
    const given = { currency: 'USD', model: 'm', speed: 'fast' };
    expect(extraOf(given, COST_DIMENSIONS)).toBe('{"speed":"fast"}');
    expect(extraOf(given, [...COST_DIMENSIONS, 'speed'])).toBeNull();
    expect(columnOf(given, 'speed')).toBe('fast');
    // Another id would store each series a second time.
    expect(seriesIdOf(given)).toBe('32b5f060-d2b0-32c5-a2f9-660805274e6d');
  });

  it('has texts in columns for every type of reported value', () => {
    expect([
      columnOf({ a: 7 }, 'a'),
      columnOf({ a: { b: 1 } }, 'a'),
      columnOf({ a: null }, 'a'),
      columnOf({}, 'a'),
    ]).toEqual(['7', '{"b":1}', null, null]);
  });
});

describe('usage of equal dimensions', () => {
  const counts = fc.array(fc.tuple(fc.maxSafeNat(), fc.integer({ min: -10_000, max: 10_000 })), {
    minLength: 2,
    maxLength: 5,
  });

  it('is added up exactly, past 2^53 and in every decimal', () => {
    fc.assert(
      fc.property(counts, (given) => {
        const lines = given.map(([output, x]) => usage({ output_tokens: output }, {}, { x: String(x / 100) }));
        const [sum, ...others] = identifyUsage(lines).map(({ line }) => line);
        expect(others).toEqual([]);
        expect(BigInt(sum?.counts.output_tokens ?? -1)).toBe(given.reduce((so, [output]) => so + BigInt(output), 0n));
        const hundredths = given.reduce((so, [, x]) => so + x, 0);
        expect(sum?.extraCounts['x'] ?? '0').toBe(toDecimal(`${hundredths}e-2`));
      }),
    );
  });

  it('has no rounding of floats', () => {
    const [sum] = identifyUsage([usage({}, {}, { x: '0.1' }), usage({}, {}, { x: '0.2' })]);
    expect(sum?.line.extraCounts).toEqual({ x: '0.3' });
  });

  it('that adds up to more than Postgres can store is refused', () => {
    const most = 2n ** 63n - 1n;
    expect(identifyUsage([usage({ output_tokens: most }), usage({})])[0]?.line.counts.output_tokens).toBe(most);
    expect(() => identifyUsage([usage({ output_tokens: most }), usage({ output_tokens: 1 })])).toThrow(
      SumTooLargeError,
    );
  });
});

describe('the digest of a day', () => {
  const respelled = fc.constantFrom(
    (amount: string) => amount,
    (amount: string) => `${amount}${amount.includes('.') ? '00' : '.0'}`,
    (amount: string) => (amount.startsWith('-') ? amount : `+00${amount}`),
    (amount: string) => `${amount}e0`,
  );
  const lines = fc
    .array(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), fc.integer({ min: -99, max: 99 }), fc.nat(99)), {
      maxLength: 8,
    })
    .map((given) => given.map(([model, whole, rest]): CostLine => cost(`${whole}.${rest}1`, { model })));

  it('does not depend on the order of lines or the spelling of amounts', () => {
    const pair = lines.chain((given) =>
      fc.tuple(fc.constant(given), fc.shuffledSubarray(given, { minLength: given.length }), respelled),
    );
    fc.assert(
      fc.property(pair, ([given, other, respell]) => {
        const again = other.map((line) => cost(respell(line.amount), line.dimensions));
        expect(digestOf(identifyCost(again)).equals(digestOf(identifyCost(given)))).toBe(true);
      }),
    );
  });

  it('differs when an amount, a count or a line does', () => {
    const days = [
      identifyCost([]),
      identifyCost([cost('1', { model: 'a' })]),
      identifyCost([cost('1.0000000000000000000000001', { model: 'a' })]),
      identifyCost([cost('1', { model: 'b' })]),
      identifyCost([cost('1', { model: 'a' }), cost('0', { model: 'b' })]),
      identifyUsage([usage({ output_tokens: 1 })]),
      identifyUsage([usage({ uncached_input_tokens: 1 })]),
      identifyUsage([usage({ output_tokens: 1 }, {}, { x: 1 })]),
      identifyUsage([usage({ output_tokens: 1 }, {}, { x: 2 })]),
    ];
    expect(new Set(days.map((day) => digestOf(day).toString('hex'))).size).toBe(days.length);
  });
});

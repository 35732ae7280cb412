import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SeriesNumbers } from '../../db/ledger/series-numbers.ts';
import { COST_DIMENSIONS, type Dimensions, type Json } from '../../domain/lines.ts';
import type { CostLine } from '../support/lines.ts';
import { toDecimal } from '../../domain/money.ts';
import { PageError } from '../../pages/failure.ts';
import { columnOf, extraOf } from '../../pages/new-series.ts';
import { seriesIdOf } from '../../pages/series.ts';
import { SeriesRead, costContent, readRows, usageContent } from '../support/pages.ts';
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

function idOf(given: Dimensions): string {
  return Buffer.from(seriesIdOf(given)).toString('hex');
}

describe('the id of a series', () => {
  it('does not depend on the order of fields, and null equals absent', () => {
    const pair = dimensions.chain((given) => fc.tuple(fc.constant(given), shuffled(given)));
    fc.assert(
      fc.property(pair, fc.string(), ([given, other], name) => {
        expect(idOf(other)).toBe(idOf(given));
        expect(idOf({ [name]: null, ...other })).toBe(idOf(given));
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
    expect(new Set(of.map(idOf)).size).toBe(of.length);
  });

  it('stays the same when an unknown field gets a column', () => {
    const given = { currency: 'USD', model: 'm', speed: 'fast' };
    expect(extraOf(given, COST_DIMENSIONS)).toBe('{"speed":"fast"}');
    expect(extraOf(given, [...COST_DIMENSIONS, 'speed'])).toBeNull();
    expect(columnOf(given, 'speed')).toBe('fast');
    // Another id would store each series a second time.
    expect(idOf(given)).toBe('32b5f060d2b032c5a2f9660805274e6d');
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

describe('the numbers of series', () => {
  it('are not used before they were looked up', () => {
    const { content, numbers } = costContent([cost('1')]);
    expect(() => numbers.of(content.series[0] ?? -1)).toThrow('a line was written before its series had a number');
    expect(() => new SeriesNumbers().of(0)).toThrow('a line was written before its series had a number');
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
        const rows = given.map(([output, x]) => JSON.stringify({ output_tokens: output, x: x / 100 }));
        const { days, series } = readRows('usage', rows);
        const [sum, ...others] = days.flatMap(({ content }) => new SeriesRead().add(series).usageLines(content));
        expect(others).toEqual([]);
        expect(BigInt(sum?.counts.output_tokens ?? -1)).toBe(given.reduce((so, [output]) => so + BigInt(output), 0n));
        const hundredths = given.reduce((so, [, x]) => so + x, 0);
        expect(sum?.extraCounts['x'] ?? '0').toBe(toDecimal(`${hundredths}e-2`));
      }),
    );
  });

  it('has no rounding of floats', () => {
    const { content } = usageContent([usage({}, {}, { x: '0.1' }), usage({}, {}, { x: '0.2' })]);
    expect([...content.extraCounts]).toEqual([[0, { x: '0.3' }]]);
  });

  it('that adds up to more than Postgres can store is refused', () => {
    const most = 2n ** 63n - 1n;
    const { content } = usageContent([usage({ output_tokens: most }), usage({})]);
    expect([...content.series]).toEqual([0]);
    expect(content.counts.output_tokens[0]).toBe(most);
    const over = (): unknown => usageContent([usage({ output_tokens: most }), usage({ output_tokens: 1 })]);
    expect(over).toThrow(PageError);
    expect(over).toThrow('output_tokens adds up to more than can be stored');
  });
});

describe('the digest of a day', () => {
  const respelled = fc.constantFrom(
    (amount: string) => amount,
    (amount: string) => `${amount}${amount.includes('.') ? '00' : '.0'}`,
    (amount: string) => (amount.startsWith('-') ? amount : `+00${amount}`),
    (amount: string) => `${amount}e0`,
  );
  const rows = fc
    .array(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), fc.integer({ min: -99, max: 99 }), fc.nat(99)), {
      maxLength: 8,
    })
    .map((given) => given.map(([model, whole, rest]) => ({ model, amount: `${whole}.${rest}1` })));
  const digestOfRows = (given: readonly unknown[]): string[] =>
    readRows(
      'cost',
      given.map((row) => JSON.stringify(row)),
    ).days.map(({ content }) => Buffer.from(content.digest).toString('hex'));

  it('does not depend on the order of lines or the spelling of amounts', () => {
    const pair = rows.chain((given) =>
      fc.tuple(fc.constant(given), fc.shuffledSubarray(given, { minLength: given.length }), respelled),
    );
    fc.assert(
      fc.property(pair, ([given, other, respell]) => {
        const again = other.map(({ model, amount }) => ({ amount: respell(amount), workspace_id: null, model }));
        expect(digestOfRows(again)).toEqual(digestOfRows(given));
      }),
    );
  });

  it('differs when an amount, a count or a line does', () => {
    const costs: CostLine[][] = [
      [],
      [cost('1', { model: 'a' })],
      [cost('1.0000000000000000000000001', { model: 'a' })],
      [cost('1', { model: 'b' })],
      [cost('1', { model: 'a' }), cost('0', { model: 'b' })],
    ];
    const usages = [
      [usage({ output_tokens: 1 })],
      [usage({ uncached_input_tokens: 1 })],
      [usage({ output_tokens: 1 }, {}, { x: 1 })],
      [usage({ output_tokens: 1 }, {}, { x: 2 })],
      [usage({ output_tokens: 1 }, {}, { y: 1 })],
    ];
    const days = [...costs.map(costContent), ...usages.map(usageContent)];
    expect(new Set(days.map(({ content }) => Buffer.from(content.digest).toString('hex'))).size).toBe(days.length);
  });
});

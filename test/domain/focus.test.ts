import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toDay } from '../../domain/days.ts';
import { columnsOf } from '../../domain/focus/columns.ts';
import { SCHEMA_REVISION, factsOf, metadataOf } from '../../domain/focus/metadata.ts';
import { priceOf } from '../../domain/focus/price.ts';
import { rowsWith, type FocusLine } from '../../domain/focus/row.ts';
import { multiplyDecimals, ofUnits, toDecimal } from '../../domain/money.ts';
import { faultsIn } from '../focus/rules.ts';

const decimal = fc
  .tuple(fc.bigInt(-(10n ** 12n), 10n ** 22n), fc.integer({ min: 0, max: 15 }))
  .map(([units, scale]) => ofUnits(units, scale));
const text = fc.option(fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('', ':', 'a:b', '%3A')), {
  nil: null,
});
const tokens = fc.oneof(fc.constantFrom('0', '1', '2', '3', '1000000', '250000'), fc.nat().map(String)).map(toDecimal);

const line: fc.Arbitrary<FocusLine> = fc
  .record({
    description: text,
    costType: text,
    model: text,
    tokenType: fc.oneof(text, fc.constantFrom('uncached_input_tokens', 'output_tokens')),
    contextWindow: text,
    serviceTier: text,
    inferenceGeo: fc.oneof(text, fc.constantFrom('us', 'global', 'not_available')),
    workspaceId: text,
    workspaceName: text,
    accountName: text,
    tags: fc.option(fc.array(fc.tuple(fc.string(), fc.string())), { nil: null }),
    currency: fc.constantFrom('USD', 'EUR'),
    amount: decimal,
    tokens: fc.option(tokens, { nil: null }),
    isCorrection: fc.boolean(),
    dayState: fc.constantFrom('provisional', 'final', null),
  })
  .map((facts) => ({
    ...facts,
    day: '2026-12-31',
    billingMonth: facts.isCorrection ? '2027-01' : '2026-12',
    accountId: 'org-1',
    readAt: '2027-01-02T03:04:05Z',
    allocation: null,
  }));

describe('the row of a line', () => {
  it.each(['1.4', '1.3'] as const)('keeps every rule of FOCUS %s, whatever the line is about', (version) => {
    const columns = columnsOf({ version, isAllocated: false });
    fc.assert(
      fc.property(fc.array(line, { minLength: 1, maxLength: 5 }), (lines) => {
        const rows = rowsWith(columns)(lines).map((row) =>
          Object.fromEntries(
            columns.map(({ id, type }, place) => {
              const value = row[place] ?? null;
              return [id, type === 'Decimal' && value !== null && !value.includes('.') ? `${value}.0` : value];
            }),
          ),
        );
        expect(faultsIn({ columns: columns.map(({ id }) => id), rows }, version)).toEqual([]);
      }),
      { numRuns: 500, seed: 20261201 },
    );
  });
});

describe('a price', () => {
  it('times its quantity is the cost to the last digit, or there is none', () => {
    fc.assert(
      fc.property(decimal, tokens, (amount, count) => {
        const price = priceOf(amount, count);
        if (price !== null) expect(multiplyDecimals(price.unitPrice, price.quantity)).toBe(amount);
      }),
      { numRuns: 5_000, seed: 20261201 },
    );
  });

  it('is found wherever one with 12 digits is exact', () => {
    const unitPrice = fc.bigInt(0n, 10n ** 18n).map((units) => ofUnits(units, 12));
    fc.assert(
      fc.property(unitPrice, fc.integer({ min: 1, max: 2 ** 40 }), (price, count) => {
        const quantity = ofUnits(BigInt(count), 6);
        const found = priceOf(multiplyDecimals(price, quantity), toDecimal(String(count)));
        expect(found).toEqual({ unitPrice: price, quantity, consumed: String(count) });
      }),
      { numRuns: 2_000, seed: 20261201 },
    );
  });

  it.each([
    ['1', '3'],
    ['-1', '1'],
    ['1', '0'],
    ['1', null],
    ['99999999999999999999', '1'],
  ])('of %s for %s tokens does not exist', (amount, count) => {
    expect(priceOf(toDecimal(amount), count === null ? null : toDecimal(count))).toBeNull();
  });
});

it('whoever changes the columns gives the schema another number and another date', () => {
  const all = columnsOf({ version: '1.3', isAllocated: true });
  expect([SCHEMA_REVISION.number, SCHEMA_REVISION.createdAt, all.length]).toEqual([1, '2026-12-01T00:00:00Z', 51]);
  expect(columnsOf({ version: '1.4', isAllocated: false }).map(({ id }) => id)).not.toContain('ProviderName');
});

it('the metadata of a file of some connections names them, and says that it replaces nothing of the others', () => {
  const known = {
    fractionDigits: 2,
    certainty: { provisionalDays: 0, missingDays: 0, uncoveredDays: 0, asOf: null },
  };
  const range = { from: toDay('2026-10-01'), to: toDay('2026-10-31') };
  const of = (connections: readonly string[] | null): ReturnType<typeof metadataOf> =>
    metadataOf(factsOf({ version: '1.4', isAllocated: false }, { ...range, connections }, known));
  const [all, some] = [of(null), of(['b', 'a', 'b'])];
  expect(some.DatasetInstance[0]?.DatasetInstanceId).toBe('meterline-cost-and-usage-a-b');
  expect(some.DatasetInstance[0]?.DatasetInstanceId).not.toBe(all.DatasetInstance[0]?.DatasetInstanceId);
  expect(some.x_Replacement).toMatch(/^Has the rows of these connections alone: a, b\./);
  expect(all.x_Replacement).not.toContain('connections alone');
});

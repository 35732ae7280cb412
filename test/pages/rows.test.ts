import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addDays } from '../../domain/days.ts';
import { USAGE_COUNTS, addCounts, canonicalDimensions, type Dimensions, type Json } from '../../domain/lines.ts';
import { ZERO, addDecimals, centsToDollars, toDecimal } from '../../domain/money.ts';
import { PageError } from '../../pages/failure.ts';
import { seriesIdOf } from '../../pages/series.ts';
import {
  DAY,
  bucket,
  costOf,
  costRows,
  ofPage,
  pageOf,
  readDaysOf,
  readText,
  spelledRow,
  usageRows,
  textIn,
} from './support.ts';

const NAMES = [
  'amount',
  'results',
  'data',
  'description',
  'model',
  '}],[{',
  'a"b',
  '\\',
  '__proto__',
  'é☃𝕏',
  '',
  'n\0',
  '7',
];

const text = fc.oneof(
  fc.constantFrom(...NAMES, '"},{"', '\\"},{\\"', '"amount":"1"', 'half \ud83d of a pair', '\u007f'),
  fc.string({ unit: 'binary' }),
);
const json = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    text,
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom(...NAMES), tie('value'), { maxKeys: 3, noNullPrototype: true }),
  ),
})).value;
const cents = fc
  .tuple(fc.constantFrom('', '-'), fc.bigInt({ min: 0n, max: 10n ** 20n }), fc.stringMatching(/^(\.\d{1,16})?$/))
  .map(([sign, whole, fraction]) => `${sign}${whole}${fraction}`);
/** A name of a field: one that no other code gives a meaning. */
const name = fc.oneof(
  fc.constantFrom('more', 'mo"re', '__proto__', '\\', '7', 'n\0', 'x.y'),
  fc.string({ unit: 'binary' }),
);
/** The fields of a row, in any order; some come twice. A few descriptions, so that rows are seen again. */
const fields = fc
  .tuple(
    fc.record({ amount: cents, description: text, workspace_id: fc.option(fc.constantFrom('w1', 'w2')) }),
    fc.array(fc.tuple(name, json), { maxLength: 3 }),
    fc.array(fc.tuple(fc.constantFrom('description', 'currency', 'more'), fc.option(text)), { maxLength: 2 }),
  )
  .chain(([row, more, again]) => {
    const all: [string, Json][] = [...Object.entries(row), ...more, ...again];
    return fc.shuffledSubarray(all, { minLength: all.length });
  });
const gap = fc.constantFrom('', ' ', '\n\t ');

/** What Postgres cannot hold is replaced, at any depth. */
function storable(value: Json): Json {
  const replaced = JSON.stringify(value).replace(/(?<!\\)((?:\\\\)*)\\u(?:0000|d[89a-f][0-9a-f]{2})/g, '$1\ufffd');
  return JSON.parse(replaced) as Json;
}

describe('the rows of a page', () => {
  const page = fc.tuple(gap, fc.array(fc.array(fields, { maxLength: 6 }), { minLength: 1, maxLength: 4 }));

  it('are those of the parsed page, added up by their dimensions, with any spacing and content', () => {
    fc.assert(
      fc.property(page, ([space, days]) => {
        // Each row twice over, so that rows are both new and seen before.
        const texts = days.map((rows) => [...rows, ...rows].map((row) => spelledRow(row, space)));
        const read = readDaysOf('cost', texts, space);
        expect(read.lines).toBe(texts.flat().length);
        for (const [index, rows] of texts.entries()) {
          const sums = new Map<string, string[]>();
          for (const row of rows) {
            const { amount, ...parsed } = storable(JSON.parse(row) as Json) as Record<string, Json>;
            const dimensions: Dimensions = { ...parsed, currency: parsed['currency'] ?? 'USD' };
            const id = Buffer.from(seriesIdOf(dimensions)).toString('hex');
            sums.set(id, [...(sums.get(id) ?? []), centsToDollars(toDecimal(textIn(amount)))]);
          }
          const wanted = [...sums].map(([id, amounts]) => [id, addDecimals(amounts.map(toDecimal))]).sort();
          expect(ofPage(read)[index]).toEqual(wanted);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('have the fields that were reported, as text or as JSON', () => {
    fc.assert(
      fc.property(fields, gap, (row, space) => {
        const { amount, ...parsed } = storable(JSON.parse(spelledRow(row, space)) as Json) as Record<string, Json>;
        const [line, ...others] = costRows(spelledRow(row, space));
        const dimensions: Dimensions = { ...parsed, currency: parsed['currency'] ?? 'USD' };
        expect(others).toEqual([]);
        expect(canonicalDimensions(line?.dimensions ?? {})).toBe(canonicalDimensions(dimensions));
        expect(line?.amount).toBe(centsToDollars(toDecimal(textIn(amount))));
      }),
      { numRuns: 300 },
    );
  });

  it('of usage are those of the parsed page, with their counts at any depth', () => {
    const count = fc.option(fc.maxSafeNat());
    const usage = fc.record({
      output_tokens: count,
      cache_creation: fc.record({
        ephemeral_1h_input_tokens: count,
        new_tokens: count,
        kind: fc.constantFrom('k', null),
      }),
      server_tool_use: fc.record({ deep: fc.record({ runs: count }) }),
      model: fc.constantFrom('a', 'b', null),
      list: fc.constantFrom<Json[]>([], [1, { a: null }]),
    });
    const rowsOf = fc.array(
      usage.chain((row) => fc.shuffledSubarray(Object.entries(row), { minLength: 5 })),
      { maxLength: 6 },
    );
    fc.assert(
      fc.property(gap, rowsOf, (space, rows) => {
        const lines = usageRows(...rows.map((row) => spelledRow(row as [string, Json][], space)));
        const parsed = rows.map((row) => Object.fromEntries(row) as unknown as UsageRow);
        const sumOf = (some: (row: UsageRow) => number | null, of: readonly UsageRow[]): bigint =>
          BigInt(addCounts(of.map((row) => some(row) ?? 0)));
        const keyOf = (row: UsageRow): string =>
          canonicalDimensions({ 'cache_creation.kind': row.cache_creation.kind, list: row.list, model: row.model });
        const byKey = new Map<string, UsageRow[]>();
        for (const row of parsed) byKey.set(keyOf(row), [...(byKey.get(keyOf(row)) ?? []), row]);
        expect(lines.map(({ dimensions }) => canonicalDimensions(dimensions)).sort()).toEqual([...byKey.keys()].sort());
        for (const { dimensions, counts, extraCounts } of lines) {
          const same = byKey.get(canonicalDimensions(dimensions)) ?? [];
          expect(USAGE_COUNTS.map((each) => BigInt(counts[each]))).toEqual([
            0n,
            sumOf((row) => row.output_tokens, same),
            0n,
            0n,
            sumOf((row) => row.cache_creation.ephemeral_1h_input_tokens, same),
            0n,
          ]);
          const extra = (path: string): string => extraCounts[path] ?? ZERO;
          expect([extra('cache_creation.new_tokens'), extra('server_tool_use.deep.runs')]).toEqual([
            String(sumOf((row) => row.cache_creation.new_tokens, same)),
            String(sumOf((row) => row.server_tool_use.deep.runs, same)),
          ]);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('that is cut short anywhere are refused', () => {
    const row = '{"amount":"150","description":"a \\" } ] b","more":{"x":[1]}}';
    for (const report of ['cost', 'usage'] as const) {
      const page = pageOf([bucket(DAY, [row, row])]);
      for (let length = 0; length < page.length; length += 1) {
        expect(() => readText(report, page.slice(0, length)), String(length)).toThrow(PageError);
      }
      expect(readText(report, page)).toMatchObject({ lines: 2, buckets: 1 });
    }
  });

  it.each([
    '{"a":1}{"b":2}',
    '{"a":1},',
    ',{"a":1}',
    '{"a":1},,{"b":2}',
    '{"a":1]',
    '{"a":1},null',
    '{"a" 1}',
    '{"a":}',
    '{"a":1,}',
    '{,"a":1}',
    '{a:1}',
    '{"a":tru}',
    '{"a":01}',
    '{"a":[1,]}',
    '{"a":"\\x"}',
    '{"a":"b\nc"}',
    '{"\\u00":1}',
    '[{}]',
    '1',
  ])('are refused where they are not JSON objects: %s', (rows) => {
    // The amount makes each a row of cost as far as the fault allows.
    const withAmount = rows.replaceAll('{"', '{"amount":"1","');
    for (const report of ['cost', 'usage'] as const) {
      expect(() => readDaysOf(report, [[withAmount]])).toThrow(PageError);
      expect(() => readDaysOf(report, [['{"amount":"1","a":1}', withAmount]])).toThrow(PageError);
    }
  });
});

interface UsageRow {
  readonly output_tokens: number | null;
  readonly cache_creation: {
    readonly ephemeral_1h_input_tokens: number | null;
    readonly new_tokens: number | null;
    readonly kind: string | null;
  };
  readonly server_tool_use: { readonly deep: { readonly runs: number | null } };
  readonly model: string | null;
  readonly list: readonly Json[];
}

describe('rows of equal dimensions', () => {
  it.each([
    [
      'in another order',
      '{"amount":"1","model":"m","description":"d"}',
      '{"description":"d","amount":"2","model":"m"}',
    ],
    ['with a field that is null', '{"amount":"1","model":"m"}', '{"amount":"2","model":"m","x":null}'],
    ['with an escape in a text', '{"amount":"1","model":"mé/"}', '{"amount":"2","model":"\\u006d\\u00e9\\/"}'],
    ['with an escape in a name', '{"amount":"1","model":"m"}', '{"amount":"2","mo\\u0064el":"m"}'],
    ['with the name of the amount escaped', '{"amount":"1","model":"m"}', '{"\\u0061mount":"2","model":"m"}'],
    ['with the amount escaped', '{"amount":"1","model":"m"}', '{"amount":"\\u0032","model":"m"}'],
    ['with spaces', '{"amount":"1","x":[1,{"a":2}]}', '{ "amount" : "2", "x" : [ 1 , { "a" : 2 } ] }'],
    ['with fields of a value in another order', '{"amount":"1","x":{"a":1,"b":2}}', '{"amount":"2","x":{"b":2,"a":1}}'],
    ['with a number spelled otherwise', '{"amount":"1","x":100}', '{"amount":"2","x":1e2}'],
    ['with the currency left out', '{"amount":"1","currency":"USD"}', '{"amount":"2"}'],
    ['with the currency null', '{"amount":"1","currency":"USD"}', '{"amount":"2","currency":null}'],
    ['with a field twice', '{"amount":"1","model":"m"}', '{"model":"other","amount":"2","model":"m"}'],
    ['with a field that is null at last', '{"amount":"1"}', '{"model":"m","amount":"2","model":null}'],
    ['with what no text can hold', '{"amount":"1","x":"a\\u0000b\\ud800"}', '{"amount":"2","x":"a\ufffdb\ufffd"}'],
  ])('are one line, also %s', (_how, one, other) => {
    expect(costRows(one, other).map(({ amount }) => amount)).toEqual(['0.03']);
    expect(costRows(one, other, one, other).map(({ amount }) => amount)).toEqual(['0.06']);
    // As two days, they are two lines of equal ids.
    const [first, second] = ofPage(readDaysOf('cost', [[one], [other]]));
    expect(second?.map(([id]) => id)).toEqual(first?.map(([id]) => id));
  });

  it.each([
    ['a text and a number', '"x":"1"', '"x":1'],
    ['a text and a list', '"x":"1"', '"x":["1"]'],
    ['two fields', '"x":"1"', '"y":"1"'],
    ['a field and none', '"x":""', '"y":null'],
    ['two orders of a list', '"x":[1,2]', '"x":[2,1]'],
  ])('are two lines where they differ: %s', (_how, one, other) => {
    const lines = costRows(`{"amount":"1",${one}}`, `{"amount":"2",${other}}`);
    expect(lines.map(({ amount }) => amount).sort()).toEqual(['0.01', '0.02']);
  });

  it('have one series on all days of a page', () => {
    const row = (amount: string): string => `{"amount":"${amount}","description":"d","model":"m"}`;
    const page = readDaysOf('cost', [
      [row('1'), row('2')],
      [row('3.5'), row('4')],
    ]);
    expect(costOf(page).map((lines) => lines.map(({ amount }) => amount))).toEqual([['0.03'], ['0.075']]);
    expect(page.days.map(({ content }) => [...content.series])).toEqual([[0], [0]]);
    expect(page.series.ids).toHaveLength(32);
    expect(page.days.map(({ day }) => day)).toEqual([DAY, addDays(DAY, 1)]);
  });

  it('may have two amounts: the last one counts, as in JSON.parse', () => {
    const rows = ['{"amount":"1","amount":"200"}', '{"amount":"1","amount":"300"}', '{"amount":7,"amount":"400"}'];
    expect(costRows(...rows).map(({ amount }) => amount)).toEqual(['9']);
  });
});

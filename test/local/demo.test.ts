import { describe, expect, test } from 'vitest';
import { DEMO_ALLOCATION, chargebackLines } from '../../local/demo/chargeback.ts';
import { readAllocation } from '../../domain/allocation/check.ts';
import { warningsOf } from '../../domain/allocation/reach.ts';
import { toDecimal } from '../../domain/money.ts';
import { checkLedger, type LedgerCheck } from '../../local/demo/ledger-check.ts';
import { amountTable, numberTable, toCents, withSeparators } from '../../local/demo/tables.ts';
import { JsonClient } from '../../local/http.ts';

const DAY = '2026-03-01';
const TEXTS = { model: 'm', context_window: null, service_tier: 'standard', inference_geo: 'us' };
const COST = { ...TEXTS, token_type: 'output_tokens', cost_type: 'tokens', description: 'd', currency: 'USD' };
const COUNTS = {
  uncached_input_tokens: 1,
  output_tokens: 2,
  cache_read_input_tokens: 3,
  cache_creation_5m: 4,
  cache_creation_1h: 5,
  web_search_requests: 6,
};

interface Books {
  cost: { workspace_id: string | null; amount_usd: string }[];
  usage: { workspace_id: string | null; output_tokens: number }[];
}

/** A client with given answers, by path and by report or page. */
class Stub extends JsonClient {
  readonly #answers: Record<string, unknown>;
  constructor(answers: Record<string, unknown>) {
    super('http://127.0.0.1:1');
    this.#answers = answers;
  }

  override get: JsonClient['get'] = (path, query, schema) =>
    Promise.resolve(schema.parse(this.#answers[`${path} ${query['report'] ?? query['after'] ?? ''}`.trim()]));
}

function check(api: Books & { total: string; perDay: [number, number] }, ledger: Books): Promise<LedgerCheck> {
  const row = ({ workspace_id, ...rest }: { workspace_id: string | null }): object => ({
    day: DAY,
    workspace: { id: workspace_id },
    ...rest,
  });
  const [first, ...others] = api.cost.map(({ amount_usd, ...line }) => ({ ...row(line), ...COST, amount: amount_usd }));
  return checkLedger({
    api: new Stub({
      '/v1/costs': { data: [first], total: api.total, next: 'page 2' },
      '/v1/costs page 2': { data: others, total: api.total, next: null },
      '/v1/usage': { data: api.usage.map((line) => ({ ...TEXTS, ...COUNTS, ...row(line) })), next: null },
      '/v1/connections/c/coverage': {
        data: [{ day: DAY, lines: api.perDay[0], usage: { lines: api.perDay[1] } }],
      },
    }),
    simulator: new Stub({
      '/_control/ledger cost': ledger.cost.map((line) => ({ day: DAY, ...COST, ...line })),
      '/_control/ledger usage': ledger.usage.map((line) => ({ day: DAY, ...TEXTS, ...COUNTS, ...line })),
    }),
    connectionId: 'c',
    from: DAY,
    to: DAY,
  });
}

const BOOKS: Books = {
  cost: [
    { workspace_id: null, amount_usd: '0.10' },
    { workspace_id: 'w', amount_usd: '0.2' },
  ],
  usage: [{ workspace_id: 'w', output_tokens: 7 }],
};
const SERVED = { ...BOOKS, total: '0.3', perDay: [2, 1] satisfies [number, number] };

describe('the comparison with the ledger', () => {
  test('finds no difference between equal lines, over pages and spellings, and adds them up exactly', async () => {
    expect(await check(SERVED, BOOKS)).toEqual({ costLines: 2, usageLines: 1, days: 1, total: '0.3', differences: [] });
  });

  test('adds up lines that differ only in unknown fields, but counts each', async () => {
    const ledger = { ...BOOKS, cost: [...BOOKS.cost, { workspace_id: 'w', amount_usd: '0.0000000000000000001' }] };
    const served = {
      ...SERVED,
      cost: [BOOKS.cost[0], { workspace_id: 'w', amount_usd: '0.2000000000000000001' }].flatMap((line) => line ?? []),
      total: '0.3000000000000000001',
    };
    expect((await check({ ...served, perDay: [3, 1] }, ledger)).differences).toEqual([]);
    const { differences } = await check({ ...served, perDay: [2, 1] }, ledger);
    expect(differences).toEqual([{ report: 'cost', day: DAY, text: `${DAY}: 2 lines, the ledger has 3` }]);
  });

  test.each([
    ['a missing line', { ...SERVED, cost: BOOKS.cost.slice(0, 1) }, /"w".*: missing, the ledger has 0\.2$/],
    [
      'a line that the ledger lacks',
      { ...SERVED, cost: [...BOOKS.cost, { workspace_id: 'x', amount_usd: '0' }] },
      /"x".*: 0, the ledger has no such line$/,
    ],
    [
      'an amount that is off in its last place',
      { ...SERVED, cost: [{ workspace_id: null, amount_usd: '0.1000000000000000001' }, ...BOOKS.cost.slice(1)] },
      /: 0\.1000000000000000001, the ledger has 0\.1$/,
    ],
    ['another total', { ...SERVED, total: '0.31' }, /^total: 0\.31, the ledger has 0\.3$/],
    [
      'a count that is off by one',
      { ...SERVED, usage: [{ workspace_id: 'w', output_tokens: 8 }] },
      /: 1 8 3 4 5 6, the ledger has 1 7 3 4 5 6$/,
    ],
  ])('reports %s', async (_, served, text) => {
    const { differences } = await check(served, BOOKS);
    expect(differences).toHaveLength(1);
    expect(differences[0]?.text).toMatch(text);
  });
});

describe('the chargeback of the demo', () => {
  const plain = { style: (_style: unknown, text: string): string => text };
  const rowOf = (center: string | null, direct: string, shared: string, amount: string) => ({
    ...{ cost_center: center, direct: toDecimal(direct), shared: toDecimal(shared) },
    ...{ adjustment: toDecimal('0'), amount: toDecimal(amount) },
  });
  const month = {
    data: [rowOf('platform', '1234.5', '0.123456789012', '1234.623456789012'), rowOf(null, '2', '0', '2')],
    ...{ total: toDecimal('1236.623456789012'), total_adjustment: toDecimal('0') },
  };

  test('has a row for each cost center, aligned, and says that they add up to the bill', () => {
    expect(chargebackLines(plain, '2026-03', month, month.total)).toEqual([
      'Chargeback 2026-03, to the cent   direct     shared   amount',
      '──────────────────────────────────────────────────────────────',
      'platform                          1,234.50     0.12   1,234.62',
      'Nobody                                2.00     0.00       2.00',
      '──────────────────────────────────────────────────────────────',
      'Total                             1,236.50     0.12   1,236.62',
      '',
      '✓ The cost centers add up to the bill of 2026-03, to the last digit: $1,236.623456789012',
    ]);
  });

  test('says so if they do not', () => {
    expect(chargebackLines(plain, '2026-03', month, toDecimal('1236.623456789013')).at(-1)).toBe(
      '✗ The cost centers add up to $1,236.623456789012, and the bill of 2026-03 is $1,236.623456789013',
    );
  });

  test('comes from a document without faults and warnings', () => {
    const { allocation, faults } = readAllocation({ from: '2026-03', ...DEMO_ALLOCATION });
    expect([faults, warningsOf(allocation)]).toEqual([[], []]);
  });
});

describe('a table of amounts', () => {
  test('keeps every digit, aligns the decimal points, and has the largest first', () => {
    const rows = [
      { name: 'small', amount: '0.000000000000001' },
      { name: 'large', amount: '1234567.5' },
      { name: 'whole', amount: '12' },
    ];
    expect(amountTable('By model', rows, '1234579.500000000000001')).toEqual([
      'By model         USD',
      '────────────────────────────────────',
      'large      1,234,567.5',
      'whole             12',
      'small              0.000000000000001',
      '────────────────────────────────────',
      'Total      1,234,579.500000000000001',
    ]);
  });

  test('of several columns aligns each, and takes words for numbers', () => {
    const rows = [
      { name: 'opus', cells: ['75', '1234', '-0.50'] },
      { name: 'haiku', cells: ['no tokens', '7', '1200.25'] },
    ];
    expect(numberTable('Unit costs', ['USD per million', 'tokens', 'USD'], rows)).toEqual([
      'Unit costs   USD per million   tokens     USD',
      '────────────────────────────────────────────────',
      'opus                      75    1,234      -0.50',
      'haiku              no tokens        7   1,200.25',
    ]);
  });

  test('rounds to cents for the eye, halves away from zero, and never says minus zero', () => {
    expect(['1.005', '-1.005', '0.004', '-0.004', '12', '-3.999'].map(toCents)).toEqual([
      '1.01',
      '-1.01',
      '0.00',
      '0.00',
      '12.00',
      '-4.00',
    ]);
  });

  test('separates thousands in the whole part only', () => {
    expect(['1', '123', '1234', '-1234567.12345678'].map(withSeparators)).toEqual([
      '1',
      '123',
      '1,234',
      '-1,234,567.12345678',
    ]);
  });
});

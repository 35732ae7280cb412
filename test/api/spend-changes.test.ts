import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { quotient } from '../../db/spend/quotient.ts';
import { addDecimals, toDecimal, type Decimal } from '../../domain/money.ts';
import { row } from '../support/rows.ts';
import {
  seedConnection,
  seedCostDay,
  seedUsageDay,
  startApi,
  type Api,
  type SeedLine,
  type SeedUsage,
} from './support.ts';

const BEFORE = '2026-07-01';
const AFTER = '2026-07-02';
const PARTS = ['before', 'after', 'change', 'volume', 'mix', 'price', 'unmatched'] as const;
type Parts = Readonly<Record<(typeof PARTS)[number], Decimal>>;

let api: Api;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.close());

interface Side {
  readonly costs: readonly SeedLine[];
  readonly usage: readonly SeedUsage[];
}

interface Reply {
  readonly data: readonly (Parts & Readonly<Record<string, unknown>>)[];
  readonly total: Parts;
  readonly other: Parts & { readonly rows: number };
}

async function changesOf(before: Side, after: Side, query = 'group_by=workspace'): Promise<Reply> {
  const id = await seedConnection(api.db);
  await seedCostDay(api.db, id, BEFORE, before.costs);
  await seedUsageDay(api.db, id, BEFORE, before.usage);
  await seedCostDay(api.db, id, AFTER, after.costs);
  await seedUsageDay(api.db, id, AFTER, after.usage);
  return ask(id, query);
}

async function ask(id: string, query: string): Promise<Reply> {
  const range = `from=${AFTER}&to=${AFTER}&compare=previous&connection_id=${id}`;
  const { status, text } = await api.get(`/v1/costs/changes?${range}&${query}`);
  expect(status).toBe(200);
  return JSON.parse(text) as Reply;
}

const output = (model: string, amount: string, more: Partial<SeedLine> = {}): SeedLine => ({
  ...{ workspace_id: 'w', model, token_type: 'output_tokens', amount },
  ...more,
});
const tokens = (model: string, count: bigint, more: Partial<SeedUsage> = {}): SeedUsage => ({
  ...{ workspace_id: 'w', model, counts: [0n, count, 0n, 0n, 0n, 0n] },
  ...more,
});

describe('GET /v1/costs/changes', () => {
  it('says that more tokens are volume', async () => {
    const { total } = await changesOf(
      { costs: [output('a', '10')], usage: [tokens('a', 100n)] },
      { costs: [output('a', '30')], usage: [tokens('a', 300n)] },
    );
    expect(total).toMatchObject({ change: '20', volume: '20', mix: '0', price: '0', unmatched: '0' });
  });

  it('says that the same tokens for more are price', async () => {
    const { total } = await changesOf(
      { costs: [output('a', '10')], usage: [tokens('a', 100n)] },
      { costs: [output('a', '15')], usage: [tokens('a', 100n)] },
    );
    expect(total).toMatchObject({ change: '5', volume: '0', mix: '0', price: '5', unmatched: '0' });
  });

  it('says that tokens moved to another model are mix, also to one that is new', async () => {
    const { data } = await changesOf(
      { costs: [output('a', '10')], usage: [tokens('a', 100n)] },
      { costs: [output('a', '5'), output('b', '20')], usage: [tokens('a', 50n), tokens('b', 50n)] },
    );
    expect(data).toMatchObject([{ change: '15', volume: '0', mix: '15', price: '0', unmatched: '0' }]);
  });

  it('says that costs without tokens are unmatched', async () => {
    const search = (amount: string): SeedLine => ({ workspace_id: 'w', cost_type: 'web_search', amount });
    const { total } = await changesOf(
      { costs: [output('a', '10'), search('1')], usage: [tokens('a', 100n)] },
      { costs: [output('a', '10'), search('4')], usage: [tokens('a', 100n)] },
    );
    expect(total).toMatchObject({ before: '11', after: '14', change: '3', price: '0', volume: '0', unmatched: '3' });
  });

  it('takes a geography that is not available for none, and counts that have no column by their name', async () => {
    const name = 'cache_creation.ephemeral_24h_input_tokens';
    const side = (amount: string, count: number): Side => ({
      costs: [output('a', amount, { token_type: name, inference_geo: null })],
      usage: [tokens('a', 0n, { inference_geo: 'not_available', extraCounts: { [name]: count } })],
    });
    expect((await changesOf(side('10', 100), side('30', 200))).total).toMatchObject({ volume: '10', price: '10' });
  });

  it('orders by the size of the change, up or down, and adds up the other rows', async () => {
    const costs = (a: string, b: string, c: string): Side => ({
      costs: [output('a', a), output('b', b), output('c', c)],
      usage: [],
    });
    const reply = await changesOf(costs('9', '1', '5'), costs('10', '4', '0'), 'group_by=model&order=-amount&limit=1');
    expect(reply).toMatchObject({
      data: [{ model: 'c', change: '-5' }],
      other: { rows: 2, before: '10', after: '14', change: '4', unmatched: '4' },
      total: { change: '-1' },
    });
  });

  it('adds up exactly, in every row and in total, whatever costs and tokens there are', async () => {
    const amount = fc.constantFrom(
      '0',
      '1',
      '-1',
      '-3.3',
      '0.1',
      '7.000000000000001',
      '123456789012.125',
      '0.0000000001',
    );
    const count = fc.constantFrom(0n, 1n, 3n, 7n, 8n, 1_000_003n, 2n ** 60n);
    const side = fc.record({
      costs: fc.array(
        fc.record({
          workspace_id: fc.constantFrom('v', 'w', null),
          model: fc.constantFrom('a', 'b', null),
          token_type: fc.constantFrom('output_tokens', 'uncached_input_tokens', null),
          amount,
        }),
        { maxLength: 6 },
      ),
      usage: fc.array(
        fc
          .tuple(fc.constantFrom('v', 'w', null), fc.constantFrom('a', 'b', null), count, count)
          .map(([workspace_id, model, a, b]) => ({ workspace_id, model, counts: [a, b, 0n, 0n, 0n, 0n] }) as const),
        { maxLength: 6 },
      ),
    });
    await fc.assert(
      fc.asyncProperty(side, side, async (before, after) => {
        const reply = await changesOf(before, after);
        for (const parts of [...reply.data, reply.total]) {
          expect(addDecimals([parts.volume, parts.mix, parts.price, parts.unmatched])).toBe(parts.change);
          expect(addDecimals([parts.before, parts.change])).toBe(parts.after);
        }
        for (const part of PARTS) expect(addDecimals(reply.data.map((one) => one[part]))).toBe(reply.total[part]);
        const sum = ({ costs }: Side): Decimal => addDecimals(costs.map((one) => toDecimal(one.amount)));
        expect([reply.total.before, reply.total.after]).toEqual([sum(before), sum(after)]);
      }),
      { numRuns: 60, seed: 11 },
    );
  });

  it('asks for both reports of a day', async () => {
    const id = await seedConnection(api.db, { organization: randomUUID(), began: BEFORE });
    await seedCostDay(api.db, id, AFTER, []);
    await seedUsageDay(api.db, id, BEFORE, []);
    await seedCostDay(api.db, id, BEFORE, []);
    const { body } = await api.get(`/v1/costs/changes?from=${AFTER}&to=${AFTER}&compare=previous&connection_id=${id}`);
    expect(body).toMatchObject({ missing_days: 1, compare: { missing_days: 0 }, data: [] });
  });
});

describe('a quotient', () => {
  it('is rounded half-even at 12 decimals, exactly', async () => {
    const decimal = fc.tuple(fc.bigInt(-(10n ** 30n), 10n ** 30n), fc.nat(20));
    const text = (units: bigint, scale: number): string =>
      `${units < 0n ? '-' : ''}${(units < 0n ? -units : units).toString().padStart(scale + 1, '0')}`.replace(
        new RegExp(`(\\d{${scale}})$`),
        scale === 0 ? '$1' : '.$1',
      );
    await fc.assert(
      fc.asyncProperty(
        decimal,
        fc.oneof(fc.bigInt(1n, 2n ** 64n), fc.constantFrom(2n, 4n, 8n, 16n)),
        async ([units, scale], divisor) => {
          const { got } = await row<{ got: string }>(
            api.db,
            sql`select trim_scale(${quotient(sql`${text(units, scale)}::numeric`, sql`${divisor.toString()}::numeric`)})::text as got`,
          );
          const [above, below] = [units * 10n ** 12n, divisor * 10n ** BigInt(scale)];
          const size = above < 0n ? -above : above;
          const [whole, twice] = [size / below, (size % below) * 2n];
          const rounded = whole + (twice > below || (twice === below && whole % 2n === 1n) ? 1n : 0n);
          expect(got).toBe(toDecimal(text(above < 0n ? -rounded : rounded, 12)));
        },
      ),
      // Ties, which chance does not find.
      { numRuns: 150, seed: 3, examples: [1n, -1n, 3n, -3n, 5n].map((units) => [[units, 12], 2n]) },
    );
  });
});

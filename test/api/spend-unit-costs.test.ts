import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TOKEN_COUNTS, TOKEN_TYPES } from '../../domain/lines.ts';
import { addDecimals, toDecimal, type Decimal } from '../../domain/money.ts';
import { parse } from 'csv-parse/sync';
import {
  seedConnection,
  seedCostDay,
  seedUsageDay,
  startApi,
  type Api,
  type SeedLine,
  type SeedUsage,
} from './support.ts';

const DAY = '2026-07-10';
const NEXT = '2026-07-11';

let api: Api;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.close());

interface Row {
  readonly [field: string]: unknown;
  readonly amount: Decimal;
  readonly tokens: Decimal;
  readonly usd_per_million: string | null;
  readonly reason: string | null;
  readonly unmatched_amount: Decimal;
  readonly unpriced_tokens: Decimal;
  readonly cache_hit_rate?: string | null;
  readonly cache_savings?: string | null;
  readonly batch_savings?: string | null;
}
interface Reply {
  readonly data: readonly Row[];
  readonly total: Row;
  readonly other: Row & { readonly rows: number };
  readonly other_currencies: readonly unknown[];
}

async function seed(
  days: Readonly<Record<string, { costs?: readonly SeedLine[]; usage?: readonly SeedUsage[] }>>,
): Promise<string> {
  const id = await seedConnection(api.db);
  for (const [day, { costs = [], usage = [] }] of Object.entries(days)) {
    await seedCostDay(api.db, id, day as typeof DAY, costs);
    await seedUsageDay(api.db, id, day as typeof DAY, usage);
  }
  return id;
}

async function get<T>(path: string, id: string, query: string): Promise<T> {
  const range = query.includes('from=') ? '' : `from=${DAY}&to=${NEXT}&`;
  const { status, text } = await api.get(`/v1/${path}?${range}connection_id=${id}&${query}`);
  expect([status, status === 200 ? '' : text]).toEqual([200, '']);
  return JSON.parse(text) as T;
}
const ask = (id: string, query: string): Promise<Reply> => get('unit-costs', id, query);

const UNIT = {
  workspace_id: 'w',
  model: 'm',
  context_window: '0-200k',
  service_tier: 'standard',
  inference_geo: 'global',
} as const;
const billed = (token_type: string, amount: string, more: Partial<SeedLine> = {}): SeedLine => ({
  ...UNIT,
  cost_type: 'tokens',
  token_type,
  amount,
  ...more,
});
const used = (counts: SeedUsage['counts'], more: Partial<SeedUsage> = {}): SeedUsage => ({ ...UNIT, counts, ...more });

describe('a price', () => {
  it('is what the billed tokens cost, half-even to 12 decimals', async () => {
    const id = await seed({
      [DAY]: { costs: [billed('output_tokens', '2')], usage: [used([0n, 3n, 0n, 0n, 0n, 0n])] },
    });
    const { data, total } = await ask(id, 'group_by=model');
    expect(data).toEqual([
      {
        ...{ model: 'm', amount: '2', tokens: '3', usd_per_million: '666666.666666666667', reason: null },
        ...{
          unmatched_amount: '0',
          unpriced_tokens: '0',
          cache_hit_rate: null,
          cache_hit_rate_reason: 'no_input_tokens',
          cache_savings: '0',
          cache_savings_reason: null,
          batch_savings: '0',
          batch_savings_reason: null,
        },
      },
    ]);
    expect(total).toMatchObject({ amount: '2', tokens: '3', usd_per_million: '666666.666666666667' });
  });

  it('leaves out costs without tokens and tokens without costs, and says how much', async () => {
    const id = await seed({
      [DAY]: {
        costs: [
          billed('output_tokens', '3'),
          { workspace_id: 'w', cost_type: 'web_search', description: 'Web Search Usage', amount: '0.5' },
          billed('uncached_input_tokens', '7'),
        ],
        usage: [used([0n, 10n, 0n, 0n, 0n, 50n]), used([4n, 5n, 0n, 0n, 0n, 0n], { service_tier: 'priority' })],
      },
    });
    const { data } = await ask(id, 'group_by=workspace');
    expect(data).toMatchObject([
      { amount: '10.5', tokens: '19', usd_per_million: '300000', unmatched_amount: '7.5', unpriced_tokens: '9' },
    ]);
    const byTier = await ask(id, 'group_by=service_tier');
    expect(
      byTier.data.map(({ service_tier, usd_per_million, reason }) => [service_tier, usd_per_million, reason]),
    ).toEqual([
      ['priority', null, 'not_billed'],
      ['standard', '300000', null],
      [null, null, 'no_tokens'],
    ]);
  });

  it('needs the same day, workspace, model, token type, window and tier', async () => {
    const usage = [used([0n, 10n, 0n, 0n, 0n, 0n])];
    const others: Partial<SeedLine>[] = [
      { workspace_id: null },
      { model: 'n' },
      { token_type: 'uncached_input_tokens' },
      { context_window: '200k-1M' },
      { service_tier: 'batch' },
      { inference_geo: 'us' },
    ];
    for (const other of others) {
      const id = await seed({ [DAY]: { costs: [billed('output_tokens', '1', other)], usage } });
      const { total } = await ask(id, 'group_by=day');
      expect(total).toMatchObject({ amount: '1', tokens: '10', unmatched_amount: '1', unpriced_tokens: '10' });
    }
    const apart = await seed({ [DAY]: { costs: [billed('output_tokens', '1')] }, [NEXT]: { usage } });
    expect((await ask(apart, 'group_by=month')).total).toMatchObject({ unmatched_amount: '1', unpriced_tokens: '10' });
  });

  it('takes a geography that is absent, null or not available for one value, also as a filter', async () => {
    const id = await seed({
      [DAY]: {
        costs: [
          billed('output_tokens', '1', { inference_geo: null }),
          billed('uncached_input_tokens', '2', { inference_geo: 'not_available' }),
        ],
        usage: [used([4n, 2n, 0n, 0n, 0n, 0n], { inference_geo: 'not_available' })],
      },
    });
    const { data } = await ask(id, 'group_by=inference_geo');
    expect(data).toMatchObject([{ inference_geo: null, amount: '3', tokens: '6', usd_per_million: '500000' }]);
    for (const value of ['', 'not_available']) {
      expect((await ask(id, `group_by=day&inference_geo=${value}`)).total).toMatchObject({ amount: '3', tokens: '6' });
      expect((await ask(id, `group_by=day&not.inference_geo=${value}`)).total).toMatchObject({
        amount: '0',
        tokens: '0',
      });
    }
  });

  it('is there for a type of tokens that no release knows, by its name', async () => {
    const type = 'cache_creation.ephemeral_24h_input_tokens';
    const id = await seed({
      [DAY]: {
        costs: [billed(type, '3'), billed('something_else', '1')],
        usage: [used([0n, 0n, 0n, 0n, 0n, 0n], { extraCounts: { [type]: 6, 'new.tokens': 2, requests: 9 } })],
      },
    });
    const { data, total } = await ask(id, 'group_by=token_type');
    expect(
      data.map(({ token_type, amount, tokens, usd_per_million }) => [token_type, amount, tokens, usd_per_million]),
    ).toEqual([
      [type, '3', '6', '500000'],
      ['new.tokens', '0', '2', null],
      ['something_else', '1', '0', null],
    ]);
    expect(total).toMatchObject({ amount: '4', tokens: '8', unmatched_amount: '1', unpriced_tokens: '2' });
  });
});

describe('another currency', () => {
  const days = {
    [DAY]: {
      costs: [
        billed('output_tokens', '1'),
        billed('uncached_input_tokens', '5', { currency: 'EUR' }),
        billed('output_tokens', '7', { currency: 'EUR' }),
      ],
      usage: [used([10n, 20n, 30n, 0n, 0n, 0n])],
    },
  };

  it('is no price in US dollars, and is listed apart', async () => {
    const id = await seed(days);
    const { total, other_currencies } = await ask(id, 'group_by=day');
    expect(total).toMatchObject({ amount: '1', tokens: '60', usd_per_million: '50000', unpriced_tokens: '40' });
    expect(other_currencies).toEqual([{ currency: 'EUR', amount: '12' }]);
  });

  it('is listed with the costs that a filter on the token type or the currency leaves, as in /v1/costs', async () => {
    const id = await seed(days);
    const filters = [
      'token_type=output_tokens',
      'not.token_type=output_tokens',
      'token_type=',
      'currency=USD',
      'not.currency=USD',
    ];
    const listed: unknown[] = [];
    for (const filter of filters) {
      const { other_currencies } = await ask(id, `group_by=day&${filter}`);
      const costs = await get<Reply>('costs', id, `group_by=day&${filter}`);
      expect(other_currencies).toEqual(costs.other_currencies);
      listed.push(other_currencies);
    }
    const euros = (amount: string): unknown => [{ currency: 'EUR', amount }];
    expect(listed).toEqual([euros('7'), euros('5'), [], [], euros('12')]);
  });

  it('adds nothing to rows that do not say their currency, though a filter takes it', async () => {
    const id = await seed(days);
    const { data, total } = await ask(id, 'group_by=model&currency=EUR&currency=USD&currency=');
    expect(data).toMatchObject([
      { model: 'm', amount: '1', tokens: '60', usd_per_million: '50000', unpriced_tokens: '40' },
    ]);
    expect(total).toMatchObject({ amount: '1', tokens: '60', usd_per_million: '50000', unpriced_tokens: '40' });
    expect((await ask(id, 'group_by=model&currency=EUR')).data).toMatchObject([
      { amount: '0', tokens: '10', usd_per_million: null, reason: 'not_billed', unpriced_tokens: '10' },
    ]);
  });

  it('changes neither the cache hit rate nor the savings of the total, grouped or not', async () => {
    const id = await seed({
      [DAY]: {
        costs: [
          billed('uncached_input_tokens', '3'),
          billed('cache_read_input_tokens', '1'),
          billed('cache_read_input_tokens', '9', { workspace_id: 'v', currency: 'EUR' }),
        ],
        usage: [used([2n, 0n, 2n, 0n, 0n, 0n]), used([0n, 0n, 4n, 0n, 0n, 0n], { workspace_id: 'v' })],
      },
    });
    const { data, total } = await ask(id, 'group_by=currency');
    expect(data.map((row) => [row['currency'], row.cache_hit_rate, row.cache_savings])).toEqual([
      ['EUR', '1', null],
      ['USD', '0.5', '2'],
    ]);
    expect(total).toMatchObject({ cache_hit_rate: '0.75', cache_savings: '2' });
    expect((await ask(id, 'group_by=model')).data).toMatchObject([{ cache_hit_rate: '0.75', cache_savings: '2' }]);
  });

  it('has rows of its own where rows say their currency, and each token is in one of them', async () => {
    const id = await seed(days);
    const { data, total } = await ask(id, 'group_by=currency');
    expect(data.map(({ currency, amount, tokens, reason }) => [currency, amount, tokens, reason])).toEqual([
      ['EUR', '12', '10', 'other_currency'],
      ['USD', '1', '20', null],
      [null, '0', '30', 'not_billed'],
    ]);
    expect(total).toMatchObject({ amount: '1', tokens: '60', usd_per_million: '50000', unpriced_tokens: '40' });
  });

  it('as a filter chooses tokens, and adds no rows in that currency unless rows say their currency', async () => {
    const id = await seed(days);
    const rowOf = async (query: string): Promise<unknown> => {
      const { data, total } = await ask(id, `group_by=model&${query}`);
      expect(data).toEqual([{ model: 'm', ...total }]);
      const { amount, tokens, usd_per_million, unpriced_tokens } = total;
      return [amount, tokens, usd_per_million, unpriced_tokens];
    };
    expect(await rowOf('currency=USD')).toEqual(['1', '20', '50000', '0']);
    expect(await rowOf('currency=EUR')).toEqual(['0', '10', null, '10']);
    expect(await rowOf('not.currency=EUR')).toEqual(['1', '50', '50000', '30']);
    expect(await rowOf('not.currency=JPY')).toEqual(['1', '60', '50000', '40']);
  });

  it('is listed for the token types and currencies that were asked for', async () => {
    const id = await seed(days);
    for (const [query, amount] of Object.entries({
      'token_type=output_tokens': '7',
      'not.token_type=output_tokens': '5',
      'currency=EUR': '12',
    })) {
      const { other_currencies } = await ask(id, `group_by=day&${query}`);
      expect(other_currencies).toEqual([{ currency: 'EUR', amount }]);
      expect((await get<Reply>('costs', id, `group_by=day&${query}`)).other_currencies).toEqual(other_currencies);
    }
    expect((await ask(id, 'group_by=day&currency=USD')).other_currencies).toEqual([]);
    expect((await ask(id, 'group_by=day&token_type=x')).other_currencies).toEqual([]);
  });

  it('has no savings, which are in US dollars, but counts in the hit rate', async () => {
    const id = await seed({
      [DAY]: {
        costs: [billed('uncached_input_tokens', '3'), billed('cache_read_input_tokens', '1', { currency: 'EUR' })],
        usage: [used([1_000_000n, 0n, 1_000_000n, 0n, 0n, 0n])],
      },
      [NEXT]: {
        costs: [billed('uncached_input_tokens', '3'), billed('cache_read_input_tokens', '0.3')],
        usage: [used([1_000_000n, 0n, 1_000_000n, 0n, 0n, 0n])],
      },
    });
    const { data, total } = await ask(id, 'group_by=currency');
    expect(
      data.map(({ currency, cache_savings, cache_savings_reason: reason }) => [currency, cache_savings, reason]),
    ).toEqual([
      ['EUR', null, 'other_currency'],
      ['USD', '2.7', null],
    ]);
    expect(total).toEqual((await ask(id, 'group_by=day')).total);
    expect(total).toMatchObject({ cache_hit_rate: '0.5', cache_savings: '2.7' });
  });
});

describe('savings', () => {
  // A million tokens cost 3 uncached, 0.3 read and 3.75 written.
  const cached = (more: Partial<SeedLine> = {}): SeedLine[] => [
    billed('uncached_input_tokens', '3', more),
    billed('cache_read_input_tokens', '1.2', more),
    billed('cache_creation.ephemeral_5m_input_tokens', '3.75', more),
  ];
  const counts = [1_000_000n, 0n, 4_000_000n, 1_000_000n, 0n, 0n] as const;

  it('of the cache are what reads saved, less what writes cost more', async () => {
    const id = await seed({ [DAY]: { costs: cached(), usage: [used(counts)] } });
    const { data } = await ask(id, 'group_by=model');
    // 4 × (3 − 0.3) − 1 × (3.75 − 3)
    expect(data).toMatchObject([{ cache_hit_rate: '0.666666666667', cache_savings: '10.05', batch_savings: '0' }]);
    const [byType] = (await ask(id, 'group_by=token_type')).data;
    expect(Object.keys(byType ?? {}).filter((name) => /^(?:cache|batch)_/.test(name))).toEqual([]);
  });

  it('of the batch tier compare with the standard tier', async () => {
    const batch = { service_tier: 'batch' };
    const id = await seed({
      [DAY]: {
        costs: [billed('output_tokens', '30'), billed('output_tokens', '15', batch)],
        usage: [used([0n, 2_000_000n, 0n, 0n, 0n, 0n]), used([0n, 2_000_000n, 0n, 0n, 0n, 0n], batch)],
      },
    });
    expect((await ask(id, 'group_by=service_tier')).data.map((row) => row.batch_savings)).toEqual(['15', '0']);
  });

  it('of the batch tier are there for a type of tokens that no release knows', async () => {
    const [type, batch] = ['cache_creation.ephemeral_24h_input_tokens', { service_tier: 'batch' }];
    const extraCounts = { [type]: 1_000_000 };
    const id = await seed({
      [DAY]: {
        costs: [billed(type, '8'), billed(type, '3', batch)],
        usage: [
          used([0n, 0n, 0n, 0n, 0n, 0n], { extraCounts }),
          used([0n, 0n, 0n, 0n, 0n, 0n], { extraCounts, ...batch }),
        ],
      },
    });
    expect((await ask(id, 'group_by=model')).data).toMatchObject([{ batch_savings: '5', cache_savings: '0' }]);
  });

  it('are null where the price to compare with was not billed in that month', async () => {
    const june = '2026-06-30';
    const id = await seed({
      [june]: { costs: cached(), usage: [used(counts)] },
      [DAY]: {
        costs: [billed('cache_read_input_tokens', '1.2'), billed('output_tokens', '1', { service_tier: 'batch' })],
        usage: [used([0n, 0n, 4_000_000n, 0n, 0n, 0n]), used([0n, 1n, 0n, 0n, 0n, 0n], { service_tier: 'batch' })],
      },
    });
    const { data } = await ask(id, `from=${june}&to=${DAY}&group_by=month`);
    expect(data.map((row) => [row['month'], row.cache_savings, row.batch_savings])).toEqual([
      ['2026-06', '10.05', '0'],
      ['2026-07', null, null],
    ]);
    expect(data[1]).toMatchObject({ cache_savings_reason: 'no_price', batch_savings_reason: 'no_price' });
    const { text } = await api.get(`/v1/unit-costs?from=${DAY}&to=${DAY}&connection_id=${id}&format=csv`);
    const reasons = { cache_savings: '', cache_savings_reason: 'no_price', batch_savings_reason: 'no_price' };
    expect(parse<Record<string, string>>(text, { columns: true })).toMatchObject([reasons]);
  });

  it('use the prices of the whole organization and month, whatever the filters and the range', async () => {
    const id = await seed({
      [DAY]: { costs: [billed('cache_read_input_tokens', '1.2')], usage: [used([0n, 0n, 4_000_000n, 0n, 0n, 0n])] },
      [NEXT]: {
        costs: [billed('uncached_input_tokens', '3', { workspace_id: 'v' })],
        usage: [used([1_000_000n, 0n, 0n, 0n, 0n, 0n], { workspace_id: 'v' })],
      },
    });
    const { data } = await ask(id, `from=${DAY}&to=${DAY}&group_by=workspace&workspace=w`);
    expect(data).toMatchObject([{ cache_savings: '10.8' }]);
  });
});

it('amounts add up to those of costs, and tokens to those of usage, whatever is there and asked for', async () => {
  const some = <T>(...values: T[]): fc.Arbitrary<T> => fc.constantFrom(...values);
  const unit = fc.record({
    workspace_id: some('w', 'v', null),
    model: some('m', 'n', null),
    context_window: some('0-200k', null),
    service_tier: some('standard', 'batch', 'priority', null),
    inference_geo: some('us', 'not_available', null),
  });
  const types = [...Object.values(TOKEN_TYPES), 'more.tokens', null];
  const line = fc
    .tuple(unit, some(...types), some('USD', 'USD', 'EUR'), fc.integer({ min: -999, max: 999 }))
    .map(([of, token_type, currency, cents]): SeedLine => ({ ...of, token_type, currency, amount: `${cents / 100}` }));
  const tokens = fc
    .tuple(unit, fc.tuple(fc.nat(3), fc.nat(3), fc.nat(3), fc.nat(3), fc.nat(3)), fc.nat(2))
    .map(([of, [a, b, c, d, e], more]): SeedUsage => ({
      ...of,
      counts: [BigInt(a), BigInt(b), BigInt(c), BigInt(d), BigInt(e), 1n],
      ...(more === 0 ? {} : { extraCounts: { 'more.tokens': more, other: 5 } }),
    }));
  const day = fc.record({ costs: fc.array(line, { maxLength: 8 }), usage: fc.array(tokens, { maxLength: 5 }) });
  const groups = some(
    'day',
    'model',
    'workspace,model',
    'token_type',
    'inference_geo,token_type',
    'month,currency',
    'currency,token_type',
  );
  const filters = some(
    '',
    '&model=m',
    '&not.workspace=w',
    '&workspace=default&workspace=v',
    '&service_tier=&service_tier=batch',
    '&inference_geo=us',
  );
  await fc.assert(
    fc.asyncProperty(day, day, groups, filters, async (first, second, group, filter) => {
      const id = await seed({ [DAY]: first, [NEXT]: second });
      const { data, total } = await ask(id, `group_by=${group}${filter}`);
      const costs = await get<{ total: Decimal; data: { currency: string; amount: Decimal }[] }>(
        'costs',
        id,
        `group_by=currency${filter}`,
      );
      const usage = await get<{ totals: Record<string, number> & { other_counts: Record<string, number> } }>(
        'usage',
        id,
        `group_by=day${filter}`,
      );
      const inUsd = data.filter((row) => !group.includes('currency') || row['currency'] === 'USD');
      expect(addDecimals(inUsd.map(({ amount }) => amount))).toBe(costs.total);
      expect(total.amount).toBe(costs.total);
      const counted =
        TOKEN_COUNTS.reduce((sum, name) => sum + (usage.totals[name] ?? 0), 0) +
        (usage.totals.other_counts['more.tokens'] ?? 0);
      expect(addDecimals(data.map((row) => row.tokens))).toBe(String(counted));
      expect(total.tokens).toBe(String(counted));
      if (group.includes('currency')) {
        const all = addDecimals(data.map(({ amount }) => amount));
        expect(all).toBe(addDecimals(costs.data.map(({ amount }) => amount)));
      }
      for (const row of data) {
        expect(BigInt(row.unpriced_tokens) >= 0n && BigInt(row.unpriced_tokens) <= BigInt(row.tokens)).toBe(true);
        expect(row.usd_per_million === null).toBe(row.reason !== null);
      }
    }),
    { numRuns: 60 },
  );
});

it('rows come in pages, or by amount with the rest added up, and as CSV', async () => {
  const models = ['a', 'b', 'c'];
  const id = await seed({
    [DAY]: {
      costs: models.map((model, index) => billed('output_tokens', `${index + 1}`, { model })),
      usage: models.map((model) => used([0n, 10n, 0n, 0n, 0n, 0n], { model })),
    },
  });
  const largest = await ask(id, 'group_by=model&order=-amount&limit=1');
  expect(largest.data).toMatchObject([{ model: 'c', usd_per_million: '300000' }]);
  expect(largest.other).toMatchObject({ rows: 2, amount: '3', tokens: '20', usd_per_million: '150000' });
  const { text } = await api.get(
    `/v1/unit-costs?from=${DAY}&to=${DAY}&connection_id=${id}&group_by=model&limit=1&format=csv`,
  );
  const rows = parse<Record<string, string>>(text, { columns: true });
  expect(rows.map(({ model, amount, tokens, usd_per_million }) => [model, amount, tokens, usd_per_million])).toEqual([
    ['a', '1', '10', '100000'],
    ['b', '2', '10', '200000'],
    ['c', '3', '10', '300000'],
  ]);
});

it.each(['cost_type=tokens', 'description=x', 'group_by=cost_type', 'compare=previous'])(
  '%s is a bad request, since tokens have no such thing',
  async (query) => {
    const { status } = await api.get(`/v1/unit-costs?${query}`);
    expect(status).toBe(400);
  },
);

it('amounts are decimals in their one spelling', async () => {
  const id = await seed({ [DAY]: { costs: [billed('output_tokens', '1.50')] } });
  const { total } = await ask(id, 'group_by=day');
  expect(total.amount).toBe(toDecimal('1.50'));
});

import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addDays } from '../../domain/days.ts';
import {
  ADMIN_TOKEN,
  TODAY,
  seedConnection,
  seedCostDay,
  seedUsageDay,
  seedWorkspace,
  startApi,
  type Api,
} from '../api/support.ts';
import { rows } from '../support/rows.ts';
import { csv, parquet } from './api.ts';
import { metadataOf } from './files.ts';
import { faultsIn } from './rules.ts';

let api: Api;
let id: string;

const UNIT = { workspace_id: 'w1', model: 'claude:a', service_tier: 'standard', context_window: '0-200k' };
const NAMES = ['=cmd|x', '+1', '-1', '@x', 'a, "b"', 'two\r\nlines', 'Ünïcode ☃ 😀', "'x", ' space '];

beforeAll(async () => {
  api = await startApi();
  id = await seedConnection(api.db, { name: 'Acme', organization: 'org-1' });
  await seedWorkspace(api.db, id, 'w1', '=One, "1"', { tags: { team: '@all', 'a"b': 'x\ny', __proto__x: '1' } });
  await seedCostDay(
    api.db,
    id,
    TODAY,
    [
      { ...UNIT, token_type: 'uncached_input_tokens', cost_type: 'tokens', amount: '6', inference_geo: 'us' },
      // Two descriptions share their tokens, so neither has a price.
      { ...UNIT, token_type: 'output_tokens', description: 'one', amount: '3', inference_geo: 'us' },
      { ...UNIT, token_type: 'output_tokens', description: 'two', amount: '3', inference_geo: 'us' },
      // This price never ends.
      { ...UNIT, token_type: 'cache_read_input_tokens', amount: '1', inference_geo: 'us' },
      { amount: '0' },
      { amount: '7', currency: 'EUR' },
      ...NAMES.map((description, at) => ({ description, amount: `-${at}.25` })),
    ],
    'provisional',
  );
  await seedUsageDay(api.db, id, TODAY, [
    { ...UNIT, inference_geo: 'us', counts: [2_000_000n, 1_000_000n, 3_000_000n, 0n, 0n, 0n] },
  ]);
});
afterAll(() => api.close());

const RANGE = `from=${TODAY}&to=${TODAY}`;

describe('a FOCUS file', () => {
  it('prices a line whose tokens are its own, and leaves the rest without a price', async () => {
    const { rows: all } = await csv(api, RANGE);
    const priced = all.filter((row) => row['SkuId'] !== null);
    expect(priced).toEqual([
      expect.objectContaining({
        BilledCost: '6.0',
        PricingQuantity: '2.0',
        PricingUnit: '1000000 Tokens',
        ListUnitPrice: '3.0',
        ContractedUnitPrice: '3.0',
        ConsumedQuantity: '2000000.0',
        SkuId: 'claude%3Aa:uncached_input_tokens',
        SkuMeter: 'Input Tokens',
        SkuPriceId: 'claude%3Aa:uncached_input_tokens:standard:0-200k:us',
        RegionId: 'us',
        RegionName: 'United States',
        SubAccountName: '=One, "1"',
        BillingAccountId: 'org-1',
      }),
    ]);
    expect(JSON.parse(priced[0]?.['Tags'] ?? '')).toEqual({ team: '@all', 'a"b': 'x\ny', __proto__x: '1' });
  });

  it('has texts as they were reported, the same in both formats', async () => {
    const file = await csv(api, RANGE);
    const texts = file.rows.map((row) => row['ChargeDescription']).filter((text) => text !== null);
    expect(texts).toEqual(expect.arrayContaining(NAMES));
    expect(faultsIn(file, '1.4')).toEqual([]);
    expect(await parquet(api, RANGE)).toEqual(file);
  });

  it('says in headers how certain it is and what it adds up to, by currency', async () => {
    const { headers } = await api.get(`/v1/exports/focus?${RANGE}`);
    expect(headers.get('content-type')).toBe('text/csv; charset=utf-8; header=present');
    expect(headers.get('content-disposition')).toBe(`attachment; filename="focus-1.4_${TODAY}_${TODAY}.csv"`);
    expect(Object.fromEntries([...headers].filter(([name]) => name.startsWith('meterline-')))).toEqual({
      'meterline-total': '-25.25',
      'meterline-other-currencies': '[{"currency":"EUR","amount":"7"}]',
      'meterline-provisional-days': '1',
      'meterline-missing-days': '0',
      'meterline-uncovered-days': '0',
      'meterline-as-of': expect.stringMatching(/Z$/) as unknown,
    });
  });

  it.each(['csv', 'parquet'])(
    'in %s answers HEAD as GET, without reading a line, and refuses alike',
    async (format) => {
      const path = `/v1/exports/focus?format=${format}&${RANGE}`;
      const got = await api.get(path);
      // Lines alone need the names that workspaces had on a day.
      const head = await api.db.transaction(async (tx) => {
        await tx.execute(sql`lock table workspace_names in access exclusive mode`);
        return api.send('HEAD', path);
      });
      expect([head.status, head.text]).toEqual([200, '']);
      const named = ({ headers }: typeof head): unknown[] =>
        [...headers].filter(([name]) => /^(meterline|content-(type|disp))/.test(name));
      expect(named(head)).toEqual(named(got));
      expect(named(head).length).toBeGreaterThan(5);
      const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
      const statusOf = async (more: string): Promise<number> =>
        (await fetch(`${api.url}${path}&${more}`, { method: 'HEAD', headers })).status;
      expect([await statusOf('colour=x'), await statusOf('connection_id=x')]).toEqual([400, 404]);
    },
  );

  it.each([
    ['application/vnd.apache.parquet', '', 'application/vnd.apache.parquet'],
    ['text/csv;q=0.5, application/vnd.apache.parquet', '', 'application/vnd.apache.parquet'],
    ['application/vnd.apache.parquet', '&format=csv', 'text/csv'],
    ['text/csv', '&format=parquet', 'application/vnd.apache.parquet'],
    ['text/csv', '', 'text/csv'],
    ['*/*', '', 'text/csv'],
    ['application/json', '', 'text/csv'],
  ])('for Accept: %s and the parameters "%s" is %s', async (accept, more, type) => {
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}`, accept };
    const reply = await fetch(`${api.url}/v1/exports/focus?${RANGE}${more}`, { headers });
    await reply.arrayBuffer();
    expect([reply.status, reply.headers.get('content-type')?.split(';')[0]]).toEqual([200, type]);
  });

  it('has metadata that have its time, and count as one of two exports', async () => {
    await api.db.transaction(async (tx) => {
      await tx.execute(sql`lock table cost_lines in access exclusive mode`);
      const controller = new AbortController();
      const path = `/v1/exports/focus/metadata?${RANGE}`;
      const init = { headers: { authorization: `Bearer ${ADMIN_TOKEN}` }, signal: controller.signal };
      const waiting = [1, 2].map(() => fetch(`${api.url}${path}`, init).catch(() => null));
      await expect.poll(async () => (await api.get(path)).status, { timeout: 20_000 }).toBe(429);
      controller.abort();
      await Promise.all(waiting);
    });
    await expect
      .poll(async () => (await api.get(`/v1/exports/focus/metadata?${RANGE}`)).status, { timeout: 20_000 })
      .toBe(200);
  });

  it('without data is a header, and a table without rows', async () => {
    const none = 'from=2020-01-01&to=2020-01-31';
    const [inCsv, inParquet] = [await csv(api, none), await parquet(api, none)];
    expect([inCsv.rows, inParquet]).toEqual([[], inCsv]);
    expect(inCsv.columns).toContain('BilledCost');
  });

  it('has decimals of 38 digits in Parquet, with as many behind the point as the range needs, or none at all', async () => {
    const days = [addDays(TODAY, -1), addDays(TODAY, -2)] as const;
    await seedCostDay(api.db, id, days[0], [{ amount: '0.12345678901234567891' }]);
    await seedCostDay(api.db, id, days[1], [{ amount: '123456789012345678901234567890.5' }]);
    const elementOf = async (range: string): Promise<unknown> => {
      const reply = await fetch(`${api.url}/v1/exports/focus?format=parquet&${range}`, {
        headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
      });
      return metadataOf(await reply.arrayBuffer()).schema.find(({ name }) => name === 'BilledCost');
    };
    expect(await elementOf(RANGE)).toMatchObject({ converted_type: 'DECIMAL', precision: 38, scale: 15 });
    const fine = `from=${days[0]}&to=${days[0]}`;
    expect(await elementOf(fine)).toMatchObject({ precision: 38, scale: 20 });
    expect((await parquet(api, fine)).rows[0]?.['BilledCost']).toBe('0.12345678901234567891');
    const large = `from=${days[1]}&to=${days[1]}`;
    const refused = await api.get(`/v1/exports/focus?format=parquet&${large}`);
    expect([refused.status, refused.body.errors[0]?.path]).toEqual([409, 'query.format']);
    expect(refused.body.detail).toContain('take csv');
    expect((await csv(api, large)).rows[0]?.['BilledCost']).toBe('123456789012345678901234567890.5');
  });

  it.each([
    ['version=1.2', 400, 'query.version', '1.4'],
    ['format=xlsx', 400, 'query.format', 'parquet'],
    ['allocated=yes', 400, 'query.allocated', 'true'],
    ['from=2026-02-30', 400, 'query.from', 'YYYY-MM-DD'],
    ['from=2026-07-02&to=2026-07-01', 400, 'query.from', '"to"'],
    ['connection_id=x', 404, 'query.connection_id', 'id of a connection'],
    ['colour=x', 400, 'query.colour', 'allowed are version'],
  ])('refuses %s and says what is allowed', async (query, status, path, message) => {
    for (const route of ['', '/metadata']) {
      const { status: own, body } = await api.get(`/v1/exports/focus${route}?${query}`);
      expect([own, body.errors[0]?.path]).toEqual([status, path]);
      expect(body.errors[0]?.message).toContain(message);
    }
  });

  it('has metadata that list its columns, in its order, and say that it is not complete', async () => {
    for (const query of ['version=1.4', 'version=1.3', 'version=1.4&allocated=true&from=2026-07-01&to=2026-07-31']) {
      const range = query.includes('allocated') ? '' : `&${RANGE}`;
      const { body } = await api.get(`/v1/exports/focus/metadata?${query}${range}`);
      const { Schema, Recency } = body as unknown as {
        Schema: { ColumnDefinition: { ColumnName: string; DataType: string; NumberScale?: number }[] }[];
        Recency: { DatasetInstanceComplete: boolean }[];
      };
      const columns = Schema[0]?.ColumnDefinition ?? [];
      expect(columns.map(({ ColumnName }) => ColumnName)).toEqual((await csv(api, query + range)).columns);
      const isDecimal = ({ DataType }: { DataType: string }): boolean => DataType === 'DECIMAL';
      expect(columns.filter(isDecimal).every(({ NumberScale }) => (NumberScale ?? 0) >= 15)).toBe(true);
      expect(Recency[0]?.DatasetInstanceComplete).toBe(false);
    }
  });
});

describe('a long FOCUS file', () => {
  const day = addDays(TODAY, -3);
  beforeAll(async () => {
    await seedCostDay(api.db, id, day, [{ amount: '1' }]);
    await api.db.execute(sql`
      with series as (
        insert into cost_series (connection_id, series_id, unit_id, description, currency)
        select ${id}, gen_random_uuid(), gen_random_uuid(), md5(n::text) || repeat(md5((n + 1)::text), 20), 'USD' from generate_series(1, 30000) n
        returning series_no
      )
      insert into cost_lines
      select (select day_no from days where connection_id = ${id} and report = 'cost' and day = ${day}), series_no, 0 from series
    `);
  });

  function open(format: string): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const options = { headers: { authorization: `Bearer ${ADMIN_TOKEN}` }, agent: false };
      const path = `/v1/exports/focus?format=${format}&from=${day}&to=${day}`;
      httpRequest(`${api.url}${path}`, options, resolve).on('error', reject).end();
    });
  }

  const reading = sql`
    select count(*)::int as reading from pg_stat_activity
    where datname = current_database() and state like 'idle in transaction%' and query like 'fetch%'
  `;

  it.each(['csv', 'parquet'])(
    'in %s is one of two at once, waits for its client, and ends when that leaves',
    async (format) => {
      const [first, second] = await Promise.all([open(format), open(format)]);
      const third = await open(format);
      expect(third.statusCode).toBe(429);
      expect(Number(third.headers['retry-after'])).toBeGreaterThan(0);
      third.resume();
      await expect.poll(() => rows(api.db, reading), { timeout: 20_000 }).toEqual([{ reading: 2 }]);
      for (const one of [first, second]) {
        one.destroy();
        await once(one, 'close');
      }
      await expect.poll(() => rows(api.db, reading), { timeout: 20_000 }).toEqual([{ reading: 0 }]);
      await expect
        .poll(async () => (await api.get(`/v1/exports/focus?${RANGE}`)).status, { timeout: 20_000 })
        .toBe(200);
    },
  );

  it.each(['csv', 'parquet'])('in %s breaks off where it fails after its first byte', async (format) => {
    const slow = await open(format);
    const end = sql`
      select pg_terminate_backend(pid) as ended from pg_stat_activity
      where datname = current_database() and state like 'idle in transaction%' and query like 'fetch%'
    `;
    await expect.poll(() => rows(api.db, end), { timeout: 20_000 }).toEqual([{ ended: true }]);
    const readAll = async (): Promise<number> => {
      let parts = 0;
      for await (const part of slow) parts += String(part).length;
      return parts;
    };
    await expect(readAll()).rejects.toThrow('aborted');
    expect(slow.complete).toBe(false);
  });

  it('has all of its rows in Parquet, in groups of a few thousand', async () => {
    const reply = await fetch(`${api.url}/v1/exports/focus?format=parquet&from=${day}&to=${day}`, {
      headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
    });
    const { num_rows, row_groups } = metadataOf(await reply.arrayBuffer());
    expect(num_rows).toBe(30_001n);
    expect(Math.max(...row_groups.map((group) => Number(group.num_rows)))).toBeLessThan(5_000);
  });
});

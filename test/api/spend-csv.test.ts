import { request as httpRequest, type IncomingMessage } from 'node:http';
import { once } from 'node:events';
import { sql } from 'drizzle-orm';
import { parse } from 'csv-parse/sync';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inSnapshot, eachRow } from '../../db/core/cursor.ts';
import { EXPORT_LIMITS, openDatabase } from '../../db/core/database.ts';
import { z } from 'zod';
import { addDays } from '../../domain/days.ts';
import { testDatabase } from '../support/postgres.ts';
import { rows } from '../support/rows.ts';
import {
  ADMIN_TOKEN,
  TODAY,
  seedConnection,
  seedCostDay,
  seedUsageDay,
  seedWorkspace,
  startApi,
  type Answer,
  type Api,
} from './support.ts';

let api: Api;
let id: string;

const DESCRIPTIONS = [
  '=1+1',
  '+1',
  '-1',
  '@x',
  '\tx',
  '\rx',
  'a, "b"',
  'two\r\nlines',
  ' space ',
  'Ünïcode ☃',
  '',
  "'x",
];

beforeAll(async () => {
  api = await startApi();
  id = await seedConnection(api.db, { name: 'Acme' });
  await seedWorkspace(api.db, id, 'w1', '=One', { tags: { team: '@all' } });
  const lines = DESCRIPTIONS.map((description, index) => ({ description, workspace_id: 'w1', amount: `-${index}.5` }));
  await seedCostDay(api.db, id, TODAY, [...lines, { amount: '100' }, { amount: '7', currency: 'EUR' }], 'provisional');
  await seedCostDay(api.db, id, addDays(TODAY, -1), [{ description: 'a, "b"', amount: '3' }]);
  await seedUsageDay(api.db, id, TODAY, [
    { model: 'a', counts: [2n ** 60n, 0n, 0n, 0n, 0n, 0n], extraCounts: { 'x.☃': 1.5 } },
    { model: 'b', counts: [1n, 0n, 0n, 0n, 0n, 0n] },
  ]);
});
afterAll(() => api.close());

interface Document {
  readonly paths: Readonly<
    Record<string, { get: { responses: { 200: { headers?: Record<string, { description: string }> } } } }>
  >;
}

function get(path: string, accept?: string): Promise<Answer> {
  const headers = { authorization: `Bearer ${ADMIN_TOKEN}`, ...(accept === undefined ? {} : { accept }) };
  return api.raw(path, { headers });
}

function cellsOf({ text }: Answer): string[][] {
  return parse(text, { record_delimiter: '\r\n', relax_column_count: false });
}

/** What a cell shows of a text. */
function safe(text: string): string {
  return /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
}

describe('CSV', () => {
  it('has a row for each, with texts that no program takes for a formula and numbers as they are', async () => {
    const answer = await get('/v1/costs?group_by=workspace,tag.team,description&limit=1&format=csv');
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('text/csv; charset=utf-8; header=present');
    expect(answer.headers.get('content-disposition')).toContain(`costs_2026-07-01_${TODAY}.csv`);
    const [header, ...lines] = cellsOf(answer);
    expect(header).toEqual(['workspace_id', 'workspace_name', 'tag.team', 'description', 'amount']);
    const expected = DESCRIPTIONS.map((text, index) => ['w1', "'=One", "'@all", safe(text), `-${index}.5`]);
    const rest = [
      ['', 'Default workspace', '', 'a, "b"', '3'],
      ['', 'Default workspace', '', '', '100'],
    ];
    expect(lines.toSorted()).toEqual([...expected, ...rest].toSorted());
    expect(answer.text).not.toMatch(/^\ufeff/);
    expect(answer.text.endsWith('\r\n')).toBe(true);
    // A text without characters is not a missing value.
    expect(answer.text).toContain(`w1,'=One,'@all,"",-10.5\r\n`);
    expect(answer.text).toContain(',Default workspace,,,100\r\n');
  });

  it('has the total and the counts of days in headers', async () => {
    const { headers } = await get('/v1/costs?format=csv&compare=previous');
    expect(Object.fromEntries([...headers].filter(([name]) => name.startsWith('meterline-')))).toEqual({
      'meterline-total': '31',
      'meterline-total-previous': '0',
      'meterline-other-currencies': '[{"currency":"EUR","amount":"7","previous":"0","change":"7"}]',
      'meterline-provisional-days': '1',
      'meterline-missing-days': '29',
      'meterline-uncovered-days': '0',
      'meterline-previous-provisional-days': '0',
      'meterline-previous-missing-days': '0',
      'meterline-previous-uncovered-days': '31',
      'meterline-as-of': expect.stringMatching(/^\d{4}-.*Z$/) as unknown,
    });
  });

  it.each([
    ['/v1/costs', ''],
    ['/v1/costs', 'compare=previous'],
    ['/v1/usage', ''],
    ['/v1/usage', 'compare=previous'],
    ['/v1/costs/changes', 'compare=previous'],
    ['/v1/unit-costs', ''],
  ])('has the headers that the document lists for %s?%s, and no others', async (path, query) => {
    const { headers } = await get(`${path}?format=csv&${query}`);
    const isOfFile = (name: string): boolean => /^meterline-|^content-disposition$/.test(name);
    const { paths } = (await api.get('/openapi.json', null)).body as unknown as Document;
    const described = Object.entries(paths[path]?.get.responses['200'].headers ?? {});
    const always = described.filter(
      ([, { description }]) => query !== '' || !description.includes('without `compare`'),
    );
    expect([...headers.keys()].filter(isOfFile).sort()).toEqual(always.map(([name]) => name.toLowerCase()).sort());
  });

  it('is what Accept asks for, unless format says something else', async () => {
    const kind = async (path: string, accept: string): Promise<string | null> =>
      (await get(path, accept)).headers.get('content-type')?.split(';')[0] ?? null;
    expect(await kind('/v1/costs', 'text/csv')).toBe('text/csv');
    expect(await kind('/v1/costs', 'text/csv; charset=utf-8')).toBe('text/csv');
    expect(await kind('/v1/costs', 'text/csv; header=present, */*;q=0.1')).toBe('text/csv');
    expect(await kind('/v1/costs', 'application/json; charset=utf-8, */*;q=0.1')).toBe('application/json');
    expect(await kind('/v1/costs', 'text/csv;q=0.5, application/json')).toBe('application/json');
    expect(await kind('/v1/costs', '*/*')).toBe('application/json');
    expect(await kind('/v1/costs', 'image/png')).toBe('application/json');
    expect(await kind('/v1/costs?format=json', 'text/csv')).toBe('application/json');
    expect(await kind('/v1/costs?format=csv', 'application/json')).toBe('text/csv');
  });

  it('of usage has exact counts, and the counts without a column as JSON', async () => {
    const answer = await get('/v1/usage?group_by=model&format=csv&compare=previous');
    const [header = [], first] = cellsOf(answer);
    expect(header).toHaveLength(1 + 3 * 7);
    expect(header.slice(0, 2)).toEqual(['model', 'uncached_input_tokens']);
    const cell = (name: string): string | undefined => first?.[header.indexOf(name)];
    expect(cell('uncached_input_tokens')).toBe(String(2n ** 60n));
    expect(cell('previous_uncached_input_tokens')).toBe('0');
    expect(cell('change_uncached_input_tokens')).toBe(String(2n ** 60n));
    expect(JSON.parse(cell('other_counts') ?? '')).toEqual({ 'x.☃': '1.5' });
    expect(answer.headers.get('meterline-totals')).toContain(`"uncached_input_tokens":"${2n ** 60n + 1n}"`);
  });

  it('of changes has the parts of the change', async () => {
    const answer = await get('/v1/costs/changes?group_by=currency&compare=previous&format=csv');
    expect(cellsOf(answer)).toEqual([
      ['currency', 'before', 'after', 'change', 'volume', 'mix', 'price', 'unmatched'],
      ['EUR', '0', '7', '7', '0', '0', '0', '7'],
      ['USD', '0', '31', '31', '0', '0', '0', '31'],
    ]);
  });

  it('without rows is a header, and a wrong query is a problem document', async () => {
    expect((await get('/v1/costs?format=csv&model=none')).text).toBe('day,amount\r\n');
    const refused = await get('/v1/costs?format=csv&colour=x');
    expect([refused.status, refused.body.code]).toEqual([400, 'invalid_request']);
    expect((await get('/v1/costs?format=csv&connection_id=x')).status).toBe(404);
  });

  it('answers HEAD without rows', async () => {
    const head = await api.send('HEAD', '/v1/costs?format=csv');
    expect([head.status, head.text, head.headers.get('meterline-total')]).toEqual([200, '', '31']);
  });

  it('answers HEAD without reading a line, and refuses what GET refuses', async () => {
    const path = '/v1/costs?format=csv&group_by=description';
    const head = await api.db.transaction(async (tx) => {
      await tx.execute(sql`lock table cost_lines in access exclusive mode`);
      return api.send('HEAD', path);
    });
    expect([head.status, head.headers.get('meterline-total')]).toEqual([200, '31']);
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
    expect((await fetch(`${api.url}${path}&colour=x`, { method: 'HEAD', headers })).status).toBe(400);
  });
});

const MANY = 60_000;

describe('a long file', () => {
  beforeAll(async () => {
    const dayNo = sql`(select day_no from days where connection_id = ${id} and report = 'cost' and day = ${addDays(TODAY, -1)})`;
    await api.db.execute(sql`
      with series as (
        insert into cost_series (connection_id, series_id, unit_id, description, currency)
        select ${id}, gen_random_uuid(), gen_random_uuid(), 'many ' || n || repeat('x', 500), 'USD' from generate_series(1, ${MANY}) n
        returning series_no
      )
      insert into cost_lines select ${dayNo}, series_no, 0 from series
    `);
  });

  function open(): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const options = { headers: { authorization: `Bearer ${ADMIN_TOKEN}` }, agent: false };
      httpRequest(`${api.url}/v1/costs?group_by=description&format=csv`, options, resolve).on('error', reject).end();
    });
  }

  async function textOf(message: IncomingMessage): Promise<string> {
    let text = '';
    for await (const part of message.setEncoding('utf8')) text += String(part);
    return text;
  }

  it('is one snapshot, whatever syncs write meanwhile', async () => {
    const slow = await open();
    await api.db.execute(sql`update cost_lines set amount = 1000`);
    const lines: string[][] = parse(await textOf(slow), { from_line: 2 });
    const amounts = lines.map(([, amount]) => amount);
    expect(amounts.length).toBeGreaterThan(MANY);
    expect(amounts).not.toContain('1000');
    await api.db.execute(sql`update cost_lines set amount = 0`);
  });

  it('is written two at a time, and a third client is told to come again', async () => {
    const [first, second] = await Promise.all([open(), open()]);
    const third = await open();
    expect(third.statusCode).toBe(429);
    expect(Number(third.headers['retry-after'])).toBeGreaterThan(0);
    expect(JSON.parse(await textOf(third))).toMatchObject({ code: 'too_many_requests' });
    for (const one of [first, second]) {
      one.destroy();
      await once(one, 'close');
    }
    await expect.poll(async () => (await get('/v1/costs?format=csv')).status).toBe(200);
  });

  it('breaks off where it fails after its first byte', async () => {
    const slow = await open();
    const end = sql`
      select pg_terminate_backend(pid) as ended from pg_stat_activity
      where datname = current_database() and state = 'idle in transaction' and query like 'fetch%'
    `;
    await expect.poll(() => rows(api.db, end)).toEqual([{ ended: true }]);
    await expect(textOf(slow)).rejects.toThrow('aborted');
    expect(slow.complete).toBe(false);
    expect(api.log()).toContain('A reply broke off');
  });

  it('is read from Postgres no faster than its client reads', async () => {
    const slow = await open();
    const waiting = sql`
      select count(*)::int as waiting from pg_stat_activity
      where datname = current_database() and state = 'idle in transaction' and query like 'fetch%'
    `;
    await expect.poll(() => rows(api.db, waiting)).toEqual([{ waiting: 1 }]);
    expect(slow.complete).toBe(false);
    slow.destroy();
  });
});

describe('a file whose client goes away while Postgres adds up', () => {
  it('gives its place to the next one at once, though what it waits for still lasts', async () => {
    const database = await testDatabase();
    const exporting = openDatabase(database.url, {
      ...{ max: 2, name: 'meterline test exports', limits: { ...EXPORT_LIMITS, lock_timeout: 0 } },
    });
    const own = await startApi({ db: database.db, exportDb: exporting.db });
    const client = new AbortController();
    const ask = (path: string, signal?: AbortSignal): Promise<Response> =>
      fetch(own.url + path, { headers: { authorization: `Bearer ${ADMIN_TOKEN}` }, ...(signal ? { signal } : {}) });
    const waiting = sql`
      select count(*)::int as waiting from pg_stat_activity
      where datname = current_database() and application_name = 'meterline test exports' and wait_event_type = 'Lock'
    `;
    await database.db.transaction(async (tx) => {
      await tx.execute(sql`lock table cost_lines, cost_cells, cost_rollup in access exclusive mode`);
      const left = [1, 2].map(() => ask('/v1/costs?group_by=description&format=csv', client.signal));
      await expect.poll(() => rows(database.db, waiting)).toEqual([{ waiting: 2 }]);
      expect((await ask('/v1/usage?format=csv')).status).toBe(429);
      client.abort();
      for (const one of left) await expect(one).rejects.toThrow();
      // Usage needs nothing that is locked.
      await expect.poll(async () => (await ask('/v1/usage?format=csv')).status).toBe(200);
      await expect.poll(() => rows(database.db, waiting)).toEqual([{ waiting: 0 }]);
    });
    expect(own.log()).not.toContain('A request failed');
    await own.close();
    await exporting.close();
    await database.close();
  });
});

describe('a transaction for exports', () => {
  it('only reads', async () => {
    const write = inSnapshot(api.db, (tx) => tx.execute(sql`delete from cost_lines`));
    await expect(write).rejects.toThrow();
  });

  it('sees one instant from its first statement to its last', async () => {
    const sum = sql`select trim_scale(sum(amount))::text as sum from cost_lines`;
    await inSnapshot(api.db, async (tx) => {
      const before = await rows(tx, sum);
      await api.db.execute(sql`update cost_lines set amount = amount + 1`);
      expect(await rows(tx, sum)).toEqual(before);
      expect(await rows(api.db, sum)).not.toEqual(before);
    });
  });

  it('gives every row once, in batches', async () => {
    const numbers: number[] = [];
    await inSnapshot(api.db, async (tx) => {
      for await (const batch of eachRow(tx, z.object({ n: z.int() }), sql`select n from generate_series(1, 2500) n`)) {
        expect(batch.length).toBeLessThanOrEqual(1_000);
        numbers.push(...batch.map(({ n }) => n));
      }
    });
    expect(numbers).toEqual(Array.from({ length: 2500 }, (_, index) => index + 1));
  });
});

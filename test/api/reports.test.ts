import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { disconnect } from '../../db/connections/disconnect.ts';
import { addDays, daysIn, type Day } from '../../domain/days.ts';
import { USAGE_COUNTS } from '../../domain/lines.ts';
import { addDecimals, toDecimal } from '../../domain/money.ts';
import { COST_DIMENSIONS, USAGE_DIMENSIONS } from '../../domain/spend/query.ts';
import {
  TODAY,
  seedConnection,
  seedCostDay,
  seedCovered,
  seedDay,
  seedUsageDay,
  seedWorkspace,
  startApi,
  type Api,
  type Row,
  type SeedLine,
} from './support.ts';

let api: Api;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.close());

interface Stored extends SeedLine {
  readonly connection: string;
  readonly day: Day;
}

// Few values each, so that rows meet; null and the empty text, so that they must not.
const dimension = (...values: string[]): fc.Arbitrary<string | null> => fc.constantFrom(null, '', ...values);
const amount = fc.tuple(fc.bigInt(-(10n ** 12n), 10n ** 20n), fc.integer({ min: 0, max: 18 })).map(([units, scale]) => {
  const digits = (units < 0n ? -units : units).toString().padStart(scale + 1, '0');
  const cut = digits.length - scale;
  return `${units < 0n ? '-' : ''}${digits.slice(0, cut)}${scale === 0 ? '' : `.${digits.slice(cut)}`}`;
});
const line = fc.record({
  workspace_id: dimension('wrkspc_1', 'wrkspc_2'),
  model: dimension('claude-a', 'claude-B', 'Ünïcode ☃'),
  token_type: dimension('output_tokens'),
  context_window: dimension('0-200k'),
  service_tier: dimension('batch'),
  inference_geo: dimension('us', 'not_available'),
  cost_type: dimension('tokens', 'web_search'),
  description: dimension('a, "quoted" {text}', "o'clock\\n"),
  currency: fc.constantFrom('USD', 'USD', 'USD', 'EUR'),
  amount,
});

const FROM = addDays(TODAY, -3);
const stored: Stored[] = [];
const ids: string[] = [];

beforeAll(async () => {
  for (const [index, organization] of ['org-a', 'org-b'].entries()) {
    const connection = await seedConnection(api.db, { organization, name: `Connection ${index}`, began: FROM });
    ids.push(connection);
    await seedWorkspace(api.db, connection, 'wrkspc_1', `One of ${organization}`);
    for (const day of daysIn({ from: FROM, to: TODAY })) {
      const lines = fc.sample(line, { numRuns: 12, seed: index * 100 + Number(day.slice(8)) });
      await seedCostDay(api.db, connection, day, lines);
      stored.push(...lines.map((one) => ({ ...one, connection, day })));
    }
  }
});

const COST_GROUPS = ['day', 'month', ...COST_DIMENSIONS] as const;
type CostGroup = (typeof COST_GROUPS)[number];

/** Without a second grain, which no query may have. */
function withOneGrain(groups: readonly CostGroup[]): CostGroup[] {
  return groups.filter((group) => group !== 'month' || !groups.includes('day'));
}

function valueOf(one: Stored, group: CostGroup): string | null {
  switch (group) {
    case 'day':
      return one.day;
    case 'month':
      return one.day.slice(0, 7);
    case 'workspace':
      return one.workspace_id ?? null;
    case 'connection':
      return one.connection;
    case 'currency':
      return one.currency ?? 'USD';
    case 'model':
    case 'token_type':
    case 'context_window':
    case 'service_tier':
    case 'inference_geo':
    case 'cost_type':
    case 'description':
      return one[group] ?? null;
  }
}

function keyOfRow(row: Row, groupBy: readonly CostGroup[]): string {
  const values = groupBy.map((group) => {
    const value = row[group];
    return typeof value === 'object' && value !== null && 'id' in value ? value.id : value;
  });
  return JSON.stringify(values);
}

function bruteForce(lines: readonly Stored[], groupBy: readonly CostGroup[]): Map<string, string> {
  const sums = new Map<string, string[]>();
  for (const one of lines) {
    if (one.currency !== 'USD' && !groupBy.includes('currency')) continue;
    const key = JSON.stringify(groupBy.map((group) => valueOf(one, group)));
    sums.set(key, [...(sums.get(key) ?? []), one.amount]);
  }
  return new Map([...sums].map(([key, amounts]) => [key, addDecimals(amounts.map(toDecimal))]));
}

describe('GET /v1/costs', () => {
  it('adds up exactly by every group, and its pages add up to the whole', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.shuffledSubarray([...COST_GROUPS], { minLength: 1 }).map(withOneGrain),
        fc.constantFrom(null, 0, 1),
        fc.integer({ min: 0, max: 3 }),
        fc.integer({ min: 0, max: 3 }),
        fc.integer({ min: 1, max: 40 }),
        async (groupBy, which, a, b, limit) => {
          const [from, to] = [addDays(FROM, Math.min(a, b)), addDays(FROM, Math.max(a, b))];
          const connection = which === null ? null : (ids[which] ?? '');
          const asked = stored.filter(
            (one) => one.day >= from && one.day <= to && (connection === null || one.connection === connection),
          );
          const path = `/v1/costs?from=${from}&to=${to}&group_by=${groupBy.join()}${connection === null ? '' : `&connection_id=${connection}`}`;
          const { body: whole } = await api.get(`${path}&limit=10000`);
          expect(whole.next).toBeNull();
          const got = new Map(whole.data.map((row) => [keyOfRow(row, groupBy), row.amount]));
          expect(got.size).toBe(whole.data.length);
          expect(got).toEqual(bruteForce(asked, groupBy));
          const inUsd = asked.filter((one) => one.currency === 'USD').map((one) => one.amount);
          const inEur = asked.filter((one) => one.currency === 'EUR').map((one) => one.amount);
          expect(whole.total).toBe(addDecimals(inUsd.map(toDecimal)));
          expect(whole.other_currencies).toEqual(
            inEur.length === 0 ? [] : [{ currency: 'EUR', amount: addDecimals(inEur.map(toDecimal)) }],
          );
          const paged: Row[] = [];
          for (let next: string | null = ''; next !== null && paged.length <= whole.data.length;) {
            const { body: page } = await api.get(`${path}&limit=${limit}${next === '' ? '' : `&after=${next}`}`);
            expect(page.total).toBe(whole.total);
            paged.push(...page.data);
            next = page.next;
          }
          expect(paged).toEqual(whole.data);
        },
      ),
      { numRuns: 40, seed: 4 },
    );
  });

  it('groups the last 31 days by day by default', async () => {
    const { body } = await api.get('/v1/costs');
    expect(body).toMatchObject({ from: '2026-07-01', to: TODAY, group_by: ['day'] });
    expect(Object.keys(body.data[0] ?? {})).toEqual(['day', 'amount']);
    expect(body.data.map(({ day }) => day)).toEqual(daysIn({ from: FROM, to: TODAY }));
  });

  it('shows the present names of workspaces, of the default workspace and of connections', async () => {
    const { body } = await api.get(`/v1/costs?connection_id=${ids[0] ?? ''}&group_by=workspace,connection`);
    const named = new Map(body.data.map(({ workspace }) => [workspace.id, workspace]));
    expect(named.get('wrkspc_1')).toEqual({ id: 'wrkspc_1', name: 'One of org-a' });
    expect(named.get('wrkspc_2')).toEqual({ id: 'wrkspc_2', name: 'wrkspc_2' });
    expect(named.get(null)).toEqual({ id: null, name: 'Default workspace' });
    expect(body.data[0]?.connection).toEqual({ id: ids[0], name: 'Connection 0' });
  });

  it('counts the provisional and the missing days of the range', async () => {
    const own = await startApi();
    try {
      const id = await seedConnection(own.db, { began: addDays(TODAY, -5) });
      await seedCovered(own.db, id, addDays(TODAY, -5), addDays(TODAY, -4));
      await seedDay(own.db, id, 'cost', addDays(TODAY, -2), { state: 'provisional' });
      await seedDay(own.db, id, 'usage', addDays(TODAY, -1));
      const query = `connection_id=${id}&from=${addDays(TODAY, -30)}&to=${addDays(TODAY, 30)}`;
      expect((await own.get(`/v1/costs?${query}`)).body).toMatchObject({ provisional_days: 1, missing_days: 3 });
      expect((await own.get(`/v1/usage?${query}`)).body).toMatchObject({ provisional_days: 0, missing_days: 3 });
      await seedConnection(own.db, { status: 'refused', organization: null, began: addDays(TODAY, -20) });
      expect((await own.get('/v1/costs')).body).toMatchObject({ provisional_days: 1, missing_days: 3 });
      const purged = await seedConnection(own.db, { status: 'disconnected', began: addDays(TODAY, -20) });
      expect((await own.get('/v1/costs')).body.missing_days).toBeGreaterThan(3);
      await disconnect(own.db, purged, true);
      expect((await own.get('/v1/costs')).body).toMatchObject({ provisional_days: 1, missing_days: 3 });
    } finally {
      await own.close();
    }
  });

  it('is zero, not missing, without usage', async () => {
    const own = await startApi();
    try {
      const id = await seedConnection(own.db, { began: addDays(TODAY, -1) });
      await seedCovered(own.db, id, addDays(TODAY, -1), TODAY);
      const { body } = await own.get(`/v1/costs?connection_id=${id}`);
      expect(body).toMatchObject({ data: [], total: '0', missing_days: 0, next: null, other_currencies: [] });
    } finally {
      await own.close();
    }
  });

  it('stays in the days of its first page for a page after midnight', async () => {
    let now = Date.parse(`${TODAY}T23:59:59Z`);
    const own = await startApi({ now: () => now });
    try {
      const id = await seedConnection(own.db, {});
      for (const offset of [-30, -1, 0]) await seedCostDay(own.db, id, addDays(TODAY, offset), [{ amount: '1.5' }]);
      const first = await own.get('/v1/costs?limit=2');
      now += 2_000;
      const second = await own.get(`/v1/costs?limit=2&after=${String(first.body.next)}`);
      expect(second.body).toMatchObject({ from: '2026-07-01', to: TODAY, total: '4.5', data: [{ day: TODAY }] });
    } finally {
      await own.close();
    }
  });

  it.each([
    'from=2026-02-30',
    'from=0000-01-01&to=0000-01-02',
    'to=9999-12-31',
    'group_by=',
    'group_by=day,day',
    'group_by=day,colour',
    'group_by=day,month',
    'group_by=day&group_by=model',
    'limit=10001',
    'after=%20',
    'after=',
    'after=abc',
    'colour=x',
    'tag.=x',
    'tag.a=%00',
    'from=2026-07-02&to=2026-07-01',
    'from=2026-08-01',
    'from=2023-01-01&to=2026-07-31',
    '__proto__=x',
  ])('refuses ?%s', async (query) => {
    for (const report of ['costs', 'usage']) {
      const refused = await api.get(`/v1/${report}?${query}`);
      expect(refused.status).toBe(400);
      expect(refused.body.code).toBe('invalid_request');
      expect(refused.body.errors.length).toBeGreaterThan(0);
    }
  });

  it.each([
    ['after=eyJ4IjoxfQ', 'query.after'],
    [
      `after=${Buffer.from('{"at":{"from":"0000-01-01","to":"0000-01-02","query":"x","key":["x"]}}').toString('base64url')}`,
      'query.after',
    ],
  ])('refuses ?%s as contradictory', async (query, path) => {
    for (const report of ['costs', 'usage']) {
      const refused = await api.get(`/v1/${report}?${query}`);
      expect([refused.status, refused.body.code]).toEqual([409, 'conflict']);
      expect(refused.body.errors).toMatchObject([{ path }]);
    }
  });

  it('refuses the cursor of another query', async () => {
    const { body } = await api.get('/v1/costs?limit=1&group_by=model');
    for (const other of ['group_by=workspace', 'group_by=model&to=2026-07-30', 'group_by=model,day']) {
      expect((await api.get(`/v1/costs?limit=1&${other}&after=${String(body.next)}`)).status).toBe(409);
    }
  });

  it('takes 1100 days, and says how far back that is', async () => {
    const from = (daysBack: number): string => `/v1/costs?to=${TODAY}&from=${addDays(TODAY, -daysBack)}`;
    expect((await api.get(from(1099))).status).toBe(200);
    expect((await api.get(from(1100))).body.errors).toEqual([
      { path: 'query.from', message: 'must be at most 1099 days before "to"' },
    ]);
  });

  it('refuses the cursor of another report', async () => {
    const { body } = await api.get('/v1/costs?limit=1&group_by=model&compare=previous');
    const other = await api.get(`/v1/costs/changes?group_by=model&compare=previous&after=${String(body.next)}`);
    expect(other.status).toBe(409);
    const costs = await api.get('/v1/costs?limit=1&group_by=model');
    for (const report of ['usage', 'unit-costs']) {
      expect((await api.get(`/v1/${report}?group_by=model&after=${String(costs.body.next)}`)).status).toBe(409);
    }
  });

  it('is a 404 for an unknown connection, and says which parameter', async () => {
    for (const id of [randomUUID(), 'x', '']) {
      for (const name of ['connection_id', 'not.connection_id']) {
        const missing = await api.get(`/v1/costs?${name}=${id}`);
        expect(missing.status).toBe(404);
        expect(missing.body.code).toBe('not_found');
        expect(missing.body.errors).toMatchObject([{ path: `query.${name}` }]);
      }
    }
  });
});

describe('GET /v1/usage', () => {
  it('adds up counts beyond 2^53 exactly, as whole numbers of JSON', async () => {
    const own = await startApi();
    try {
      const id = await seedConnection(own.db, {});
      const most = 2n ** 63n - 1n;
      const safe = BigInt(Number.MAX_SAFE_INTEGER);
      await seedUsageDay(own.db, id, TODAY, [
        { model: 'a', counts: [most, safe, 0n, 0n, 0n, 0n] },
        { model: 'bigint 7', counts: [most, 1n, 0n, 0n, 0n, 0n] },
      ]);
      const { status, text } = await own.get('/v1/usage?group_by=model');
      expect(status).toBe(200);
      expect(text).toContain(`"model":"a","uncached_input_tokens":${most},"output_tokens":${safe},`);
      expect(text).toContain('"model":"bigint 7",');
      expect(text).toContain(`"totals":{"uncached_input_tokens":${most * 2n},"output_tokens":${safe + 1n},`);
    } finally {
      await own.close();
    }
  });

  it('adds up counts beyond 2^31 exactly, by every group, with totals of the whole range', async () => {
    const own = await startApi();
    try {
      const id = await seedConnection(own.db, {});
      await seedWorkspace(own.db, id, 'wrkspc_1', 'One');
      const big = 2n ** 40n;
      await seedUsageDay(own.db, id, TODAY, [
        { workspace_id: 'wrkspc_1', model: 'a', counts: [big, 2n, 3n, 4n, 5n, 6n] },
        { model: 'a', counts: [big + 1n, 0n, 0n, 0n, 0n, 1n] },
      ]);
      await seedUsageDay(own.db, id, addDays(TODAY, -1), [{ model: 'b', counts: [1n, 1n, 1n, 1n, 1n, 1n] }]);
      const { body } = await own.get('/v1/usage?group_by=model,workspace&limit=2');
      expect(body.totals).toEqual({
        uncached_input_tokens: Number(big) * 2 + 2,
        output_tokens: 3,
        cache_read_input_tokens: 4,
        cache_creation_5m: 5,
        cache_creation_1h: 6,
        web_search_requests: 8,
        other_counts: {},
      });
      expect(body.data).toHaveLength(2);
      expect(body.data[0]).toMatchObject({ model: 'a', workspace: { id: 'wrkspc_1', name: 'One' }, output_tokens: 2 });
      expect(body.data[1]).toMatchObject({ workspace: { id: null, name: 'Default workspace' } });
      const rest = await own.get(`/v1/usage?group_by=model,workspace&limit=2&after=${String(body.next)}`);
      expect(rest.body).toMatchObject({ next: null, totals: body.totals, data: [{ model: 'b' }] });
      const every = await own.get(`/v1/usage?group_by=day,${USAGE_DIMENSIONS.join()}`);
      expect(every.body.data).toHaveLength(3);
      for (const count of USAGE_COUNTS) {
        const sum = every.body.data.reduce((so, row) => so + Number(row[count]), 0);
        expect(sum).toBe(every.body.totals[count]);
      }
    } finally {
      await own.close();
    }
  });

  it('adds up unknown counts exactly, and shows them by their path', async () => {
    const own = await startApi();
    try {
      const id = await seedConnection(own.db, {});
      const [counts, path] = [[1n, 0n, 0n, 0n, 0n, 0n], 'cache_creation.ephemeral_24h_input_tokens'] as const;
      const most = Number.MAX_SAFE_INTEGER;
      await seedUsageDay(own.db, id, TODAY, [
        { model: 'a', counts, extraCounts: { [path]: 500, hours: 0.1, gone: 1, none: 0 } },
        { counts, extraCounts: { [path]: most } },
        { counts, extraCounts: { [path]: most } },
        { model: 'b', counts },
      ]);
      await seedUsageDay(own.db, id, addDays(TODAY, -1), [
        { model: 'a', counts, extraCounts: { hours: 0.2, gone: -1 } },
      ]);
      const { body, text } = await own.get('/v1/usage?group_by=model');
      expect(body.data.map((one) => [one['model'], one['other_counts']])).toEqual([
        ['a', { [path]: 500, hours: 0.3 }],
        ['b', {}],
        [null, { [path]: 2 * most }],
      ]);
      // As text: JavaScript rounds it.
      expect(text).toContain(`"${path}":${(2n * BigInt(most)).toString()}`);
      expect(text).toContain(`"totals":{`);
      expect(text).toContain(`"${path}":${(2n * BigInt(most) + 500n).toString()}`);
      const { body: paged } = await own.get('/v1/usage?group_by=day&limit=1');
      expect(paged.data).toMatchObject([{ day: addDays(TODAY, -1), other_counts: { gone: -1, hours: 0.2 } }]);
      expect(paged.totals).toEqual(body.totals);
    } finally {
      await own.close();
    }
  });

  it('refuses groups that usage does not have', async () => {
    expect((await api.get('/v1/usage?group_by=token_type')).status).toBe(400);
  });
});

describe('an organization that was disconnected and connected again', () => {
  it('counts each day once, from the newest connection that has it', async () => {
    const organization = randomUUID();
    const day = (offset: number): Day => addDays('2020-02-10', offset);
    const old = await seedConnection(api.db, { organization, status: 'disconnected', began: day(0) });
    for (const offset of [0, 1, 2]) await seedCostDay(api.db, old, day(offset), [{ amount: '10' }]);
    const young = await seedConnection(api.db, { organization, began: day(1) });
    const range = `from=${day(0)}&to=${day(2)}`;
    await seedCostDay(api.db, young, day(2), [{ amount: '11' }]);
    expect((await api.get(`/v1/costs?${range}`)).body).toMatchObject({ total: '31' });
    await seedCostDay(api.db, young, day(1), [{ amount: '11' }]);
    expect((await api.get(`/v1/costs?${range}`)).body).toMatchObject({ total: '32' });
    expect((await api.get(`/v1/costs?${range}&connection_id=${old}`)).body).toMatchObject({ total: '30' });
  });
});

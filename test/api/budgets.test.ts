import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { assess } from '../../db/budgets/assess.ts';
import { createToken } from '../../db/tokens/tokens.ts';
import { addDays, daysIn } from '../../domain/days.ts';
import { CREATOR } from '../db/support.ts';
import { ADMIN_TOKEN, TODAY, seedConnection, seedCostDay, startApi, type Answer, type Api } from './support.ts';

const BUDGET = {
  name: 'Platform',
  filters: { model: 'a' },
  period: 'month',
  amount: '100.50',
  thresholds: [
    { of: 'actual', percent: '50' },
    { of: 'forecast', usd: '90' },
  ],
} as const;
const UNKNOWN = '0b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b';

let api: Api;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.close());
beforeEach(async () => {
  await api.db.execute(sql`truncate connections, channels, budgets, notices, deliveries, assess_state cascade`);
  api.temporal.assessed = 0;
  api.temporal.isDown = false;
});

async function create(given: object = {}): Promise<string> {
  const { status, body } = await api.send('POST', '/v1/budgets', { ...BUDGET, ...given });
  expect([status, body.detail]).toEqual([201, undefined]);
  return body.id;
}

const refused = (given: object): Promise<Answer> => api.send('POST', '/v1/budgets', { ...BUDGET, ...given });

/** A connection whose days of this month, up to yesterday, are settled, each with this cost. */
async function spending(amount: string): Promise<void> {
  const id = await seedConnection(api.db, { withKey: true });
  await api.db.execute(sql`update connections set began = '2026-07-01' where id = ${id}`);
  for (const day of daysIn({ from: '2026-07-01', to: addDays(TODAY, -1) })) {
    await seedCostDay(api.db, id, day, [{ model: 'a', amount }]);
  }
  await api.db.execute(sql`update days set reconciled = true, state = 'final', read_on = day + 4`);
}

describe('a budget', () => {
  it('warns of filters whose organization another connection reads by now, in every reply', async () => {
    const of = { organization: 'again' };
    const ended = await seedConnection(api.db, { ...of, status: 'disconnected', createdAt: new Date('2026-01-01') });
    const now = await seedConnection(api.db, of);
    const both = await create({ name: 'Both', filters: { connection_id: [ended, now] } });
    const path = `/v1/budgets/${await create({ filters: { connection_id: ended } })}`;
    const missed = `the filters name the connection ${ended}, and not ${now}, the newer one of the same organization`;
    const warnings = [{ path: 'filters.connection_id', message: missed }];
    expect((await api.get(path)).body).toMatchObject({ warnings });
    expect((await api.get(`/v1/budgets/${both}`)).body).toMatchObject({ warnings: [] });
    expect((await api.get('/v1/budgets')).body.data).toMatchObject([{ warnings }, { warnings: [] }]);
    const excluding = await api.send('PATCH', path, { filters: { 'not.connection_id': ended } });
    expect(excluding.body).toMatchObject({ warnings: [{ path: 'filters.not.connection_id', message: missed }] });
    expect((await api.send('PATCH', path, { filters: {} })).body).toMatchObject({ warnings: [] });
  });

  it('with a filter that a schema would overlook is refused, and counts nothing by mistake', async () => {
    const body = JSON.stringify({ ...BUDGET, filters: {} }).replace('"filters":{}', '"filters":{"__proto__":["x"]}');
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' };
    expect((await api.raw('/v1/budgets', { method: 'POST', headers, body })).status).toBe(400);
  });

  it('is created, judged, listed, read, changed and deleted, and leaves events', async () => {
    await spending('2');
    const id = await create();
    expect(api.temporal.assessed).toBe(1);
    const { body: unjudged } = await api.get(`/v1/budgets/${id}`);
    expect(unjudged).toMatchObject({
      id,
      filters: { model: ['a'] },
      cost_center: null,
      amount: '100.5',
      spent: '60',
      percent: '59.7',
      current: { from: '2026-07-01', to: '2026-07-31' },
      matches: true,
      missing_days: 0,
      forecast: { method: null },
    });
    expect(unjudged.forecast.reason).toContain('within a minute');
    expect((await api.get('/v1/budgets')).body.data).toMatchObject([{ id, assessed: null }]);
    await assess(api.db, TODAY);
    const { body } = await api.get(`/v1/budgets/${id}`);
    expect(body.forecast).toMatchObject({ reason: null, made_on: TODAY });
    expect(Number(body.forecast.mean)).toBeGreaterThanOrEqual(60);
    expect(body.forecast.days.at(-1)).toMatchObject({ day: '2026-07-31', mean: body.forecast.mean });
    expect(body.days.at(-2)).toEqual({ day: '2026-07-30', spent: '60', state: 'final' });
    const [actual, expected] = body.thresholds;
    expect(actual).toMatchObject({ of: 'actual', percent: '50', usd: null, amount: '50.25', withdrawn: [] });
    expect(actual?.fired_at).toMatch(/^20.+Z$/);
    expect((await api.get('/v1/notices?kind=budget_threshold')).body.data).toMatchObject([{ id: actual?.notice_id }]);
    expect(expected).toMatchObject({ of: 'forecast', percent: null, usd: '90', fired_at: null, notice_id: null });
    const { data } = (await api.get('/v1/budgets')).body;
    expect(data).toMatchObject([{ id, name: 'Platform' }]);
    expect(data[0]?.['assessed']).toMatchObject({
      on: TODAY,
      from: '2026-07-01',
      to: '2026-07-31',
      spent: '60',
      percent: '59.7',
    });

    const change = { name: 'Other', cost_center: 'red', amount: '7' };
    const changed = await api.send('PATCH', `/v1/budgets/${id}`, change);
    expect(changed).toMatchObject({ status: 200, body: { ...change, filters: null, matches: false, spent: '0' } });
    expect((await api.send('DELETE', `/v1/budgets/${id}`)).status).toBe(204);
    for (const method of ['GET', 'DELETE']) {
      expect((await api.send(method, `/v1/budgets/${id}`)).status).toBe(404);
    }
    const events = (await api.get('/v1/events')).body.data.map(({ type }) => type);
    expect(events.slice(0, 3)).toEqual(['budget_deleted', 'budget_changed', 'budget_created']);
  });

  it('is taken although nothing matches it yet, and while Temporal is down', async () => {
    api.temporal.isDown = true;
    const { body } = await api.get(`/v1/budgets/${await create()}`);
    expect(body).toMatchObject({ matches: false, spent: '0', percent: '0' });
  });

  it.each([
    ['a threshold with both', { thresholds: [{ of: 'actual', percent: '5', usd: '5' }] }, 400, 'body.thresholds.0'],
    ['a threshold with neither', { thresholds: [{ of: 'actual' }] }, 400, 'body.thresholds.0'],
    [
      'a threshold twice',
      { thresholds: [BUDGET.thresholds[0], { of: 'actual', percent: '50.0' }] },
      409,
      'body.thresholds.1',
    ],
    ['no threshold', { thresholds: [] }, 400, 'body.thresholds'],
    ['an amount of zero', { amount: '0.00' }, 400, 'body.amount'],
    ['an amount below zero', { amount: '-1' }, 400, 'body.amount'],
    ['an amount that is no decimal', { amount: '1e3' }, 400, 'body.amount'],
    ['an unknown period', { period: 'week' }, 400, 'body.period'],
    ['a period that ended', { period: { from: '2026-07-01', to: '2026-07-30' } }, 409, 'body.period.to'],
    ['a reversed period', { period: { from: '2026-09-02', to: '2026-09-01' } }, 409, 'body.period.from'],
    ['an unknown channel', { channels: [UNKNOWN] }, 409, 'body.channels'],
    ['an unknown connection', { filters: { connection_id: UNKNOWN } }, 409, 'body.filters.connection_id'],
    ['an unknown filter', { filters: { colour: 'red' } }, 400, 'body.filters.colour'],
    ['two scopes', { cost_center: 'red' }, 409, 'body.cost_center'],
    ['no name', { name: ' ' }, 400, 'body.name'],
    ['a name that looks like another one', { name: 'Team\u200b' }, 400, 'body.name'],
  ])('with %s is refused, and the field is named', async (_, given, status, path) => {
    const answer = await refused(given);
    expect([answer.status, answer.body.errors[0]?.path]).toEqual([status, path]);
  });

  it('has a name that no other one has', async () => {
    await create();
    const again = await refused({});
    expect(again).toMatchObject({ status: 409, body: { errors: [{ path: 'body.name' }] } });
  });

  it('is read by viewers and changed by admins only', async () => {
    const { token } = await createToken(api.db, { name: 'viewer', role: 'viewer', creator: CREATOR });
    const id = await create();
    expect((await api.get(`/v1/budgets/${id}`, token)).status).toBe(200);
    expect((await api.send('POST', '/v1/budgets', BUDGET, token)).status).toBe(403);
    expect((await api.send('PATCH', `/v1/budgets/${id}`, { amount: '1' }, token)).status).toBe(403);
    expect((await api.send('DELETE', `/v1/budgets/${id}`, undefined, token)).status).toBe(403);
    const { period, amount, thresholds } = BUDGET;
    expect((await api.send('POST', '/v1/budgets/replay', { period, amount, thresholds }, token)).status).toBe(200);
  });

  it('that is replayed says what it would have told, and tells nobody', async () => {
    await spending('2');
    const { period, thresholds } = BUDGET;
    const { body } = await api.send('POST', '/v1/budgets/replay', {
      period,
      thresholds: [thresholds[0]],
      amount: '100',
    });
    expect(body).toMatchObject({
      settled_days: 30,
      alerts: [{ day: '2026-07-25', period: { from: '2026-07-01' }, percent: '50', amount: '50', value: '50' }],
    });
    expect((await api.get('/v1/notices')).body.data).toEqual([]);
  });
});

import { randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addDays, type Day } from '../../domain/days.ts';
import { NOW, TODAY, seedConnection, seedCostDay, seedUsageDay, seedWorkspace, startApi, type Api } from './support.ts';

let api: Api;
let acme: string;
let other: string;
const day = (offset: number): Day => addDays(TODAY, offset);

beforeAll(async () => {
  api = await startApi();
  acme = await seedConnection(api.db, { name: 'Acme' });
  other = await seedConnection(api.db, { name: 'Other' });
  await seedWorkspace(api.db, acme, 'w1', 'One', { tags: { team: 'platform', env: 'prod' } });
  await seedWorkspace(api.db, acme, 'w2', 'Two', { tags: { team: 'research' } });
  await seedWorkspace(api.db, acme, 'w3', 'Three', { tags: { team: 'platform' } });
  await seedCostDay(api.db, acme, day(-1), [
    { workspace_id: 'w1', model: 'a', amount: '1' },
    { workspace_id: 'w2', model: 'b', amount: '2' },
    { workspace_id: 'w3', model: 'a', amount: '4' },
    { model: 'a', amount: '8' },
    { workspace_id: 'w1', cost_type: 'web_search', amount: '16' },
    { workspace_id: 'w1', model: 'a', currency: 'EUR', amount: '1024' },
  ]);
  await seedCostDay(api.db, other, day(0), [{ workspace_id: 'w1', model: 'b', amount: '32' }]);
  await seedUsageDay(api.db, acme, day(-1), [
    { workspace_id: 'w1', model: 'a', counts: [1n, 0n, 0n, 0n, 0n, 0n] },
    { workspace_id: 'w2', counts: [2n, 0n, 0n, 0n, 0n, 0n], extraCounts: { hours: 5 } },
  ]);
});
afterAll(() => api.close());

async function totalOf(query: string): Promise<string> {
  const { status, body } = await api.get(`/v1/costs?group_by=model&${query}`);
  expect([query, status]).toEqual([query, 200]);
  return body.total;
}

describe('a filter', () => {
  it.each([
    ['model=a', '13'],
    ['model=a&model=b', '47'],
    ['model=', '16'],
    ['model=&model=b', '50'],
    ['not.model=a', '50'],
    ['not.model=', '47'],
    ['not.model=&not.model=b', '13'],
    ['model=a&not.model=a', '0'],
    ['model=a&workspace=w1', '1'],
    ['workspace=default', '8'],
    ['workspace=', '8'],
    ['not.workspace=default', '55'],
    ['workspace=default&workspace=w2', '10'],
    ['cost_type=web_search', '16'],
    ['model=none', '0'],
    ['model=%27%3B%20drop', '0'],
    ['tag.team=platform', '21'],
    ['tag.team=platform&tag.team=research', '23'],
    ['tag.team=', '40'],
    ['not.tag.team=platform', '42'],
    ['not.tag.team=', '23'],
    ['tag.team=platform&tag.env=', '4'],
    ['tag.none=x', '0'],
  ])('?%s lets through %s USD', async (query, total) => {
    expect(await totalOf(query)).toBe(total);
  });

  it('on connections takes those, or all but those', async () => {
    expect(await totalOf(`connection_id=${acme}`)).toBe('31');
    expect(await totalOf(`connection_id=${acme}&connection_id=${other}`)).toBe('63');
    expect(await totalOf(`not.connection_id=${acme}`)).toBe('32');
    expect((await api.get(`/v1/costs?connection_id=${acme}&connection_id=${randomUUID()}`)).status).toBe(404);
    expect((await api.get(`/v1/costs?not.connection_id=${randomUUID()}`)).status).toBe(404);
  });

  it('that lets nothing through leaves an empty reply, whose days count all the same', async () => {
    const { body } = await api.get(`/v1/costs?connection_id=${acme}&model=none`);
    expect(body).toMatchObject({ data: [], total: '0', other_currencies: [], missing_days: 30, next: null });
  });

  it('on currency gives rows only if they say their currency', async () => {
    const apart = await api.get('/v1/costs?group_by=model&currency=EUR');
    expect(apart.body).toMatchObject({ data: [], total: '0', other_currencies: [{ currency: 'EUR', amount: '1024' }] });
    const said = await api.get('/v1/costs?group_by=model,currency&currency=EUR');
    expect(said.body.data).toEqual([{ model: 'a', currency: 'EUR', amount: '1024' }]);
  });

  it('holds for usage and its counts without a column', async () => {
    const { body } = await api.get('/v1/usage?group_by=tag.team&not.tag.team=platform');
    expect(body.data).toMatchObject([{ 'tag.team': 'research', uncached_input_tokens: 2, other_counts: { hours: 5 } }]);
    expect(body.totals).toMatchObject({ uncached_input_tokens: 2, other_counts: { hours: 5 } });
  });

  it.each([
    ['usage', 'token_type=x', 'query.token_type'],
    ['usage', 'not.currency=x', 'query.not.currency'],
    ['usage', 'order=-amount', 'query.order'],
    ['costs', 'colour=x', 'query.colour'],
    ['costs', 'group_by[]=model', 'query.group_by[]'],
    ['costs', 'limit=1&limit=2', 'query.limit'],
    ['costs', 'format=csv&format=csv', 'query.format'],
    ['costs', 'format=xml', 'query.format'],
    ['costs', 'order=amount', 'query.order'],
    ['costs', 'model=%00', 'query.model'],
    ['costs', 'model=a&not.model=b%00', 'query.not.model'],
    ['costs', 'workspace=%00', 'query.workspace'],
    ['usage', 'connection_id=%00', 'query.connection_id'],
    ['costs', 'not.connection_id=%00', 'query.not.connection_id'],
    ['costs', 'tag.team=%00', 'query.tag.team'],
    ['costs', 'not.tag.team=x%00', 'query.not.tag.team'],
    ['costs', 'tag.a%00=x', 'query.tag'],
    ['costs', 'not.tag.=x', 'query.not.tag'],
    ['costs', 'tag.=x', 'query.tag'],
    ['costs', 'after=', 'query.after'],
    ['costs', 'after=abc', 'query.after'],
    ['costs', 'after=%00', 'query.after'],
    ['costs', 'group_by=day,day', 'query.group_by'],
    ['costs', 'group_by=tag.a%00', 'query.group_by'],
    ['usage', 'group_by=model,model', 'query.group_by'],
    ['costs', 'order=-amount&after=eyJ4IjoxfQ', 'query.after'],
    ['costs', 'format=csv&after=eyJ4IjoxfQ', 'query.after'],
    ['costs', 'compare=week', 'query.compare'],
    ['costs', 'group_by=tag.', 'query.group_by'],
    ['costs/changes', 'group_by=model', 'query.compare'],
    ['costs/changes', 'compare=month&group_by=day', 'query.group_by'],
  ])('is refused by %s: ?%s names %s', async (report, query, path) => {
    const { status, body } = await api.get(`/v1/${report}?${query}`);
    expect([status, body.code]).toEqual([400, 'invalid_request']);
    expect(body.errors).toMatchObject([{ path }]);
  });

  it('that has one of a few values is refused with them', async () => {
    const said = async (query: string): Promise<unknown> => (await api.get(`/v1/${query}`)).body.errors[0]?.message;
    expect(await said('costs?compare=week')).toBe('must be one of previous, month, year');
    expect(await said('costs/changes')).toBe('must be one of previous, month, year');
    expect(await said('usage?order=-amount')).toBe('must be key');
  });

  it('that names a group twice is refused for that alone', async () => {
    for (const twice of ['day,day', 'model,day,model', 'tag.a,tag.a']) {
      const { body } = await api.get(`/v1/costs?group_by=${twice}`);
      expect(body.errors).toEqual([{ path: 'query.group_by', message: 'must not name the same group twice' }]);
    }
  });

  it('that a report lacks is refused with those that it has', async () => {
    const { body } = await api.get('/v1/usage?token_type=x');
    expect(body.errors[0]?.message).toMatch(/allowed are .*\bnot\.model\b.*tag\.<key>/);
  });
});

describe('groups', () => {
  it('are tags, weeks and months, too', async () => {
    const { body } = await api.get('/v1/costs?group_by=tag.team,week');
    const monday = '2026-07-27';
    expect(body.data).toEqual([
      { 'tag.team': 'platform', week: monday, amount: '21' },
      { 'tag.team': 'research', week: monday, amount: '2' },
      { 'tag.team': null, week: monday, amount: '40' },
    ]);
    const months = await api.get('/v1/costs?group_by=month&from=2026-06-01');
    expect(months.body.data).toEqual([{ month: '2026-07', amount: '63' }]);
  });

  it('have the names of workspaces and connections, whichever of them are there', async () => {
    const { body } = await api.get(`/v1/costs?group_by=connection,workspace&connection_id=${acme}&workspace=w2`);
    expect(body.data).toEqual([
      { connection: { id: acme, name: 'Acme' }, workspace: { id: 'w2', name: 'Two' }, amount: '2' },
    ]);
  });
});

describe('order=-amount', () => {
  it('gives the largest rows, and the other ones as one, which add up to the total', async () => {
    const { body } = await api.get('/v1/costs?group_by=workspace,model&order=-amount&limit=2');
    expect(body.data.map(({ amount }) => amount)).toEqual(['32', '16']);
    expect(body).toMatchObject({ other: { rows: 4, amount: '15' }, total: '63', next: null });
    const all = await api.get('/v1/costs?group_by=workspace&order=-amount');
    expect(all.body).toMatchObject({ other: { rows: 0, amount: '0' } });
    expect((await api.get('/v1/costs?group_by=workspace')).body).not.toHaveProperty('other');
  });
});

describe('a connection that was made again', () => {
  it('counts each day once among the connections that are asked for, with the newest names and tags', async () => {
    const organization = randomUUID();
    const old = await seedConnection(api.db, {
      ...{ organization, status: 'disconnected', began: day(-9), createdAt: new Date(NOW - 2) },
    });
    const young = await seedConnection(api.db, { organization, began: day(-9), createdAt: new Date(NOW - 1) });
    await seedWorkspace(api.db, old, 'wr', 'Old name', { tags: { team: 'old' }, readAt: new Date(NOW - 2) });
    await seedWorkspace(api.db, young, 'wr', 'New name', { tags: { team: 'new' }, readAt: new Date(NOW - 1) });
    const line = { workspace_id: 'wr', amount: '1' };
    await seedCostDay(api.db, old, day(-4), [line, line]);
    await seedCostDay(api.db, old, day(-3), [line, line]);
    await seedCostDay(api.db, young, day(-3), [line]);
    const asked = (ids: string): Promise<string> => totalOf(`workspace=wr${ids}`);
    expect(await asked('')).toBe('3');
    expect(await asked(`&connection_id=${old}&connection_id=${young}`)).toBe('3');
    expect(await asked(`&connection_id=${old}`)).toBe('4');
    expect(await asked(`&connection_id=${old}&connection_id=${acme}`)).toBe('4');
    expect(await asked(`&not.connection_id=${young}`)).toBe('4');
    for (const ids of ['', `&connection_id=${old}`]) {
      const { body } = await api.get(`/v1/costs?group_by=workspace,tag.team&workspace=wr${ids}`);
      expect(body.data).toMatchObject([{ workspace: { name: 'New name' }, 'tag.team': 'new' }]);
    }
    await api.db.execute(sql`delete from connections where id in (${old}, ${young})`);
  });
});

describe('as_of', () => {
  it('differs exactly if a sync wrote a day of the range, and is null while there is none', async () => {
    const asOf = async (query = ''): Promise<string | null> => (await api.get(`/v1/costs?${query}`)).body.as_of;
    const before = await asOf();
    expect(Number.isNaN(Date.parse(String(before)))).toBe(false);
    expect(await asOf()).toBe(before);
    expect(await asOf('from=2026-01-01&to=2026-01-02')).toBeNull();
    // As a sync that began before others and ends after them.
    await api.db.execute(sql`
      update days set attempt = attempt + 1, read_at = read_at - interval '1 hour' where connection_id = ${other}
    `);
    const after = await asOf();
    expect(after).not.toBe(before);
    expect(await asOf(`connection_id=${acme}`)).toBe(await asOf(`connection_id=${acme}&model=a`));
  });
});

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createToken } from '../../db/tokens/tokens.ts';
import { sql } from 'drizzle-orm';
import { count } from '../db/support.ts';
import { ADMIN_TOKEN, seedConnection, startApi, type Answer, type Api } from './support.ts';

let api: Api;
let viewer: string;
let connectionId: string;
beforeAll(async () => {
  api = await startApi();
  viewer = (
    await createToken(api.db, {
      name: 'viewer',
      role: 'viewer',
      expiresAt: undefined,
      creator: { id: null, name: 'test' },
    })
  ).token;
  connectionId = await seedConnection(api.db, { organization: 'org' });
});
afterAll(() => api.close());

const document = { from: '2026-07', rules: [{ name: 'all', where: {}, to: 'Everybody' }], pools: [] };
const put = (body: unknown): Promise<Answer> => api.send('PUT', '/v1/allocation', body);
const errorsOf = ({ body }: Answer): [string, string][] => body.errors.map(({ path, message }) => [path, message]);

describe('PUT /v1/allocation', () => {
  it('stores a version, once', async () => {
    const first = JSON.parse((await put(document)).text) as Record<string, unknown>;
    const again = JSON.parse((await put({ ...document, pools: undefined })).text) as Record<string, unknown>;
    expect(first).toMatchObject({ version: 1, ...document, stored_by: 'bootstrap', warnings: [] });
    expect(again).toEqual(first);
    const changed = await put({
      ...document,
      rules: [...document.rules, { name: 'more', where: { model: ['x'] }, to: 'X' }],
    });
    expect(JSON.parse(changed.text)).toMatchObject({
      version: 2,
      warnings: [{ path: 'rules.1', message: 'no line reaches the rule "more": the rule "all" before it takes them' }],
    });
    const { data } = (await api.get('/v1/allocation/versions')).body;
    expect(data.map((row) => [row['version'], row['in_force'], row['through']])).toEqual([
      [2, true, null],
      [1, false, null],
    ]);
    expect((await api.get('/v1/events?type=allocation_stored')).body.data.map(({ message }) => message)).toEqual([
      'Version 2 of the allocation, with 2 rules and 0 pools, is in force from 2026-07 on',
      'Version 1 of the allocation, with 1 rule and 0 pools, is in force from 2026-07 on',
    ]);
  });

  it('warns of rules whose connection does not exist, or whose organization another connection reads', async () => {
    const ended = await seedConnection(api.db, {
      organization: 'again',
      status: 'disconnected',
      createdAt: new Date('2026-01-01T00:00:00Z'),
    });
    const now = await seedConnection(api.db, { organization: 'again' });
    const unknown = '00000000-0000-4000-8000-000000000000';
    const rule = (name: string, ...connection: string[]) => ({ name, where: { connection }, to: name });
    const answer = await api.send('POST', '/v1/allocation/preview', {
      month: '2026-07',
      rules: [rule('old', ended), rule('both', ended.toUpperCase(), now), rule('new', now), rule('nobody', unknown)],
    });
    const { warnings } = JSON.parse(answer.text) as { warnings: { path: string; message: string }[] };
    expect(warnings.filter(({ message }) => message.includes('names the connection'))).toEqual([
      {
        path: 'rules.0',
        message: `the rule "old" names the connection ${ended}, and not ${now}, the newer one of the same organization`,
      },
      { path: 'rules.3', message: `the rule "nobody" names the connection ${unknown}, which does not exist` },
    ]);
  });

  it('warns of values that white space at an end makes look like others, in rules and in the tags that they follow', async () => {
    const id = await seedConnection(api.db, {});
    await api.db.execute(sql`
      insert into workspaces (connection_id, id, name, reported) values (${id}, 'w1', 'W', '{}'), (${id}, 'w2', 'W', '{}')
    `);
    await api.db.execute(sql`
      insert into workspace_tags (connection_id, workspace_id, key, value, first_seen)
      values (${id}, 'w1', 'team', 'Platform ', '2026-07-01'), (${id}, 'w2', 'team', 'Platform', '2026-07-01'),
        (${id}, 'w1', 'other', ' x', '2026-07-01')
    `);
    const answer = await api.send('POST', '/v1/allocation/preview', {
      month: '2026-07',
      rules: [
        { name: 'padded', where: { 'tag.team': ['Platform ', 'Platform'] }, to: 'Platform' },
        { name: 'By team', where: {}, to: { tag: 'team' } },
      ],
    });
    const { warnings } = JSON.parse(answer.text) as { warnings: { path: string; message: string }[] };
    expect(warnings).toEqual([
      {
        path: 'rules.0',
        message: 'the rule "padded" asks for the tag.team "Platform ", which has white space at an end',
      },
      {
        path: 'rules.1',
        message:
          'the rule "By team" makes the cost center "Platform ", with white space at an end, of the tag team of a workspace: it is another one than "Platform"',
      },
    ]);
    await api.db.execute(sql`delete from connections where id = ${id}`);
  });

  it('leaves earlier months the document that they have', async () => {
    await put({ ...document, from: '2026-09', rules: [] });
    expect((await api.get('/v1/allocation?month=2026-08')).body).toMatchObject({ from: '2026-07' });
    expect((await api.get('/v1/allocation?month=2027-01')).body).toMatchObject({ from: '2026-09' });
    const none = await api.get('/v1/allocation?month=2026-06');
    expect([none.status, none.body.detail]).toEqual([
      404,
      'No allocation is in force in 2026-06. PUT /v1/allocation stores one.',
    ]);
    const { data } = (await api.get('/v1/allocation/versions')).body;
    expect(data.map((row) => [row['from'], row['through']])).toEqual([
      ['2026-09', null],
      ['2026-07', '2026-08'],
      ['2026-07', '2026-08'],
    ]);
  });

  it('names every fault at once, with its rule or pool', async () => {
    const answer = await put({
      from: '2026-07',
      rules: [
        { name: 'a', where: { team: ['x'] }, to: { pool: 'nowhere' } },
        { name: 'b', where: { connection: ['Acme'] }, to: 'B' },
      ],
      pools: [
        { name: 'p', split: { fixed: { x: '60', y: '30' } }, among: ['x', 'y'] },
        { name: 'q', split: 'even', among: [{ pool: 'p' }, { pool: 'q' }] },
      ],
    });
    expect([answer.status, answer.body.code]).toEqual([422, 'invalid_allocation']);
    expect(errorsOf(answer).map(([path]) => path)).toEqual([
      'body.pools.0.split.fixed',
      'body.pools.1.among.0',
      'body.pools.1.among.1',
      'body.rules.0.where.team',
      'body.rules.0.to.pool',
      'body.rules.1.where.connection',
    ]);
    expect(answer.body.detail).toContain('the pool "q": is a cycle: it shares with itself');
  });

  it.each([
    ['no month', { rules: [] }, 'body.from'],
    ['a month that is none', { from: '2026-13', rules: [] }, 'body.from'],
    ['a day for a month', { from: '2026-07-01', rules: [] }, 'body.from'],
    ['rules that are no list', { from: '2026-07', rules: {} }, 'body.rules'],
    [
      'a value that is no list',
      { from: '2026-07', rules: [{ name: 'a', where: { model: 'x' }, to: 'A' }] },
      'body.rules.0.where.model',
    ],
    [
      'a number as a value',
      { from: '2026-07', rules: [{ name: 'a', where: { model: [1] }, to: 'A' }] },
      'body.rules.0.where.model.0',
    ],
    [
      'exceptions that are a list',
      { from: '2026-07', rules: [{ name: 'a', where: { not: [] }, to: 'A' }] },
      'body.rules.0.where.not',
    ],
    ['a rule without a target', { from: '2026-07', rules: [{ name: 'a', where: {} }] }, 'body.rules.0.to'],
    [
      'a rule with an unknown field',
      { from: '2026-07', rules: [{ name: 'a', where: {}, to: 'A', when: 1 }] },
      'body.rules.0.when',
    ],
    ['an unknown split', { from: '2026-07', rules: [], pools: [{ name: 'p', split: 'odd' }] }, 'body.pools.0.split'],
    [
      'two targets',
      { from: '2026-07', rules: [{ name: 'a', where: {}, to: { tag: 'team', pool: 'p' } }] },
      'body.rules.0.to',
    ],
    [
      'a split in proportion to something else',
      { from: '2026-07', rules: [], pools: [{ name: 'p', split: { proportional: 'lines' } }] },
      'body.pools.0.split',
    ],
    [
      'a recipient that is no name',
      { from: '2026-07', rules: [], pools: [{ name: 'p', split: 'even', among: [{ center: 'A' }] }] },
      'body.pools.0.among.0',
    ],
    [
      'too many rules',
      { from: '2026-07', rules: Array.from({ length: 501 }, (_, at) => ({ name: `${at}`, where: {}, to: 'A' })) },
      'body.rules',
    ],
    ['an unknown field', { from: '2026-07', rules: [], through: '2026-08' }, 'body.through'],
  ])('refuses %s, and says what it takes', async (_what, body, path) => {
    const answer = await put(body);
    expect([answer.status, errorsOf(answer).map(([where]) => where)]).toEqual([400, [path]]);
    expect(errorsOf(answer)[0]?.[1]).toMatch(/^(?:must |is missing|is not known here)/);
  });

  it.each([
    ['half of a character as a value', { model: ['\ud800'] }, 'body.rules.0.where.model'],
    ['a key as a value', { description: ['sk-ant-admin01-CANARY'] }, 'body.rules.0.where.description'],
    ['half of a character as a tag', { 'tag.\ud800': ['a'] }, 'body.rules.0.where'],
  ])('refuses %s', async (_what, where, path) => {
    const answer = await put({ from: '2026-07', rules: [{ name: 'a', where, to: 'A' }] });
    expect([answer.status, errorsOf(answer).map(([at]) => at)]).toEqual([422, [path]]);
    expect(answer.text).not.toContain('CANARY');
  });

  it('refuses a condition that a schema would overlook', async () => {
    const body = '{"from":"2026-07","rules":[{"name":"a","where":{"__proto__":["x"]},"to":"A"}]}';
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' };
    expect((await api.raw('/v1/allocation', { method: 'PUT', headers, body })).status).toBe(400);
  });

  it('refuses shares through more than ten pools, and answers soon for the longest allowed', async () => {
    const chain = (count: number): unknown[] =>
      Array.from({ length: count }, (_, at) => ({
        name: `p${at}`,
        split: 'even',
        among: ['c', ...Array.from({ length: count - at - 1 }, (__, next) => ({ pool: `p${at + next + 1}` }))],
      }));
    const rules = [{ name: 'a', where: {}, to: { pool: 'p0' } }];
    const tooLong = await put({ from: '2026-07', rules, pools: chain(11) });
    expect([tooLong.status, errorsOf(tooLong).map(([at]) => at)]).toEqual([422, ['body.pools.0.among']]);
    expect((await put({ from: '2026-07', rules, pools: chain(10) })).status).toBe(200);
    expect((await api.get('/v1/chargeback/2026-07')).status).toBe(200);
  });

  it('takes a long document, and refuses one that is too long', async () => {
    const rules = Array.from({ length: 400 }, (_, index) => ({
      name: `rule ${index}`,
      where: { workspace: [`wrkspc_${index}`] },
      to: `Center ${index}`,
    }));
    expect((await put({ ...document, rules })).status).toBe(200);
    expect((await api.get('/v1/chargeback/2026-07')).status).toBe(200);
    const long = rules.map((rule) => ({
      ...rule,
      where: { model: Array.from({ length: 200 }, (_, index) => `model ${index}`) },
    }));
    expect((await put({ ...document, rules: long })).status).toBe(413);
  });
});

describe('a viewer', () => {
  it('may preview, which stores nothing, and may not store, close or reopen', async () => {
    const versions = await count(api.db, sql`allocation_versions`);
    const preview = await api.send('POST', '/v1/allocation/preview', { ...document, month: '2026-07' }, viewer);
    expect(preview.status).toBe(200);
    expect(await count(api.db, sql`allocation_versions`)).toBe(versions);
    const refused = await Promise.all([
      api.send('PUT', '/v1/allocation', document, viewer),
      api.send('POST', '/v1/chargeback/2026-06/close', {}, viewer),
      api.send('POST', '/v1/chargeback/2026-06/reopen', { reason: 'x' }, viewer),
    ]);
    expect(refused.map(({ status }) => status)).toEqual([403, 403, 403]);
    expect((await api.get('/v1/chargeback/2026-07', viewer)).status).toBe(200);
  });
});

describe('GET /v1/chargeback/{month}', () => {
  it.each([
    ['/v1/chargeback/2026-13', 400, 'path.month'],
    ['/v1/chargeback/july', 400, 'path.month'],
    ['/v1/chargeback/2026-07?group_by=team', 400, 'query.group_by'],
    ['/v1/chargeback/2026-07?group_by=cost_center,cost_center', 400, 'query.group_by'],
    ['/v1/chargeback/2026-07?group_by=day,week', 400, 'query.group_by'],
    ['/v1/chargeback/2026-07?model=x', 400, 'query.model'],
    ['/v1/chargeback/2026-07?connection_id=x', 404, 'query.connection_id'],
    ['/v1/chargeback/2026-07?format=csv&after=eyJhdCI6MX0', 400, 'query.after'],
    ['/v1/chargeback/2026-07?after=eyJhdCI6MX0', 409, 'query.after'],
    ['/v1/chargeback/2026-07/lines?after=eyJhdCI6MX0', 409, 'query.after'],
    ['/v1/chargeback/2026-07/lines?cost_center=a&cost_center=b', 400, 'query.cost_center'],
    ['/v1/chargeback/2026-07/journal?revision=0', 400, 'query.revision'],
  ])('refuses %s', async (path, status, at) => {
    const answer = await api.get(path);
    expect([answer.status, errorsOf(answer).map(([where]) => where)]).toEqual([status, [at]]);
  });

  it('has no row, and not zero, for a month without costs', async () => {
    const { body } = await api.get(`/v1/chargeback/2026-07?connection_id=${connectionId}`);
    expect(body).toMatchObject({ data: [], total: '0', allocated_percent: null });
    expect(body.missing_days + body.uncovered_days).toBeGreaterThan(0);
    expect((await api.get('/v1/chargeback/2030-01')).body).toMatchObject({ data: [], uncovered_days: 31 });
  });

  it.each(['2000-01', '2199-12'])('answers for %s, an end of the months that it takes', async (month) => {
    for (const part of ['', '/lines', '/journal']) {
      const answers = [`/v1/chargeback/${month}${part}`, `/v1/chargeback/${month}${part}?format=csv`];
      for (const path of answers) expect([path, (await api.get(path)).status]).toEqual([path, 200]);
    }
    const preview = await api.send('POST', '/v1/allocation/preview', { month, rules: [] });
    expect([preview.status, preview.body.from.slice(0, 7), preview.body.to.slice(8)]).toEqual([200, month, '31']);
    expect((await api.send('POST', `/v1/chargeback/${month}/close`, {})).status).toBe(409);
  });

  it('needs a token', async () => {
    expect((await api.get('/v1/chargeback/2026-07', null)).status).toBe(401);
    expect((await api.get('/v1/chargeback/2026-07', ADMIN_TOKEN)).status).toBe(200);
  });
});

describe('closing and reopening', () => {
  it.each([
    ['/v1/chargeback/2026-05/close', { override: '' }, 'body.override'],
    ['/v1/chargeback/2026-05/close', { override: 'x'.repeat(301) }, 'body.override'],
    ['/v1/chargeback/2026-05/close', { invoice_amount: 12 }, 'body.invoice_amount'],
    ['/v1/chargeback/2026-05/close', { invoice_amount: '$12' }, 'body.invoice_amount'],
    ['/v1/chargeback/2026-05/close', { force: true }, 'body.force'],
    ['/v1/chargeback/2026-05/reopen', {}, 'body.reason'],
  ])('refuses %s with %j', async (path, body, at) => {
    const answer = await api.send('POST', path, body);
    expect([answer.status, errorsOf(answer).map(([where]) => where)]).toEqual([400, [at]]);
  });

  it('says that there is nothing to reopen', async () => {
    const answer = await api.send('POST', '/v1/chargeback/2026-05/reopen', { reason: 'x' });
    expect([answer.status, answer.body.detail]).toEqual([409, 'No month is closed.']);
  });
});

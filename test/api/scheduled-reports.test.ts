import { randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { addDays } from '../../domain/days.ts';
import { createToken } from '../../db/tokens/tokens.ts';
import { rows } from '../support/rows.ts';
import { CREATOR } from '../db/support.ts';
import { TODAY, seedConnection, seedCostDay, seedUsageDay, startApi, type Answer, type Api } from './support.ts';

let api: Api;
let acme: string;
const YESTERDAY = addDays(TODAY, -1);
const DAILY = { name: 'Daily', every: 'daily', hour: 8, time_zone: 'UTC' };
beforeAll(async () => {
  api = await startApi();
  acme = await seedConnection(api.db, { name: 'Acme' });
  await seedCostDay(api.db, acme, YESTERDAY, [
    { model: 'a', amount: '10.005' },
    { model: 'b', amount: '5' },
    { model: 'a', currency: 'EUR', amount: '7' },
  ]);
  await seedUsageDay(api.db, acme, YESTERDAY, [{ model: 'a', counts: [1n, 0n, 0n, 0n, 0n, 0n] }]);
});
afterAll(() => api.close());
beforeEach(async () => {
  await api.db.execute(sql`truncate reports, channels, channel_addresses, notices, deliveries cascade`);
  api.temporal.isDown = false;
  api.temporal.delivered.length = 0;
  api.temporal.schedules.clear();
});

async function create(more: object = {}): Promise<string> {
  const { status, body, headers } = await api.send('POST', '/v1/reports', { ...DAILY, ...more });
  expect([status, body]).toMatchObject([201, {}]);
  expect(headers.get('location')).toBe(`/v1/reports/${body.id}`);
  return body.id;
}

async function mail(name: string): Promise<string> {
  const { body } = await api.send('POST', '/v1/channels', { name, kind: 'email', to: [`${name}@example.com`] });
  return body.id;
}

const run = (id: string): Promise<Answer> => api.send('POST', `/v1/reports/${id}/run`);
const events = async (type: string): Promise<number> => (await api.get(`/v1/events?type=${type}`)).body.data.length;

describe('a report', () => {
  it('is created, listed, read, changed and deleted with its Schedule, and leaves events', async () => {
    const before = { created: await events('report_created'), deleted: await events('report_deleted') };
    const id = await create({ query: { workspace: ['', 'w'], group_by: 'workspace,model' } });
    const schedule = { id: `report-${id}`, paused: false, next_run_at: expect.any(String) as unknown };
    const expected = {
      ...DAILY,
      id,
      query: { group_by: ['workspace', 'model'], workspace: ['default', 'w'] },
      channels: null,
      attention: null,
      warnings: [],
      created_at: expect.any(String) as unknown,
      created_by: expect.any(String) as unknown,
      schedule,
      last: null,
      temporal: {
        schedule_id: `report-${id}`,
        url: `http://127.0.0.1:8233/namespaces/default/schedules/report-${id}`,
      },
    };
    expect((await api.get(`/v1/reports/${id}`)).body).toEqual(expected);
    const other = await create({ name: 'Other', query: undefined });
    expect((await api.get('/v1/reports')).body.data).toMatchObject([
      { id: other, query: { group_by: ['model'] } },
      expected,
    ]);
    const { body, status } = await api.send('PATCH', `/v1/reports/${id}`, { hour: 9, time_zone: 'Asia/Kathmandu' });
    expect([status, body]).toEqual([200, { ...expected, hour: 9, time_zone: 'Asia/Kathmandu' }]);
    expect(api.temporal.schedules.get(id)?.report).toMatchObject({ hour: 9, timeZone: 'Asia/Kathmandu' });
    expect((await api.send('DELETE', `/v1/reports/${id}`)).status).toBe(204);
    expect([...api.temporal.schedules.keys()]).toEqual([other]);
    expect((await api.get(`/v1/reports/${id}`)).status).toBe(404);
    expect((await api.send('DELETE', `/v1/reports/${id}`)).status).toBe(404);
    expect(await events('report_created')).toBe(before.created + 2);
    expect(await events('report_deleted')).toBe(before.deleted + 1);
    expect(await events('report_changed')).toBeGreaterThan(0);
  });

  it.each([
    [{ hour: 2 }, 'body.hour', /at least 4/],
    [{ hour: 24 }, 'body.hour', /at most 23/],
    [{ hour: 8.5 }, 'body.hour', /whole number/],
    [{ every: 'hourly' }, 'body.every', /one of daily, weekly, monthly/],
    [{ time_zone: '+02:00' }, 'body.time_zone', /name of a time zone/],
    [{ query: { colour: 'red' } }, 'body.query.colour', /is not known here/],
    [{ query: { group_by: 'day' } }, 'body.query.group_by', /must be any of/],
    [{ query: { group_by: ['model', 'workspace', 'currency'] } }, 'body.query.group_by', /more than 2/],
    [{ query: { model: [] } }, 'body.query.model', /must have a value/],
    [{ channels: [] }, 'body.channels', /must name a channel/],
    [{ channels: ['mail'] }, 'body.channels.0', /id of a channel/],
    [{ name: ' ' }, 'body.name', /empty/],
    [{ name: 'a\u202eb' }, 'body.name', /remove U\+202E/],
  ])('is refused with %j, which names the field', async (fault, path, message) => {
    const { status, body } = await api.send('POST', '/v1/reports', { ...DAILY, ...fault });
    expect([status, body.errors]).toMatchObject([400, [{ path, message: expect.stringMatching(message) as unknown }]]);
    const id = await create();
    expect((await api.send('PATCH', `/v1/reports/${id}`, fault)).status).toBe(400);
  });

  it.each([
    [{ query: { connection_id: [randomUUID()] } }, 'body.query.connection_id'],
    [{ query: { 'not.connection_id': randomUUID() } }, 'body.query.not.connection_id'],
    [{ channels: [randomUUID()] }, 'body.channels'],
    [{ time_zone: 'Mars/Olympus' }, 'body.time_zone'],
  ])('is refused with what does not exist: %j', async (fault, path) => {
    const { status, body } = await api.send('POST', '/v1/reports', { ...DAILY, ...fault });
    expect([status, body.errors]).toMatchObject([409, [{ path }]]);
  });

  it('has a name of its own', async () => {
    await create();
    const other = await create({ name: 'Other' });
    const again = [
      await api.send('POST', '/v1/reports', DAILY),
      await api.send('PATCH', `/v1/reports/${other}`, { name: 'Daily' }),
    ];
    expect(again.map(({ status, body }) => [status, body.detail])).toEqual(
      Array.from({ length: 2 }, () => [409, 'Another report has this name.']),
    );
  });

  it('is written by admins and read by viewers', async () => {
    const id = await create();
    const { token } = await createToken(api.db, { name: randomUUID(), role: 'viewer', creator: CREATOR });
    expect((await api.get(`/v1/reports/${id}`, token)).status).toBe(200);
    const tries = [
      ['POST', '/v1/reports', { ...DAILY, name: 'x' }],
      ['PATCH', `/v1/reports/${id}`, { hour: 9 }],
      ['DELETE', `/v1/reports/${id}`],
      ['POST', `/v1/reports/${id}/run`],
    ] as const;
    for (const [method, path, body] of tries) expect((await api.send(method, path, body, token)).status).toBe(403);
  });

  it('is stored, changed and read while Temporal is down, without its Schedule', async () => {
    api.temporal.isDown = true;
    const id = await create();
    expect((await api.get(`/v1/reports/${id}`)).body).toMatchObject({ schedule: null });
    expect((await api.send('PATCH', `/v1/reports/${id}`, { hour: 5 })).status).toBe(200);
    expect((await api.get('/v1/reports')).body.data).toMatchObject([{ hour: 5, schedule: null }]);
    expect((await api.send('DELETE', `/v1/reports/${id}`)).status).toBe(204);
  });
});

describe('a report that is run', () => {
  it('tells the last period that is over, once, and answers with the notice and its deliveries', async () => {
    const channel = await mail('one');
    const id = await create();
    const first = await run(id);
    expect([first.status, first.body]).toMatchObject([
      202,
      {
        period: { from: YESTERDAY, to: YESTERDAY },
        notice: { kind: 'report', data: { total: '15.005', before: { total: null }, change: null, why: null } },
        deliveries: [{ channel: { id: channel } }],
      },
    ]);
    expect(api.temporal.delivered).toHaveLength(1);
    const again = await run(id);
    expect([again.status, again.body]).toMatchObject([200, { deliveries: [{ channel: { id: channel } }] }]);
    expect(await rows(api.db, sql`select count(*)::int as n from notices where kind = 'report'`)).toEqual([{ n: 1 }]);
    expect(api.temporal.delivered).toHaveLength(1);
    expect((await api.get(`/v1/reports/${id}`)).body).toMatchObject({
      last: { period: { from: YESTERDAY, to: YESTERDAY } },
    });
    expect(await events('report_run')).toBe(1);
  });

  it('names the days that are missing, never as zero, and the currencies beside US dollars', async () => {
    const id = await create({ every: 'monthly' });
    const { body } = await run(id);
    const { notice } = JSON.parse((await run(id)).text) as { notice: { sentence: string; data: object } };
    expect(body).toMatchObject({ period: { from: '2026-06-01', to: '2026-06-30' } });
    expect(notice.data).toMatchObject({ total: null, groups: [], movers: [], other: null });
    expect(notice.sentence).toMatch(/^There is no data for 2026-06-01 to 2026-06-30: .* That is not zero\./);
    const daily = await run(await create({ name: 'Euro', every: 'daily' }));
    expect(daily.body).toMatchObject({
      notice: { data: { other_currencies: [{ currency: 'EUR', amount: '7', before: null }] } },
    });
    const filtered = await run(await create({ name: 'Filtered', query: { model: 'b' } }));
    expect(filtered.body).toMatchObject({
      notice: { data: { total: '5', groups: [{ names: ['b'], amount: '5', before: null, change: null }] } },
    });
  });

  it('goes on to the channels that are left, and says so when none is', async () => {
    const [one, two] = [await mail('one'), await mail('two')];
    await mail('not named');
    const id = await create({ channels: [one, two] });
    await api.send('DELETE', `/v1/channels/${one}`);
    expect((await run(id)).body).toMatchObject({ deliveries: [{ channel: { id: two } }] });
    expect((await api.get(`/v1/reports/${id}`)).body).toMatchObject({ attention: null });
    await api.send('DELETE', `/v1/channels/${two}`);
    await api.send('PATCH', `/v1/reports/${id}`, { every: 'weekly' });
    expect((await run(id)).body).toMatchObject({ deliveries: [] });
    expect((await api.get(`/v1/reports/${id}`)).body).toMatchObject({
      attention: expect.stringMatching(/reaches nobody/) as unknown,
    });
  });

  it('warns of filters whose organization another connection reads by now', async () => {
    const of = { organization: 'again' };
    const ended = await seedConnection(api.db, { ...of, status: 'disconnected', createdAt: new Date('2026-01-01') });
    const now = await seedConnection(api.db, of);
    const path = `/v1/reports/${await create({ query: { connection_id: ended } })}`;
    const message = `the filters name the connection ${ended}, and not ${now}, the newer one of the same organization`;
    const warnings = [{ path: 'query.connection_id', message }];
    expect((await api.get(path)).body).toMatchObject({ warnings });
    expect((await api.get('/v1/reports')).body.data).toMatchObject([{ warnings }]);
    const changed = await api.send('PATCH', path, { query: { connection_id: [ended, now] } });
    expect(changed.body).toMatchObject({ warnings: [] });
    await api.db.execute(sql`delete from connections where id in (${ended}, ${now})`);
  });

  it('whose stored query lost its meaning says so in words', async () => {
    const id = await create();
    await api.db.execute(sql`update reports set query = '{"group_by": ["colour"]}'`);
    expect((await api.get(`/v1/reports/${id}`)).body).toMatchObject({
      attention: expect.stringMatching(/group_by must be any of connection/) as unknown,
    });
    const { status, body } = await run(id);
    expect([status, body.detail]).toEqual([409, expect.stringMatching(/not valid any more: group_by must be any of/)]);
  });
});

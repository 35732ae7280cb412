import { randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { saveWorkspaces } from '../../db/connections/workspaces.ts';
import { createToken } from '../../db/tokens/tokens.ts';
import { toDay } from '../../domain/days.ts';
import { CREATOR } from '../db/support.ts';
import { spike, storeIncident } from '../support/incident.ts';
import { seedConnection, startApi, type Api } from './support.ts';

let api: Api;
let id: string;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.close());
beforeEach(async () => {
  await api.db.execute(sql`truncate connections, notices, incidents, anomaly_settings cascade`);
  id = await seedConnection(api.db, { status: 'active' });
  api.temporal.assessed = 0;
  api.temporal.isDown = false;
});

const EARLIER = spike({
  key: 'down 2026-10-01',
  kind: 'drop',
  direction: 'down',
  state: 'closed',
  end: 'back',
  cause: [{ dimension: 'workspace', value: 'wrkspc_1' }],
  firstDay: toDay('2026-10-01'),
  lastDay: toDay('2026-10-02'),
  detectedOn: toDay('2026-10-01'),
});

describe('GET /v1/anomalies', () => {
  it('shows what it is, with exact amounts, its cause by name, its band and where to look', async () => {
    await saveWorkspaces(api.db, id, [
      { id: 'wrkspc_1', name: 'Prod <b>', createdAt: null, archivedAt: null, tags: new Map(), reported: {} },
    ]);
    const incident = spike({
      cause: [
        { dimension: 'workspace', value: 'wrkspc_1' },
        { dimension: 'model', value: null },
      ],
    });
    const anomaly = await storeIncident(api.db, id, incident);
    const { status, body } = await api.get(`/v1/anomalies/${anomaly}`);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      id: anomaly,
      connection: { id },
      kind: 'spike',
      direction: 'up',
      severity: 'warning',
      state: 'open',
      end: null,
      cause: [
        { dimension: 'workspace', value: 'wrkspc_1', name: 'Prod <b>' },
        { dimension: 'model', value: null, name: 'not reported' },
      ],
      observed: '150.0000001',
      expected: '50.25',
      excess: '99.7500001',
      days: [{ day: '2026-11-10', observed: '150.0000001', expected: '50.25', low: '40', high: '60' }],
      change: { compared_days: 0, change: '0', volume: '0', mix: '0', price: '0', unmatched: '0' },
      feedback: null,
    });
    expect(body.sentence).toMatch(
      /workspace Prod <b> .*\$150\.00 \(2026-11-10\), \$99\.75 more than the expected \$50\.25\./,
    );
    expect(body.explore).toContain(
      `/#/explore?report=costs&from=2026-10-27&to=2026-11-10&group_by=day%2Cmodel&connection_id=${id}&workspace=wrkspc_1&model=`,
    );
    expect(body.notice_id).toEqual(expect.any(String));
  });

  it('lists the newest first, in pages, by connection, state, kind and days', async () => {
    const [first, second] = [await storeIncident(api.db, id, EARLIER), await storeIncident(api.db, id)];
    const list = async (query: string): Promise<string[]> => {
      const { status, body } = await api.get(`/v1/anomalies?${query}`);
      expect([query, status]).toEqual([query, 200]);
      return body.data.map(({ id: one }) => one);
    };
    expect(await list('')).toEqual([second, first]);
    const { body } = await api.get('/v1/anomalies?limit=1');
    expect(await list(`limit=1&after=${body.next}`)).toEqual([first]);
    expect(await list(`connection_id=${id.toUpperCase()}`)).toEqual([second, first]);
    expect(await list(`connection_id=${randomUUID()}`)).toEqual([]);
    expect(await list('state=closed')).toEqual([first]);
    expect(await list('kind=spike')).toEqual([second]);
    expect(await list('from=2026-10-02&to=2026-10-31')).toEqual([first]);
    expect(await list('from=2026-10-03&to=2026-11-09')).toEqual([]);
    expect(await list('from=2026-11-10')).toEqual([second]);
  });

  it.each([
    ['connection_id=x', 'query.connection_id', 400],
    ['state=lost', 'query.state', 400],
    ['kind=lost', 'query.kind', 400],
    ['from=2026-02-30', 'query.from', 400],
    ['limit=0', 'query.limit', 400],
    ['from=2026-02-02&to=2026-02-01', 'query.from', 409],
    ['sort=day', 'query.sort', 400],
  ])('refuses %s and names the parameter', async (query, path, status) => {
    const answer = await api.get(`/v1/anomalies?${query}`);
    expect(answer.status).toBe(status);
    expect(JSON.stringify(answer.body)).toContain(path.replace('query.sort', 'sort'));
  });

  it('answers an unknown and a malformed id alike', async () => {
    for (const one of [randomUUID(), 'x', 'settings2']) {
      const { status, body } = await api.get(`/v1/anomalies/${one}`);
      expect([status, body.code]).toEqual([404, 'not_found']);
    }
  });
});

describe('feedback', () => {
  it('is shown with its effect, leaves an event with the name of its token, and is assessed at once', async () => {
    const admin = await createToken(api.db, { name: 'Ada', role: 'admin', creator: CREATOR });
    const anomaly = await storeIncident(api.db, id);
    const path = `/v1/anomalies/${anomaly}/feedback`;
    const given = await api.send('POST', path, { feedback: 'real' }, admin.token);
    expect([given.status, given.body.feedback]).toMatchObject([200, { feedback: 'real', note: null, actor: 'Ada' }]);
    await api.send('POST', path, { feedback: 'expected', note: ' A load test. ' }, admin.token);
    const { body } = await api.get(`/v1/anomalies/${anomaly}`);
    expect(body.feedback).toMatchObject({
      feedback: 'expected',
      note: 'A load test.',
      actor: 'Ada',
      effect: expect.stringMatching(/^This was expected\. .*model opus/) as string,
    });
    const { body: events } = await api.get(`/v1/connections/${id}/events?type=anomaly_feedback`);
    expect(events.data.map(({ actor, message }) => [actor, message])).toEqual([
      ['Ada', `The anomaly ${anomaly} is said to be expected.`],
      ['Ada', `The anomaly ${anomaly} is said to be real.`],
    ]);
    expect(api.temporal.assessed).toBe(2);
  });

  it('is stored while Temporal is down', async () => {
    api.temporal.isDown = true;
    const anomaly = await storeIncident(api.db, id);
    expect((await api.send('POST', `/v1/anomalies/${anomaly}/feedback`, { feedback: 'wrong' })).status).toBe(200);
    expect((await api.get(`/v1/anomalies/${anomaly}`)).body.feedback).toMatchObject({ feedback: 'wrong' });
  });

  it.each([
    [{}, 'body.feedback'],
    [{ feedback: 'maybe' }, 'body.feedback'],
    [{ feedback: 'real', note: '' }, 'body.note'],
    [{ feedback: 'real', note: 'x'.repeat(1001) }, 'body.note'],
    [{ feedback: 'real', note: 'sk-ant-admin01-x' }, 'body.note'],
    [{ feedback: 'real', why: 'x' }, 'why'],
  ])('of the form %j is refused by name and not stored', async (body, path) => {
    const anomaly = await storeIncident(api.db, id);
    const answer = await api.send('POST', `/v1/anomalies/${anomaly}/feedback`, body);
    expect([answer.status, answer.body.code]).toEqual([400, 'invalid_request']);
    expect(JSON.stringify(answer.body.errors)).toContain(path);
    expect((await api.get(`/v1/anomalies/${anomaly}`)).body.feedback).toBeNull();
  });

  it('of a viewer and on an anomaly that is not there changes nothing', async () => {
    const viewer = await createToken(api.db, { name: 'Vic', role: 'viewer', creator: CREATOR });
    const anomaly = await storeIncident(api.db, id);
    const said = { feedback: 'real' };
    expect((await api.send('POST', `/v1/anomalies/${anomaly}/feedback`, said, viewer.token)).status).toBe(403);
    expect((await api.get(`/v1/anomalies/${anomaly}`, viewer.token)).body.feedback).toBeNull();
    expect((await api.send('POST', `/v1/anomalies/${randomUUID()}/feedback`, said)).status).toBe(404);
    expect(api.temporal.assessed).toBe(0);
  });
});

describe('the sensitivity', () => {
  it('is medium until somebody sets another, which leaves one event', async () => {
    expect((await api.get('/v1/anomalies/settings')).body).toEqual({ sensitivity: 'medium' });
    for (let twice = 0; twice < 2; twice += 1) {
      const set = await api.send('PUT', '/v1/anomalies/settings', { sensitivity: 'high' });
      expect([set.status, set.body]).toEqual([200, { sensitivity: 'high' }]);
    }
    expect((await api.get('/v1/anomalies/settings')).body).toEqual({ sensitivity: 'high' });
    const { body } = await api.get('/v1/events?type=sensitivity_set');
    expect(body.data.map(({ message }) => message)).toEqual([
      'The sensitivity of anomalies is high instead of medium.',
    ]);
    expect((await api.send('PUT', '/v1/anomalies/settings', { sensitivity: 'highest' })).status).toBe(400);
  });
});

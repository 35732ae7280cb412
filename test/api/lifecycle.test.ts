import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { setStatus } from '../../db/connections.ts';
import { addDays } from '../../domain/days.ts';
import { TODAY, seedConnection, startApi, type Api, type Row } from './support.ts';

let api: Api;
beforeAll(async () => {
  api = await startApi({ waitMs: 300 });
});
afterAll(() => api.close());
beforeEach(() => {
  api.temporal.isDown = false;
  api.temporal.onSignal = () => Promise.resolve();
});

async function requests(id: string): Promise<Row[]> {
  return (await api.get(`/v1/connections/${id}/events?type=request`)).body.data;
}

describe('POST /v1/connections/{id}/sync', () => {
  it.each([
    ['no body', undefined, {}],
    ['an empty body', {}, {}],
    ['two days', { from: '2026-07-02', to: '2026-07-03' }, { from: '2026-07-02', to: '2026-07-03' }],
    ['one day', { from: TODAY, to: TODAY }, { from: TODAY, to: TODAY }],
  ])('takes %s, signals and answers 202', async (_what, body, input) => {
    const id = await seedConnection(api.db, {});
    const asked = await api.send('POST', `/v1/connections/${id}/sync`, body);
    expect(asked.status).toBe(202);
    expect(asked.body.id).toBe(id);
    expect(api.temporal.signals.at(-1)).toEqual({ id, signal: 'syncNow', input });
    expect(await requests(id)).toMatchObject([{ actor: 'bootstrap' }]);
  });

  it.each([
    [{ from: '2026-07-02' }, 'body'],
    [{ to: '2026-07-02' }, 'body'],
    [{ from: '2026-07-03', to: '2026-07-02' }, 'body.from'],
    [{ from: addDays(TODAY, -31), to: TODAY }, 'body.from'],
    [{ from: TODAY, to: addDays(TODAY, 1) }, 'body.to'],
    [{ from: '2026-7-3', to: TODAY }, 'body.from'],
    [{ from: null, to: TODAY }, 'body.from'],
    [{ everything: true }, 'body.everything'],
  ])('refuses %j and signals nothing', async (body, path) => {
    const id = await seedConnection(api.db, {});
    const sent = api.temporal.signals.length;
    const refused = await api.send('POST', `/v1/connections/${id}/sync`, body);
    expect(refused.status).toBe(400);
    expect(refused.body.errors).toMatchObject([{ path }]);
    expect(api.temporal.signals).toHaveLength(sent);
    expect(await requests(id)).toEqual([]);
  });

  it.each(['paused', 'refused', 'disconnected'] as const)('is a 409 for one that is %s', async (status) => {
    const id = await seedConnection(api.db, { status });
    expect((await api.send('POST', `/v1/connections/${id}/sync`)).status).toBe(409);
  });

  it.each(['validating', 'discovering', 'backfilling', 'degraded', 'awaiting_key'] as const)(
    'is taken by one that is %s',
    async (status) => {
      const id = await seedConnection(api.db, { status });
      expect((await api.send('POST', `/v1/connections/${id}/sync`)).status).toBe(202);
    },
  );
});

describe('pause and resume', () => {
  it('answer 200 once it is so, and an event says who asked', async () => {
    const id = await seedConnection(api.db, {});
    api.temporal.onSignal = (connectionId, signal) =>
      setStatus(api.db, connectionId, signal === 'pause' ? 'paused' : 'active');
    const paused = await api.send('POST', `/v1/connections/${id}/pause`);
    expect(paused.status).toBe(200);
    expect(paused.body).toMatchObject({ status: 'paused', next_sync_at: null });
    const resumed = await api.send('POST', `/v1/connections/${id}/resume`);
    expect(resumed.status).toBe(200);
    expect(resumed.body.status).toBe('active');
    expect(api.temporal.signals.slice(-2).map(({ signal }) => signal)).toEqual(['pause', 'resume']);
    expect((await requests(id)).map(({ actor }) => actor)).toEqual(['bootstrap', 'bootstrap']);
  });

  it('answer 202 while no worker does it', async () => {
    const running = await seedConnection(api.db, {});
    expect((await api.send('POST', `/v1/connections/${running}/pause`)).status).toBe(202);
    const paused = await seedConnection(api.db, { status: 'paused' });
    expect((await api.send('POST', `/v1/connections/${paused}/resume`)).status).toBe(202);
  });

  it('are a 409 when it is so already', async () => {
    const paused = await seedConnection(api.db, { status: 'paused' });
    expect((await api.send('POST', `/v1/connections/${paused}/pause`)).status).toBe(409);
    const running = await seedConnection(api.db, {});
    expect((await api.send('POST', `/v1/connections/${running}/resume`)).status).toBe(409);
  });

  it('are a 409 for a connection that has ended', async () => {
    const id = await seedConnection(api.db, { status: 'disconnected' });
    for (const route of ['pause', 'resume']) {
      expect((await api.send('POST', `/v1/connections/${id}/${route}`)).status).toBe(409);
    }
  });

  it('are a 503, as sync is, while Temporal is down', async () => {
    api.temporal.isDown = true;
    const running = await seedConnection(api.db, {});
    const paused = await seedConnection(api.db, { status: 'paused' });
    for (const path of [`${running}/pause`, `${paused}/resume`, `${running}/sync`]) {
      const refused = await api.send('POST', `/v1/connections/${path}`);
      expect(refused.status).toBe(503);
      expect(refused.body).toMatchObject({ code: 'unavailable' });
    }
  });

  it('take no fields', async () => {
    const id = await seedConnection(api.db, {});
    expect((await api.send('POST', `/v1/connections/${id}/pause`, {})).status).toBe(202);
    expect((await api.send('POST', `/v1/connections/${id}/pause`, { for: '1 day' })).status).toBe(400);
  });

  it('stop waiting when the process is to end', async () => {
    const stopping = new AbortController();
    const own = await startApi({ waitMs: 60_000, stopping: stopping.signal });
    const id = await seedConnection(own.db, {});
    own.temporal.onSignal = () => {
      stopping.abort();
      return Promise.resolve();
    };
    expect((await own.send('POST', `/v1/connections/${id}/pause`)).status).toBe(202);
    await own.close();
  });
});

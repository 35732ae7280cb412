import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { listUntoldHistories } from '../../db/connections/overdue.ts';
import { setStatus } from '../../db/connections/status.ts';
import { openSync, succeedSync } from '../../db/ledger/syncs.ts';
import { createToken } from '../../db/tokens/tokens.ts';
import { addDays } from '../../domain/days.ts';
import { NOW, TODAY, seedConnection, startApi, type Api, type Row } from './support.ts';

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
    [{ from: '2026-07-02' }, 400, 'body'],
    [{ to: '2026-07-02' }, 400, 'body'],
    [{ from: '2026-07-03', to: '2026-07-02' }, 409, 'body.from'],
    [{ from: addDays(TODAY, -31), to: TODAY }, 409, 'body.from'],
    [{ from: TODAY, to: addDays(TODAY, 1) }, 409, 'body.to'],
    [{ from: '2026-7-3', to: TODAY }, 400, 'body.from'],
    [{ from: null, to: TODAY }, 400, 'body.from'],
    [{ everything: true }, 400, 'body.everything'],
  ])('refuses %j with a %i and signals nothing', async (body, status, path) => {
    const id = await seedConnection(api.db, {});
    const sent = api.temporal.signals.length;
    const refused = await api.send('POST', `/v1/connections/${id}/sync`, body);
    expect(refused.status).toBe(status);
    expect(refused.body.errors).toMatchObject([{ path }]);
    expect(api.temporal.signals).toHaveLength(sent);
    expect(await requests(id)).toEqual([]);
  });

  it.each(['paused', 'refused', 'disconnected'] as const)('is a 409 for a connection that is %s', async (status) => {
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

describe('POST /v1/connections/{id}/backfill', () => {
  const extend = (id: string, from: unknown, token?: string): ReturnType<Api['send']> =>
    api.send('POST', `/v1/connections/${id}/backfill`, { from }, token);

  it.each([-31, -120, -365])('moves the first day of the connection back to %i days before today', async (offset) => {
    const id = await seedConnection(api.db, {});
    const asked = await extend(id, addDays(TODAY, offset));
    expect(asked.status).toBe(202);
    expect(asked.body).toMatchObject({
      id,
      status: 'backfilling',
      backfill: { from: addDays(TODAY, offset), to: TODAY, days_done: 0, days_total: 1 - offset },
      missing_days: 1 - offset,
    });
    expect(api.temporal.woken.at(-1)).toBe(id);
    expect(await requests(id)).toMatchObject([
      { actor: 'bootstrap', message: `Asked to extend history back to ${addDays(TODAY, offset)}.` },
    ]);
  });

  it.each([-30, -29, 0])('changes nothing for a day that the connection has already: %i', async (offset) => {
    const id = await seedConnection(api.db, {});
    const woken = api.temporal.woken.length;
    const asked = await extend(id, addDays(TODAY, offset));
    expect(asked.status).toBe(202);
    expect(asked.body).toMatchObject({ status: 'active', backfill: { from: addDays(TODAY, -30) } });
    expect(api.temporal.woken).toHaveLength(woken);
    expect(await requests(id)).toEqual([]);
  });

  it('asked for many times at once, goes back to the earliest day', async () => {
    const id = await seedConnection(api.db, {});
    const offsets = [-40, -300, -365, -364, -50, -200, -366 + 1, -31];
    const asked = await Promise.all(offsets.map((offset) => extend(id, addDays(TODAY, offset))));
    expect(asked.map(({ status }) => status)).toEqual(offsets.map(() => 202));
    expect((await api.get(`/v1/connections/${id}`)).body).toMatchObject({ backfill: { from: addDays(TODAY, -365) } });
  });

  it.each([
    [{ from: addDays(TODAY, 1) }, 409, 'body.from', TODAY],
    [{ from: addDays(TODAY, -366) }, 409, 'body.from', addDays(TODAY, -365)],
    [{ from: '2026-02-30' }, 400, 'body.from', 'YYYY-MM-DD'],
    [{ from: null }, 400, 'body.from', ''],
    [{}, 400, 'body.from', ''],
    [undefined, 400, 'body.from', ''],
    [{ from: addDays(TODAY, -40), to: TODAY }, 400, 'body.to', ''],
  ])('refuses %j with a %i, names the field and the limit, and changes nothing', async (body, status, path, limit) => {
    const id = await seedConnection(api.db, {});
    const refused = await api.send('POST', `/v1/connections/${id}/backfill`, body);
    expect(refused.status).toBe(status);
    expect(refused.body.errors).toMatchObject([{ path, message: expect.stringContaining(limit) as string }]);
    expect((await api.get(`/v1/connections/${id}`)).body).toMatchObject({ backfill: { from: addDays(TODAY, -30) } });
    expect(await requests(id)).toEqual([]);
  });

  it.each(['validating', 'discovering', 'backfilling', 'degraded', 'awaiting_key', 'paused'] as const)(
    'is taken by one that is %s, which stays so',
    async (status) => {
      const id = await seedConnection(api.db, { status });
      expect(await extend(id, addDays(TODAY, -60))).toMatchObject({
        status: 202,
        body: { status, backfill: { from: addDays(TODAY, -60) } },
      });
    },
  );

  it.each(['refused', 'disconnected'] as const)('is a 409 for a connection that is %s', async (status) => {
    const id = await seedConnection(api.db, { status });
    expect((await extend(id, addDays(TODAY, -60))).status).toBe(409);
  });

  it('is a 403 for a viewer, and a 404 for an unknown connection', async () => {
    const id = await seedConnection(api.db, {});
    const viewer = await createToken(api.db, { name: 'looks', role: 'viewer', creator: { id: null, name: 'test' } });
    expect((await extend(id, addDays(TODAY, -60), viewer.token)).status).toBe(403);
    for (const unknown of [randomUUID(), 'x']) expect((await extend(unknown, addDays(TODAY, -60))).status).toBe(404);
  });

  it('is stored also while Temporal is down', async () => {
    api.temporal.isDown = true;
    const id = await seedConnection(api.db, {});
    expect(await extend(id, addDays(TODAY, -60))).toMatchObject({ status: 202, body: { missing_days: 61 } });
    const untold = { connectionId: id, began: addDays(TODAY, -60) };
    // Its first sync, which has not begun, reads all of it.
    expect(await listUntoldHistories(api.db)).not.toContainEqual(untold);
    const first = { connectionId: id, n: 1, runId: randomUUID() };
    const plan = { kind: 'backfill', from: TODAY, to: TODAY, everyDay: false } as const;
    await openSync(api.db, first, plan);
    await succeedSync(api.db, first, plan, NOW);
    expect(await listUntoldHistories(api.db)).toContainEqual(untold);
  });
});

describe('pause and resume', () => {
  it('answer 200 once it is done, and an event says who asked', async () => {
    const id = await seedConnection(api.db, {});
    api.temporal.onSignal = async (connectionId, signal) => {
      await setStatus(api.db, connectionId, signal === 'pause' ? 'paused' : 'active');
    };
    const paused = await api.send('POST', `/v1/connections/${id}/pause`);
    expect(paused.status).toBe(200);
    expect(paused.body).toMatchObject({ status: 'paused', next_sync_at: null });
    const resumed = await api.send('POST', `/v1/connections/${id}/resume`);
    expect(resumed.status).toBe(200);
    expect(resumed.body.status).toBe('active');
    expect(api.temporal.signals.slice(-2).map(({ signal }) => signal)).toEqual(['pause', 'resume']);
    expect((await requests(id)).map(({ actor }) => actor)).toEqual(['bootstrap', 'bootstrap']);
  });

  it('answer 202 while no worker runs', async () => {
    const running = await seedConnection(api.db, {});
    expect((await api.send('POST', `/v1/connections/${running}/pause`)).status).toBe(202);
    const paused = await seedConnection(api.db, { status: 'paused' });
    expect((await api.send('POST', `/v1/connections/${paused}/resume`)).status).toBe(202);
  });

  it('are a 409 if the connection is paused or running already', async () => {
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

  it('are a 503 while Temporal is down, and so is sync', async () => {
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

  it('stop waiting when the process is asked to stop', async () => {
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

import { randomUUID } from 'node:crypto';
import { eq } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Failure } from '../../domain/failures.ts';
import { disconnect } from '../../db/connections/disconnect.ts';
import { recordRejection, recordFailure } from '../../db/connections/failure.ts';
import { setStatus } from '../../db/connections/status.ts';
import { addCandidate, deferKey, refuseKey } from '../../db/keys/candidates.ts';
import { openCandidate } from '../../db/keys/open.ts';
import { acceptKey } from '../../db/keys/activate.ts';
import { keys, syncs } from '../../db/schema.ts';
import { addDays } from '../../domain/days.ts';
import { CANARY, NOW, TODAY, ring, seedConnection, seedCovered, seedDay, startApi, type Api } from './support.ts';
import { adminKey } from '../support/admin-key.ts';

let api: Api;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.close());
beforeEach(() => {
  api.temporal.isDown = false;
  api.temporal.onStart = () => Promise.resolve();
  api.temporal.onSignal = () => Promise.resolve();
});

async function firstKey(connectionId: string): Promise<string> {
  const [key] = await api.db.select({ id: keys.id }).from(keys).where(eq(keys.connectionId, connectionId));
  return key?.id ?? '';
}

/** What a worker does with a good key. */
async function accept(connectionId: string, organizationId = `org-${randomUUID()}`): Promise<void> {
  await acceptKey(
    api.db,
    { connectionId, keyId: await firstKey(connectionId) },
    { id: organizationId, name: 'Acme Inc.' },
  );
  await setStatus(api.db, connectionId, 'discovering');
}

async function refuse(connectionId: string, failure: Failure): Promise<void> {
  await refuseKey(api.db, { connectionId, keyId: await firstKey(connectionId) }, failure, 'no');
  await setStatus(api.db, connectionId, 'refused');
}

const NEW = { name: 'Acme', admin_api_key: CANARY };

describe('POST /v1/connections', () => {
  it('answers 201 with the connection and its location once Anthropic accepts the key', async () => {
    api.temporal.onStart = (id) => accept(id, 'org-first');
    const made = await api.send('POST', '/v1/connections', { ...NEW, name: '  Acme  ', backfill_days: 10 });
    expect(made.status).toBe(201);
    expect(made.headers.get('location')).toBe(`/v1/connections/${made.body.id}`);
    expect(made.body).toMatchObject({
      name: 'Acme',
      status: 'discovering',
      organization: { id: 'org-first', name: 'Acme Inc.' },
      key: { hint: 'wxyz' },
      backfill: { from: '2026-07-22', to: TODAY, days_done: 0, days_total: 10 },
      covered_from: null,
      covered_through: null,
      missing_days: 10,
      last_sync: null,
      error: null,
      note: null,
    });
    expect(api.temporal.started.at(-1)).toEqual({ id: made.body.id, summary: 'Acme' });
    expect(made.body.temporal).toEqual({
      workflow_id: `connection-${made.body.id}`,
      url: `http://127.0.0.1:8233/namespaces/default/workflows/connection-${made.body.id}`,
    });
    expect((await api.get(`/v1/connections/${made.body.id}`)).body).toEqual(made.body);
  });

  it('stores the key only sealed', async () => {
    api.temporal.onStart = (id) => accept(id);
    const { body } = await api.send('POST', '/v1/connections', NEW);
    const [key] = await api.db.select().from(keys).where(eq(keys.connectionId, body.id));
    expect(key?.sealed?.includes(CANARY)).toBe(false);
    const place = { connectionId: body.id, keyId: key?.id ?? '' };
    const sealed = { sealed: key?.sealed ?? Buffer.of(), encryptionKeyId: key?.encryptionKeyId ?? '' };
    expect(ring.open(sealed, place).reveal()).toBe(CANARY);
  });

  it.each([
    ['key_invalid', 422],
    ['key_forbidden', 422],
    ['individual_account', 422],
  ] as const)('answers %s at once, and the refused connection stays readable by its id only', async (code, status) => {
    api.temporal.onStart = (id) => refuse(id, { code, detail: 'invalid x-api-key', requestId: 'req_1' });
    const refused = await api.send('POST', '/v1/connections', NEW);
    expect(refused.status).toBe(status);
    expect(refused.headers.get('content-type')).toContain('application/problem+json');
    expect(refused.body).toMatchObject({ type: `/docs#${code}`, status, code, detail: 'invalid x-api-key' });
    const id = refused.body.connection_id;
    const shown = await api.get(`/v1/connections/${id}`);
    expect(shown.body).toMatchObject({ status: 'refused', key: null, error: { code, request_id: 'req_1' } });
    expect((await api.get(`/v1/connections/${id}/events`)).body.data.length).toBeGreaterThan(2);
    const listed = await api.get('/v1/connections?limit=500');
    expect(listed.body.data.map(({ id }) => id)).not.toContain(id);
    const asked = await api.get('/v1/connections?status=refused&limit=500');
    expect(asked.body.data.map(({ id }) => id)).toContain(id);
    expect(await openCandidate(api.db, ring, id, await firstKey(id))).toBeNull();
  });

  it('answers 409 with both connections if the organization has a connection already', async () => {
    const holder = await seedConnection(api.db, { organization: 'org-held' });
    api.temporal.onStart = (id) => refuse(id, { code: 'already_connected', connectionId: holder });
    const refused = await api.send('POST', '/v1/connections', NEW);
    expect(refused.status).toBe(409);
    expect(refused.body).toMatchObject({ code: 'already_connected', connection_id: holder });
    const shown = await api.get(`/v1/connections/${refused.body.refused_connection_id}`);
    expect(shown.body).toMatchObject({ status: 'refused', error: { connection_id: holder } });
  });

  it('answers 202 with the reason and the next try as soon as Anthropic does not answer', async () => {
    api.temporal.onStart = async (connectionId) => {
      const key = { connectionId, keyId: await firstKey(connectionId) };
      await deferKey(api.db, key, { code: 'upstream_unavailable', detail: 'status 529' }, NOW);
    };
    const began = Date.now();
    const made = await api.send('POST', '/v1/connections', NEW);
    expect(Date.now() - began).toBeLessThan(1_500);
    expect(made.status).toBe(202);
    expect(made.headers.get('location')).toBe(`/v1/connections/${made.body.id}`);
    expect(made.body).toMatchObject({
      status: 'validating',
      next_sync_at: '2026-07-31T12:00:05.000Z',
      error: { code: 'upstream_unavailable', detail: 'status 529', at: '2026-07-31T12:00:00.000Z' },
    });
    expect(made.body.error.action).toMatch(/on its own/);
  });

  it('answers 202 at once while Temporal is down, and keeps the connection', async () => {
    api.temporal.isDown = true;
    const made = await api.send('POST', '/v1/connections', NEW);
    expect(made.status).toBe(202);
    expect(made.body).toMatchObject({ status: 'validating', error: null, next_sync_at: null, key: { hint: 'wxyz' } });
  });

  it.each([
    ['not a key', 'hello'],
    ['empty', ''],
    ['a workspace key', 'sk-ant-api03-abcdefghijklmnopqrstuvwxyz'],
    ['a key of claude.ai for Enterprise', 'sk-ant-api01-abcdefghijklmnopqrstuvwxyz'],
    ['quotes around it', `"${CANARY}"`],
    ['a line break', `${CANARY}\r\nx-other: 1`],
    ['a NUL', `${CANARY}\0`],
    ['a snowman', `${CANARY}☃`],
    ['10 kB', `sk-ant-admin01-${'A'.repeat(10_000)}`],
  ])('answers 422 key_format to %s, quotes nothing of it and stores nothing', async (_what, key) => {
    const before = await api.get('/v1/connections?status=validating&limit=500');
    const refused = await api.send('POST', '/v1/connections', { ...NEW, admin_api_key: key });
    expect(refused.status).toBe(422);
    expect(refused.body.code).toBe('key_format');
    if (key.length > 5) expect(refused.text).not.toContain(key.slice(0, 40));
    expect(refused.text).not.toContain('CANARY');
    const after = await api.get('/v1/connections?status=validating&limit=500');
    expect(after.body.data).toHaveLength(before.body.data.length);
  });

  it.each([
    ['sk-ant-api03-abcdefghijklmnopqrstuvwxyz', 'workspace key'],
    ['sk-ant-api01-abcdefghijklmnopqrstuvwxyz', 'claude.ai for Enterprise'],
  ])('says that a key like %s is a %s', async (key, words) => {
    const refused = await api.send('POST', '/v1/connections', { ...NEW, admin_api_key: key });
    expect(refused.body.detail).toContain(words);
  });

  it('takes a name whose emoji or letters need joiners', async () => {
    const name = '👩\u200d💻 نمی\u200cخواهم';
    const key = `sk-ant-new8-${'b'.repeat(30)}`;
    const made = await api.send('POST', '/v1/connections', { ...NEW, name, admin_api_key: key });
    expect([made.status, made.body.name]).toEqual([202, name]);
  });

  it('sends a key with an unknown prefix to Anthropic', async () => {
    const made = await api.send('POST', '/v1/connections', { ...NEW, admin_api_key: `sk-ant-new7-${'a'.repeat(30)}` });
    expect(made.status).toBe(202);
    expect(made.body).toMatchObject({ status: 'validating', key: { hint: 'aaaa' } });
  });

  it.each([
    [{ admin_api_key: CANARY }, 'body.name'],
    [{ ...NEW, name: ' ' }, 'body.name'],
    [{ ...NEW, name: 'a\u0000b' }, 'body.name'],
    [{ ...NEW, name: 'a\u202eb' }, 'body.name'],
    [{ ...NEW, name: 'a\u200bb' }, 'body.name'],
    [{ ...NEW, name: 'x'.repeat(101) }, 'body.name'],
    [{ ...NEW, backfill_days: 0 }, 'body.backfill_days'],
    [{ ...NEW, backfill_days: 366 }, 'body.backfill_days'],
    [{ ...NEW, backfill_days: '31' }, 'body.backfill_days'],
    [{ ...NEW, admin_api_key: 7 }, 'body.admin_api_key'],
    [{ ...NEW, extra: 1 }, 'body.extra'],
  ])('says where each error is (%#)', async (body, path) => {
    const refused = await api.send('POST', '/v1/connections', body);
    expect(refused.status).toBe(400);
    expect(refused.body.code).toBe('invalid_request');
    expect(refused.body.errors.map(({ path }) => path)).toEqual([path]);
    expect(refused.text).not.toContain('CANARY');
  });
});

describe('a connection', () => {
  it('shows the days with both reports as covered', async () => {
    const id = await seedConnection(api.db, { withKey: true, began: addDays(TODAY, -9) });
    await seedCovered(api.db, id, addDays(TODAY, -9), addDays(TODAY, -6));
    await seedDay(api.db, id, 'cost', addDays(TODAY, -5));
    await seedCovered(api.db, id, addDays(TODAY, -4), addDays(TODAY, -3));
    const { body } = await api.get(`/v1/connections/${id}`);
    expect(body).toMatchObject({
      covered_from: '2026-07-22',
      covered_through: '2026-07-25',
      missing_days: 4,
      backfill: { days_done: 6, days_total: 10 },
      note: 'no usage reported yet',
    });
    expect(Date.parse(body.next_sync_at)).toBeGreaterThan(NOW);
  });

  it('has no note once there is a line', async () => {
    const id = await seedConnection(api.db, {});
    await seedDay(api.db, id, 'cost', TODAY, { lines: 1, total: '1' });
    await seedDay(api.db, id, 'usage', TODAY);
    expect((await api.get(`/v1/connections/${id}`)).body.note).toBeNull();
  });

  it('counts missing days of an ended connection to its end', async () => {
    const id = await seedConnection(api.db, {
      status: 'disconnected',
      began: '2026-07-01',
      endedAt: new Date('2026-07-04T10:00:00Z'),
    });
    await seedCovered(api.db, id, '2026-07-01', '2026-07-02');
    const { body } = await api.get(`/v1/connections/${id}`);
    expect(body).toMatchObject({ missing_days: 2, next_sync_at: null });
  });

  it('shows its failure with the action to take and the time of the next attempt', async () => {
    const failure: Failure = { code: 'rate_limited', detail: 'slow down', requestId: 'req_9' };
    const id = await seedConnection(api.db, {
      status: 'degraded',
      failure: { failure, at: new Date(NOW), count: 3 },
    });
    const { body } = await api.get(`/v1/connections/${id}`);
    expect(body.error).toMatchObject({
      code: 'rate_limited',
      detail: 'slow down',
      request_id: 'req_9',
      at: '2026-07-31T12:00:00.000Z',
    });
    expect(body.error.message).toMatch(/rate limit/);
    // Half a minute after a rate limit at least.
    expect(body.next_sync_at).toBe('2026-07-31T12:00:30.000Z');
  });

  it('shows when a rejected key is tried again', async () => {
    const id = await seedConnection(api.db, { status: 'awaiting_key', withKey: true });
    const shown = async () => (await api.get(`/v1/connections/${id}`)).body;
    const keyId = (await shown()).key.id;
    await recordFailure(api.db, id, { failure: { code: 'key_invalid' }, keyId, nowMs: NOW });
    expect((await shown()).next_sync_at).toBe('2026-07-31T12:00:30.000Z');
    await recordRejection(api.db, { connectionId: id, keyId, hint: 'wxyz' }, 'key_invalid', NOW + 30_000);
    expect((await shown()).next_sync_at).toBe('2026-07-31T12:01:30.000Z');
  });

  it('shows the candidate beside the active key, and when it is tried again', async () => {
    const id = await seedConnection(api.db, { status: 'degraded', withKey: true });
    const keyId = randomUUID();
    await addCandidate(api.db, ring, {
      connectionId: id,
      keyId,
      adminKey: adminKey(CANARY),
      requested: true,
      actor: 'test',
    });
    const shown = async (): Promise<unknown> => (await api.get(`/v1/connections/${id}`)).body;
    expect(await shown()).toMatchObject({ key: { hint: 'wxyz' }, candidate: { id: keyId, error: null } });
    await deferKey(api.db, { connectionId: id, keyId }, { code: 'upstream_unavailable' }, NOW);
    await recordFailure(api.db, id, { failure: { code: 'key_invalid' }, keyId: null, nowMs: NOW - 1_000 });
    // With the rejected key nothing is read, so what comes next is the other one's try.
    expect(await shown()).toMatchObject({
      candidate: { error: { code: 'upstream_unavailable' }, next_try_at: '2026-07-31T12:00:05.000Z' },
      next_sync_at: '2026-07-31T12:00:05.000Z',
    });
  });

  it('shows its last sync with a link to it', async () => {
    const id = await seedConnection(api.db, {});
    const run = { connectionId: id, kind: 'daily' as const, from: '2026-07-01' as const, to: TODAY };
    await api.db.insert(syncs).values([
      { ...run, n: 1, runId: 'run-a', state: 'succeeded', endedAt: new Date(NOW) },
      {
        ...run,
        n: 2,
        runId: 'run-b',
        state: 'failed',
        failure: { code: 'upstream_invalid' },
        daysRead: 3,
        requests: 5,
        bytes: 5_000_000_000,
        startedAt: new Date(NOW - 1_000),
        endedAt: new Date(NOW),
      },
    ]);
    const { body } = await api.get(`/v1/connections/${id}`);
    expect(body.last_sync).toMatchObject({
      n: 2,
      kind: 'daily',
      state: 'failed',
      days_read: 3,
      requests: 5,
      bytes: 5_000_000_000,
      error: { code: 'upstream_invalid' },
      started_at: '2026-07-31T11:59:59.000Z',
      ended_at: '2026-07-31T12:00:00.000Z',
      duration_ms: 1_000,
      workflow_id: `sync-${id}-2`,
      url: `http://127.0.0.1:8233/namespaces/default/workflows/sync-${id}-2/run-b`,
    });
  });

  it.each(['nope', '%00', '%E0%A4%A', 'ffffffff-ffff-ffff-ffff-ffffffffffff', 'x'.repeat(3_000)])(
    'gets the same 404 for an unknown id and for a malformed one (%#)',
    async (id) => {
      for (const path of ['', '/syncs', '/events', '/coverage', '/workspaces', '/restatements']) {
        const missing = await api.get(`/v1/connections/${id}${path}`);
        expect(missing.status).toBe(404);
        expect(missing.body).toEqual((await api.get(`/v1/connections/${randomUUID()}`)).body);
      }
    },
  );

  it('is found by its id in upper or lower case', async () => {
    const id = await seedConnection(api.db, {});
    expect((await api.get(`/v1/connections/${id.toUpperCase()}`)).body.id).toBe(id);
  });
});

describe('GET /v1/connections', () => {
  it('lists every connection once over its pages, newest first, also those made at the same instant', async () => {
    const own = await startApi();
    try {
      const ids: string[] = [];
      for (let index = 0; index < 7; index += 1) {
        const createdAt = new Date(NOW + Math.floor(index / 3));
        ids.push(await seedConnection(own.db, { createdAt, name: `c${index}` }));
      }
      await seedConnection(own.db, { status: 'refused' });
      const whole = await own.get('/v1/connections');
      expect(whole.body.next).toBeNull();
      expect(new Set(whole.body.data.map(({ id }) => id))).toEqual(new Set(ids));
      const made = whole.body.data.map(({ created_at }) => created_at);
      expect(made).toEqual([...made].sort().reverse());
      const paged: unknown[] = [];
      let next: string | null = '';
      while (next !== null) {
        const page = await own.get(`/v1/connections?limit=2${next === '' ? '' : `&after=${next}`}`);
        paged.push(...page.body.data);
        next = page.body.next;
      }
      expect(paged).toEqual(whole.body.data);
    } finally {
      await own.close();
    }
  });

  it('lists only connections in the given status', async () => {
    await seedConnection(api.db, { status: 'paused' });
    const { body } = await api.get('/v1/connections?status=paused');
    expect(body.data.length).toBeGreaterThan(0);
    expect(new Set(body.data.map(({ status }) => status))).toEqual(new Set(['paused']));
  });

  it.each(['status=sleepy', 'limit=0', 'limit=501', 'limit=x', 'after=', 'after=a.b', 'page=2', 'limit=1&limit=2'])(
    'refuses ?%s',
    async (query) => {
      const refused = await api.get(`/v1/connections?${query}`);
      expect(refused.status).toBe(400);
      expect(refused.body.errors).toHaveLength(1);
    },
  );

  it.each(['', 'x', 'abc', 'bnVsbA', 'e30'])('refuses ?after=%s, which is no cursor', async (after) => {
    const refused = await api.get(`/v1/connections?after=${after}`);
    expect([refused.status, refused.body.code]).toEqual([400, 'invalid_request']);
    expect(refused.body.errors).toMatchObject([
      { path: 'query.after', message: expect.stringContaining('leave "after" out') as string },
    ]);
  });

  it.each(['eyJ4IjoxfQ', 'eyJhdCI6e319', 'eyJ4'])(
    'refuses ?after=%s, which is no cursor of this list',
    async (after) => {
      const refused = await api.get(`/v1/connections?after=${after}`);
      expect([refused.status, refused.body.code]).toEqual([409, 'conflict']);
      expect(refused.body.errors).toMatchObject([{ path: 'query.after' }]);
    },
  );
});

describe('PATCH /v1/connections/{id}', () => {
  it('renames, and an event says who did it', async () => {
    const id = await seedConnection(api.db, {});
    const renamed = await api.send('PATCH', `/v1/connections/${id}`, { name: 'New name' });
    expect(renamed.status).toBe(200);
    expect(renamed.body.name).toBe('New name');
    const events = await api.get(`/v1/connections/${id}/events?type=renamed`);
    expect(events.body.data).toMatchObject([{ actor: 'bootstrap', type: 'renamed' }]);
  });

  it('is a 404 for an unknown connection, and a 400 for an unknown field', async () => {
    expect((await api.send('PATCH', `/v1/connections/${randomUUID()}`, { name: 'x' })).status).toBe(404);
    const id = await seedConnection(api.db, {});
    expect((await api.send('PATCH', `/v1/connections/${id}`, { name: 'x', status: 'paused' })).status).toBe(400);
  });
});

describe('DELETE /v1/connections/{id}', () => {
  it.each([
    ['', false],
    ['?purge=false', false],
    ['?purge=true', true],
  ])('signals, waits, and answers 200 once it is disconnected (%s)', async (query, purge) => {
    const id = await seedConnection(api.db, { withKey: true });
    api.temporal.onSignal = (connectionId) => disconnect(api.db, connectionId, purge);
    const ended = await api.send('DELETE', `/v1/connections/${id}${query}`);
    expect(ended.status).toBe(200);
    expect(ended.body).toMatchObject({ status: 'disconnected', key: null });
    expect(api.temporal.signals.at(-1)).toEqual({ id, signal: 'disconnect', input: { purge } });
    const events = await api.get(`/v1/connections/${id}/events?type=request`);
    expect(events.body.data).toMatchObject([{ actor: 'bootstrap' }]);
  });

  it('answers 202 if it takes longer', async () => {
    const own = await startApi({ waitMs: 100 });
    try {
      const id = await seedConnection(own.db, {});
      expect((await own.send('DELETE', `/v1/connections/${id}`)).status).toBe(202);
    } finally {
      await own.close();
    }
  });

  it.each(['refused', 'disconnected'] as const)('is a 409 for a connection that is %s', async (status) => {
    const id = await seedConnection(api.db, { status });
    const refused = await api.send('DELETE', `/v1/connections/${id}`);
    expect(refused.status).toBe(409);
    expect(refused.body.code).toBe('conflict');
  });

  it('is a 503 while Temporal is down', async () => {
    const id = await seedConnection(api.db, {});
    api.temporal.isDown = true;
    const refused = await api.send('DELETE', `/v1/connections/${id}`);
    expect(refused.status).toBe(503);
    expect(refused.body.code).toBe('unavailable');
  });

  it('refuses a purge that is neither true nor false', async () => {
    const id = await seedConnection(api.db, {});
    expect((await api.send('DELETE', `/v1/connections/${id}?purge=yes`)).status).toBe(400);
  });
});

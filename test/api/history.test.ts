import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { disconnect } from '../../db/connections/disconnect.ts';
import { saveWorkspaces } from '../../db/connections/workspaces.ts';
import { addEvent } from '../../db/connections/events.ts';
import { restatements, syncs } from '../../db/schema.ts';
import { addDays, daysIn, type Day } from '../../domain/days.ts';
import { toDecimal } from '../../domain/money.ts';
import { NOW, TODAY, seedConnection, seedCovered, seedDay, seedWorkspace, startApi, type Api } from './support.ts';

let api: Api;
let id: string;

beforeAll(async () => {
  api = await startApi();
  id = await seedConnection(api.db, {});
  const other = await seedConnection(api.db, {});
  for (const connectionId of [id, other]) {
    for (const index of [0, 1, 2, 3, 4]) {
      await addEvent(api.db, connectionId, { type: index % 2 === 0 ? 'signal' : 'status', message: `event ${index}` });
      await seedWorkspace(api.db, connectionId, `wrkspc_${index}`, index < 3 ? 'Same name' : `Name ${index}`);
      await api.db.insert(restatements).values({
        connectionId,
        report: index % 2 === 0 ? 'cost' : 'usage',
        day: addDays('2026-07-01', index),
        before: sql`1.500`,
        after: toDecimal('2.25'),
        linesAdded: 1,
        linesRemoved: 0,
        linesChanged: 2,
        sync: index + 1,
      });
      await api.db.insert(syncs).values({
        connectionId,
        n: Math.floor(index / 2) + 1,
        runId: `run-${index}`,
        kind: index % 2 === 0 ? 'daily' : 'manual',
        state: 'succeeded',
        from: '2026-07-01',
        to: TODAY,
        startedAt: new Date(NOW + index),
        endedAt: new Date(NOW + index),
      });
    }
  }
});
afterAll(() => api.close());

async function everyPage(path: string, limit = 2): Promise<unknown[]> {
  const found: unknown[] = [];
  for (let next: string | null = ''; next !== null && found.length < 100;) {
    const page = await api.get(`${path}?limit=${limit}${next === '' ? '' : `&after=${next}`}`);
    found.push(...(page.body.data as unknown[]));
    next = page.body.next;
  }
  return found;
}

describe('the lists of a connection', () => {
  it.each(['events', 'restatements', 'syncs', 'workspaces'])(
    'give every row once over their pages: %s',
    async (list) => {
      const path = `/v1/connections/${id}/${list}`;
      const whole = await api.get(path);
      // The default workspace is there besides the five stored ones.
      expect(whole.body.data).toHaveLength(list === 'workspaces' ? 6 : 5);
      expect(whole.body.next).toBeNull();
      expect(await everyPage(path)).toEqual(whole.body.data);
    },
  );

  it.each(['events', 'restatements', 'syncs', 'workspaces'])('refuse a cursor of another list: %s', async (list) => {
    const others = ['{"at":"\\u0000"}', '{"at":null}', '{"at":{}}', '{"x":1}'];
    for (const after of ['!', ...others.map((text) => Buffer.from(text).toString('base64url'))]) {
      const refused = await api.get(`/v1/connections/${id}/${list}?after=${after}`);
      expect(refused.status).toBe(after === '!' ? 400 : 409);
      expect(refused.body.errors).toMatchObject([{ path: 'query.after' }]);
    }
  });

  it('show the newest event first, or only events of one type', async () => {
    const all = await api.get(`/v1/connections/${id}/events`);
    expect(all.body.data.map(({ message }) => message)).toEqual([4, 3, 2, 1, 0].map((index) => `event ${index}`));
    const some = await api.get(`/v1/connections/${id}/events?type=status`);
    expect(some.body.data).toMatchObject([{ message: 'event 3', actor: 'meterline' }, { message: 'event 1' }]);
  });

  it('show the newest sync first, by kind and state', async () => {
    const all = await api.get(`/v1/connections/${id}/syncs`);
    expect(all.body.data.map(({ run_id }) => run_id)).toEqual([4, 3, 2, 1, 0].map((index) => `run-${index}`));
    expect(all.body.data[0]).toMatchObject({ n: 3, workflow_id: `sync-${id}-3` });
    expect((await api.get(`/v1/connections/${id}/syncs?kind=manual`)).body.data).toHaveLength(2);
    expect((await api.get(`/v1/connections/${id}/syncs?state=failed`)).body.data).toHaveLength(0);
    expect((await api.get(`/v1/connections/${id}/syncs?kind=hourly`)).status).toBe(400);
  });

  it('show restatements with exact amounts, by report and days', async () => {
    const all = await api.get(`/v1/connections/${id}/restatements`);
    expect(all.body.data[0]).toMatchObject({
      report: 'cost',
      day: '2026-07-05',
      before: '1.5',
      after: '2.25',
      lines_added: 1,
      lines_removed: 0,
      lines_changed: 2,
    });
    const some = await api.get(`/v1/connections/${id}/restatements?report=usage&from=2026-07-02&to=2026-07-03`);
    expect(some.body.data).toMatchObject([{ day: '2026-07-02' }]);
  });

  it('show the default workspace first, and the others by name', async () => {
    const { body } = await api.get(`/v1/connections/${id}/workspaces`);
    expect(body.data.map(({ id }) => id)).toEqual([
      null,
      ...['wrkspc_3', 'wrkspc_4', 'wrkspc_0', 'wrkspc_1', 'wrkspc_2'],
    ]);
    expect(body.data[0]).toEqual({
      id: null,
      name: 'Default workspace',
      tags: [],
      names: [],
      created_at: null,
      archived_at: null,
      read_at: null,
    });
    for (const limit of [1, 2, 5, 6])
      expect(await everyPage(`/v1/connections/${id}/workspaces`, limit)).toEqual(body.data);
  });

  it('show the tags of a workspace, and its names with the day on which each was first read', async () => {
    const own = await seedConnection(api.db, {});
    const read = (name: string, tags: [string, string][], archivedAt: string | null): Promise<void> =>
      saveWorkspaces(api.db, own, [
        { id: 'w', name, createdAt: '2026-01-01T00:00:00.1234Z', archivedAt, tags: new Map(tags), reported: {} },
      ]);
    await read('Before', [['team', 'a']], null);
    await read('Now', [['team', 'b'], ['__proto__', 'c']], '2026-02-01T00:00:00Z'); // prettier-ignore
    const { body } = await api.get(`/v1/connections/${own}/workspaces`);
    const day: unknown = expect.stringMatching(/^2[0-9]{3}-[0-9]{2}-[0-9]{2}$/);
    expect(body.data[1]).toEqual({
      id: 'w',
      name: 'Now',
      tags: [
        { key: '__proto__', value: 'c', first_seen: day },
        { key: 'team', value: 'b', first_seen: day },
      ],
      names: [
        { name: 'Before', first_seen: day },
        { name: 'Now', first_seen: day },
      ],
      created_at: '2026-01-01T00:00:00.123Z',
      archived_at: '2026-02-01T00:00:00.000Z',
      read_at: expect.any(String) as unknown,
    });
  });
});

describe('GET /v1/connections/{id}/coverage', () => {
  it('tells missing, provisional, final and flagged days apart, and a day without usage from a missing one', async () => {
    const own = await seedConnection(api.db, { began: addDays(TODAY, -3) });
    const [first, second, third, fourth] = daysIn({ from: addDays(TODAY, -3), to: TODAY }) as [Day, Day, Day, Day];
    await seedDay(api.db, own, 'cost', first, { lines: 2, total: '12.3400', state: 'final' });
    await seedDay(api.db, own, 'usage', first, { lines: 1, total: '900', state: 'final' });
    await seedDay(api.db, own, 'cost', second);
    await seedDay(api.db, own, 'usage', third, { lines: 1, total: '7', state: 'provisional', disagreesWith: '8' });
    const { body } = await api.get(`/v1/connections/${own}/coverage`);
    expect(body.next).toBeNull();
    expect(body.data).toMatchObject([
      {
        day: first,
        state: 'final',
        reconciled: true,
        lines: 2,
        amount: '12.34',
        disagrees_with: null,
        usage: { state: 'final', lines: 1, tokens: '900' },
      },
      {
        day: second,
        state: 'final',
        lines: 0,
        amount: '0',
        usage: { state: 'missing', reconciled: false, lines: null, tokens: null, read_at: null },
      },
      {
        day: third,
        state: 'missing',
        amount: null,
        usage: { state: 'provisional', reconciled: false, tokens: '7', disagrees_with: '8' },
      },
      { day: fourth, state: 'missing', usage: { state: 'missing' } },
    ]);
  });

  it('shows the days of a range that lie within the connection, oldest first', async () => {
    const own = await seedConnection(api.db, { began: '2026-07-10', backfillTo: '2026-07-20' });
    const days = async (query: string): Promise<string[]> => {
      const { body } = await api.get(`/v1/connections/${own}/coverage?${query}`);
      return body.data.map(({ day }) => day);
    };
    expect(await days('')).toEqual(daysIn({ from: '2026-07-10', to: TODAY }));
    expect(await days('from=2026-06-01&to=2026-07-11')).toEqual(['2026-07-10', '2026-07-11']);
    expect(await days('from=2026-06-01&to=2026-06-02')).toEqual([]);
  });

  it('counts the days of a range outside of the connection, for every state in the query', async () => {
    const own = await seedConnection(api.db, { began: '2026-07-10', backfillTo: '2026-07-20' });
    const counted = async (query: string, of = own): Promise<unknown> => {
      const { from, to, data, uncovered_days } = (await api.get(`/v1/connections/${of}/coverage?${query}`)).body;
      return { from, to, days: data.length, uncovered_days };
    };
    const july = { from: '2026-07-01', to: TODAY };
    expect(await counted('')).toEqual({ ...july, days: 22, uncovered_days: 9 });
    expect(await counted('state=final')).toEqual({ ...july, days: 0, uncovered_days: 9 });
    const june = { from: '2026-06-01', to: '2026-06-02' };
    expect(await counted('from=2026-06-01&to=2026-06-02')).toEqual({ ...june, days: 0, uncovered_days: 2 });
    const later = { from: addDays(TODAY, -1), to: addDays(TODAY, 5) };
    expect(await counted(`from=${later.from}&to=${later.to}`)).toEqual({ ...later, days: 2, uncovered_days: 5 });
    const refused = await seedConnection(api.db, { status: 'refused', began: '2026-07-01' });
    expect(await counted('', refused)).toEqual({ ...july, days: 0, uncovered_days: 31 });
    const purged = await seedConnection(api.db, { status: 'disconnected', began: '2026-07-01' });
    await disconnect(api.db, purged, true);
    expect(await counted('', purged)).toEqual({ ...july, days: 0, uncovered_days: 31 });
  });

  it('shows only days in the given state', async () => {
    const own = await seedConnection(api.db, { began: addDays(TODAY, -2) });
    const [first, second, third] = daysIn({ from: addDays(TODAY, -2), to: TODAY }) as [Day, Day, Day];
    await seedDay(api.db, own, 'cost', first, { lines: 1, total: '1', state: 'provisional', disagreesWith: '2' });
    await seedDay(api.db, own, 'usage', first);
    await seedDay(api.db, own, 'cost', second);
    const days = async (state: string): Promise<string[]> => {
      const { body } = await api.get(`/v1/connections/${own}/coverage?state=${state}`);
      return body.data.map(({ day }) => day);
    };
    expect(await days('missing')).toEqual([second, third]);
    expect(await days('provisional')).toEqual([first]);
    expect(await days('disagreeing')).toEqual([first]);
    expect(await days('final')).toEqual([first, second]);
    expect((await api.get(`/v1/connections/${own}/coverage?state=lost`)).status).toBe(400);
  });

  it('ends where the connection ended, and is empty once it is purged', async () => {
    const own = await seedConnection(api.db, {
      status: 'disconnected',
      began: addDays(TODAY, -5),
      endedAt: new Date(`${addDays(TODAY, -3)}T12:00:00Z`),
    });
    await seedCovered(api.db, own, addDays(TODAY, -5), addDays(TODAY, -5));
    const states = async (): Promise<unknown[]> => {
      const { body } = await api.get(`/v1/connections/${own}/coverage`);
      return body.data.map(({ state }) => state);
    };
    expect(await states()).toEqual(['final', 'missing', 'missing']);
    await disconnect(api.db, own, true);
    expect(await states()).toEqual([]);
    expect((await api.get(`/v1/connections/${own}`)).body).toMatchObject({ missing_days: 0, covered_from: null });
  });

  it('refuses more than 400 days, and a reversed range', async () => {
    const path = `/v1/connections/${id}/coverage`;
    expect((await api.get(`${path}?from=2025-06-27&to=2026-07-31`)).status).toBe(200);
    expect((await api.get(`${path}?from=2025-06-26&to=2026-07-31`)).status).toBe(409);
    const reversed = await api.get(`${path}?from=2026-07-02&to=2026-07-01`);
    expect([reversed.status, reversed.body.detail]).toEqual([409, '"from" must not be after "to".']);
    const restated = await api.get(`/v1/connections/${id}/restatements?from=2026-07-02&to=2026-07-01`);
    expect([restated.status, restated.body.detail]).toEqual([409, '"from" must not be after "to".']);
  });
});

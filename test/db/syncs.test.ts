import { randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { disconnect } from '../../db/connections/disconnect.ts';
import { loadFacts } from '../../db/connections/facts.ts';
import { addCandidate } from '../../db/keys/candidates.ts';
import { acceptKey } from '../../db/keys/activate.ts';
import {
  addSyncTraffic,
  continueSync,
  failSync,
  openSync,
  recordWaiting,
  succeedSync,
  takeSyncNumber,
  type SyncRun,
} from '../../db/ledger/syncs.ts';
import { addDays } from '../../domain/days.ts';
import type { Facts } from '../../domain/connection/facts.ts';
import type { SyncPlan } from '../../domain/connection/sync-plan.ts';
import { testDatabase, type TestDatabase } from '../support/postgres.ts';
import { eventsOf, keysOf, syncsOf } from '../support/state.ts';
import { RING, SECRET, TODAY, commitCost, commitUsage, connect, cost } from './support.ts';
import { adminKey } from '../support/admin-key.ts';
import { row } from '../support/rows.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.close());

const NOW_MS = Date.parse(`${TODAY}T12:00:00Z`);
const DAILY: SyncPlan = { kind: 'daily', from: addDays(TODAY, -30), to: TODAY, everyDay: false };
const FAILURE = { failure: { code: 'upstream_unavailable', detail: 'HTTP 503' }, keyId: null, nowMs: NOW_MS } as const;

async function begun(): Promise<{ id: string; organization: { id: string; name: string }; run: SyncRun }> {
  const organization = { id: randomUUID(), name: 'Org' };
  const { id, keyId } = await connect(database.db);
  await acceptKey(database.db, { connectionId: id, keyId }, organization);
  const run = { connectionId: id, n: await takeSyncNumber(database.db, id), runId: randomUUID() };
  return { id, organization, run };
}

async function factsOf(id: string): Promise<Facts | null> {
  return loadFacts(database.db, id, { today: TODAY, syncHourUtc: 6, restatementDays: 3 });
}

async function rotate(id: string, organization: { id: string; name: string }): Promise<void> {
  const keyId = randomUUID();
  await addCandidate(database.db, RING, {
    connectionId: id,
    keyId,
    adminKey: adminKey(SECRET),
    requested: true,
    actor: 'x',
  });
  await acceptKey(database.db, { connectionId: id, keyId }, organization);
}

const keyStates = async (id: string): Promise<string[]> => (await keysOf(database.db, id)).map(({ state }) => state);

describe('the number of a sync', () => {
  it('is never given twice', async () => {
    const { id } = await connect(database.db);
    const numbers = await Promise.all(Array.from({ length: 8 }, () => takeSyncNumber(database.db, id)));
    expect(numbers.sort()).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it('is taken as soon as its sync begins, and stays taken', async () => {
    const { id } = await connect(database.db);
    for (const n of [1, 2, 1]) await openSync(database.db, { connectionId: id, n, runId: randomUUID() }, DAILY);
    expect((await factsOf(id))?.nextSync).toBe(3);
    expect(await takeSyncNumber(database.db, id)).toBe(3);
  });

  it('tells whether its sync began before a rotation, so that it does not prove the new key', async () => {
    const { id, keyId } = await connect(database.db);
    const organization = { id: randomUUID(), name: 'Org' };
    await acceptKey(database.db, { connectionId: id, keyId }, organization);
    for (const states of [
      ['superseded', 'active'],
      ['destroyed', 'active'],
    ]) {
      const run = { connectionId: id, n: (await factsOf(id))?.nextSync ?? 0, runId: randomUUID() };
      await openSync(database.db, run, DAILY);
      if (run.n === 1) await rotate(id, organization);
      await succeedSync(database.db, run, DAILY, NOW_MS);
      expect(await keyStates(id)).toEqual(states);
    }
  });
});

describe('a run', () => {
  it('that is opened twice is one run, with the sum of its work', async () => {
    const { id, run } = await begun();
    await openSync(database.db, run, DAILY);
    const done = { requests: 2, bytes: 3_000_000_000 };
    await addSyncTraffic(database.db, run, done);
    await openSync(database.db, run, DAILY);
    await addSyncTraffic(database.db, run, done);
    expect(await syncsOf(database.db, id)).toMatchObject([{ n: 1, kind: 'daily', state: 'running', requests: 4 }]);
    const { bytes } = await row<{ bytes: string }>(
      database.db,
      sql`select bytes::text from syncs where connection_id = ${id}`,
    );
    expect(bytes).toBe('6000000000');
  });

  it('counts each day that it read or changed once, while it runs and at its end', async () => {
    const { id, run } = await begun();
    const yesterday = addDays(TODAY, -1);
    await commitCost(database.db, id, [cost('1')], { day: yesterday, sync: 99 });
    await openSync(database.db, run, DAILY);
    const sync = run.n;
    await commitCost(database.db, id, [cost('1')], { day: yesterday, sync });
    await commitCost(database.db, id, [cost('2')], { day: TODAY, sync });
    // The other report of this day, and a second read of it.
    await commitUsage(database.db, id, [], { day: TODAY, sync });
    await commitCost(database.db, id, [cost('2')], { day: TODAY, sync });
    const counted = { days_read: 2, days_changed: 1 };
    expect(await syncsOf(database.db, id)).toMatchObject([{ state: 'running', ...counted }]);
    expect(await succeedSync(database.db, run, DAILY, NOW_MS)).toMatchObject({ daysRead: 2, daysChanged: 1 });
    // What a later sync reads is no longer its own.
    await commitCost(database.db, id, [cost('3')], { day: TODAY, sync: sync + 1 });
    expect(await syncsOf(database.db, id)).toMatchObject([{ state: 'succeeded', ...counted }]);
  });

  it('that was reset when it had ended counts no day of the sync again, read or restated', async () => {
    const { id, run } = await begun();
    const [before, yesterday] = [addDays(TODAY, -2), addDays(TODAY, -1)];
    const sync = run.n;
    await commitCost(database.db, id, [cost('1')], { day: yesterday, sync: 99 });
    await openSync(database.db, run, DAILY);
    await commitCost(database.db, id, [cost('1')], { day: before, sync });
    await commitCost(database.db, id, [cost('2')], { day: yesterday, sync });
    await commitCost(database.db, id, [cost('1')], { day: TODAY, sync });
    await succeedSync(database.db, run, DAILY, NOW_MS);
    const reset = { ...run, runId: randomUUID() };
    await continueSync(database.db, reset);
    await commitCost(database.db, id, [cost('1')], { day: before, sync });
    await commitCost(database.db, id, [cost('3')], { day: yesterday, sync });
    const counted = { days_read: 3, days_changed: 3 };
    expect(await syncsOf(database.db, id)).toMatchObject([
      { state: 'succeeded', ...counted },
      { state: 'running', ...counted },
    ]);
    expect(await succeedSync(database.db, reset, DAILY, NOW_MS)).toMatchObject({ daysRead: 3, daysChanged: 3 });
    expect((await syncsOf(database.db, id)).map(({ days_read }) => days_read)).toEqual([3, 3]);
  });

  it('of whose reports both wait keeps the wait that ends last', async () => {
    const { id, run } = await begun();
    await openSync(database.db, run, DAILY);
    const waits = (nextTryAtMs: number): Promise<void> =>
      recordWaiting(database.db, run, {
        failure: { code: 'rate_limited' },
        attempt: 1,
        attempts: 3,
        atMs: NOW_MS,
        nextTryAtMs,
      });
    const kept = async (): Promise<number | null> => {
      const stored = sql`select (waiting ->> 'nextTryAtMs')::float8 as until from syncs where connection_id = ${id}`;
      return (await row<{ until: number | null }>(database.db, stored)).until;
    };
    await waits(NOW_MS + 120_000);
    await waits(NOW_MS + 2_000);
    expect(await kept()).toBe(NOW_MS + 120_000);
    await waits(NOW_MS + 180_000);
    expect(await kept()).toBe(NOW_MS + 180_000);
  });

  it('that failed counts once, however often and however concurrently that is recorded', async () => {
    const { id, run } = await begun();
    await openSync(database.db, run, DAILY);
    await Promise.all([failSync(database.db, run, DAILY, FAILURE), failSync(database.db, run, DAILY, FAILURE)]);
    await failSync(database.db, run, DAILY, { ...FAILURE, failure: { code: 'sync_interrupted' } });
    expect((await factsOf(id))?.failure).toMatchObject({
      code: 'upstream_unavailable',
      keyId: null,
      atMs: NOW_MS,
      count: 1,
    });
    expect(await syncsOf(database.db, id)).toMatchObject([{ state: 'failed', failure: 'upstream_unavailable' }]);
    expect(await eventsOf(database.db, id, 'sync_failed')).toEqual([
      'Sync 1 (daily) failed with upstream_unavailable: HTTP 503',
    ]);
  });

  it('that failed before it was opened is recorded all the same', async () => {
    const { id, run } = await begun();
    await failSync(database.db, run, DAILY, FAILURE);
    expect(await syncsOf(database.db, id)).toMatchObject([{ state: 'failed' }]);
    expect((await factsOf(id))?.failure?.count).toBe(1);
  });

  it('that succeeded clears the failure, and a late failure does not undo that', async () => {
    const { id, run } = await begun();
    await openSync(database.db, run, DAILY);
    await failSync(database.db, { ...run, n: 7 }, DAILY, FAILURE);
    await succeedSync(database.db, run, DAILY, NOW_MS);
    await failSync(database.db, run, DAILY, FAILURE);
    expect(await factsOf(id)).toMatchObject({ failure: null, syncedAtMs: NOW_MS });
    expect((await syncsOf(database.db, id)).map(({ n, state }) => `${n} ${state}`)).toEqual([
      '1 succeeded',
      '7 failed',
    ]);
  });

  it('that was recorded as failed and succeeded after all heals the connection', async () => {
    const { id, run } = await begun();
    await openSync(database.db, run, DAILY);
    await failSync(database.db, run, DAILY, FAILURE);
    await succeedSync(database.db, run, DAILY, NOW_MS);
    expect((await factsOf(id))?.failure).toBeNull();
    expect(await syncsOf(database.db, id)).toMatchObject([{ state: 'succeeded', failure: null }]);
  });

  it('that was reset to a point after its first step gets a row of its own', async () => {
    const { id, run } = await begun();
    await openSync(database.db, run, DAILY);
    await addSyncTraffic(database.db, run, { requests: 3, bytes: 1 });
    const reset = { ...run, runId: randomUUID() };
    await continueSync(database.db, reset);
    await continueSync(database.db, reset);
    await addSyncTraffic(database.db, reset, { requests: 2, bytes: 1 });
    expect(await syncsOf(database.db, id)).toMatchObject([
      { state: 'running', requests: 3 },
      { state: 'running', requests: 2 },
    ]);
  });

  it('that was reset to a point after its first step heals the connection, too, under a row of its own', async () => {
    const { id, run } = await begun();
    await openSync(database.db, run, DAILY);
    await failSync(database.db, run, DAILY, FAILURE);
    await succeedSync(database.db, { ...run, runId: randomUUID() }, DAILY, NOW_MS);
    expect(await factsOf(id)).toMatchObject({ failure: null, syncedAtMs: NOW_MS });
    expect((await syncsOf(database.db, id)).map(({ state }) => state).sort()).toEqual(['failed', 'succeeded']);
  });

  it('counts as a sync of the recent days only if it covered them, and never moves that time back', async () => {
    const { id, run } = await begun();
    const plans: [SyncPlan, number, number | null][] = [
      [{ ...DAILY, to: addDays(TODAY, -1) }, NOW_MS, null],
      [{ ...DAILY, kind: 'manual', everyDay: true }, NOW_MS, null],
      [DAILY, NOW_MS, NOW_MS],
      [DAILY, NOW_MS - 1_000, NOW_MS],
      [DAILY, NOW_MS + 1_000, NOW_MS + 1_000],
    ];
    for (const [plan, startedAtMs, expected] of plans) {
      const next = { ...run, runId: randomUUID() };
      await openSync(database.db, next, plan);
      await succeedSync(database.db, next, plan, startedAtMs);
      expect((await factsOf(id))?.syncedAtMs).toBe(expected);
    }
  });

  it('destroys superseded keys only if all of it used the new key', async () => {
    const { id, organization, run } = await begun();
    await openSync(database.db, run, DAILY);
    await rotate(id, organization);
    await succeedSync(database.db, run, DAILY, NOW_MS);
    expect(await keyStates(id)).toEqual(['superseded', 'active']);
    // A reset run goes on from before the rotation, though its row is new.
    await succeedSync(database.db, { ...run, runId: randomUUID() }, DAILY, Date.now() - 60_000);
    expect(await keyStates(id)).toEqual(['superseded', 'active']);
    const next = { ...run, n: 2, runId: randomUUID() };
    await openSync(database.db, next, DAILY);
    await succeedSync(database.db, next, DAILY, NOW_MS);
    expect(await keyStates(id)).toEqual(['destroyed', 'active']);
  });

  it('of a connection that has ended changes nothing', async () => {
    const { id, run } = await begun();
    await openSync(database.db, run, DAILY);
    await disconnect(database.db, id, false);
    await failSync(database.db, run, DAILY, FAILURE);
    await succeedSync(database.db, run, DAILY, NOW_MS);
    expect(await factsOf(id)).toMatchObject({ status: 'disconnected', failure: null, syncedAtMs: null });
    expect(await eventsOf(database.db, id, 'sync_failed')).toEqual([]);
  });
});

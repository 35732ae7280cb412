import { randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  clearFailure,
  recordAcceptance,
  recordRejection,
  recordProbe,
  recordFailure,
} from '../../db/connections/failure.ts';
import { disconnect } from '../../db/connections/disconnect.ts';
import { distrustClock } from '../../db/connections/clock.ts';
import { extendHistory, listLiveConnections, renameConnection } from '../../db/connections/connections.ts';
import { loadFacts } from '../../db/connections/facts.ts';
import { recordDiscovery } from '../../db/connections/workspaces.ts';
import { setStatus } from '../../db/connections/status.ts';
import { addCandidate, deferKey, refuseKey } from '../../db/keys/candidates.ts';
import { reconcileDays, storedDays } from '../../db/ledger/ledger.ts';
import { saveWorkspaces } from '../../db/connections/workspaces.ts';
import { addDays, daysIn, startOfDayMs, type Day } from '../../domain/days.ts';
import type { Facts } from '../../domain/connection/facts.ts';
import { REPORTS } from '../../domain/lines.ts';
import { daysToRead } from '../../domain/reading.ts';
import { STATUSES, isLive, mayFollow, type Status } from '../../domain/connection/statuses.ts';
import { testDatabase, type TestDatabase } from '../support/postgres.ts';
import { eventsOf, keysOf } from '../support/state.ts';
import { RING, SECRET, TODAY, commitCost, commitUsage, connect } from './support.ts';
import { adminKey } from '../support/admin-key.ts';
import { row } from '../support/rows.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.close());

const settings = { today: TODAY, syncHourUtc: 6, restatementDays: 3 };

async function factsOf(id: string, today: Day = TODAY): Promise<Facts> {
  const facts = await loadFacts(database.db, id, { ...settings, today });
  if (facts === null) throw new Error('there is no such connection');
  return facts;
}

async function statusOf(id: string): Promise<string> {
  return (await row<{ status: string }>(database.db, sql`select status from connections where id = ${id}`)).status;
}

/** Commits both reports of the days of a range, but for those left out, each read on `today`. */
async function fill(
  id: string,
  from: Day,
  to: Day,
  without: { cost?: Day[]; usage?: Day[] } = {},
  today = TODAY,
): Promise<void> {
  for (const day of daysIn({ from, to })) {
    if (!without.cost?.includes(day)) await commitCost(database.db, id, [], { day, today });
    if (!without.usage?.includes(day)) await commitUsage(database.db, id, [], { day, today });
  }
}

describe('the facts of a connection', () => {
  it('are those of a new one at first', async () => {
    const { id, keyId } = await connect(database.db);
    expect(await factsOf(id)).toMatchObject({
      connectionId: id,
      status: 'validating',
      syncHourUtc: 6,
      began: addDays(TODAY, -30),
      backfillTo: TODAY,
      discovered: false,
      activeKeyId: null,
      hasSupersededKey: false,
      candidates: [{ keyId, requested: true, tries: 0, triedAtMs: null }],
      oldestMissing: addDays(TODAY, -30),
      syncedAtMs: null,
      failure: null,
      hasFutureDays: false,
    });
    expect(await loadFacts(database.db, randomUUID(), settings)).toBeNull();
  });

  it('name the oldest day that either report lacks, up to today and not further', async () => {
    const began = addDays(TODAY, -5);
    const { id } = await connect(database.db, { began });
    await fill(id, began, TODAY, { cost: [addDays(TODAY, -1)], usage: [addDays(TODAY, -3)] });
    expect((await factsOf(id)).oldestMissing).toBe(addDays(TODAY, -3));
    await commitUsage(database.db, id, [], { day: addDays(TODAY, -3) });
    expect((await factsOf(id)).oldestMissing).toBe(addDays(TODAY, -1));
    await commitCost(database.db, id, [], { day: addDays(TODAY, -1) });
    expect((await factsOf(id)).oldestMissing).toBeNull();
    expect((await factsOf(id, addDays(TODAY, 1))).oldestMissing).toBe(addDays(TODAY, 1));
    expect((await factsOf(id, addDays(began, -1))).oldestMissing).toBeNull();
  });

  it('name the newest day of the backfill that either report lacks, and none after it', async () => {
    const began = addDays(TODAY, -5);
    const { id } = await connect(database.db, { began, backfillTo: addDays(TODAY, -2) });
    expect((await factsOf(id)).newestMissing).toBe(addDays(TODAY, -2));
    await fill(id, began, addDays(TODAY, -2), { cost: [addDays(TODAY, -4)], usage: [addDays(TODAY, -3)] });
    expect(await factsOf(id)).toMatchObject({
      oldestMissing: addDays(TODAY, -4),
      newestMissing: addDays(TODAY, -3),
    });
    await extendHistory(database.db, id, addDays(TODAY, -9), 'test');
    expect(await factsOf(id)).toMatchObject({ began: addDays(TODAY, -9), oldestMissing: addDays(TODAY, -9) });
    await extendHistory(database.db, id, addDays(TODAY, -8), 'test');
    expect((await factsOf(id)).began).toBe(addDays(TODAY, -9));
    await disconnect(database.db, id, false);
    expect(await extendHistory(database.db, id, addDays(TODAY, -20), 'test')).toBe('ended');
  });

  it('miss no day because another connection has it, or because it has days of before its beginning', async () => {
    const began = addDays(TODAY, -1);
    const [one, two] = [await connect(database.db, { began }), await connect(database.db, { began })];
    await fill(one.id, began, TODAY);
    await fill(two.id, addDays(began, -2), addDays(began, -1));
    expect((await factsOf(one.id)).oldestMissing).toBeNull();
    expect((await factsOf(two.id)).oldestMissing).toBe(began);
  });

  it('name the oldest day that no daily sync comes to any more and that was not read after it had settled', async () => {
    const began = addDays(TODAY, -40);
    const { id } = await connect(database.db, { began });
    const settled = addDays(TODAY, -35);
    const reconcile = async (): Promise<void> => {
      for (const report of REPORTS) {
        const window = { from: began, to: TODAY };
        await reconcileDays(database.db, { connectionId: id, report, window, totals: {}, restatementDays: 3 });
      }
    };
    await fill(id, began, addDays(settled, 3), {}, addDays(settled, 3));
    for (const day of daysIn({ from: addDays(settled, 4), to: TODAY })) await fill(id, day, day, {}, day);
    await reconcile();
    expect((await factsOf(id)).oldestUnfinished).toBe(addDays(settled, 1));
    await fill(id, addDays(settled, 1), addDays(TODAY, -31), {}, TODAY);
    expect((await factsOf(id)).oldestUnfinished).toBeNull();
    await reconcile();
    expect((await factsOf(id, addDays(TODAY, 1))).oldestUnfinished).toBe(addDays(TODAY, -30));
  });

  it('call no day unfinished for ever: catching up comes to an end, also after the trailing window was made longer', async () => {
    const began = addDays(TODAY, -40);
    const { id } = await connect(database.db, { began });
    const window = { from: began, to: addDays(TODAY, -31) };
    const reconcile = async (restatementDays: number): Promise<void> => {
      for (const report of REPORTS) {
        await reconcileDays(database.db, { connectionId: id, report, window, totals: {}, restatementDays });
      }
    };
    for (const day of daysIn(window)) await fill(id, day, day, {}, addDays(day, 3));
    await reconcile(3);
    const longer = { ...settings, restatementDays: 10 };
    expect((await loadFacts(database.db, id, settings))?.oldestUnfinished).toBeNull();
    expect((await loadFacts(database.db, id, longer))?.oldestUnfinished).toBe(began);
    // What a sync does; a connection whose days stay unfinished would start one after the other.
    for (let syncs = 0; syncs < 2; syncs += 1) {
      const facts = { window, everyDay: false, today: TODAY, restatementDays: 10, totals: {} };
      for (const report of REPORTS) {
        const stored = await storedDays(database.db, id, report, window);
        for (const day of daysToRead({ ...facts, stored })) {
          await (report === 'cost' ? commitCost : commitUsage)(database.db, id, [], { day, today: TODAY });
        }
      }
      await reconcile(10);
    }
    expect((await loadFacts(database.db, id, longer))?.oldestUnfinished).toBeNull();
  });

  it('tell a failure with its key, its instant and how many there were, until it is forgiven', async () => {
    const { id, keyId } = await connect(database.db, { organization: randomUUID() });
    for (const nowMs of [1_700_000_000_123, 1_700_000_100_456]) {
      await recordFailure(database.db, id, { failure: { code: 'key_invalid', detail: 'x' }, keyId, nowMs });
    }
    const failure = { code: 'key_invalid', keyId, atMs: 1_700_000_100_456, count: 2 };
    const unasked = { probedAtMs: null, answeredAtMs: null, rejectedAtMs: null };
    expect((await factsOf(id)).failure).toEqual({ ...failure, ...unasked });
    await recordProbe(database.db, id, 1_700_000_200_789);
    expect((await factsOf(id)).failure).toEqual({ ...failure, ...unasked, probedAtMs: 1_700_000_200_789 });
    await clearFailure(database.db, id);
    expect((await factsOf(id)).failure).toBeNull();
    await recordFailure(database.db, id, { failure: { code: 'rate_limited' }, keyId: null, nowMs: 5 });
    expect((await factsOf(id)).failure).toMatchObject({ count: 1, keyId: null });
    await recordDiscovery(database.db, id);
    expect(await factsOf(id)).toMatchObject({ discovered: true, failure: null });
  });

  it('tell what Anthropic said of a key that failed, until it fails anew', async () => {
    const { id, keyId } = await connect(database.db, { organization: randomUUID() });
    const probed = { connectionId: id, keyId, hint: 'aaaa' };
    const fail = (): Promise<void> =>
      recordFailure(database.db, id, { failure: { code: 'key_invalid' }, keyId, nowMs: 1_000 });
    await fail();
    await recordAcceptance(database.db, probed, 2_000);
    expect((await factsOf(id)).failure).toMatchObject({ answeredAtMs: 2_000, rejectedAtMs: null });
    await fail();
    expect((await factsOf(id)).failure).toMatchObject({ count: 2, answeredAtMs: null, rejectedAtMs: null });
    await recordRejection(database.db, probed, 'key_invalid', 3_000);
    await recordRejection(database.db, probed, 'key_invalid', 4_000);
    expect((await factsOf(id)).failure).toMatchObject({ answeredAtMs: 4_000, rejectedAtMs: 3_000 });
    // Of another key than the one that failed, nothing is kept.
    await recordAcceptance(database.db, { ...probed, keyId: randomUUID() }, 5_000);
    expect((await factsOf(id)).failure).toMatchObject({ answeredAtMs: 4_000 });
    await recordAcceptance(database.db, probed, 6_000);
    expect((await factsOf(id)).failure).toBeNull();
    expect(await eventsOf(database.db, id, 'key_probed')).toEqual([
      'Anthropic rejected key …aaaa with key_invalid and accepted it when asked again; the key stays in use.',
      'Anthropic rejected key …aaaa with key_invalid again when asked a second time, so the rejection counts.',
      'Anthropic still rejects key …aaaa with key_invalid.',
      'Anthropic accepts key …aaaa again.',
    ]);
  });

  it('are put right where a clock that was ahead wrote them: days to come go, and what it read is read again', async () => {
    const began = addDays(TODAY, -5);
    const { id, keyId } = await connect(database.db, { began });
    const ahead = addDays(TODAY, 30);
    const nowMs = startOfDayMs(TODAY) + 3_600_000;
    await fill(id, began, addDays(TODAY, -4));
    await fill(id, addDays(TODAY, -3), ahead, {}, ahead);
    const beyond = new Date(startOfDayMs(ahead)).toISOString();
    await recordFailure(database.db, id, {
      failure: { code: 'rate_limited' },
      keyId: null,
      nowMs: startOfDayMs(ahead),
    });
    await deferKey(database.db, { connectionId: id, keyId }, { code: 'rate_limited' }, startOfDayMs(ahead));
    await database.db.execute(sql`update connections set synced_at = ${beyond} where id = ${id}`);
    expect((await factsOf(id)).hasFutureDays).toBe(true);
    await distrustClock(database.db, id, nowMs, TODAY);
    expect(await factsOf(id)).toMatchObject({
      hasFutureDays: false,
      oldestMissing: null,
      syncedAtMs: null,
      failure: { atMs: nowMs },
      candidates: [{ triedAtMs: nowMs }],
    });
    const stored = await storedDays(database.db, id, 'cost', { from: began, to: ahead });
    expect(stored.map(({ day, readOn }) => [day, readOn])).toEqual(
      daysIn({ from: began, to: TODAY }).map((day) => [day, day < addDays(TODAY, -3) ? TODAY : day]),
    );
    expect(await eventsOf(database.db, id, 'clock')).toEqual([
      expect.stringMatching(/^The clock was ahead.* 4 days from .* on are read again\.$/),
    ]);
    // A connection that was made by such a clock keeps its length, and ends today.
    const { id: made } = await connect(database.db);
    await database.db.execute(sql`
      update connections set began = ${ahead}::date - 3, backfill_to = ${ahead}::date where id = ${made}
    `);
    expect((await factsOf(made)).hasFutureDays).toBe(true);
    await distrustClock(database.db, made, nowMs, TODAY);
    expect(await factsOf(made)).toMatchObject({ hasFutureDays: false, began: addDays(TODAY, -3), backfillTo: TODAY });
  });

  it('list the candidates that were asked for first, in that order, and miss no staged one', async () => {
    const { id, keyId } = await connect(database.db);
    const stage = async (requested: boolean): Promise<string> => {
      const staged = randomUUID();
      await addCandidate(database.db, RING, {
        connectionId: id,
        keyId: staged,
        adminKey: adminKey(SECRET),
        requested,
        actor: 'x',
      });
      return staged;
    };
    const unasked: string[] = [];
    for (let index = 0; index < 30; index += 1) unasked.push(await stage(false));
    const asked = await stage(true);
    await deferKey(database.db, { connectionId: id, keyId: asked }, { code: 'rate_limited' }, 7_000);
    const { candidates } = await factsOf(id);
    expect(candidates.slice(0, 2)).toEqual([
      { keyId, requested: true, tries: 0, triedAtMs: null },
      { keyId: asked, requested: true, tries: 1, triedAtMs: 7_000, failure: { code: 'rate_limited' } },
    ]);
    expect(candidates.slice(2).map((candidate) => candidate.keyId)).toEqual(unasked);
  });
});

describe('a status', () => {
  it('changes exactly where the table of transitions lets it', async () => {
    const { id, keyId } = await connect(database.db);
    await refuseKey(database.db, { connectionId: id, keyId }, { code: 'key_invalid' }, 'No.');
    for (const from of STATUSES) {
      for (const to of STATUSES) {
        const endedAt = isLive(from) ? sql`null` : sql`now()`;
        await database.db.execute(sql`update connections set status = ${from}, ended_at = ${endedAt} where id = ${id}`);
        await setStatus(database.db, id, to);
        expect(await statusOf(id), `${from} to ${to}`).toBe(mayFollow(from, to) ? to : from);
      }
    }
  });

  it('that changed is told once, with the failure behind it', async () => {
    const { id } = await connect(database.db, { organization: randomUUID() });
    for (const to of ['discovering', 'discovering', 'validating'] as const) await setStatus(database.db, id, to);
    await recordFailure(database.db, id, { failure: { code: 'rate_limited' }, keyId: null, nowMs: 0 });
    await setStatus(database.db, id, 'degraded');
    expect(await eventsOf(database.db, id, 'status')).toEqual([
      'The connection is discovering.',
      "The connection is degraded: Anthropic's rate limit for this organization is reached.",
    ]);
  });

  it('that is an end lists the connection no more, and takes no failure', async () => {
    const listed = async (): Promise<string[]> => (await listLiveConnections(database.db)).map((found) => found.id);
    const { id, keyId } = await connect(database.db);
    expect(await listed()).toContain(id);
    // A key that somebody asked to use is tried first.
    await setStatus(database.db, id, 'refused');
    expect(await listed()).toContain(id);
    await refuseKey(database.db, { connectionId: id, keyId }, { code: 'key_invalid' }, 'No.');
    await setStatus(database.db, id, 'refused');
    expect(await listed()).not.toContain(id);
    await recordFailure(database.db, id, { failure: { code: 'rate_limited' }, keyId: null, nowMs: 0 });
    expect((await factsOf(id)).failure).toBeNull();
    expect((await keysOf(database.db, id)).every(({ sealed }) => !sealed)).toBe(true);
    const ends: readonly Status[] = STATUSES.filter((status) => !isLive(status));
    expect(ends).toEqual(['refused', 'disconnected']);
  });
});

describe('disconnecting', () => {
  it('twice is once', async () => {
    const { id } = await connect(database.db, { organization: randomUUID() });
    await Promise.all([disconnect(database.db, id, false), disconnect(database.db, id, false)]);
    expect(await eventsOf(database.db, id, 'status')).toEqual([
      'The connection is discovering.',
      'The connection is disconnected; its keys are destroyed.',
    ]);
    expect(await statusOf(id)).toBe('disconnected');
  });

  it('with a purge leaves the data of others', async () => {
    const [one, two] = [await connect(database.db), await connect(database.db)];
    for (const { id } of [one, two]) {
      await fill(id, TODAY, TODAY);
      await saveWorkspaces(database.db, id, [
        { id: 'w', name: 'W', createdAt: null, archivedAt: null, reported: null },
      ]);
    }
    await disconnect(database.db, one.id, true);
    const left = await row(
      database.db,
      sql`
        select (select count(*)::int from days where connection_id = ${two.id}) as days,
          (select count(*)::int from workspaces where connection_id = ${two.id}) as workspaces
      `,
    );
    expect(left).toEqual({ days: 2, workspaces: 1 });
    expect(await eventsOf(database.db, one.id, 'purged')).toHaveLength(1);
  });
});

describe('a name', () => {
  it('can be changed, whatever it is, and of a connection that is there', async () => {
    const { id } = await connect(database.db);
    const name = `"; drop table connections; -- 😀 ${'x'.repeat(600)}`;
    expect(await renameConnection(database.db, id, name, 'ann')).toBe(true);
    expect(await row(database.db, sql`select name from connections where id = ${id}`)).toEqual({ name });
    expect(await renameConnection(database.db, randomUUID(), 'x', 'ann')).toBe(false);
    expect((await eventsOf(database.db, id, 'renamed'))[0]?.length).toBe(500);
  });
});

describe('workspaces', () => {
  const one = {
    id: 'w1',
    name: 'One',
    createdAt: '2026-01-01T00:00:00.123456Z',
    archivedAt: null,
    reported: { tags: { a: 'b' } },
  };
  const stored = (id: string): Promise<unknown> =>
    row(
      database.db,
      sql`
        select jsonb_agg(jsonb_build_array(id, name, created_at, archived_at, reported) order by id) as found
        from workspaces where connection_id = ${id}
      `,
    );

  it('are as last listed, and one that is listed no more stays', async () => {
    const { id } = await connect(database.db);
    await saveWorkspaces(database.db, id, []);
    await saveWorkspaces(database.db, id, [one, { ...one, id: 'w2', name: 'Two' }]);
    const renamed = { ...one, name: 'Öne "1"', archivedAt: '2026-02-01T00:00:00+02:00' };
    await saveWorkspaces(database.db, id, [renamed]);
    expect(await stored(id)).toEqual({
      found: [
        ['w1', 'Öne "1"', '2026-01-01T00:00:00.123456+00:00', '2026-01-31T22:00:00+00:00', { tags: { a: 'b' } }],
        ['w2', 'Two', '2026-01-01T00:00:00.123456+00:00', null, { tags: { a: 'b' } }],
      ],
    });
  });

  it('listed twice on one page are stored as they came last', async () => {
    const { id } = await connect(database.db);
    await saveWorkspaces(database.db, id, [one, { ...one, name: 'Later' }]);
    expect(await stored(id)).toMatchObject({
      found: [['w1', 'Later', expect.anything() as unknown, null, { tags: { a: 'b' } }]],
    });
  });
});

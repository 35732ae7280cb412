import { randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { distrustClock } from '../../db/connections/clock.ts';
import { extendHistory } from '../../db/connections/connections.ts';
import { disconnect } from '../../db/connections/disconnect.ts';
import { loadFacts } from '../../db/connections/facts.ts';
import {
  clearFailure,
  recordAcceptance,
  recordFailure,
  recordProbe,
  recordRejection,
} from '../../db/connections/failure.ts';
import { recordDiscovery } from '../../db/connections/workspaces.ts';
import { addCandidate, deferKey } from '../../db/keys/candidates.ts';
import { storedDays } from '../../db/ledger/read-attempts.ts';
import { flagDays, reconcileDays } from '../../db/ledger/reconcile.ts';
import { addDays, daysIn, startOfDayMs, type DayRange } from '../../domain/days.ts';
import { REPORTS } from '../../domain/lines.ts';
import { daysToRead, type Totals } from '../../domain/reading.ts';
import { adminKey } from '../support/admin-key.ts';
import { testDatabase, type TestDatabase } from '../support/postgres.ts';
import { eventsOf } from '../support/state.ts';
import { SETTINGS, factsOf, fill } from './covered.ts';
import { RING, SECRET, TODAY, commitCost, commitUsage, connect, totalsOf } from './support.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.close());

describe('the facts of a connection', () => {
  it('of a new one say that nothing is read yet', async () => {
    const { id, keyId } = await connect(database.db);
    expect(await factsOf(database.db, id)).toMatchObject({
      connectionId: id,
      status: 'validating',
      syncHourUtc: 6,
      began: addDays(TODAY, -30),
      backfillTo: TODAY,
      discovered: false,
      nextSync: 1,
      activeKeyId: null,
      hasSupersededKey: false,
      candidates: [{ keyId, requested: true, tries: 0, triedAtMs: null }],
      oldestMissing: addDays(TODAY, -30),
      syncedAtMs: null,
      failure: null,
      hasFutureDays: false,
    });
    expect(await loadFacts(database.db, randomUUID(), SETTINGS)).toBeNull();
  });

  it('name the oldest day that either report lacks, up to today', async () => {
    const began = addDays(TODAY, -5);
    const { id } = await connect(database.db, { began });
    await fill(database.db, id, began, TODAY, { cost: [addDays(TODAY, -1)], usage: [addDays(TODAY, -3)] });
    expect((await factsOf(database.db, id)).oldestMissing).toBe(addDays(TODAY, -3));
    await commitUsage(database.db, id, [], { day: addDays(TODAY, -3) });
    expect((await factsOf(database.db, id)).oldestMissing).toBe(addDays(TODAY, -1));
    await commitCost(database.db, id, [], { day: addDays(TODAY, -1) });
    expect((await factsOf(database.db, id)).oldestMissing).toBeNull();
    expect((await factsOf(database.db, id, addDays(TODAY, 1))).oldestMissing).toBe(addDays(TODAY, 1));
    expect((await factsOf(database.db, id, addDays(began, -1))).oldestMissing).toBeNull();
  });

  it('name the newest day of the backfill that either report lacks, and no day after the backfill', async () => {
    const began = addDays(TODAY, -5);
    const { id } = await connect(database.db, { began, backfillTo: addDays(TODAY, -2) });
    expect((await factsOf(database.db, id)).newestMissing).toBe(addDays(TODAY, -2));
    await fill(database.db, id, began, addDays(TODAY, -2), { cost: [addDays(TODAY, -4)], usage: [addDays(TODAY, -3)] });
    expect(await factsOf(database.db, id)).toMatchObject({
      oldestMissing: addDays(TODAY, -4),
      newestMissing: addDays(TODAY, -3),
    });
    await extendHistory(database.db, id, addDays(TODAY, -9), 'test');
    expect(await factsOf(database.db, id)).toMatchObject({
      began: addDays(TODAY, -9),
      oldestMissing: addDays(TODAY, -9),
    });
    await extendHistory(database.db, id, addDays(TODAY, -8), 'test');
    expect((await factsOf(database.db, id)).began).toBe(addDays(TODAY, -9));
    await disconnect(database.db, id, false);
    expect(await extendHistory(database.db, id, addDays(TODAY, -20), 'test')).toBe('ended');
  });

  it('name the oldest stored day of the backfill that was not compared with its total, unless it is flagged', async () => {
    const began = addDays(TODAY, -5);
    const { id } = await connect(database.db, { began, backfillTo: addDays(TODAY, -2) });
    const unconfirmed = async (): Promise<string | null> => (await factsOf(database.db, id)).oldestUnconfirmed;
    const reconcile = (days: DayRange, totals: Totals = {}): Promise<unknown> =>
      Promise.all(
        REPORTS.map((report) =>
          reconcileDays(database.db, { connectionId: id, report, window: days, totals, restatementDays: 3 }),
        ),
      );
    expect(await unconfirmed()).toBeNull();
    await fill(database.db, id, began, TODAY);
    expect(await unconfirmed()).toBe(began);
    const flagged = totalsOf({ [addDays(began, 1)]: '7' });
    await reconcile({ from: began, to: addDays(began, 1) }, flagged);
    expect(await unconfirmed()).toBe(addDays(began, 1));
    for (const report of REPORTS) {
      await flagDays(database.db, { connectionId: id, report, days: [addDays(began, 1)], totals: flagged });
    }
    expect(await unconfirmed()).toBe(addDays(began, 2));
    await reconcile({ from: addDays(began, 2), to: addDays(TODAY, -2) });
    expect(await unconfirmed()).toBeNull();
  });

  it('count no day of another connection, and no day before the first one', async () => {
    const began = addDays(TODAY, -1);
    const [one, two] = [await connect(database.db, { began }), await connect(database.db, { began })];
    await fill(database.db, one.id, began, TODAY);
    await fill(database.db, two.id, addDays(began, -2), addDays(began, -1));
    expect((await factsOf(database.db, one.id)).oldestMissing).toBeNull();
    expect((await factsOf(database.db, two.id)).oldestMissing).toBe(began);
  });

  it('name the oldest day before the daily window that no sync read since its numbers settled', async () => {
    const began = addDays(TODAY, -40);
    const { id } = await connect(database.db, { began });
    const settled = addDays(TODAY, -35);
    const reconcile = async (): Promise<void> => {
      for (const report of REPORTS) {
        const window = { from: began, to: TODAY };
        await reconcileDays(database.db, { connectionId: id, report, window, totals: {}, restatementDays: 3 });
      }
    };
    await fill(database.db, id, began, addDays(settled, 3), {}, addDays(settled, 3));
    for (const day of daysIn({ from: addDays(settled, 4), to: TODAY })) await fill(database.db, id, day, day, {}, day);
    await reconcile();
    expect((await factsOf(database.db, id)).oldestUnfinished).toBe(addDays(settled, 1));
    await fill(database.db, id, addDays(settled, 1), addDays(TODAY, -31), {}, TODAY);
    expect((await factsOf(database.db, id)).oldestUnfinished).toBeNull();
    await reconcile();
    expect((await factsOf(database.db, id, addDays(TODAY, 1))).oldestUnfinished).toBe(addDays(TODAY, -30));
  });

  it('call no day unfinished for ever: catching up ends, even after the trailing window is made longer', async () => {
    const began = addDays(TODAY, -40);
    const { id } = await connect(database.db, { began });
    const window = { from: began, to: addDays(TODAY, -31) };
    const reconcile = async (restatementDays: number): Promise<void> => {
      for (const report of REPORTS) {
        await reconcileDays(database.db, { connectionId: id, report, window, totals: {}, restatementDays });
      }
    };
    for (const day of daysIn(window)) await fill(database.db, id, day, day, {}, addDays(day, 3));
    await reconcile(3);
    const longer = { ...SETTINGS, restatementDays: 10 };
    expect((await loadFacts(database.db, id, SETTINGS))?.oldestUnfinished).toBeNull();
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

  it('have a failure with its key, its instant and its count, until it is cleared', async () => {
    const { id, keyId } = await connect(database.db, { organization: randomUUID() });
    for (const nowMs of [1_700_000_000_123, 1_700_000_100_456]) {
      await recordFailure(database.db, id, { failure: { code: 'key_invalid', detail: 'x' }, keyId, nowMs });
    }
    const failure = { code: 'key_invalid', keyId, atMs: 1_700_000_100_456, count: 2 };
    const unasked = { probedAtMs: null, answeredAtMs: null, rejectedAtMs: null };
    expect((await factsOf(database.db, id)).failure).toEqual({ ...failure, ...unasked });
    await recordProbe(database.db, id, 1_700_000_200_789);
    expect((await factsOf(database.db, id)).failure).toEqual({ ...failure, ...unasked, probedAtMs: 1_700_000_200_789 });
    await clearFailure(database.db, id);
    expect((await factsOf(database.db, id)).failure).toBeNull();
    await recordFailure(database.db, id, { failure: { code: 'rate_limited' }, keyId: null, nowMs: 5 });
    expect((await factsOf(database.db, id)).failure).toMatchObject({ count: 1, keyId: null });
    await recordDiscovery(database.db, id);
    expect(await factsOf(database.db, id)).toMatchObject({ discovered: true, failure: null });
  });

  it("have Anthropic's words about a failed key, until the key fails again", async () => {
    const { id, keyId } = await connect(database.db, { organization: randomUUID() });
    const probed = { connectionId: id, keyId, hint: 'aaaa' };
    const fail = (): Promise<void> =>
      recordFailure(database.db, id, { failure: { code: 'key_invalid' }, keyId, nowMs: 1_000 });
    await fail();
    await recordAcceptance(database.db, probed, 2_000);
    expect((await factsOf(database.db, id)).failure).toMatchObject({ answeredAtMs: 2_000, rejectedAtMs: null });
    await fail();
    expect((await factsOf(database.db, id)).failure).toMatchObject({
      count: 2,
      answeredAtMs: null,
      rejectedAtMs: null,
    });
    await recordRejection(database.db, probed, 'key_invalid', 3_000);
    await recordRejection(database.db, probed, 'key_invalid', 4_000);
    expect((await factsOf(database.db, id)).failure).toMatchObject({ answeredAtMs: 4_000, rejectedAtMs: 3_000 });
    // Of another key than the one that failed, nothing is kept.
    await recordAcceptance(database.db, { ...probed, keyId: randomUUID() }, 5_000);
    expect((await factsOf(database.db, id)).failure).toMatchObject({ answeredAtMs: 4_000 });
    await recordAcceptance(database.db, probed, 6_000);
    expect((await factsOf(database.db, id)).failure).toBeNull();
    expect(await eventsOf(database.db, id, 'key_probed')).toEqual([
      'Anthropic rejected key …aaaa with key_invalid and accepted it when asked again; the key stays in use.',
      'Anthropic rejected key …aaaa with key_invalid again when asked a second time, so the rejection counts.',
      'Anthropic still rejects key …aaaa with key_invalid.',
      'Anthropic accepts key …aaaa again.',
    ]);
  });

  it('are corrected after the clock was ahead: future days are deleted, and days read by that clock are read again', async () => {
    const began = addDays(TODAY, -5);
    const { id, keyId } = await connect(database.db, { began });
    const ahead = addDays(TODAY, 30);
    const nowMs = startOfDayMs(TODAY) + 3_600_000;
    await fill(database.db, id, began, addDays(TODAY, -4));
    await fill(database.db, id, addDays(TODAY, -3), ahead, {}, ahead);
    const beyond = new Date(startOfDayMs(ahead)).toISOString();
    await recordFailure(database.db, id, {
      failure: { code: 'rate_limited' },
      keyId: null,
      nowMs: startOfDayMs(ahead),
    });
    await deferKey(database.db, { connectionId: id, keyId }, { code: 'rate_limited' }, startOfDayMs(ahead));
    await database.db.execute(sql`update connections set synced_at = ${beyond} where id = ${id}`);
    expect((await factsOf(database.db, id)).hasFutureDays).toBe(true);
    await distrustClock(database.db, id, nowMs, TODAY);
    expect(await factsOf(database.db, id)).toMatchObject({
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
    expect((await factsOf(database.db, made)).hasFutureDays).toBe(true);
    await distrustClock(database.db, made, nowMs, TODAY);
    expect(await factsOf(database.db, made)).toMatchObject({
      hasFutureDays: false,
      began: addDays(TODAY, -3),
      backfillTo: TODAY,
    });
  });

  it('list the requested candidates first, in the order of the requests, and then the others', async () => {
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
    const { candidates } = await factsOf(database.db, id);
    expect(candidates.slice(0, 2)).toEqual([
      { keyId, requested: true, tries: 0, triedAtMs: null },
      { keyId: asked, requested: true, tries: 1, triedAtMs: 7_000, failure: { code: 'rate_limited' } },
    ]);
    expect(candidates.slice(2).map((candidate) => candidate.keyId)).toEqual(unasked);
  });
});

import { sql } from 'drizzle-orm';
import { afterAll, afterEach, beforeEach, expect } from 'vitest';
import type { z } from 'zod';
import { connectionDocument } from '../../api/connections/documents.ts';
import type { connection } from '../../api/connections/schemas.ts';
import { loadConnectionView } from '../../db/connections/views.ts';
import { dayOf, daysIn, startOfDayMs, type Day } from '../../domain/days.ts';
import { isLive } from '../../domain/connection/statuses.ts';
import { connectionWorkflowId, statusQuery, syncWorkflowId } from '../../workflows/messages.ts';
import { storedCost, storedUsage, trueCost, trueUsage } from './ledger.ts';
import { isSyncing, keysOf, stateOf, syncsOf } from './state.ts';
import { until } from './wait.ts';
import { createWorld, type World } from './world.ts';
import { row } from './rows.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const NOON_HOUR = 12;

/** A time-skipping world, with what tests of a connection need. */
export interface SkippingWorld {
  readonly world: World;
  readonly state: (id: string) => ReturnType<typeof stateOf>;
  readonly keys: (id: string) => ReturnType<typeof keysOf>;
  readonly syncs: (id: string) => ReturnType<typeof syncsOf>;
  /** The connection as the API shows it, at the workflows' time. */
  readonly shown: (id: string) => Promise<z.input<typeof connection>>;
  /** Waits until the connection has a status and no sync runs. */
  readonly becomes: (id: string, status: string) => Promise<void>;
  /** Waits until the rejection of the key is confirmed and no sync runs. */
  readonly awaitsKey: (id: string) => Promise<void>;
  /** Waits until the connection's workflow does nothing but wait. */
  readonly settles: (id: string) => Promise<void>;
  /** Waits until the connection's first sync does nothing but wait for one reply that a test holds. */
  readonly isReading: (id: string) => Promise<void>;
  /** Waits for a condition, and lets a few seconds pass between looks; at most five minutes in all. */
  readonly comes: <T>(what: string, check: () => Promise<T | null | false>) => Promise<T>;
  /** A new organization, so that tests do not share one. */
  /** A new organization with lines on every day, so that a fault or a correction of any day bites. */
  readonly organizationOf: (name: string, options?: { individual?: boolean }) => { organization: string; key: string };
  /** A new organization with an active connection that has read the last `backfillDays` days. */
  readonly connected: (
    name: string,
    backfillDays?: number,
  ) => Promise<{ id: string; key: string; organization: string }>;
  /** The workflows' day. Time passes only when a test lets it. */
  readonly workflowDay: () => Promise<Day>;
  /** Lets days pass for Anthropic and for workflows, and waits after each day until its syncs have ended. */
  readonly passDays: (id: string, count: number) => Promise<void>;
  /** Lets time pass for Anthropic and for workflows, and waits for nothing. */
  readonly passHours: (hours: number) => Promise<void>;
  /** Checks that no day of the range is missing and that the lines equal the simulator's, as multisets. */
  readonly expectExact: (id: string, organization: string, from: Day, to: Day) => Promise<void>;
}

/**
 * Makes a time-skipping world for a test file. Each test begins around noon, so that neither a daily sync nor midnight
 * comes unexpectedly. Each test ends its connections, so that they do not sync through the days of later tests.
 */
export async function skippingWorld(): Promise<SkippingWorld> {
  const world = await createWorld({ timeSkipping: true, simulator: { now: Date.now(), ticking: false } });
  const { simulator } = world;
  const made: string[] = [];
  const skipping = helpersOf(world, made);

  beforeEach(async () => {
    const sinceMidnightMs = (await world.now()) - startOfDayMs(await skipping.workflowDay());
    const untilNoonMs = (NOON_HOUR * HOUR_MS - sinceMidnightMs + DAY_MS) % DAY_MS;
    if (untilNoonMs < DAY_MS - HOUR_MS) await world.pass(`${untilNoonMs} ms`);
    simulator.control.clock({ now: await world.now() });
  });
  afterEach(async () => {
    simulator.control.clearFaults();
    for (const id of made.splice(0)) await end(world, id);
    expect(simulator.control.conduct().by_reason).toEqual({});
  });
  afterAll(() => world.close());
  return skipping;
}

/**
 * Ends a connection if the test did not. A sync that runs is left to end by itself: see `isReading`.
 */
async function end(world: World, id: string): Promise<void> {
  const handle = world.client.workflow.getHandle(connectionWorkflowId(id));
  const { db } = world.database;
  if (isLive((await stateOf(db, id)).status)) {
    // A paused connection starts no other sync.
    await world.signal(id, 'pause');
    await until('it to be quiet', async () => {
      const isQuiet =
        (await stateOf(db, id)).status === 'paused' &&
        !(await isSyncing(db, id)) &&
        ((await handle.describe()).raw.pendingChildren ?? []).length === 0;
      if (!isQuiet) await world.pass('1 second');
      return isQuiet;
    });
    await world.signal(id, 'disconnect');
  }
  await until('the connection to end', async () => {
    if ((await handle.describe()).status.name !== 'RUNNING') return true;
    await world.pass('1 second');
    return false;
  });
}

function helpersOf(world: World, made: string[]): SkippingWorld {
  const { simulator } = world;
  const { db } = world.database;
  const { control } = simulator;
  const skipping: SkippingWorld = {
    world: {
      ...world,
      async connect(options) {
        const id = await world.connect(options);
        made.push(id);
        return id;
      },
    },
    state: (id) => stateOf(db, id),
    keys: (id) => keysOf(db, id),
    syncs: (id) => syncsOf(db, id),
    async shown(id) {
      const nowMs = await world.now();
      const view = await loadConnectionView(db, id, dayOf(nowMs));
      if (view === null) throw new Error('no such connection');
      return connectionDocument(view, {
        syncHourUtc: 6,
        temporalUiUrl: null,
        temporalNamespace: 'default',
        waitMs: 0,
        now: () => nowMs,
        droppedLogLines: () => 0,
        stopping: new AbortController().signal,
      });
    },
    async becomes(id, status) {
      await until(`${status}, and nothing under way`, async () => {
        const now = await stateOf(db, id);
        return now.status === status && (await syncsOf(db, id)).every((sync) => sync.state !== 'running');
      });
    },
    async awaitsKey(id) {
      await skipping.comes('a key to be awaited', async () => (await stateOf(db, id)).status === 'awaiting_key');
      await skipping.becomes(id, 'awaiting_key');
    },
    async settles(id) {
      await until('nothing left to do', async () => {
        if (await isSyncing(db, id)) return false;
        const status = await world.client.workflow.getHandle(connectionWorkflowId(id)).query(statusQuery);
        return status.doing === 'wait' && status.inbox === 0 && status.sync === null;
      });
    },
    // The time-skipping server loses the workflow task of a cancellation that meets the end of an activity, and stands
    // still from then on. So a test cancels a sync only while one activity runs and no task is under way.
    async isReading(id) {
      const handle = world.client.workflow.getHandle(syncWorkflowId(id, 1));
      await until('one activity under way, and nothing else', async () => {
        const [{ raw }, { events }] = await Promise.all([handle.describe(), handle.fetchHistory()]);
        return raw.pendingActivities?.length === 1 && events?.at(-1)?.workflowTaskCompletedEventAttributes != null;
      });
    },
    async comes(what, check) {
      let passes = 60;
      return until(what, async () => {
        const found = await check();
        if (found !== null && found !== false) return found;
        passes -= 1;
        if (passes >= 0) await world.pass('5 seconds');
        return null;
      });
    },
    organizationOf(name, options = {}) {
      const organization = control.addOrganization({ name, keys: [{}], daysOff: false, ...options }).id;
      const key = control.keys().find((known) => known.organization === organization)?.key;
      if (key === undefined) throw new Error('the organization has no key');
      return { organization, key };
    },
    async connected(name, backfillDays = 5) {
      const { organization, key } = skipping.organizationOf(name);
      const today = await skipping.workflowDay();
      const id = await skipping.world.connect({ key, name, backfillDays, today });
      await skipping.becomes(id, 'active');
      return { id, key, organization };
    },
    workflowDay: async () => dayOf(await world.now()),
    async passDays(id, count) {
      for (let day = 0; day < count; day += 1) {
        const before = (await syncsOf(db, id)).length;
        await skipping.passHours(24);
        await until('the daily sync', async () => {
          const all = await syncsOf(db, id);
          return all.length > before && all.every((sync) => sync.state !== 'running');
        });
      }
    },
    async passHours(hours) {
      control.clock({ now: (await world.now()) + hours * HOUR_MS });
      await world.pass(`${hours} hours`);
    },
    async expectExact(id, organization, from, to) {
      const { stored } = await row<{ stored: number }>(
        db,
        sql`select count(*)::int as stored from days where connection_id = ${id} and day between ${from} and ${to}`,
      );
      expect({ stored }).toEqual({ stored: 2 * daysIn({ from, to }).length });
      expect(await storedCost(db, id, from, to)).toEqual(trueCost(simulator, from, to, organization));
      expect(await storedUsage(db, id, from, to)).toEqual(trueUsage(simulator, from, to, organization));
    },
  };
  return skipping;
}

import { randomUUID } from 'node:crypto';
import { Client, Connection } from '@temporalio/client';
import { sql } from 'drizzle-orm';
import postgres from 'postgres';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { endFrozenSessions } from '../../db/core/sessions.ts';
import { isAlive } from '../../local/processes/pids.ts';
import { startSimulator, type Simulator } from '../../simulator/simulator.ts';
import { SYNC_WORKFLOW, syncWorkflowId } from '../../workflows/messages.ts';
import { testDatabase, type TestDatabase } from '../support/postgres.ts';
import { syncsOf } from '../support/state.ts';
import { until } from '../support/wait.ts';
import { expectLedger } from './ledger.ts';
import { becomes, holdAt, restate } from './points.ts';
import {
  PATIENCE_MS,
  createPlace,
  failedTasks,
  prepare,
  start,
  store,
  waits,
  type Connected,
  type Place,
  type WorkerProcess,
} from './support.ts';
import { watch } from './watch.ts';
import { rows } from '../support/rows.ts';

const DAYS = 4;
const REPLY_MS = 2_000;

let connection: Connection;
let simulator: Simulator;
let database: TestDatabase;
let place: Place;
let worker: WorkerProcess;

beforeAll(async () => {
  await prepare();
  connection = await Connection.connect({ address: inject('temporalAddress') });
  simulator = await startSimulator({ seed: 13, now: Date.now(), ticking: false, days: 10, workspaces: 3, models: 3 });
}, 6 * PATIENCE_MS);

afterAll(async () => {
  await simulator.close();
  await connection.close();
});

beforeEach(async () => {
  database = await testDatabase();
  const { db, url: databaseUrl } = database;
  const client = new Client({ connection });
  place = createPlace({ db, databaseUrl, temporalAddress: inject('temporalAddress'), client, simulator });
  worker = await place.startWorker();
  return async () => {
    await place.close();
    await database.close();
  };
});

/** Freezes the worker while it waits for a reply that says what the days were before they are corrected. */
async function freezeBeforeReply(connected: Connected, meanwhile: () => Promise<void>): Promise<void> {
  const { control } = simulator;
  const opening = { table: 'syncs', on: 'insert', when: 'true' } as const;
  const held = await holdAt(database.url, 'before', [{ connection: connected, mark: opening }]);
  await start(place, connected);
  await held.reached();
  await meanwhile();
  // A page of at least one byte is a page as it is: this only tells that the request has come.
  const asked = control.fault({ kind: 'huge_page', bytes: 1, report: 'cost', grouped: true, key: connected.key });
  control.latency(REPLY_MS);
  await held.release();
  await held.close();
  await until('the lines to be asked for', () =>
    control.faults().some(({ id, fired }) => id === asked.id && fired > 0),
  );
  worker.signal('SIGSTOP');
  control.latency(0);
  expect(await rows(place.db, sql`select from days where connection_id = ${connected.id}`)).toEqual([]);
}

async function readByAnother({ id, days }: Connected, taskQueue: string): Promise<void> {
  const n = 99;
  const plan = { kind: 'manual', everyDay: true, ...days };
  const options = { workflowId: syncWorkflowId(id, n), taskQueue, args: [{ connectionId: id, n, plan }] };
  await place.client.workflow.execute(SYNC_WORKFLOW, options);
}

async function workIsGivenToAnother({ id }: Connected): Promise<void> {
  await until(
    'Temporal to take the work from the frozen worker',
    async () => {
      const { raw } = await place.client.workflow.getHandle(syncWorkflowId(id, 1)).describe();
      return raw.pendingActivities?.some(({ attempt }) => (attempt ?? 1) > 1) === true;
    },
    PATIENCE_MS,
  );
}

describe('a worker frozen with the reply of an older revision in its hands', () => {
  it.each([
    ['before Temporal notices', false],
    ['after Temporal took its work from it', true],
  ])('and thawed %s does not write it over a newer one', { timeout: 3 * PATIENCE_MS }, async (_, noticed) => {
    const stopWatching = watch(place.db);
    const connected = await store(place, 'Frozen', DAYS);
    const taskQueue = `test-${randomUUID()}`;
    await freezeBeforeReply(connected, async () => {
      await place.startWorker({ METERLINE_TASK_QUEUE: taskQueue });
    });
    restate(place, connected);
    await readByAnother(connected, taskQueue);
    await expectLedger(place, connected);
    if (noticed) await workIsGivenToAnother(connected);
    worker.signal('SIGCONT');
    await waits(place, connected.id);
    await expectLedger(place, connected);
    const syncs = await syncsOf(place.db, connected.id);
    expect(syncs.map(({ n, state, days_changed }) => ({ n, state, days_changed }))).toEqual([
      { n: 1, state: 'succeeded', days_changed: 0 },
      { n: 99, state: 'succeeded', days_changed: DAYS },
    ]);
    expect(await stopWatching()).toEqual([]);
    expect(await failedTasks(place)).toEqual([]);
    expect(place.errors()).toEqual([]);
  });
});

describe('a worker that was frozen in transactions while Postgres ended its sessions', () => {
  it('opens new sessions, goes on with its work, and does not end', { timeout: 2 * PATIENCE_MS }, async () => {
    const [parsing, idle] = await Promise.all([store(place, 'Parsing', DAYS), store(place, 'Idle', DAYS)]);
    // One is frozen between two statements, the other with a statement that is parsed and waits to be bound.
    const held = await holdAt(database.url, 'before', [{ connection: idle, mark: becomes('backfilling') }]);
    const blocker = postgres(database.url, { max: 1 });
    await blocker`begin`;
    await blocker`lock table cost_lines in access exclusive mode`;
    for (const connected of [parsing, idle]) await start(place, connected);
    await held.reached();
    await until('a statement to be parsed', async () => {
      const found = await blocker`select from pg_locks where relation = 'cost_lines'::regclass and not granted`;
      return found.length > 0;
    });
    worker.signal('SIGSTOP');
    await blocker`rollback`;
    await blocker.end();
    await held.release();
    await held.close();
    let ended = 0;
    await until('both sessions to be ended', async () => {
      ended += await endFrozenSessions(place.db, 0);
      // A worker writes two days at once, so one of the connections may have left two sessions.
      return ended >= 2;
    });
    worker.signal('SIGCONT');
    for (const connected of [parsing, idle]) {
      await waits(place, connected.id);
      await expectLedger(place, connected);
      expect((await syncsOf(place.db, connected.id)).map(({ state }) => state)).toEqual(['succeeded']);
    }
    expect(isAlive(worker.pid)).toBe(true);
    expect(await failedTasks(place)).toEqual([]);
    expect(place.errors()).toEqual([]);
  });
});

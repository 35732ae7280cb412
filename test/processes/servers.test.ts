import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { sql } from 'drizzle-orm';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApp } from '../../api/app.ts';
import { forecastingHere } from '../../forecasting/forecasting.ts';
import { closeServer, createHttpServer, listen } from '../../api/http/server.ts';
import { loadTemporalSettings } from '../../config/temporal.ts';
import { openTemporal } from '../../api/temporal.ts';
import { openDatabase, type Database } from '../../db/core/database.ts';
import { migrateDatabase } from '../../db/core/migrate.ts';
import { startPostgres, type RunningPostgres } from '../../local/postgres/postgres.ts';
import { isAlive } from '../../local/processes/pids.ts';
import { findTemporalCli } from '../../local/temporal/find.ts';
import { startTemporal, type RunningTemporal } from '../../local/temporal/temporal.ts';
import { startSimulator, type Simulator } from '../../simulator/simulator.ts';
import { connectionWorkflowId, syncWorkflowId } from '../../workflows/messages.ts';
import { searchAttributes } from '../../workflows/search-attributes.ts';
import { syncsOf } from '../support/state.ts';
import { until } from '../support/wait.ts';
import { expectLedger } from './ledger.ts';
import { holdAt, type Mark } from './points.ts';
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

const DAYS = 31;
const MINUTE_MS = 60_000;
const TOKEN = 'a-token-of-tests-0123456789';
const SECOND_DAY_OF_COST: Mark = { table: 'days', on: 'insert', when: "new.report = 'cost'", secondDay: true };
const SECOND_DAY_OF_USAGE: Mark = { table: 'days', on: 'insert', when: "new.report = 'usage'", secondDay: true };

const folder = mkdtempSync(join(tmpdir(), 'meterline-servers-'));
let cli: string;
let postgres: RunningPostgres;
let temporal: RunningTemporal;
let database: Database;
let simulator: Simulator;
let connection: Connection;
let place: Place;
let worker: WorkerProcess;
let stopWatching: () => Promise<string[]>;
const connections: Connected[] = [];

beforeAll(async () => {
  await prepare();
  cli = await findTemporalCli();
  postgres = await startPostgres({ dataDir: folder });
  await migrateDatabase(postgres.url);
  temporal = await startTemporal({ cli, dataDir: folder });
  connection = await Connection.connect({ address: temporal.address });
  simulator = await startSimulator({ seed: 12, now: Date.now(), ticking: false, days: 40, workspaces: 3, models: 3 });
  database = openDatabase(postgres.url, { max: 4, name: 'a test' });
  place = createPlace({
    db: database.db,
    databaseUrl: postgres.url,
    temporalAddress: temporal.address,
    client: new Client({ connection }),
    simulator,
  });
  stopWatching = watch(database.db);
  worker = await place.startWorker();
}, 6 * PATIENCE_MS);

afterAll(async () => {
  await place.close();
  await simulator.close();
  await database.close();
  await connection.close();
  await temporal.stop();
  await postgres.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function storeAnother(name: string): Promise<Connected> {
  const connected = await store(place, name, DAYS);
  connections.push(connected);
  return connected;
}

/** Waits until something that a sync asked for was tried in vain. */
async function triesAgain({ id }: Connected): Promise<void> {
  await until('a part of the sync to be tried again', async () => {
    const { raw } = await place.client.workflow.getHandle(syncWorkflowId(id, 1)).describe();
    return raw.pendingActivities?.some(({ lastFailure }) => lastFailure != null) === true;
  });
}

async function expectWhole(connected: Connected): Promise<void> {
  await waits(place, connected.id);
  await expectLedger(place, connected);
  const syncs = await syncsOf(place.db, connected.id);
  // Three tries of a part may all come before the server is back; then the sync has failed and another one is made.
  const failed = syncs.filter(({ state }) => state !== 'succeeded');
  expect(failed.map(({ state, failure }) => ({ state, failure }))).toEqual(
    failed.map(() => ({ state: 'failed', failure: 'unavailable' })),
  );
  expect(syncs.filter(({ state }) => state === 'succeeded').map(({ kind }) => kind)).toEqual(['backfill']);
}

it(
  'Postgres killed in a transaction and at a commit comes back to the same ledger, and no worker ends because of it',
  { timeout: 2 * PATIENCE_MS },
  async () => {
    const before = await storeAnother('Postgres, before');
    const commit = await storeAnother('Postgres, commit');
    const holds = [
      await holdAt(postgres.url, 'before', [{ connection: before, mark: SECOND_DAY_OF_USAGE }]),
      await holdAt(postgres.url, 'commit', [{ connection: commit, mark: SECOND_DAY_OF_COST }]),
    ];
    for (const connected of [before, commit]) await start(place, connected);
    for (const held of holds) await held.reached();

    const backends = await rows<{ pid: number }>(place.db, sql`select pid from pg_stat_activity`);
    for (const pid of [postgres.pid, ...backends.map(({ pid }) => pid)]) process.kill(pid, 'SIGKILL');
    await postgres.exited;
    for (const held of holds) await held.close();
    await triesAgain(commit);
    postgres = await startPostgres({ dataDir: folder, port: postgres.port });

    for (const connected of [before, commit]) await expectWhole(connected);
    expect(isAlive(worker.pid)).toBe(true);
  },
);

it('Temporal killed while days are committed comes back to the same ledger', { timeout: 2 * PATIENCE_MS }, async () => {
  const connected = await storeAnother('Temporal');
  const held = await holdAt(postgres.url, 'commit', [{ connection: connected, mark: SECOND_DAY_OF_COST }]);
  await start(place, connected);
  await held.reached();
  process.kill(temporal.pid, 'SIGKILL');
  await temporal.exited;
  await held.release();
  await held.close();
  await until('the worker to read on by itself', async () => {
    const found = await rows(place.db, sql`select from days where connection_id = ${connected.id} and report = 'cost'`);
    return found.length === DAYS;
  });
  temporal = await startTemporal({ cli, dataDir: folder, port: portOf(temporal) });
  await expectWhole(connected);
  expect(isAlive(worker.pid)).toBe(true);
});

it(
  'a Temporal that lost everything has every connection again within a minute, and no day is read again',
  { timeout: 2 * PATIENCE_MS },
  async () => {
    expect(await failedTasks(place)).toEqual([]);
    await worker.kill();
    await temporal.stop();
    loseTemporal();
    temporal = await startTemporal({ cli, dataDir: folder, port: portOf(temporal) });
    const [first] = connections;
    await expect(place.client.workflow.getHandle(connectionWorkflowId(first?.id ?? '')).describe()).rejects.toThrow(
      'not found',
    );
    const asked = simulator.control.requests().total;
    worker = await place.startWorker();
    const deadline = Date.now() + MINUTE_MS;
    for (const { id } of connections) await waits(place, id, deadline - Date.now());
    expect(simulator.control.requests().total).toBe(asked);
  },
);

describe('a Temporal that loses everything while a worker lives', () => {
  /** Asks for a sync as somebody would, over HTTP. */
  async function askForSync({ id }: Connected): Promise<number> {
    const taskQueue = place.env['METERLINE_TASK_QUEUE'] ?? '';
    const env = { TEMPORAL_ADDRESS: temporal.address };
    const opened = openTemporal({ temporal: loadTemporalSettings(env), taskQueue });
    const settings = { apiToken: TOKEN, syncHourUtc: 6, temporalNamespace: 'default', temporalUiUrl: null };
    const { db, ring } = place;
    const forecasting = forecastingHere();
    const log = pino({ level: 'silent' });
    const api = createApp({ db, ring, temporal: opened, forecasting, log, config: settings, waitMs: 0 });
    const server = createHttpServer(api);
    const url = await listen(server, '127.0.0.1', 0);
    const headers = { authorization: `Bearer ${TOKEN}` };
    const { status } = await fetch(`${url}/v1/connections/${id}/sync`, { method: 'POST', headers });
    await closeServer(server);
    await opened.close();
    return status;
  }

  async function attributes(): Promise<string[]> {
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace: 'default' });
    return Object.keys(customAttributes).sort();
  }

  const all = Object.values(searchAttributes)
    .map(({ name }) => name)
    .sort();

  it(
    'runs a requested sync at once, and within a minute it has every connection, each found by its attributes',
    { timeout: 2 * PATIENCE_MS },
    async () => {
      // What a worker knew of the server that is lost is of no use for the next one.
      await until('the worker to have all attributes', async () => (await attributes()).length === all.length);
      await temporal.stop();
      loseTemporal();
      temporal = await startTemporal({ cli, dataDir: folder, port: portOf(temporal) });
      const deadline = Date.now() + MINUTE_MS;
      const [first] = connections;
      if (first === undefined) throw new Error('the tests before made no connection');
      expect(await askForSync(first)).toBe(202);
      await until('the sync that was asked for', async () =>
        (await syncsOf(place.db, first.id)).some(({ kind, state }) => kind === 'manual' && state === 'succeeded'),
      );
      for (const { id } of connections) await waits(place, id, deadline - Date.now());
      expect(Date.now()).toBeLessThan(deadline);
      expect(await attributes()).toEqual(all);
      expect(isAlive(worker.pid)).toBe(true);
      // Also one that was started before the attributes were there.
      expect(await askForSync(first)).toBe(202);
      await until('it to be found by its attributes', async () => {
        const query = `MeterlineConnection = '${first.id}' AND MeterlineStatus = 'active'`;
        return (await place.client.workflow.count(query)).count === 1;
      });
    },
  );

  it('gets back an attribute that somebody removes', async () => {
    const { operatorService } = connection;
    await operatorService.removeSearchAttributes({ namespace: 'default', searchAttributes: ['MeterlineStatus'] });
    expect(await attributes()).not.toContain('MeterlineStatus');
    await until('it to be there again', async () => (await attributes()).includes('MeterlineStatus'));
    for (const { id } of connections) await waits(place, id);
  });
});

it('no instant showed a mixture of revisions, a day lost or an organization without its one key', async () => {
  expect(await stopWatching()).toEqual([]);
});

it('no workflow task failed, and no worker logged an error', async () => {
  expect(await failedTasks(place)).toEqual([]);
  expect(place.errors()).toEqual([]);
});

function loseTemporal(): void {
  for (const file of ['temporal.db', 'temporal.db-wal', 'temporal.db-shm', 'temporal.db-journal'])
    rmSync(join(folder, file), { force: true });
}

function portOf({ address }: RunningTemporal): number {
  return Number(address.split(':').at(-1));
}

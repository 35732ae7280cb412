import { Client, Connection } from '@temporalio/client';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { startSimulator, type Simulator } from '../../simulator/simulator.ts';
import { testDatabase, type TestDatabase } from '../support/postgres.ts';
import { keysOf, stateOf, syncsOf } from '../support/state.ts';
import { until } from '../support/wait.ts';
import { REQUESTS, TRANSACTIONS, holdAt, type Mark, type Moment, type Point } from './points.ts';
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
} from './support.ts';
import { expectLedger } from './ledger.ts';
import { watch } from './watch.ts';
import { row } from '../support/rows.ts';

const DAYS = 4;
const patience = { timeout: 3 * PATIENCE_MS };
const UNSTARTED = 'stored, and its workflow not started';

/** One worker process that is killed while each of its connections is at another point, and one that comes after it. */
interface Killed {
  readonly place: Place;
  readonly connections: ReadonlyMap<string, Connected>;
  readonly stopWatching: () => Promise<string[]>;
}

let simulator: Simulator;
let connection: Connection;
const databases: TestDatabase[] = [];
const places: Place[] = [];
const killed: Record<Moment, Killed[]> = { before: [], commit: [] };

beforeAll(async () => {
  await prepare();
  connection = await Connection.connect({ address: inject('temporalAddress') });
  simulator = await startSimulator({ seed: 11, now: Date.now(), ticking: false, days: 10, workspaces: 3, models: 3 });
  // So that a day is committed before the next one is asked for.
  simulator.control.paging({ maxBucketsPerPage: 1 });
  // Not all at once: what stands keeps a connection to Postgres, and so does each attempt that finds it there.
  for (const active of [false, true]) {
    const points = TRANSACTIONS.filter((point) => point.active === active);
    const [before, commit] = await Promise.all([
      kill('before', active ? points : [...points, ...REQUESTS]),
      kill('commit', points),
    ]);
    killed.before.push(before);
    killed.commit.push(commit);
  }
}, 10 * PATIENCE_MS);

afterAll(async () => {
  await Promise.all(places.map((place) => place.close()));
  await simulator.close();
  await connection.close();
  for (const database of databases) await database.close();
});

async function kill(moment: Moment, points: readonly Point[]): Promise<Killed> {
  const database = await testDatabase();
  databases.push(database);
  const { db, url: databaseUrl } = database;
  const client = new Client({ connection });
  const place = createPlace({ db, databaseUrl, temporalAddress: inject('temporalAddress'), client, simulator });
  places.push(place);
  const stopWatching = watch(db);
  const worker = await place.startWorker();
  const connections = new Map<string, Connected>();
  const storeFor = (chosen: readonly Point[]): Promise<{ point: Point; connection: Connected }[]> =>
    Promise.all(
      chosen.map(async (point) => {
        const connection = await store(place, `${moment}: ${point.name}`, DAYS);
        connections.set(point.name, connection);
        return { point, connection };
      }),
    );
  const active = await storeFor(points.filter((point) => point.active));
  for (const { connection } of active) await start(place, connection);
  for (const { connection } of active) await waits(place, connection.id);
  for (const { point, connection } of active) await point.prepare?.(place, connection);

  const at = [...active, ...(await storeFor(points.filter((point) => !point.active)))];
  const faults = at.flatMap(({ point, connection }) =>
    'kind' in point.at ? [simulator.control.fault({ ...point.at, key: connection.key })] : [],
  );
  const marks = at.flatMap(({ point, connection }): { connection: Connected; mark: Mark }[] =>
    'table' in point.at ? [{ connection, mark: point.at }] : [],
  );
  const holds = await holdAt(databaseUrl, moment, marks);
  await Promise.all(at.map(({ point, connection }) => point.lead(place, connection)));
  await holds.reached();
  await until(
    'each request to be under way',
    () => faults.every(({ id }) => simulator.control.faults().some((armed) => armed.id === id && armed.fired > 0)),
    PATIENCE_MS,
  );
  await worker.kill();
  await (moment === 'commit' ? holds.release() : holds.lose());
  await holds.close();
  connections.set(UNSTARTED, await store(place, `${moment}: ${UNSTARTED}`, DAYS));
  await place.startWorker();
  return { place, connections, stopWatching };
}

describe.each<[told: string, moment: Moment, points: readonly Point[]]>([
  ['in the middle of a transaction, before its commit,', 'before', TRANSACTIONS],
  ['at a commit, and never told of it,', 'commit', TRANSACTIONS],
  ['between two commits', 'before', REQUESTS],
])('a worker killed %s leaves nothing undone and nothing done twice where it', (_, moment, points) => {
  it.each(points.map(({ name, ends }) => [name, ends] as const))('%s', patience, async (name, ends) => {
    const found = killed[moment].find(({ connections }) => connections.has(name));
    const connection = found?.connections.get(name);
    if (found === undefined || connection === undefined) throw new Error('no such connection');
    const { place } = found;
    const { id } = connection;
    await until(
      'it to end where it has to',
      async () => {
        const syncs = (await syncsOf(place.db, id)).map(({ kind, state }) => `${kind} ${state}`);
        const { status } = await stateOf(place.db, id);
        return (
          status === ends.status && syncs.length >= ends.syncs.length && !syncs.some((sync) => sync.endsWith('running'))
        );
      },
      PATIENCE_MS,
    );
    if (ends.status === 'active') await waits(place, id);
    expect((await syncsOf(place.db, id)).map(({ kind, state }) => `${kind} ${state}`)).toEqual(ends.syncs);
    const keys = await keysOf(place.db, id);
    expect(keys.map(({ state }) => state)).toEqual(ends.keys);
    expect(keys.filter(({ sealed }) => sealed)).toHaveLength(ends.status === 'active' ? 1 : 0);
    expect(await stateOf(place.db, id)).toMatchObject({ failure: null });
    if (ends.syncs.length > 0) await expectLedger(place, connection);
    else expect(await countLines(place, id)).toBe(0);
  });
});

async function countLines({ db }: Place, id: string): Promise<number> {
  const { lines } = await row<{ lines: number }>(
    db,
    sql`
      select (
        (select count(*) from cost_lines where day_no not in (select day_no from days)) +
        (select count(*) from usage_lines where day_no not in (select day_no from days)) +
        (select count(*) from days where connection_id = ${id})
      )::int as lines
    `,
  );
  return lines;
}

describe.each<Moment>(['before', 'commit'])('after a kill %s', (moment) => {
  it('a connection without a started workflow is read, too', patience, async () => {
    for (const { place, connections } of killed[moment]) {
      const connection = connections.get(UNSTARTED);
      if (connection === undefined) throw new Error('no such connection');
      await waits(place, connection.id);
      await expectLedger(place, connection);
    }
  });

  it('no instant showed a mixture of revisions, a day lost or an organization without its one key', async () => {
    for (const { stopWatching } of killed[moment]) expect(await stopWatching()).toEqual([]);
  });

  it('no workflow task failed, and no worker logged an error', async () => {
    for (const { place } of killed[moment]) {
      expect(await failedTasks(place)).toEqual([]);
      expect(place.errors()).toEqual([]);
    }
  });
});

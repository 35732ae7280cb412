import { randomBytes, randomUUID } from 'node:crypto';
import { Client, Connection } from '@temporalio/client';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { loadConfig } from '../../config/config.ts';
import { createKeyRing } from '../../db/keys/key-ring.ts';
import { keys } from '../../db/schema.ts';
import { startSimulator, type Simulator } from '../../simulator/simulator.ts';
import { PATIENCE_MS, createPlace, prepare, rotate, store, waits, type Place } from '../processes/support.ts';
import { testDatabase, type TestDatabase } from '../support/postgres.ts';
import { keysOf, stateOf } from '../support/state.ts';
import { until } from '../support/wait.ts';
import { command, type Outcome } from './support.ts';
import { adminKey } from '../support/admin-key.ts';
import { rows } from '../support/rows.ts';

let database: TestDatabase;
let simulator: Simulator;
let connection: Connection;
let place: Place;

beforeAll(async () => {
  await prepare();
  database = await testDatabase();
  simulator = await startSimulator({ seed: 5, now: Date.now(), ticking: false, days: 5, workspaces: 2, models: 2 });
  connection = await Connection.connect({ address: inject('temporalAddress') });
  place = createPlace({
    db: database.db,
    databaseUrl: database.url,
    temporalAddress: inject('temporalAddress'),
    client: new Client({ connection }),
    simulator,
  });
}, 6 * PATIENCE_MS);
afterAll(async () => {
  await place.close();
  await connection.close();
  await simulator.close();
  await database.close();
});

const entryOf = (id: string): string => `${id}:${randomBytes(32).toString('base64')}`;
const present = (): string => place.env['METERLINE_ENCRYPTION_KEYS'] ?? '';

function run(args: string[], ring = present(), killAt?: string): Promise<Outcome> {
  return command('keys', args, { DATABASE_URL: database.url, METERLINE_ENCRYPTION_KEYS: ring }, killAt);
}

describe('npm run keys', () => {
  it('new prints only a new encryption key on standard output, another one each time, and the steps on standard error', async () => {
    const made = [await run(['new']), await run(['new'])];
    const entries = made.map(({ out }) => loadConfig({ METERLINE_ENCRYPTION_KEYS: out.trim() }).encryptionKeys);
    expect(entries.flat()).toHaveLength(2);
    expect(new Set(entries.flat().map(({ id }) => id)).size).toBe(2);
    expect(new Set(made.map(({ out }) => out)).size).toBe(2);
    expect(made[0]?.err).toContain('npm run keys -- rewrap');
    expect(made[0]?.err).not.toContain(made[0]?.out.trim());
  });

  it.each([[[]], [['destroy']], [['status', 'x']]])('%j is answered with the usage', async (args) => {
    const { status, err } = await run(args);
    expect([status, err]).toEqual([2, expect.stringContaining('Usage: npm run keys')]);
  });

  it('needs encryption keys', async () => {
    const { status, err } = await command('keys', ['status'], { DATABASE_URL: database.url });
    expect([status, err]).toEqual([2, expect.stringContaining('METERLINE_ENCRYPTION_KEYS must be set')]);
  });
});

it(
  'a lost encryption key stops its own connections only; the start names them, and new Admin keys heal them',
  async () => {
    const [lostEntry] = [entryOf('lost')];
    const lostRing = createKeyRing(loadConfig({ METERLINE_ENCRYPTION_KEYS: lostEntry }).encryptionKeys);
    const orphan = await store({ ...place, ring: lostRing }, 'Orphan', 2);
    const well = await store(place, 'Well', 2);
    // Connected and read while the other ring was there.
    const before = await place.startWorker({ METERLINE_ENCRYPTION_KEYS: `${present()},${lostEntry}` });
    await waits(place, orphan.id);
    await before.kill();

    const status = await run(['status']);
    expect(status.status).toBe(1);
    expect(status.out).toMatch(/test +1 +seals and opens\nlost +1 +is not in METERLINE_ENCRYPTION_KEYS/);
    expect(status.out).toContain(
      `Does not open: "Orphan" (${orphan.id}), its active key …${orphan.key.slice(-4)}, under "lost"`,
    );

    const worker = await place.startWorker();
    await waits(place, well.id);
    const lines = worker.lines().filter((line) => line.includes('do not open the stored keys'));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/"level":50,.*1 connection\(s\): \\"Orphan\\" \([\da-f-]{36}\)\. Put/);
    await place.client.workflow.getHandle(`connection-${orphan.id}`).signal('syncNow');
    await until(
      'it says so',
      async () => (await stateOf(database.db, orphan.id)).status === 'awaiting_key',
      PATIENCE_MS,
    );
    expect(await stateOf(database.db, orphan.id)).toMatchObject({ failure: 'key_unreadable' });

    const next = simulator.control.addKey({ organization: orphan.organization }).key;
    await rotate(place, orphan.id, next);
    await waits(place, orphan.id);
    expect(await stateOf(database.db, orphan.id)).toMatchObject({ failure: null });
    await until('the lost key is destroyed', async () =>
      (await keysOf(database.db, orphan.id)).some(({ state }) => state === 'destroyed'),
    );
    expect((await run(['status'])).status).toBe(0);
    await worker.kill();
  },
  6 * PATIENCE_MS,
);

it(
  'moving to a new encryption key survives a kill, while a worker runs, and ends when nothing needs the old key',
  async () => {
    const { out } = await run(['new']);
    const next = out.trim();
    const nextId = next.split(':')[0] ?? '';
    const connected = await store(place, 'Moves', 2);
    const crowd = Array.from({ length: 1_500 }, (_, index) => {
      const keyId = randomUUID();
      const sealed = place.ring.seal(adminKey(`sk-ant-admin01-nobody-${10_000 + index}`), {
        connectionId: connected.id,
        keyId,
      });
      return { connectionId: connected.id, id: keyId, state: 'candidate' as const, hint: 'many', ...sealed };
    });
    await database.db.insert(keys).values(crowd);
    const worker = await place.startWorker({ METERLINE_ENCRYPTION_KEYS: `${next},${present()}` });
    expect(worker.lines().join()).toMatch(/Every stored key opens; \d+ of them under \\"test\\"/);

    const killed = await run(['rewrap'], `${next},${present()}`, '200 done');
    expect(killed.status).toBeNull();
    expect((await ringKeys()).sort()).toEqual([nextId, 'test'].sort());
    const incomplete = await run(['rewrap'], `${next},other:${randomBytes(32).toString('base64')}`);
    expect(incomplete.status).toBe(1);
    expect(incomplete.out).toMatch(
      /Left under another encryption key than .*\n.*"Moves" .* under "test": it does not open/,
    );
    const done = await run(['rewrap'], `${next},${present()}`);
    expect(done.status).toBe(0);
    expect(done.out).toContain(`Nothing is left under another encryption key than "${nextId}".`);
    expect(done.out).toContain('drop "test" from METERLINE_ENCRYPTION_KEYS');
    expect(await ringKeys()).toEqual([nextId]);
    for (const said of [killed, incomplete, done]) expect(said.out + said.err).not.toMatch(/sk-ant|nobody/);
    await waits(place, connected.id);
    await worker.kill();

    const without = await place.startWorker({ METERLINE_ENCRYPTION_KEYS: next });
    expect(without.lines().join()).toContain('Every stored key opens.');
    const { n } = await lastSync(connected.id);
    await place.client.workflow.getHandle(`connection-${connected.id}`).signal('syncNow');
    await until(
      'a sync under the new key',
      async () => {
        const last = await lastSync(connected.id);
        return last.n > n && last.state === 'succeeded';
      },
      PATIENCE_MS,
    );
  },
  6 * PATIENCE_MS,
);

async function ringKeys(): Promise<string[]> {
  const found = await rows<{ id: string }>(
    database.db,
    sql`select distinct encryption_key_id as id from keys where sealed is not null`,
  );
  return found.map(({ id }) => id);
}

async function lastSync(id: string): Promise<{ n: number; state: string }> {
  const [last] = await rows<{ n: number; state: string }>(
    database.db,
    sql`select n, state from syncs where connection_id = ${id} order by n desc limit 1`,
  );
  return last ?? { n: 0, state: '' };
}

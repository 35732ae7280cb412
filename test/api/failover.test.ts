import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect as dial, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDatabase, type Database } from '../../db/core/database.ts';
import { migrateDatabase } from '../../db/core/migrate.ts';
import { startPostgres, type RunningPostgres } from '../../local/postgres/postgres.ts';
import { commandOf, startStandby, type Standby } from '../support/standby.ts';
import { until } from '../support/wait.ts';
import { CANARY, startApi, type Api } from './support.ts';

const folder = mkdtempSync(join(tmpdir(), 'meterline-failover-'));
const dirOf = (name: string): string => join(folder, name);
let primary: RunningPostgres;
let standby: Standby;
let old: RunningPostgres;

beforeAll(async () => {
  const first = await startPostgres({ dataDir: dirOf('primary'), durable: false });
  await migrateDatabase(first.url);
  const command = commandOf(first.pid);
  await first.stop();
  // One cluster, and so one password, as the servers of a real one have.
  execFileSync('cp', ['-a', dirOf('primary'), dirOf('old')]);
  standby = await startStandby(first, command, dirOf('primary'), dirOf('standby'));
  [primary, old] = await Promise.all([
    startPostgres({ dataDir: dirOf('primary'), durable: false }),
    startPostgres({ dataDir: dirOf('old'), durable: false }),
  ]);
}, 120_000);
afterAll(async () => {
  await Promise.all([standby.stop(), primary.stop(), old.stop()]);
  rmSync(folder, { recursive: true, force: true });
});

async function on(url: string, ...statements: string[]): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => undefined });
  for (const statement of statements) await sql.unsafe(statement);
  await sql.end({ timeout: 1 });
}

const readOnly = (url: string, is: 'on' | 'off'): Promise<void> =>
  on(url, `alter system set default_transaction_read_only = ${is}`, 'select pg_reload_conf()');

/** An API on a database; what it answers is asked as a client would. */
async function withApi(url: string, work: (api: Api) => Promise<void>): Promise<void> {
  const database: Database = openDatabase(url, { max: 4, name: 'meterline-api' });
  const api = await startApi({ db: database.db, waitMs: 0 });
  try {
    await work(api);
  } finally {
    await api.close();
    await database.close();
  }
}

const create = (api: Api): ReturnType<Api['send']> =>
  api.send('POST', '/v1/connections', { name: 'x', admin_api_key: CANARY });

async function expectReadOnly(api: Api): Promise<void> {
  const refused = await create(api);
  expect(refused).toMatchObject({
    status: 503,
    body: { code: 'unavailable', detail: expect.stringContaining('Postgres is read-only') as unknown },
  });
  expect((await api.get('/v1/connections')).status).toBe(200);
  expect(await api.get('/readyz', null)).toMatchObject({
    status: 503,
    body: {
      postgres: 'read_only',
      temporal: 'ok',
      detail: expect.stringContaining('Postgres is read-only') as unknown,
    },
  });
}

async function expectToServe(api: Api): Promise<void> {
  await until('it to be ready', async () => (await api.get('/readyz', null)).status === 200);
  expect((await create(api)).status).toBe(202);
}

describe('a server that is read-only for a while', () => {
  it('is read from; what would be written is refused with 503, /readyz says so, and it passes by itself', async () => {
    await withApi(primary.url, async (api) => {
      await expectToServe(api);
      await readOnly(primary.url, 'on');
      await until('the setting to be taken', async () => (await create(api)).status === 503);
      await expectReadOnly(api);
      await readOnly(primary.url, 'off');
      await expectToServe(api);
    });
  });
});

describe('connections to a server that was the primary once', () => {
  it('are given up once one of them answers that it is read-only, and new ones go where the address leads', async () => {
    const ways = await forward(old.url);
    await withApi(ways.url, async (api) => {
      await expectToServe(api);
      await readOnly(old.url, 'on');
      ways.leadTo(primary.url);
      await until('it to be noticed', async () => (await create(api)).status === 503);
      await expectToServe(api);
      expect((await create(api)).status).toBe(202);
    });
    await ways.close();
    await readOnly(old.url, 'off');
  });
});

describe('an address of several servers', () => {
  it('leads to the one that can be written to, and to another once that is gone and the other is promoted', async () => {
    const [one, two] = [new URL(standby.url), new URL(primary.url)];
    const both = `postgres://${one.username}:${one.password}@${one.host},${two.host}${two.pathname}?sslmode=disable&target_session_attrs=read-write`;
    await withApi(both, async (api) => {
      await expectToServe(api);
      await primary.stop();
      await until('the standby to be read', async () => (await api.get('/v1/connections')).status === 200);
      await expectReadOnly(api);
      await standby.promote();
      await expectToServe(api);
    });
    primary = await startPostgres({ dataDir: dirOf('primary'), durable: false });
  });
});

/** An address that leads elsewhere from some moment on, while what is connected stays so, as with a changed name. */
async function forward(to: string): Promise<{ url: string; leadTo: (to: string) => void; close: () => Promise<void> }> {
  let target = new URL(to);
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    const further = dial({ host: target.hostname, port: Number(target.port) });
    for (const [here, there] of [
      [socket, further],
      [further, socket],
    ] as const) {
      sockets.add(here);
      here.pipe(there);
      here.on('error', () => there.destroy());
      here.on('close', () => there.destroy());
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = new URL(to);
  url.port = String((server.address() as AddressInfo).port);
  return {
    url: url.href,
    leadTo: (elsewhere) => {
      target = new URL(elsewhere);
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

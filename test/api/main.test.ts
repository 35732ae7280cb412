import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, inject, it } from 'vitest';
import { compileRooms, type CompiledRooms } from '../support/compiled.ts';
import { testDatabase, type TestDatabase } from '../support/postgres.ts';
import { until } from '../support/wait.ts';
import { ADMIN_TOKEN, CANARY } from './support.ts';

let built: CompiledRooms;
let database: TestDatabase;

beforeAll(async () => {
  database = await testDatabase();
  built = await compileRooms(['api', 'config', 'db', 'domain', 'exports', 'forecasting', 'runtime', 'workflows']);
});
afterAll(async () => {
  await built.remove();
  await database.close();
});

const started: ChildProcess[] = [];
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
});

interface Started {
  readonly child: ChildProcess;
  readonly said: { out: string; err: string };
  readonly ready: Promise<{ type: string; address: string }>;
  readonly exit: Promise<number | null>;
}

function start(env: Record<string, string>): Started {
  const child = spawn(process.execPath, [join(built.directory, 'api/main.js')], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: { PATH: process.env['PATH'], ...env },
  });
  started.push(child);
  const said = { out: '', err: '' };
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (said.out += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (said.err += text));
  return {
    child,
    said,
    ready: once(child, 'message').then(([message]) => message as { type: string; address: string }),
    exit: once(child, 'exit').then(() => child.exitCode),
  };
}

function environment(overrides: Record<string, string> = {}): Record<string, string> {
  return {
    DATABASE_URL: database.url,
    TEMPORAL_ADDRESS: inject('temporalAddress'),
    METERLINE_ENCRYPTION_KEYS: `test:${randomBytes(32).toString('base64')}`,
    METERLINE_API_TOKEN: ADMIN_TOKEN,
    PORT: '0',
    LOG_LEVEL: 'debug',
    ...overrides,
  };
}

it('names everything that is missing at once and ends with status 2', async () => {
  const { exit, said } = start({ PORT: 'x' });
  expect(await exit).toBe(2);
  for (const name of ['DATABASE_URL', 'TEMPORAL_ADDRESS', 'METERLINE_ENCRYPTION_KEYS', 'METERLINE_API_TOKEN', 'PORT']) {
    expect(said.err).toContain(name);
  }
  expect(said.err).not.toMatch(/^\s+at /m);
});

it("names the problems of its own variables, of Temporal's, and of HOST at once", async () => {
  const { exit, said } = start({
    DATABASE_URL: 'postgres://u:p@h/d?no_such=1',
    TEMPORAL_ADDRESS: 'nowhere',
    TEMPORAL_TLS_CLIENT_CERT_PATH: '/no/such/file',
    METERLINE_API_TOKEN: ADMIN_TOKEN,
    HOST: 'no-such-host.invalid',
  });
  expect(await exit).toBe(2);
  const told = said.err.split('\n').slice(1, -1);
  expect(told.map((line) => line.replace(/^ {2}- /, '').split(' ')[0])).toEqual([
    'DATABASE_URL',
    'HOST',
    'METERLINE_ENCRYPTION_KEYS',
    'TEMPORAL_ADDRESS',
    'TEMPORAL_TLS_CLIENT_CERT_PATH',
  ]);
});

it('warns about each option in DATABASE_URL that has no effect', async () => {
  const { ready, said } = start(environment({ DATABASE_URL: `${database.url}?channel_binding=require` }));
  await ready;
  await until('the log says so', () => said.out.includes('channel_binding in DATABASE_URL has no effect'));
});

it("says in a sentence what is wrong with Temporal's variables, and ends with status 2", async () => {
  const { exit, said } = start(environment({ TEMPORAL_TLS_CLIENT_CERT_PATH: '/no/such/file' }));
  expect(await exit).toBe(2);
  expect(said.err).toBe(
    'The configuration is wrong:\n  - TEMPORAL_TLS_CLIENT_CERT_PATH names /no/such/file, which cannot be read\n',
  );
});

it('says in a sentence that its port is taken, and ends with status 2', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  const { exit, said } = start(environment({ PORT: String(port) }));
  expect(await exit).toBe(2);
  expect(said.err).toMatch(
    new RegExp(`^Another program uses port ${port} on 127\\.0\\.0\\.1\\. .* set PORT to a free port\\.\n$`),
  );
  other.close();
});

it('announces its address, answers, and ends with status 0 when it is asked to stop', async () => {
  const { child, ready, exit, said } = start(environment());
  const { type, address } = await ready;
  expect(type).toBe('ready');
  expect((await fetch(`${address}/readyz`)).status).toBe(200);
  child.kill('SIGTERM');
  expect(await exit).toBe(0);
  expect(said.out).toContain('"msg":"stopped"');
  expect(said.err).toBe('');
});

it('starts, reads from Postgres and accepts new connections while Temporal is down', async () => {
  const { ready, said } = start(environment({ TEMPORAL_ADDRESS: '127.0.0.1:1', TEMPORAL_API_KEY: CANARY }));
  const { address } = await ready;
  const headers = { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' };
  expect((await fetch(`${address}/v1/connections`, { headers })).status).toBe(200);
  expect((await fetch(`${address}/readyz`)).status).toBe(503);
  const body = JSON.stringify({ name: 'x', admin_api_key: CANARY });
  const made = await fetch(`${address}/v1/connections`, { method: 'POST', headers, body });
  expect(made.status).toBe(202);
  await until('the log says so', () => said.out.includes('Temporal does not answer'));
  expect(said.out + said.err).not.toMatch(new RegExp(`CANARY|${ADMIN_TOKEN}`));
});

it('names the connections whose keys its encryption keys do not open, and still answers', async () => {
  const { ready, said } = start(environment());
  const { address } = await ready;
  const headers = { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' };
  const body = JSON.stringify({ name: 'Orphan', admin_api_key: CANARY });
  expect((await fetch(`${address}/v1/connections`, { method: 'POST', headers, body })).status).toBe(202);
  expect(said.out).not.toContain('Orphan');
  const other = start(environment());
  const { address: elsewhere } = await other.ready;
  await until('its log says so', () => /"level":50,.*do not open .*\\"Orphan\\" \(/.test(other.said.out));
  expect((await fetch(`${elsewhere}/readyz`)).status).toBe(200);
});

it('finishes running requests before it ends', async () => {
  const { child, ready, exit } = start(environment());
  const { address } = await ready;
  const headers = { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' };
  const body = JSON.stringify({ name: 'x', admin_api_key: CANARY });
  // No worker runs here, so that it waits for the verdict.
  const made = fetch(`${address}/v1/connections`, { method: 'POST', headers, body });
  await until('it is stored', async () => {
    const list = await fetch(`${address}/v1/connections?status=validating`, { headers });
    const { data } = (await list.json()) as { data: { name: string }[] };
    return data.length > 1;
  });
  child.kill('SIGTERM');
  expect((await made).status).toBe(202);
  expect(await exit).toBe(0);
});

it('ends with its supervisor', async () => {
  const { child, said, ready, exit } = start(environment());
  await ready;
  child.disconnect();
  expect(await exit, said.out + said.err).toBe(0);
});

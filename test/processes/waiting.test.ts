import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Connection } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time.js';
import { afterAll, afterEach, beforeAll, expect, inject, it } from 'vitest';
import { anyFreePort } from '../../local/processes/ports.ts';
import { testDatabase, type TestDatabase } from '../support/postgres.ts';
import { until } from '../support/wait.ts';
import { makeWay, type Way } from '../support/way.ts';
import { PATIENCE_MS, prepare } from './support.ts';

const MAIN = join(import.meta.dirname, '../../dist/worker/main.js');

let database: TestDatabase;
const ends: (() => void)[] = [];

beforeAll(async () => {
  await prepare();
  database = await testDatabase();
}, 6 * PATIENCE_MS);
afterEach(() => {
  for (const end of ends.splice(0)) end();
});
afterAll(() => database.close());

/** From this level on, a line is for somebody to act on. */
const WARN = 40;

/** A line of a worker's log. */
interface Line {
  readonly level: number;
  readonly time: string;
  readonly role: string;
  readonly msg: string;
}

interface Waiting {
  readonly child: ChildProcess;
  readonly exit: Promise<number | null>;
  readonly err: () => string;
  /** What was logged, every line of it. */
  readonly lines: () => Line[];
  /** The messages that name a server and what is the matter with it. */
  readonly outages: () => string[];
}

function startWorker(env: Record<string, string>): Waiting {
  const child = spawn(process.execPath, [MAIN], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'],
      DATABASE_URL: database.url,
      TEMPORAL_ADDRESS: inject('temporalAddress'),
      METERLINE_TASK_QUEUE: `test-${randomUUID()}`,
      METERLINE_ENCRYPTION_KEYS: `test:${randomBytes(32).toString('base64')}`,
      ...env,
    },
  });
  ends.push(() => child.kill('SIGKILL'));
  const said = { out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said.out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said.err += text));
  const lines = (): Line[] =>
    said.out
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Line);
  return {
    child,
    exit: once(child, 'exit').then(() => child.exitCode),
    err: () => said.err,
    lines,
    outages: () => lines().flatMap(({ msg }) => (/^(waiting for|\w+ at \S+ answers)/.test(msg) ? [msg] : [])),
  };
}

/** A way to the Temporal of these tests. It begins shut. */
function wayOn(port: number): Way {
  const [host = '', target = ''] = inject('temporalAddress').split(':');
  const way = makeWay({ host, port: Number(target) }, port);
  ends.push(() => void way.shut());
  return way;
}

const serves =
  ({ lines }: Waiting) =>
  () =>
    lines().some(({ msg }) => msg === 'the worker serves');

it(
  'a worker logs at once which Temporal it waits for, and when it is back, and no line of gRPC in between',
  { timeout: 2 * PATIENCE_MS },
  async () => {
    const port = await anyFreePort();
    const temporal = wayOn(port);
    const worker = startWorker({ TEMPORAL_ADDRESS: `127.0.0.1:${port}` });
    const waits = `waiting for Temporal at 127.0.0.1:${port}: the connection is refused. Start it, or check TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE.`;
    const answers = expect.stringMatching(`^Temporal at 127.0.0.1:${port} answers, after \\d+ s$`) as string;
    await until('the first line', () => worker.outages().length > 0);
    expect(worker.outages()).toEqual([waits]);
    await temporal.open();
    await until('the worker to serve', serves(worker), PATIENCE_MS);
    expect(worker.outages()).toEqual([waits, answers]);

    await temporal.shut();
    await until('a line of the second outage', () => worker.outages().length > 2, PATIENCE_MS);
    await temporal.open();
    await until('its end', () => worker.outages().length > 3, PATIENCE_MS);
    expect(worker.outages().slice(0, 4)).toEqual([waits, answers, waits, answers]);
    expect(worker.lines().filter(({ msg }) => msg.startsWith('gRPC call'))).toEqual([]);
    for (const { role, time } of worker.lines()) expect([role, time]).toEqual(['worker', new Date(time).toISOString()]);
    expect(worker.err()).toBe('');
  },
);

it('a worker that finds all it needs logs no warning, from its start to its end', async () => {
  let worker = await startedAndStopped();
  // On a machine with too much to do, Temporal itself may answer late, and a worker rightly says so. It is not so each time.
  for (let more = 0; more < 2 && worker.outages().length > 0; more += 1) worker = await startedAndStopped();
  expect(worker.lines().filter(({ level }) => level >= WARN)).toEqual([]);
  expect(worker.err()).toBe('');
});

async function startedAndStopped(): Promise<Waiting> {
  const worker = startWorker({});
  await until('the worker to serve', serves(worker), PATIENCE_MS);
  worker.child.kill('SIGTERM');
  expect(await worker.exit).toBe(0);
  return worker;
}

it('a worker reports a Temporal that accepts connections and stays silent, and ends at once when it is asked to', async () => {
  const silent = createServer((socket) => socket.on('error', () => undefined)).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  ends.push(() => silent.close());
  const worker = startWorker({ TEMPORAL_ADDRESS: `127.0.0.1:${(silent.address() as AddressInfo).port}` });
  await until('a line', () => worker.outages().length > 0, PATIENCE_MS);
  expect(worker.outages()[0]).toMatch(/^waiting for Temporal at 127\.0\.0\.1:\d+: it does not answer\. Start it/);
  const asked = performance.now();
  worker.child.kill('SIGTERM');
  expect(await worker.exit).toBe(0);
  expect(performance.now() - asked).toBeLessThan(5_000);
});

it('a worker reports a Postgres that is down, by its address and without its password', async () => {
  const worker = startWorker({ DATABASE_URL: 'postgres://m:hidden@127.0.0.1:1/m' });
  await until('a line', () => worker.outages().length > 0, PATIENCE_MS);
  expect(worker.outages()[0]).toBe(
    'waiting for Postgres at 127.0.0.1:1: Postgres does not answer: ECONNREFUSED. Start it, or check DATABASE_URL.',
  );
  expect(JSON.stringify(worker.lines())).not.toContain('hidden');
});

it(
  'a worker waits for a missing namespace, says so, and serves once it exists',
  { timeout: 2 * PATIENCE_MS },
  async () => {
    const namespace = `later-${randomUUID()}`;
    const worker = startWorker({ TEMPORAL_NAMESPACE: namespace });
    await until('a line', () => worker.outages().length > 0, PATIENCE_MS);
    expect(worker.outages()[0]).toMatch(
      /: it has no such namespace\. Start it, or check TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE\.$/,
    );
    const connection = await Connection.connect({ address: inject('temporalAddress') });
    ends.push(() => void connection.close());
    await connection.workflowService.registerNamespace({
      namespace,
      workflowExecutionRetentionPeriod: msToTs('1 day'),
    });
    await until('the worker to serve', serves(worker), PATIENCE_MS);
    expect([worker.child.exitCode, worker.err()]).toEqual([null, '']);
  },
);

it('a worker connects to Temporal directly, even if the environment names proxies', async () => {
  let asked = 0;
  const proxy = createServer((socket) => {
    asked += 1;
    socket.destroy();
  }).listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  ends.push(() => proxy.close());
  const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  const names = ['grpc_proxy', 'http_proxy', 'https_proxy', 'all_proxy'].flatMap((name) => [name, name.toUpperCase()]);
  const worker = startWorker(Object.fromEntries(names.map((name) => [name, url])));
  await until('the worker to serve', serves(worker), PATIENCE_MS);
  expect(asked).toBe(0);
});

it('a worker is healthy while it waits and while it serves, and a frozen one does not answer', async () => {
  const [port, temporalPort] = [await anyFreePort(), await anyFreePort()];
  const temporal = wayOn(temporalPort);
  const worker = startWorker({
    TEMPORAL_ADDRESS: `127.0.0.1:${temporalPort}`,
    METERLINE_WORKER_HEALTH_PORT: String(port),
  });
  const ask = async (): Promise<unknown> => {
    const reply = await fetch(`http://127.0.0.1:${port}/healthz`, { signal: AbortSignal.timeout(2_000) });
    return { code: reply.status, ...((await reply.json()) as object) };
  };
  const doing = (what: string) => async () => {
    const told = await ask().catch(() => null);
    return JSON.stringify(told) === JSON.stringify({ code: 200, status: 'ok', doing: what });
  };
  await until('it to wait', doing('waits for Temporal'), PATIENCE_MS);
  await temporal.open();
  await until('it to serve', doing('serves'), PATIENCE_MS);
  await temporal.shut();
  await until('the outage to be told of', () => worker.outages().at(-1)?.startsWith('waiting') === true, PATIENCE_MS);
  expect(await doing('serves')()).toBe(true);

  worker.child.kill('SIGSTOP');
  await expect(ask()).rejects.toThrow(/timeout/);
  worker.child.kill('SIGCONT');
  await until('it to be well again', doing('serves'), PATIENCE_MS);
});

it('a worker that cannot open its health port does not start', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  ends.push(() => taken.close());
  const port = (taken.address() as AddressInfo).port;
  const worker = startWorker({ METERLINE_WORKER_HEALTH_PORT: String(port) });
  expect(await worker.exit).toBe(2);
  expect(worker.err()).toContain(
    `port ${port} of 127.0.0.1 (another program has it). Set METERLINE_WORKER_HEALTH_PORT`,
  );
});

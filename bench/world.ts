import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import postgres from 'postgres';
import { z } from 'zod';
import { JsonClient } from '../local/http.ts';
import { anyFreePort } from '../local/processes/ports.ts';
import { startPostgres } from '../local/postgres/postgres.ts';
import { runOnce, startService } from '../local/processes/service.ts';
import { cpuOf } from './measure.ts';
import { findTemporalCli } from '../local/temporal/find.ts';
import { startTemporal } from '../local/temporal/temporal.ts';

/** The servers that all measurements share: Postgres and Temporal as `npm start` runs them. */
export interface Servers {
  readonly directory: string;
  readonly temporalAddress: string;
  /** Makes an empty database. Returns its address. */
  newDatabase(): Promise<string>;
  /** The Actions that Temporal counted so far, by type, as its own metrics say. */
  actions(): Promise<ReadonlyMap<string, number>>;
  /** Processor seconds used so far. */
  cpu(): { readonly postgres: number; readonly temporal: number };
  close(): Promise<void>;
}

/** A simulated Anthropic in its own process. */
export interface Upstream {
  readonly url: string;
  readonly pid: number;
  readonly key: string;
  readonly control: JsonClient;
  close(): Promise<void>;
}

/** An API and a worker, each in its own process, on their own database and task queue. */
export interface Deployment {
  readonly api: JsonClient;
  readonly apiUrl: string;
  readonly token: string;
  readonly databaseUrl: string;
  readonly sql: postgres.Sql;
  readonly taskQueue: string;
  readonly pids: { readonly api: number; readonly worker: number };
  /** The longest time in milliseconds that the ready worker's event loop was blocked so far. */
  readonly longestBlockMs: () => number;
  /** The same of the API. */
  readonly apiBlockMs: () => number;
  close(): Promise<void>;
}

const quiet = (): void => undefined;
const LOOP = new URL('./loop.js', import.meta.url).href;

/** Starts the servers on a temporary directory. */
export async function startServers(): Promise<Servers> {
  const directory = mkdtempSync(join(tmpdir(), 'meterline-bench-'));
  mkdirSync(join(directory, 'logs'));
  const [database, cli] = await Promise.all([
    startPostgres({ dataDir: directory, log: quiet, logFile: join(directory, 'logs', 'postgres.log') }),
    findTemporalCli(),
  ]);
  const metricsPort = await anyFreePort();
  const temporal = await startTemporal({ cli, dataDir: directory, metricsPort });
  const admin = postgres(database.url, { max: 1, onnotice: quiet });
  return {
    directory,
    temporalAddress: temporal.address,
    actions: () => actionsAt(metricsPort, temporal.namespace),
    cpu: () => ({
      postgres: childrenOf(database.pid).reduce((sum, pid) => sum + cpuOf(pid), cpuOf(database.pid, { ended: true })),
      temporal: cpuOf(temporal.pid),
    }),
    async newDatabase() {
      const name = `bench_${randomUUID().replaceAll('-', '').slice(0, 12)}`;
      await admin.unsafe(`create database ${name}`);
      const url = new URL(database.url);
      url.pathname = `/${name}`;
      return url.href;
    },
    async close() {
      await admin.end();
      await Promise.all([temporal.stop(), database.stop()]);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function actionsAt(port: number, namespace: string): Promise<Map<string, number>> {
  const reply = await fetch(`http://127.0.0.1:${port}/metrics`);
  const counted = new Map<string, number>();
  for (const line of (await reply.text()).split('\n')) {
    const [, labels = '', value = ''] = /^action\{(.*)\} (\S+)$/.exec(line) ?? [];
    const label = (name: string): string => new RegExp(`${name}="([^"]*)"`).exec(labels)?.[1] ?? '';
    if (label('namespace') !== namespace || label('service_name') !== 'frontend') continue;
    const type = label('action_type');
    counted.set(type, (counted.get(type) ?? 0) + Number(value));
  }
  return counted;
}

const listening = z.object({ url: z.string(), admin_api_key: z.string() });

/** Starts a simulator with the arguments of `simulator/main.ts`. */
export async function startUpstream(servers: Servers, args: readonly string[]): Promise<Upstream> {
  const service = await startService({
    name: 'The simulator',
    script: program('simulator'),
    args: ['--port', String(await anyFreePort()), ...args],
    // The simulator keeps a year of pages in memory.
    nodeFlags: ['--max-old-space-size=12000'],
    env: process.env,
    logFile: join(servers.directory, 'logs', `simulator-${randomUUID().slice(0, 8)}.log`),
    readyWithinMs: 600_000,
  });
  const said = service
    .lastLines(100)
    .split('\n')
    .findLast((line) => line.startsWith('{"event":"listening"'));
  const { url, admin_api_key: key } = listening.parse(JSON.parse(said ?? 'null'));
  return { url, pid: service.pid, key, control: new JsonClient(url), close: () => service.stop() };
}

/** Starts Meterline as `npm run api` and `npm run worker` do. */
export async function deploy(
  servers: Servers,
  upstream: Upstream,
  workerFlags: readonly string[] = [],
  settings: Readonly<Record<string, string>> = {},
): Promise<Deployment> {
  const databaseUrl = await servers.newDatabase();
  const token = `bench-${randomBytes(18).toString('base64url')}`;
  const id = randomUUID().slice(0, 8);
  const taskQueue = `bench-${id}`;
  const port = await anyFreePort();
  const env = {
    PATH: process.env['PATH'],
    HOME: process.env['HOME'],
    DATABASE_URL: databaseUrl,
    TEMPORAL_ADDRESS: servers.temporalAddress,
    METERLINE_TASK_QUEUE: taskQueue,
    METERLINE_ENCRYPTION_KEYS: `bench:${randomBytes(32).toString('base64')}`,
    METERLINE_API_TOKEN: token,
    ANTHROPIC_BASE_URL: upstream.url,
    PORT: String(port),
    LOG_LEVEL: 'info',
    ...settings,
  };
  const log = (role: string): string => join(servers.directory, 'logs', `${role}-${id}.log`);
  const loops = { api: loopOf(servers, `api-${id}`), worker: loopOf(servers, `worker-${id}`) };
  const start = (name: string, role: 'api' | 'worker', nodeFlags: readonly string[]): ReturnType<typeof startService> =>
    startService({ name, script: program(role), env, logFile: log(role), nodeFlags });
  await runOnce({ name: 'The migration', script: program('db'), env, logFile: log('migrate') });
  const [api, worker] = await Promise.all([
    start('The API', 'api', [loops.api.flag]),
    start('The worker', 'worker', [loops.worker.flag, ...workerFlags]),
  ]);
  // They are ready: what their start blocked does not count.
  for (const { pid } of [api, worker]) process.kill(pid, 'SIGUSR2');
  const sql = postgres(databaseUrl, { max: 1, onnotice: quiet });
  const apiUrl = `http://127.0.0.1:${port}`;
  return {
    api: new JsonClient(apiUrl, token),
    apiUrl,
    token,
    databaseUrl,
    sql,
    taskQueue,
    pids: { api: api.pid, worker: worker.pid },
    longestBlockMs: loops.worker.longestMs,
    apiBlockMs: loops.api.longestMs,
    async close() {
      await sql.end();
      await Promise.all([api.stop(), worker.stop()]);
    },
  };
}

/** What has a program watch its event loop, and its longest block so far in milliseconds. */
function loopOf({ directory }: Servers, name: string): { readonly flag: string; readonly longestMs: () => number } {
  const file = join(directory, `loop-${name}`);
  return {
    flag: `--import=${LOOP}?to=${encodeURIComponent(file)}`,
    longestMs: () => (existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0),
  };
}

/** Postgres runs a process for each session. */
function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
}

function program(room: string): string {
  return fileURLToPath(new URL(`../${room}/main.js`, import.meta.url));
}

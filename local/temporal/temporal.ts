import { chmodSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
// Temporal 1.24.0 does not export it. test/local/temporal.test.ts reads the retention back, so it fails if this breaks.
import { msToTs } from '@temporalio/common/lib/time.js';
import { StackError, messageOf } from '../errors.ts';
import { hasExited, spawnService, stopChild, terminate, type Running, type Spawned } from '../processes/child.ts';
import { anyFreePort, isListening } from '../processes/ports.ts';

const NAMESPACE = 'default';
/**
 * A queue in several partitions gives its tasks in no order: at 150 connections at once, one in a hundred waited 7 seconds
 * for its first task, four times as long as another.
 */
const DYNAMIC_CONFIG = ['matching.numTaskqueueReadPartitions=1', 'matching.numTaskqueueWritePartitions=1'];
const DATABASE_FILE = 'temporal.db';
/**
 * Without a write-ahead log, SQLite waits for the disk several times at each step of a workflow. With one, it would still
 * wait at each commit, and all workflows wait with it. `NORMAL` waits only when it copies the log into the database: a
 * program that is killed loses nothing, and a machine that loses power loses its last steps, which the connections take
 * again, since Postgres knows what is done.
 */
const SQLITE_PRAGMAS = ['journal_mode=WAL', 'synchronous=NORMAL'];
/** Starts a program such that only its owner can read the files it makes. */
const OWNER_ONLY = 'umask 077; exec "$0" "$@"';
/** How long Temporal keeps closed workflows. A development server's default is one day. */
const RETENTION = '90 days';
const READY_WITHIN_MS = 30_000;
const READY_CHECK_EVERY_MS = 20;
const NAMESPACE_WITHIN_MS = 3_000;
const STOP_WITHIN_MS = 4_000;

export interface TemporalOptions {
  /** The path of the `temporal` program, from `findTemporalCli`. */
  cli: string;
  /** The directory of its database, or `:memory:` for a server that is thrown away. */
  dataDir: string;
  /** The default is any free port. */
  port?: number;
  /** Without it there is no web UI. */
  uiPort?: number;
  /** Where it serves its metrics at `/metrics`. Without it, a port of its own choice. */
  metricsPort?: number;
  logFile?: string;
  onSpawn?: (pid: number) => void;
}

export interface RunningTemporal extends Running {
  address: string;
  namespace: string;
  uiUrl: string | null;
}

/**
 * Starts Temporal's development server on loopback. Only the owner can read its files. Resolves when it answers for its
 * namespace, which comes later than when it listens. Throws StackError with its last lines.
 */
export async function startTemporal(options: TemporalOptions): Promise<RunningTemporal> {
  const port = options.port ?? (await anyFreePort());
  if (!isInMemory(options)) {
    mkdirSync(options.dataDir, { recursive: true, mode: 0o700 });
    restrictFiles(options.dataDir);
  }
  const server = await spawnService('/bin/sh', ['-c', OWNER_ONLY, options.cli, ...serverArguments(options, port)], {
    // The user's own settings for Temporal (TEMPORAL_*, configuration files) are for its clients, not for this server.
    env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '/' },
    // It reads the name of its file as an address, so a directory with `?` or `%` must not be part of that name.
    cwd: isInMemory(options) ? '/' : options.dataDir,
    onSpawn: options.onSpawn,
    ...(options.logFile === undefined ? {} : { logFile: options.logFile }),
  });
  const stop = (withinMs = STOP_WITHIN_MS): Promise<void> => stopChild(server, terminate(withinMs));
  try {
    await prepareNamespace(server, port);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    pid: server.pid,
    address: `127.0.0.1:${port}`,
    namespace: NAMESPACE,
    uiUrl: options.uiPort === undefined ? null : `http://127.0.0.1:${options.uiPort}`,
    exited: server.exited,
    stop,
  };
}

/** Takes the rights of others from files that already exist. */
function restrictFiles(dataDir: string): void {
  for (const name of [DATABASE_FILE, `${DATABASE_FILE}-wal`, `${DATABASE_FILE}-shm`]) {
    const path = join(dataDir, name);
    if (existsSync(path)) chmodSync(path, 0o600);
  }
}

function isInMemory({ dataDir }: TemporalOptions): boolean {
  return dataDir === ':memory:';
}

function serverArguments(options: TemporalOptions, port: number): string[] {
  return [
    'server',
    'start-dev',
    ...['--ip', '127.0.0.1', '--port', String(port)],
    ...(options.uiPort === undefined
      ? ['--headless']
      : ['--ui-ip', '127.0.0.1', '--ui-port', String(options.uiPort), '--ui-disable-news-fetch']),
    ...(options.metricsPort === undefined ? [] : ['--metrics-port', String(options.metricsPort)]),
    ...(isInMemory(options)
      ? []
      : ['--db-filename', DATABASE_FILE, ...SQLITE_PRAGMAS.flatMap((pragma) => ['--sqlite-pragma', pragma])]),
    ...DYNAMIC_CONFIG.flatMap((setting) => ['--dynamic-config-value', setting]),
    ...['--log-level', 'warn', '--color', 'never', '--disable-config-file', '--disable-config-env'],
  ];
}

/** Waits for the namespace and sets how long it keeps closed workflows. Throws StackError if the server does not start. */
async function prepareNamespace(server: Spawned, port: number): Promise<void> {
  const deadline = Date.now() + READY_WITHIN_MS;
  let problem = 'it does not listen';
  while (!hasExited(server) && Date.now() < deadline) {
    // gRPC waits a second after a refused connection, so it connects only once the server listens.
    if (await isListening(port)) {
      const failure = await setRetention(`127.0.0.1:${port}`);
      if (failure === null && !hasExited(server)) return;
      problem = failure ?? 'another server answers on its port';
    }
    await delay(READY_CHECK_EVERY_MS);
  }
  const lines = server.lastLines();
  throw new StackError(
    `Temporal did not start on 127.0.0.1:${port} (${problem}). Its last lines:\n${lines || '(none)'}`,
  );
}

/** Null if it worked, or else why it did not. */
async function setRetention(address: string): Promise<string | null> {
  const connection = Connection.lazy({ address });
  try {
    await connection.withDeadline(Date.now() + NAMESPACE_WITHIN_MS, async () => {
      await connection.workflowService.describeNamespace({ namespace: NAMESPACE });
      await connection.workflowService.updateNamespace({
        namespace: NAMESPACE,
        config: { workflowExecutionRetentionTtl: msToTs(RETENTION) },
      });
    });
    return null;
  } catch (error) {
    return messageOf(error);
  } finally {
    await connection.close();
  }
}

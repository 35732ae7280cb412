import { setTimeout as delay } from 'node:timers/promises';
import { chmodSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Connection } from '@temporalio/client';
// Temporal 1.24.0 does not export it; test/local/local.test.ts reads the retention back, and fails if it moves.
import { msToTs } from '@temporalio/common/lib/time.js';
import { anyFreePort, isListening } from './ports.ts';
import { messageOf, spawnService, stopChild, terminate, type Running, type Spawned } from './processes.ts';

export { findTemporalCli, findTemporalTestServer, type FindOptions } from './temporal-binaries.ts';

const NAMESPACE = 'default';
const DATABASE_FILE = 'temporal.db';
/** A shell that becomes the program it is given, which makes files that only its owner can read. */
const OWNER_ONLY = 'umask 077; exec "$0" "$@"';
const RETENTION = '90 days';
const READY_WITHIN_MS = 30_000;
const SHUTDOWN_WITHIN_MS = 4000;

export interface TemporalOptions {
  /** The `temporal` program, from `findTemporalCli`. */
  cli: string;
  /** Its database is `temporal.db` in here; or `:memory:` for a server that is thrown away. */
  dataDir: string;
  /** Default: any free one. */
  port?: number;
  /** Default: no web UI. */
  uiPort?: number;
  log?: (line: string) => void;
  logFile?: string;
  onSpawn?: (pid: number) => void;
}

export interface RunningTemporal extends Running {
  address: string;
  namespace: string;
  uiUrl: string | null;
}

/**
 * Starts Temporal's development server on loopback; its files are readable to their owner alone. Ready means: it answers for its namespace, not just: it listens.
 */
export async function startTemporal(options: TemporalOptions): Promise<RunningTemporal> {
  const port = options.port ?? (await anyFreePort());
  const address = `127.0.0.1:${port}`;
  if (!isInMemory(options)) {
    mkdirSync(options.dataDir, { recursive: true, mode: 0o700 });
    closeToOthers(options.dataDir);
  }
  const server = await spawnService('/bin/sh', ['-c', OWNER_ONLY, options.cli, ...serverArguments(options, port)], {
    // Its own settings for clients (TEMPORAL_*, its configuration files) are not meant for this server.
    env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '/' },
    // It takes the name of its file for an address, so the characters of this path must not be in it.
    cwd: isInMemory(options) ? '/' : options.dataDir,
    onSpawn: options.onSpawn,
    ...(options.logFile === undefined ? {} : { logFile: options.logFile }),
  });
  const stop = (withinMs = SHUTDOWN_WITHIN_MS): Promise<void> =>
    stopChild(server.child, server.exited, terminate(withinMs));
  try {
    await prepareNamespace(server, port);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    pid: server.pid,
    address,
    namespace: NAMESPACE,
    uiUrl: options.uiPort === undefined ? null : `http://127.0.0.1:${options.uiPort}`,
    exited: server.exited,
    stop,
  };
}

/** A file made before, with rights that let others read it. */
function closeToOthers(dataDir: string): void {
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
    // Without a write-ahead log, SQLite waits for the disk several times for each of a workflow's steps.
    ...(isInMemory(options) ? [] : ['--db-filename', DATABASE_FILE, '--sqlite-pragma', 'journal_mode=WAL']),
    ...['--log-level', 'warn', '--color', 'never', '--disable-config-file', '--disable-config-env'],
  ];
}

/** Waits for the namespace, and keeps its closed workflows longer than the one day a development server keeps them. */
async function prepareNamespace(server: Spawned, port: number): Promise<void> {
  const isGone = (): boolean => server.child.exitCode !== null || server.child.signalCode !== null;
  const deadline = Date.now() + READY_WITHIN_MS;
  let reason = 'it does not listen';
  while (!isGone() && Date.now() < deadline) {
    // A gRPC channel that was refused once waits a second before it tries again, so it is not made before its time.
    const refusal = (await isListening(port)) ? await keepClosedWorkflows(`127.0.0.1:${port}`) : reason;
    if (refusal === null && !isGone()) return;
    reason = refusal ?? 'another server answers on its port';
    await delay(20);
  }
  const said = server.lastLines();
  throw new Error(`Temporal did not start on 127.0.0.1:${port} (${reason}). Its last lines:\n${said || '(none)'}`);
}

/** Null when it worked, else why not. */
async function keepClosedWorkflows(address: string): Promise<string | null> {
  const connection = Connection.lazy({ address });
  try {
    await connection.withDeadline(Date.now() + 3000, async () => {
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

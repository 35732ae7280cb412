import { chownSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EMBEDDED_DATABASE } from '../../config/embedded.ts';
import { StackError, isErrno } from '../errors.ts';
import { runToEnd } from '../processes/child.ts';
import { commandLineOf, isAlive, stopPid, type Escalation } from '../processes/pids.ts';
import type { Binaries } from './binaries.ts';
import type { Launcher } from './user.ts';

const INITDB_WITHIN_MS = 120_000;
const KILL_WITHIN_MS = 5_000;
/** Lines of postmaster.pid, counted from 0. */
const PID_LINE = 0;
const STATE_LINE = 7;

/** Postgres' fast shutdown, then its immediate one, from which the next start recovers, then SIGKILL. */
export function shutdown(withinMs: number): Escalation {
  return [
    ['SIGINT', withinMs * 0.7],
    ['SIGQUIT', withinMs * 0.3],
    ['SIGKILL', KILL_WITHIN_MS],
  ];
}

/** The environment of Postgres' programs. Ours may hold keys, so they get nothing of it but the PATH. */
export function serverEnvironment(): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };
}

export function clusterExists(cluster: string): boolean {
  return existsSync(join(cluster, 'PG_VERSION'));
}

/** Runs initdb beside the final directory and renames the result, so that an interruption leaves no incomplete cluster. */
export async function createCluster(options: {
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
    const [command, args] = launcher.command(binaries.initdb, initdbArguments(unfinished, passwordFile, durable));
    const { timedOut, code, output } = await runToEnd(command, args, {
      ...launcher.spawn,
      cwd: '/',
      env: serverEnvironment(),
      timeoutMs: INITDB_WITHIN_MS,
    });
    if (code !== 0) {
      throw new StackError(`initdb ${timedOut ? 'did not finish' : 'failed'} in ${unfinished}:\n${output}`);
    }
    renameSync(unfinished, cluster);
  } finally {
    rmSync(passwordFile, { force: true });
  }
}

function initdbArguments(directory: string, passwordFile: string, durable: boolean): string[] {
  return [
    `--pgdata=${directory}`,
    `--username=${EMBEDDED_DATABASE.role}`,
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    // The builtin locale sorts the same on every platform.
    ...['--no-locale', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'],
    '--no-instructions',
    ...(durable ? [] : ['--no-sync']),
  ];
}

/** What a server writes about itself into postmaster.pid; null without that file. pg_ctl reads the same. */
export function readPidFile(cluster: string): { pid: number; state: string } | null {
  try {
    const lines = readFileSync(join(cluster, 'postmaster.pid'), 'utf8').split('\n');
    return { pid: Number(lines[PID_LINE]), state: (lines[STATE_LINE] ?? '').trim() };
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return null;
    throw error;
  }
}

/** Stops a server that an earlier run left behind on this cluster. Throws StackError if it does not stop. */
export async function stopOrphan(cluster: string, withinMs: number, log: (line: string) => void): Promise<void> {
  const left = readPidFile(cluster);
  if (left === null || !Number.isInteger(left.pid) || left.pid <= 1 || !isAlive(left.pid)) return;
  if (!isServerOf(left.pid, cluster)) {
    // Another process has the pid now. Postgres would take it for a running server, and refuse to start.
    rmSync(join(cluster, 'postmaster.pid'));
    return;
  }
  log(`Postgres: stopping the server that an earlier run left behind (process ${left.pid})`);
  if (!(await stopPid(left.pid, shutdown(withinMs)))) {
    throw new StackError(`Postgres (process ${left.pid}) on ${cluster} does not stop.`);
  }
}

function isServerOf(pid: number, cluster: string): boolean {
  const command = commandLineOf(pid);
  return command.includes('postgres') && command.includes(`-D ${cluster} `);
}

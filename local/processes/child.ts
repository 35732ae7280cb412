import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { isErrno } from '../errors.ts';
import { settlesWithin } from '../wait.ts';
import type { Escalation } from './pids.ts';

/** How a process ended. Both are null only if the operating system could not start it. */
export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** A process that is ready to serve. */
export interface Running {
  pid: number;
  /** Where it listens, if it does. */
  address?: string;
  exited: Promise<Exit>;
  /** Resolves when the process is gone. It is killed if it has not ended by itself in the given time. */
  stop(withinMs?: number): Promise<void>;
}

/** A process that was started and may not be ready yet. */
export interface Spawned {
  child: ChildProcess;
  pid: number;
  exited: Promise<Exit>;
  /** The last lines of its output since it was started. */
  lastLines: (count?: number) => string;
}

export interface SpawnOptions {
  env: NodeJS.ProcessEnv;
  cwd?: string;
  uid?: number;
  gid?: number;
  /** The process writes its output directly into this file, so that it outlives us. Without it, we read a pipe. */
  logFile?: string;
  /** Called as soon as the process exists, long before it is ready. */
  onSpawn?: ((pid: number) => void) | undefined;
  /** Opens an IPC channel to us. */
  ipc?: boolean;
}

const KILL_WITHIN_MS = 5_000;
const MAX_PIPED_LINES = 40;
const SHOWN_LINES = 12;
const MAX_TAIL_BYTES = 65_536;
const MAX_OUTPUT_CHARACTERS = 20_000;

/** SIGTERM, then SIGKILL. */
export function terminate(withinMs: number): Escalation {
  return [
    ['SIGTERM', withinMs],
    ['SIGKILL', KILL_WITHIN_MS],
  ];
}

export function describeExit(exit: Exit): string {
  if (exit.signal !== null) return `killed by ${exit.signal}`;
  return exit.code === null ? 'could not be started' : `exit status ${exit.code}`;
}

export function hasExited({ child }: Spawned): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** Stops a child of ours. Resolves when it is gone. */
export async function stopChild(spawned: Spawned, escalation: Escalation): Promise<void> {
  for (const [signal, waitMs] of escalation) {
    if (hasExited(spawned)) break;
    spawned.child.kill(signal);
    if (await settlesWithin(spawned.exited, waitMs)) break;
  }
  await spawned.exited;
}

/** Starts a process that is meant to stay. Throws the operating system's error if it cannot be started. */
export async function spawnService(command: string, args: readonly string[], options: SpawnOptions): Promise<Spawned> {
  const { logFile, onSpawn, ipc = false, ...rest } = options;
  const piped: string[] = [];
  const log = logFile === undefined ? null : { path: logFile, from: sizeOf(logFile) };
  const output = log === null ? 'pipe' : openSync(log.path, 'a', 0o600);
  try {
    const child = spawn(command, args, {
      ...rest,
      // In a group of its own, it gets no Ctrl-C from the terminal: the supervisor alone does, and stops all in order.
      detached: true,
      stdio: ['ignore', output, output, ...(ipc ? (['ipc'] as const) : [])],
    });
    const exited = exitOf(child);
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        piped.push(...text.split('\n').filter((line) => line !== ''));
        piped.splice(0, Math.max(0, piped.length - MAX_PIPED_LINES));
      });
    }
    const pid = await pidOf(child);
    onSpawn?.(pid);
    return {
      child,
      pid,
      exited,
      lastLines: (count = SHOWN_LINES) =>
        log === null ? piped.slice(-count).join('\n') : tailOf(log.path, count, log.from),
    };
  } finally {
    if (typeof output === 'number') closeSync(output);
  }
}

export interface Finished extends Exit {
  /** The end of what it wrote to both streams. */
  output: string;
  /** It did not end in time, and was killed. */
  timedOut: boolean;
}

/** Runs a command to its end. After `timeoutMs`, kills it together with every process that it started. */
export async function runToEnd(
  command: string,
  args: readonly string[],
  options: { timeoutMs: number; env?: NodeJS.ProcessEnv; cwd?: string; uid?: number; gid?: number },
): Promise<Finished> {
  const { timeoutMs, ...rest } = options;
  const child = spawn(command, args, { ...rest, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-MAX_OUTPUT_CHARACTERS);
    });
  }
  const exited = exitOf(child);
  const closed = new Promise<void>((resolve) => child.once('close', resolve));
  const pid = await pidOf(child);
  const timedOut = !(await settlesWithin(closed, timeoutMs));
  if (timedOut) killGroup(pid);
  return { ...(await exited), output: output.trim(), timedOut };
}

/** Rejects with the operating system's error if the process cannot be started. */
function pidOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('spawn', () => {
      if (child.pid === undefined) reject(new Error(`${child.spawnfile} has no pid`));
      else resolve(child.pid);
    });
    child.once('error', reject);
  });
}

function exitOf(child: ChildProcess): Promise<Exit> {
  return new Promise((resolve) => {
    child.once('exit', (code, signal) => {
      resolve({ code, signal });
    });
    child.once('error', () => {
      if (child.pid === undefined) resolve({ code: null, signal: null });
    });
  });
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (!isErrno(error, 'ESRCH')) throw error;
  }
}

/** The last lines of a file from the byte `from` on; empty if there is no such file. */
function tailOf(path: string, count: number, from: number): string {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch {
    return '';
  }
  try {
    const { size } = fstatSync(file);
    // A file that is shorter than `from` was truncated since, so everything in it is newer.
    const start = Math.max(size < from ? 0 : from, size - MAX_TAIL_BYTES);
    const buffer = Buffer.alloc(size - start);
    readSync(file, buffer, 0, buffer.length, start);
    return buffer.toString('utf8').trimEnd().split('\n').slice(-count).join('\n');
  } finally {
    closeSync(file);
  }
}

function sizeOf(path: string): number {
  try {
    return statSync(path).size;
  } catch {
    return 0;
  }
}

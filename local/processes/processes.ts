import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, readSync, fstatSync, statSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** How a process ended. Both are null only when the operating system could not even start it. */
export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** A process that serves: what a part of the stack is once it is ready. */
export interface Running {
  pid: number;
  /** Where it answers, if it answers anywhere. */
  address?: string;
  exited: Promise<Exit>;
  /** Resolves when it is gone. What does not end by itself in the time given (or in the part's own) is killed. */
  stop(withinMs?: number): Promise<void>;
}

/** A signal, and how long to wait for it to work before the next one. */
export type Escalation = readonly (readonly [signal: NodeJS.Signals, waitMs: number])[];

/** For programs that end by themselves when they are asked to. */
export function terminate(withinMs: number): Escalation {
  return [
    ['SIGTERM', withinMs],
    ['SIGKILL', 5000],
  ];
}

export function describeExit(exit: Exit): string {
  if (exit.signal !== null) return `killed by ${exit.signal}`;
  return exit.code === null ? 'could not be started' : `exit status ${exit.code}`;
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return isErrno(error, 'EPERM');
  }
  return !isZombie(pid);
}

/** A dead process whose parent has not asked for its status still has a pid; it holds nothing and can do nothing. */
function isZombie(pid: number): boolean {
  return procStat(pid)?.[0] === 'Z';
}

/** The fields of /proc/<pid>/stat behind the command name, which may itself contain spaces and parentheses. */
function procStat(pid: number): string[] | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return null;
  }
}

/**
 * What tells this process from a later one with the same pid: when it started (and in which boot).
 * Null when there is no such process.
 */
export function identityOf(pid: number): string | null {
  if (existsSync('/proc/self/stat')) {
    const started = procStat(pid)?.[19];
    return started === undefined ? null : `${started}@${bootId()}`;
  }
  const ps = spawnSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8', timeout: 5000 });
  const started = ps.status === 0 ? ps.stdout.trim() : '';
  return started === '' ? null : started;
}

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return '';
  }
}

export function commandLineOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
  } catch {
    const ps = spawnSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8', timeout: 5000 });
    return ps.status === 0 ? ps.stdout.trim() : '';
  }
}

/** Stops a process that may not be our child (so there is no exit event to wait for). True when it is gone. */
export async function stopPid(pid: number, escalation: Escalation): Promise<boolean> {
  for (const [signal, waitMs] of escalation) {
    try {
      process.kill(pid, signal);
    } catch (error) {
      if (isErrno(error, 'ESRCH')) return true;
      throw error;
    }
    if (await eventually(() => !isAlive(pid), waitMs)) return true;
  }
  return false;
}

/** Stops a child of ours, escalating; resolves when it is gone. */
export async function stopChild(child: ChildProcess, exited: Promise<Exit>, escalation: Escalation): Promise<void> {
  for (const [signal, waitMs] of escalation) {
    if (child.exitCode !== null || child.signalCode !== null) break;
    child.kill(signal);
    if (await settlesWithin(exited, waitMs)) break;
  }
  await exited;
}

/** Whether a promise settles in time. The timer does not outlive the answer. */
export async function settlesWithin(promise: Promise<unknown>, waitMs: number): Promise<boolean> {
  const timer = new AbortController();
  const late = delay(waitMs, false, { signal: timer.signal }).catch(() => false);
  const done = promise.then(
    () => true,
    () => true,
  );
  const settled = await Promise.race([done, late]);
  timer.abort();
  return settled;
}

/** Asks again and again until it holds or the time is over. */
export async function eventually(
  holds: () => boolean | Promise<boolean>,
  withinMs: number,
  everyMs = 20,
): Promise<boolean> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    if (await holds()) return true;
    if (Date.now() >= deadline) return false;
    await delay(everyMs);
  }
}

export interface SpawnOptions {
  env: NodeJS.ProcessEnv;
  cwd?: string;
  uid?: number;
  gid?: number;
  /** Output goes straight into this file, so that the process does not depend on us being alive to read a pipe. */
  logFile?: string;
  /** Called as soon as there is a process, long before it is ready. */
  onSpawn?: ((pid: number) => void) | undefined;
  /** An IPC channel to us: it tells us when it is ready, and ends by itself when we are gone. */
  ipc?: boolean;
}

export interface Spawned {
  child: ChildProcess;
  pid: number;
  exited: Promise<Exit>;
  /** The last lines it wrote since it was started. */
  lastLines: (count?: number) => string;
}

/** Starts a process that is meant to stay. Throws when the operating system refuses. */
export async function spawnService(command: string, args: readonly string[], options: SpawnOptions): Promise<Spawned> {
  const { logFile, onSpawn, ipc = false, ...rest } = options;
  const recent: string[] = [];
  const logged = logFile === undefined ? null : { path: logFile, from: sizeOf(logFile) };
  const output = logged === null ? 'pipe' : openSync(logged.path, 'a', 0o600);
  try {
    const child = spawn(command, args, {
      ...rest,
      // A group of its own: Ctrl-C in the terminal reaches the supervisor only, which then stops its children in order.
      detached: true,
      stdio: ['ignore', output, output, ...(ipc ? (['ipc'] as const) : [])],
    });
    const exited = exitOf(child);
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        recent.push(...text.split('\n').filter((line) => line !== ''));
        recent.splice(0, Math.max(0, recent.length - 40));
      });
    }
    await started(child);
    if (child.pid === undefined) throw new Error(`${command} has no pid`);
    onSpawn?.(child.pid);
    return {
      child,
      pid: child.pid,
      exited,
      lastLines: (count = 12) =>
        logged === null ? recent.slice(-count).join('\n') : lastLinesOf(logged.path, count, logged.from),
    };
  } finally {
    if (typeof output === 'number') closeSync(output);
  }
}

function started(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once('spawn', resolve);
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

export interface Finished extends Exit {
  output: string;
  /** It was still running when its time was over, and was killed. */
  timedOut: boolean;
}

/** Runs a command to its end, bounded in time; its whole process group goes with it. */
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
      output = (output + text).slice(-20_000);
    });
  }
  const exited = exitOf(child);
  await started(child);
  const closed = new Promise<void>((resolve) => child.once('close', resolve));
  const timedOut = !(await settlesWithin(closed, timeoutMs));
  if (timedOut && child.pid !== undefined) killGroup(child.pid);
  return { ...(await exited), output: output.trim(), timedOut };
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (!isErrno(error, 'ESRCH')) throw error;
  }
}

/** The last lines of a file, not looking before a given byte nor further back than 64 kB. */
export function lastLinesOf(path: string, count: number, from = 0): string {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch {
    return '';
  }
  try {
    const { size } = fstatSync(file);
    // A file shorter than where we started was rotated meanwhile: all of it is newer.
    const start = Math.max(size < from ? 0 : from, size - 65_536);
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

export function isErrno(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

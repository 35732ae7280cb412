import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { isErrno } from '../errors.ts';
import { eventually } from '../wait.ts';

/** Signals, each with the time that it has to work before the next one follows. */
export type Escalation = readonly (readonly [signal: NodeJS.Signals, waitMs: number])[];

const PS_WITHIN_MS = 5_000;

/** Whether a process of this pid runs. A zombie counts as dead: it holds nothing and can do nothing. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return isErrno(error, 'EPERM');
  }
  return statFields(pid)?.[0] !== 'Z';
}

/**
 * Tells a process from a later one with the same pid: when it started, and in which boot. Null if no process has the
 * pid.
 */
export function identityOf(pid: number): string | null {
  if (existsSync('/proc/self/stat')) {
    const started = statFields(pid)?.[19];
    return started === undefined ? null : `${started}@${bootId()}`;
  }
  const started = ps(pid, 'lstart=');
  return started === '' ? null : started;
}

/** The program and the arguments of a process; empty if it is gone. */
export function commandLineOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
  } catch {
    return ps(pid, 'command=');
  }
}

/** Stops a process that may not be our child, so that no exit event comes. False if it outlives every signal. */
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

/** The fields of /proc/<pid>/stat after the command name, which may itself contain spaces and parentheses. */
function statFields(pid: number): string[] | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return null;
  }
}

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return '';
  }
}

/** For systems without /proc, such as macOS. */
function ps(pid: number, column: string): string {
  const { status, stdout } = spawnSync('ps', ['-o', column, '-p', String(pid)], {
    encoding: 'utf8',
    timeout: PS_WITHIN_MS,
  });
  return status === 0 ? stdout.trim() : '';
}

import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

export function median(figures: readonly number[]): number {
  const sorted = [...figures].sort((a, b) => a - b);
  const middle = sorted[Math.floor(sorted.length / 2)];
  if (middle === undefined) throw new RangeError('There is no median of no figures.');
  return sorted.length % 2 === 1 ? middle : (middle + (sorted[sorted.length / 2 - 1] ?? middle)) / 2;
}

/** A percentile: `part` is 0.99 for the 99th. */
export function percentile(figures: readonly number[], part: number): number {
  const sorted = [...figures].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * part) - 1)] ?? Number.NaN;
}

/** Seconds since an instant of `performance.now()`. */
export function secondsSince(start: number): number {
  return (performance.now() - start) / 1000;
}

/** Waits until a condition holds. Throws after `withinS` seconds. */
export async function until(
  what: string,
  holds: () => Promise<boolean>,
  { everyMs = 10, withinS = 600 }: { everyMs?: number; withinS?: number } = {},
): Promise<void> {
  const start = performance.now();
  while (!(await holds())) {
    if (secondsSince(start) > withinS) throw new Error(`${what}: not within ${withinS} s`);
    await delay(everyMs);
  }
}

/** Resident memory of a process in MB, now and at its peak. */
export function memoryOf(pid: number): { now: number; peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1024;
  return { now: field('VmRSS'), peak: field('VmHWM') };
}

/**
 * Processor seconds that a process has used so far, if asked with those of its children that have ended; 0 if it has ended
 * itself.
 */
export function cpuOf(pid: number, { ended = false } = {}): number {
  const file = `/proc/${pid}/stat`;
  const stat = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = fields.slice(11, ended ? 15 : 13).reduce((sum, field) => sum + Number(field), 0);
  return ticks / 100;
}

import { renameSync, writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { isMainThread } from 'node:worker_threads';

/**
 * A module for `node --import`: watches how long a program's event loop is blocked. SIGUSR2 starts the count, or starts
 * it again. From then on, it writes the longest block in milliseconds to the file that `?to=` names in this module's address.
 */
const RESOLUTION_MS = 5;
const WRITE_EVERY_MS = 100;

function watch(file: string): void {
  const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  process.on('SIGUSR2', () => {
    delays.reset();
    if (!delays.enable()) return;
    const write = (): void => {
      // A delay is counted from one timer to the next, so the timer's own wait is part of it.
      writeFileSync(`${file}.next`, String(Math.max(0, delays.max / 1e6 - RESOLUTION_MS)));
      // Whoever reads meanwhile finds the last figure, and never an empty file.
      renameSync(`${file}.next`, file);
    };
    setInterval(write, WRITE_EVERY_MS).unref();
  });
}

const to = new URL(import.meta.url).searchParams.get('to');
// Threads load this module, too. Their loops answer no requests.
if (isMainThread && to !== null) watch(to);

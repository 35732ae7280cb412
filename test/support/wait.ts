import { setTimeout as delay } from 'node:timers/promises';

const SHORTEST_PAUSE_MS = 10;
const LONGEST_PAUSE_MS = 250;

/**
 * Waits until `check` gives something other than null, undefined or false, and returns it. Fails after `timeoutMs`. It
 * checks less and less often: the tests share the processors with what they wait for, and a wait ends at most a tenth late.
 */
export async function until<T>(
  what: string,
  check: () => Promise<T | null | undefined | false> | T | null | undefined | false,
  timeoutMs = 60_000,
): Promise<T> {
  const beganAt = Date.now();
  for (;;) {
    const result = await check();
    if (result !== null && result !== undefined && result !== false) return result;
    const waitedMs = Date.now() - beganAt;
    if (waitedMs > timeoutMs) throw new Error(`waited ${timeoutMs} ms in vain: ${what}`);
    await delay(Math.min(LONGEST_PAUSE_MS, Math.max(SHORTEST_PAUSE_MS, waitedMs / 10)));
  }
}

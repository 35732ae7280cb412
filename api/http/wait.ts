import { setTimeout as delay } from 'node:timers/promises';

/** The longest wait of a request for a verdict on a key or for a change of status. */
export const MAX_WAIT_MS = 8_000;
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 250;

/** Calls `look` until it returns a result. Null after `timeoutMs`, or soon after `isOver` returns true. */
export async function waitFor<T>(
  look: () => Promise<T | null>,
  options: { timeoutMs: number; isOver: () => boolean },
): Promise<T | null> {
  const deadline = Date.now() + options.timeoutMs;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 1.3)) {
    const found = await look();
    const leftMs = deadline - Date.now();
    if (found !== null || leftMs <= 0 || options.isOver()) return found;
    await delay(Math.min(pauseMs, leftMs));
  }
}

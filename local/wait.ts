import { setTimeout as delay } from 'node:timers/promises';

/** Whether a promise settles within `waitMs`. No timer is left behind. */
export async function settlesWithin(promise: Promise<unknown>, waitMs: number): Promise<boolean> {
  const timer = new AbortController();
  const late = delay(waitMs, false, { signal: timer.signal }).catch(() => false);
  const settled = promise.then(
    () => true,
    () => true,
  );
  const isInTime = await Promise.race([settled, late]);
  timer.abort();
  return isInTime;
}

/** Checks a condition every `everyMs` until it holds. False if it does not hold within `withinMs`. */
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

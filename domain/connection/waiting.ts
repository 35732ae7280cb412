import type { Failure } from '../failures.ts';

/** A wait before the next attempt of something that failed and is tried again on its own. Plain JSON. */
export interface Waiting {
  /** What the last attempt met. */
  readonly failure: Failure;
  /** How many attempts there were. */
  readonly attempt: number;
  /** How many there are at most; null where it is tried until it succeeds. */
  readonly attempts: number | null;
  /** When the last one failed, and when the next one begins (ms). */
  readonly atMs: number;
  readonly nextTryAtMs: number;
}

/** A wait that still lasts; null once its instant has come, whoever kept it. */
export function stillWaiting<Wait extends Pick<Waiting, 'nextTryAtMs'>>(
  waiting: Wait | null | undefined,
  nowMs: number,
): Wait | null {
  return waiting != null && waiting.nextTryAtMs > nowMs ? waiting : null;
}

import type { Failure } from '../failures.ts';

/** The wait of a failed activity before Temporal's next attempt. Plain JSON. */
export interface Waiting {
  /** Why the last attempt failed. */
  readonly failure: Failure;
  /** The number of attempts so far. */
  readonly attempt: number;
  /** The most attempts that there will be; null means until one succeeds. */
  readonly attempts: number | null;
  /** When the last one failed, and when the next one begins (ms). */
  readonly atMs: number;
  readonly nextTryAtMs: number;
}

/** A wait that still lasts; null once its next attempt has begun, since nobody deletes what is stored of it. */
export function stillWaiting<Wait extends Pick<Waiting, 'nextTryAtMs'>>(
  waiting: Wait | null | undefined,
  nowMs: number,
): Wait | null {
  return waiting != null && waiting.nextTryAtMs > nowMs ? waiting : null;
}

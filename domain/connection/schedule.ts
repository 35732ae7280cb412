import { retryDelayMs, type FailureCode } from '../failures.ts';
import {
  DAY_MS,
  HOUR_MS,
  MAX_HISTORY_DAYS,
  MAX_WINDOW_DAYS,
  addDays,
  dayOf,
  earlierOf,
  laterOf,
  startOfDayMs,
} from '../days.ts';
import type { Day, DayRange } from '../days.ts';

/** The daily syncs are spread over an hour, so that many connections do not ask at once. */
const SPREAD_MS = HOUR_MS;

/** A stable number in [0, 1) for a text: FNV-1a and MurmurHash3's last mix, since workflow code has no crypto. */
function fraction(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193) >>> 0;
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}

/** The last instant (ms) at or before `nowMs` at which this connection's daily sync was due. */
export function lastDueMs(connectionId: string, syncHourUtc: number, nowMs: number): number {
  const offset = syncHourUtc * HOUR_MS + Math.floor(fraction(connectionId) * SPREAD_MS);
  const today = startOfDayMs(dayOf(nowMs)) + offset;
  return today <= nowMs ? today : today - DAY_MS;
}

/** The next instant (ms) after `nowMs` at which this connection's daily sync is due: the same UTC time every day. */
export function nextDueMs(connectionId: string, syncHourUtc: number, nowMs: number): number {
  return lastDueMs(connectionId, syncHourUtc, nowMs) + DAY_MS;
}

const BACKOFF_BASE_MS = 5_000;
/** Anthropic asks for at most one request a minute, sustained; an outage of minutes is over within one such wait. */
const BACKOFF_STEADY_MS = 60_000;
const STEADY_FAILURES = 20;
const BACKOFF_CAP_MS = HOUR_MS;

/**
 * How long to wait after the `count`th failure in a row (1 for the first): 5 s, doubling to a minute; after twenty
 * failures doubling again, to at most an hour.
 */
export function backoffMs(count: number): number {
  const early = BACKOFF_BASE_MS * 2 ** Math.max(0, Math.min(count, STEADY_FAILURES) - 1);
  const late = BACKOFF_STEADY_MS * 2 ** Math.max(0, Math.min(count - STEADY_FAILURES, STEADY_FAILURES));
  return count <= STEADY_FAILURES ? Math.min(early, BACKOFF_STEADY_MS) : Math.min(late, BACKOFF_CAP_MS);
}

/** What a failure says about the wait after it: its code, and how long Anthropic asked to wait (ms), if it did. */
interface RequestedWait {
  readonly code: FailureCode;
  readonly retryAfterMs?: number | null | undefined;
}

function requestedWaitMs({ code, retryAfterMs = null }: RequestedWait): number {
  return retryDelayMs(code, retryAfterMs) ?? 0;
}

/** When a connection reads again (ms) after the `count`th failure in a row, which was at `atMs`. */
export function retryAtMs(failure: RequestedWait & { atMs: number; count: number }): number {
  return failure.atMs + Math.max(backoffMs(failure.count), requestedWaitMs(failure));
}

/** When a candidate without an answer is tried again (ms). One that was never tried is due now. */
export function nextTryMs(
  key: { tries: number; triedAtMs: number | null; failure?: RequestedWait | null | undefined },
  nowMs: number,
): number {
  if (key.triedAtMs === null) return nowMs;
  return key.triedAtMs + Math.max(backoffMs(key.tries), key.failure == null ? 0 : requestedWaitMs(key.failure));
}

/** What Anthropic was asked about a key since the key failed. Instants in ms. */
export interface KeyProbes {
  /** The last question, with or without an answer. */
  readonly probedAtMs: number | null;
  /** The last answer, for or against the key. */
  readonly answeredAtMs: number | null;
  /** The first rejection. From then on the rejection counts. */
  readonly rejectedAtMs: number | null;
}

/** One rejection is no verdict on a key that worked. Anthropic is asked about it again this much later. */
const CONFIRM_AFTER_MS = 30_000;
const LONGEST_SILENCE_MS = HOUR_MS;

/** When Anthropic is asked (ms) to confirm a rejection of `failedAtMs`. Without an answer, the waits grow. */
export function confirmAtMs(failedAtMs: number, { probedAtMs }: KeyProbes): number {
  return probedAtMs === null ? failedAtMs + CONFIRM_AFTER_MS : afterSilence(failedAtMs, probedAtMs, CONFIRM_AFTER_MS);
}

/** A rejected key may be enabled again, so it is probed this long after its rejection, then daily. */
const PROBES_AFTER_MS = [60_000, 5 * 60_000, 30 * 60_000, 2 * HOUR_MS];
const SILENCE_MS = 60_000;

/**
 * When a key that Anthropic rejects since `failedAtMs` is probed again (ms). A question without an answer is repeated
 * soon: only a rejection moves the next probe further away.
 */
export function nextProbeMs(failedAtMs: number, { probedAtMs, answeredAtMs, rejectedAtMs }: KeyProbes): number {
  const rejected = rejectedAtMs ?? failedAtMs;
  const answered = answeredAtMs ?? rejected;
  if (probedAtMs !== null && probedAtMs > answered) return afterSilence(answered, probedAtMs, SILENCE_MS);
  const next = PROBES_AFTER_MS.find((afterMs) => afterMs > answered - rejected);
  return next === undefined ? answered + DAY_MS : rejected + next;
}

/** Waits as long again as the silence has lasted, between `leastMs` and an hour. */
function afterSilence(sinceMs: number, askedAtMs: number, leastMs: number): number {
  return askedAtMs + Math.min(LONGEST_SILENCE_MS, Math.max(leastMs, askedAtMs - sinceMs));
}

/** The clocks of several machines differ by less than this. */
export const CLOCKS_DIFFER_MS = 5 * 60_000;

/** Whether a stored instant (ms) lies so far after now that a wrong clock must have written it. */
export function isBeyondNow(instantMs: number | null, nowMs: number): boolean {
  return instantMs !== null && instantMs > nowMs + CLOCKS_DIFFER_MS;
}

/** The pause before a sync that just succeeded, or a change of status that just failed, is repeated. */
export const PAUSE_MS = 60_000;

/** Everything recurs at least once a day, and the connection looks at Postgres then, so no wait needs to be longer. */
const LONGEST_WAIT_MS = DAY_MS + HOUR_MS;

/** An instant to wait for (ms), at most a day and an hour from now. */
export function capWaitMs(untilMs: number, nowMs: number): number {
  return Math.min(untilMs, nowMs + LONGEST_WAIT_MS);
}

/** The earlier of two instants (ms). Null stands for never. */
export function earliest(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b;
  return Math.min(a, b);
}

/** The last day before the window of a daily sync on `today`. */
export function lastDayBeforeDaily(today: Day): Day {
  return addDays(today, -MAX_WINDOW_DAYS);
}

/**
 * The window of a daily sync: the last 31 days, today included, and everything since the first month that may still be
 * closed, so that a late correction is found while its month is open; but at most a year, and nothing before the
 * connection began.
 */
export function dailyWindow(began: Day, today: Day, openSince: Day | null): DayRange {
  const recent = addDays(lastDayBeforeDaily(today), 1);
  const open = openSince === null ? recent : laterOf(openSince, addDays(today, 1 - MAX_HISTORY_DAYS));
  return { from: laterOf(began, earlierOf(recent, open)), to: today };
}

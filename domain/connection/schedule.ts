import { retryDelayMs, type FailureCode } from '../failures.ts';
import { MAX_WINDOW_DAYS, addDays, dayOf, laterOf, startOfDayMs, type Day, type DayRange } from '../days.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** The spread of the daily syncs over the hour that is set, so that many connections do not ask at once. */
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

/** What a wait depends on: what went wrong, and how long Anthropic asked to wait (ms), where it did. */
interface Rest {
  readonly code: FailureCode;
  readonly retryAfterMs?: number | null | undefined;
}

function restMs({ code, retryAfterMs = null }: Rest): number {
  return retryDelayMs(code, retryAfterMs) ?? 0;
}

/** When a connection whose `count`th sync in a row failed (`atMs`) is read again (ms), without anybody asking. */
export function retryAtMs(failure: Rest & { atMs: number; count: number }): number {
  return failure.atMs + Math.max(backoffMs(failure.count), restMs(failure));
}

/** When a key that got no answer is tried again (ms): now, where it was not tried yet. */
export function nextTryMs(
  key: { tries: number; triedAtMs: number | null; failure?: Rest | null | undefined },
  nowMs: number,
): number {
  if (key.triedAtMs === null) return nowMs;
  return key.triedAtMs + Math.max(backoffMs(key.tries), key.failure == null ? 0 : restMs(key.failure));
}

/** What was asked of Anthropic about the key that a failure lies in, since that failure. Instants in ms. */
export interface KeyProbes {
  /** When it was asked last, whatever came of it. */
  readonly probedAtMs: number | null;
  /** When it answered last, for or against the key. */
  readonly answeredAtMs: number | null;
  /** When it rejected the key first: from then on the rejection counts. */
  readonly rejectedAtMs: number | null;
}

/** One rejection is no verdict on a key that worked. It is asked about again this much later. */
const CONFIRM_AFTER_MS = 30_000;
const LONGEST_SILENCE_MS = HOUR_MS;

/** When a rejection (at `failedAtMs`) that was not confirmed yet is asked about (ms); later and later without an answer. */
export function confirmAtMs(failedAtMs: number, { probedAtMs }: KeyProbes): number {
  return probedAtMs === null ? failedAtMs + CONFIRM_AFTER_MS : afterSilence(failedAtMs, probedAtMs, CONFIRM_AFTER_MS);
}

/** When a key whose rejection was confirmed is tried again, in case it was enabled again: so long after that, then daily. */
const PROBES_AFTER_MS = [60_000, 5 * 60_000, 30 * 60_000, 2 * HOUR_MS];
const SILENCE_MS = 60_000;

/**
 * When a key that is rejected since `failedAtMs` is tried again (ms). A question that got no answer is asked again soon: it
 * is no rejection, which alone makes the next one come later.
 */
export function nextProbeMs(failedAtMs: number, { probedAtMs, answeredAtMs, rejectedAtMs }: KeyProbes): number {
  const rejected = rejectedAtMs ?? failedAtMs;
  const answered = answeredAtMs ?? rejected;
  if (probedAtMs !== null && probedAtMs > answered) return afterSilence(answered, probedAtMs, SILENCE_MS);
  const next = PROBES_AFTER_MS.find((afterMs) => afterMs > answered - rejected);
  return next === undefined ? answered + DAY_MS : rejected + next;
}

/** Twice as long after what is silent, within bounds. */
function afterSilence(sinceMs: number, askedAtMs: number, leastMs: number): number {
  return askedAtMs + Math.min(LONGEST_SILENCE_MS, Math.max(leastMs, askedAtMs - sinceMs));
}

/** An instant that lies further ahead than clocks of several machines differ was taken by a clock that was wrong. */
const CLOCKS_DIFFER_MS = 5 * 60_000;

/** Whether an instant that was kept (ms) lies so far beyond now that the clock must have been set back since. */
export function isBeyondNow(instantMs: number | null, nowMs: number): boolean {
  return instantMs !== null && instantMs > nowMs + CLOCKS_DIFFER_MS;
}

/** How long to wait before the same sync as one that just succeeded, or the same change as one that changed nothing. */
export const PAUSE_MS = 60_000;

/** No wait is longer: everything comes again at least once a day, and a connection looks where it stands then. */
const LONGEST_WAIT_MS = DAY_MS + HOUR_MS;

/** An instant to wait for (ms), no further away than anything is planned. */
export function capWaitMs(untilMs: number, nowMs: number): number {
  return Math.min(untilMs, nowMs + LONGEST_WAIT_MS);
}

/** The last day that a daily sync on `today` does not look at any more. */
export function lastDayBeforeDaily(today: Day): Day {
  return addDays(today, -MAX_WINDOW_DAYS);
}

/** The window of a daily sync: the last 31 days, today included, but nothing before the connection began. */
export function dailyWindow(began: Day, today: Day): DayRange {
  return { from: laterOf(began, addDays(lastDayBeforeDaily(today), 1)), to: today };
}

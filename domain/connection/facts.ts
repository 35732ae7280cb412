import type { Day, DayRange } from '../days.ts';
import type { Failure, FailureCode } from '../failures.ts';
import type { KeyProbes } from './schedule.ts';
import type { Status } from './statuses.ts';

/** A candidate: a stored key that Anthropic has neither accepted nor refused yet. */
export interface CandidateFacts {
  readonly keyId: string;
  /** Whether somebody asked for it to be tried, by a signal or by connecting with it. */
  readonly requested: boolean;
  /** How many tries got no answer, and when the last one was (ms). */
  readonly tries: number;
  readonly triedAtMs: number | null;
  /** Why the last try got no answer. */
  readonly failure?: Pick<Failure, 'code' | 'retryAfterMs'> | null;
}

/** The last failure, until something succeeds. For a failure of the key, also what Anthropic said about it since. */
export interface FailureFacts extends KeyProbes {
  readonly code: FailureCode;
  /** How long Anthropic asked to wait (ms), if it did. */
  readonly retryAfterMs?: number | null;
  /** The key that was used; set only for a failure of the key. */
  readonly keyId: string | null;
  readonly atMs: number;
  /** The number of failures in a row, this one included. */
  readonly count: number;
}

/** What Postgres says about a connection, as far as its next step depends on it. Plain JSON. */
export interface Facts {
  readonly connectionId: string;
  readonly status: Status;
  readonly syncHourUtc: number;
  /** The first day to cover. It moves back when somebody extends the history. */
  readonly began: Day;
  /** The last day of the backfill. */
  readonly backfillTo: Day;
  /** The first day of the first month that may still be closed for chargeback; null if nobody allocates costs. */
  readonly openSince: Day | null;
  /** Whether the workspaces of the organization were read since it was connected. */
  readonly discovered: boolean;
  readonly activeKeyId: string | null;
  /** The number that the next sync has, unless a sync in Temporal has it already. */
  readonly nextSync: number;
  /** Whether a replaced key is kept until its successor's first success. */
  readonly hasSupersededKey: boolean;
  /** In the order in which somebody asked for them. */
  readonly candidates: readonly CandidateFacts[];
  /** The oldest day from `began` to today that is not covered. */
  readonly oldestMissing: Day | null;
  /** The newest day of the backfill that is not covered. */
  readonly newestMissing: Day | null;
  /** The oldest day of the backfill that is stored, but that a sync which failed did not compare with its total. */
  readonly oldestUnconfirmed: Day | null;
  /**
   * The oldest day before the daily window that is not covered, or that no sync read since its numbers settled. The
   * daily sync does not reach such a day any more.
   */
  readonly oldestUnfinished: Day | null;
  /** Whether the latest sync failed, even if its failure was cleared since. */
  readonly lastSyncFailed: boolean;
  /** Days that somebody named to be read. The sync for them failed, and no later one read them. */
  readonly requestedDays: DayRange | null;
  /** Whether somebody asked for a sync without naming days. That sync failed, and no later one read the recent days. */
  readonly recentDaysRequested: boolean;
  /** When the last complete sync of the recent days began (ms). */
  readonly syncedAtMs: number | null;
  readonly failure: FailureFacts | null;
  /** Whether a stored day lies after today, or was read on a day after today. */
  readonly hasFutureDays: boolean;
}

/** Whether a key that somebody asked for has no verdict yet. */
export function hasRequestedCandidate({ candidates }: Facts): boolean {
  return candidates.some((candidate) => candidate.requested);
}

/** Whether every day of the backfill, up to today, is covered. */
export function isBackfilled({ oldestMissing, backfillTo }: Facts): boolean {
  return oldestMissing === null || oldestMissing > backfillTo;
}

/** The status that follows from what is stored, after a pause, a failure that was made good, or a new key. */
export function statusByProgress(facts: Facts): Status {
  if (facts.activeKeyId === null) return 'validating';
  if (!facts.discovered) return 'discovering';
  return isBackfilled(facts) ? 'active' : 'backfilling';
}

import { isKeyFailure } from '../failures.ts';
import { answer, firstAnswerable } from './answer.ts';
import { hasRequestedCandidate, statusByProgress, type Facts, type FailureFacts } from './facts.ts';
import { isConfirmed, isRefuted, nextUseMs } from './key-failure.ts';
import type { Message } from './messages.ts';
import { PAUSE_MS, capWaitMs, earliest, isBeyondNow, nextDueMs, nextTryMs } from './schedule.ts';
import { isLive, type Status } from './statuses.ts';
import type { Decision, Step } from './steps.ts';
import { isRecentWanted, isSamePlan, nextPlan, type SyncPlan } from './sync-plan.ts';

/*
 * The life of a connection:
 *
 *                 key accepted               workspaces read                 backfill covered
 *   validating ─────────────────▶ discovering ───────────────▶ backfilling ───────────────────▶ active
 *       │                                                          ▲                              │
 *       │ every key refused                                        └──────────────────────────────┘
 *       ▼                                                    history extended, or a covered day deleted
 *    refused (end)
 *
 *   discovering ── workspaces read, and the backfill is covered already ──▶ active
 *   backfilling, active ── what is stored says that no workspaces were read ──▶ discovering
 *
 *   discovering, backfilling, active ── something failed, or the key was rejected once ──▶ degraded
 *   discovering, backfilling, active, degraded ── the rejection of the key was confirmed ──▶ awaiting_key
 *   degraded, awaiting_key ── a sync succeeded, or Anthropic accepts a key ──▶ discovering, backfilling or active
 *   awaiting_key ── a sync that was reset failed for another reason ──▶ degraded
 *
 *   any of the above ── pause ──▶ paused ── resume ──▶ where its progress, or its failure, puts it
 *   any of the above, paused ── disconnect ──▶ disconnected (end)
 *
 * `TRANSITIONS` in statuses.ts has the same as data, and `setStatus` in db/ changes a status only along it.
 */

/** What the decision depends on and Postgres does not know. */
export interface Situation {
  readonly nowMs: number;
  readonly syncRunning: boolean;
  /**
   * The plan of a sync that just succeeded. The same is not read again before a pause is over, whatever the facts say.
   */
  readonly justSynced?: SyncPlan | null;
  /** A status that the connection just could not move to. It is not set again before a pause is over. */
  readonly unreachable?: Status | null;
}

/**
 * Decides what a connection does next. Pure: the same facts, inbox and situation give the same step. Carrying a step
 * out changes what Postgres says, so a step that is interrupted anywhere is decided again.
 *
 * Messages come first, in their order. Only syncNow may wait, and then does not hold up the others.
 */
export function decide(facts: Facts | null, inbox: readonly Message[], situation: Situation): Decision {
  const { nowMs, syncRunning } = situation;
  if (facts === null || !isLive(facts.status)) return decideAfterEnd(facts, inbox, syncRunning);
  if (clockWasAhead(facts, nowMs) && !syncRunning) return { step: { do: 'distrustClock' } };
  const message = firstAnswerable(facts, inbox, syncRunning);
  if (message !== undefined) {
    const decision = answer(facts, message, syncRunning, nowMs);
    // Somebody who asks for the same sync again gets it, so `justSynced` does not count here.
    return decision.answers === undefined
      ? { step: withoutRepeating(decision.step, { ...situation, justSynced: null }) }
      : decision;
  }
  const step = withoutRepeating(proceed(facts, syncRunning, nowMs), situation);
  return {
    step: step.do === 'wait' && step.untilMs !== null ? { ...step, untilMs: capWaitMs(step.untilMs, nowMs) } : step,
  };
}

function decideAfterEnd(facts: Facts | null, inbox: readonly Message[], syncRunning: boolean): Decision {
  if (syncRunning) return { step: { do: 'cancelSync' } };
  // A connection that has ended takes one more message: to delete its data.
  const purge = inbox.find((message) => message.type === 'disconnect' && message.purge);
  if (facts !== null && purge !== undefined) return { step: { do: 'disconnect', purge: true }, answers: purge };
  return { step: { do: 'end' } };
}

/** Whether something is stored as having happened after now. */
function clockWasAhead({ syncedAtMs, failure, candidates, hasFutureDays }: Facts, nowMs: number): boolean {
  const instants = [
    syncedAtMs,
    ...(failure === null ? [] : [failure.atMs, failure.probedAtMs, failure.answeredAtMs, failure.rejectedAtMs]),
    ...candidates.map(({ triedAtMs }) => triedAtMs),
  ];
  return hasFutureDays || instants.some((instantMs) => isBeyondNow(instantMs, nowMs));
}

/** A step that just changed nothing becomes a wait, since repeating it may never change the facts. */
function withoutRepeating(step: Step, { nowMs, justSynced, unreachable }: Situation): Step {
  const isRepeated =
    (step.do === 'startSync' && justSynced != null && isSamePlan(step.plan, justSynced)) ||
    (step.do === 'setStatus' && step.to === unreachable);
  return isRepeated ? { do: 'wait', untilMs: nowMs + PAUSE_MS } : step;
}

function proceed(facts: Facts, syncRunning: boolean, nowMs: number): Step {
  // A rotation reads no day, so it goes on during a pause. A first key waits.
  if (facts.status === 'paused' && facts.activeKeyId === null) return { do: 'wait', untilMs: null };
  const candidate = dueCandidate(facts, nowMs);
  if (candidate.step !== null) return candidate.step;
  if (facts.status === 'paused') return { do: 'wait', untilMs: candidate.nextMs };
  if (facts.activeKeyId === null) return proceedWithoutKey(facts, candidate.nextMs);
  if (facts.status === 'validating') return { do: 'setStatus', to: 'discovering' };
  if (syncRunning) return { do: 'wait', untilMs: candidate.nextMs };
  const step = facts.failure === null ? proceedWithKey(facts, nowMs) : proceedAfterFailure(facts, facts.failure, nowMs);
  return step.do === 'wait' ? { do: 'wait', untilMs: earliest(step.untilMs, candidate.nextMs) } : step;
}

/** The requested candidate that is due for a try; without one, when the next one is (ms). */
function dueCandidate(facts: Facts, nowMs: number): { step: Step | null; nextMs: number | null } {
  let nextMs: number | null = null;
  for (const candidate of facts.candidates) {
    if (!candidate.requested) continue;
    const dueMs = nextTryMs(candidate, nowMs);
    if (dueMs <= nowMs) return { step: { do: 'tryKey', keyId: candidate.keyId }, nextMs: null };
    nextMs = earliest(nextMs, dueMs);
  }
  return { step: null, nextMs };
}

/**
 * Without an active key, only a candidate can help. A connection that never had a key and has no candidate is refused.
 */
function proceedWithoutKey({ status }: Facts, nextTryMs: number | null): Step {
  if (status === 'validating') {
    return nextTryMs === null ? { do: 'setStatus', to: 'refused' } : { do: 'wait', untilMs: nextTryMs };
  }
  return status === 'awaiting_key' ? { do: 'wait', untilMs: nextTryMs } : { do: 'setStatus', to: 'awaiting_key' };
}

function proceedWithKey(facts: Facts, nowMs: number): Step {
  const status = statusByProgress(facts);
  if (facts.status !== status) return { do: 'setStatus', to: status };
  const isBehind =
    status !== 'active' ||
    facts.oldestUnfinished !== null ||
    facts.requestedDays !== null ||
    facts.lastSyncFailed ||
    isRecentWanted(facts, nowMs);
  // A new key is proven at once, so that the one it replaced can be destroyed.
  if (isBehind || facts.hasSupersededKey) return startReading(facts, nowMs);
  return { do: 'wait', untilMs: nextDueMs(facts.connectionId, facts.syncHourUtc, nowMs) };
}

function proceedAfterFailure(facts: Facts, failure: FailureFacts, nowMs: number): Step {
  if (!isKeyFailure(failure.code)) return retry(facts, failure, nowMs);
  // The failed key was replaced since, and its failure says nothing about the active one.
  if (failure.keyId === null || failure.keyId !== facts.activeKeyId) return { do: 'clearFailure' };
  if (isConfirmed(failure)) return proceedWithRejectedKey(facts, failure, failure.keyId, nowMs);
  return isRefuted(failure) ? retry(facts, failure, nowMs) : confirm(facts, failure, nowMs);
}

function proceedWithRejectedKey(facts: Facts, failure: FailureFacts, keyId: string, nowMs: number): Step {
  // Anthropic did not reject a key that we cannot open: it works again once the right encryption key is set.
  if (facts.hasSupersededKey && failure.code !== 'key_unreadable') {
    return { do: 'restoreKey', rejectedKeyId: keyId, code: failure.code };
  }
  if (facts.status === 'awaiting_key') return whenDue(facts, failure, nowMs, { do: 'probeKey' });
  if (!hasRequestedCandidate(facts)) return { do: 'setStatus', to: 'awaiting_key' };
  if (facts.status !== 'degraded') return { do: 'setStatus', to: 'degraded' };
  return whenDue(facts, failure, nowMs, { do: 'probeKey' });
}

/** One rejection is no verdict, so Anthropic is asked a second time. */
function confirm(facts: Facts, failure: FailureFacts, nowMs: number): Step {
  if (facts.status !== 'degraded') return { do: 'setStatus', to: 'degraded' };
  return whenDue(facts, failure, nowMs, { do: 'probeKey' });
}

/** The step, once the active key may be used again. */
function whenDue({ status }: Facts, failure: FailureFacts, nowMs: number, step: Step): Step {
  const dueMs = nextUseMs(status, failure);
  return dueMs !== null && dueMs <= nowMs ? step : { do: 'wait', untilMs: dueMs };
}

function retry(facts: Facts, failure: FailureFacts, nowMs: number): Step {
  if (facts.status !== 'degraded') return { do: 'setStatus', to: 'degraded' };
  return whenDue(facts, failure, nowMs, startReading(facts, nowMs));
}

function startReading(facts: Facts, nowMs: number): Step {
  return facts.discovered ? { do: 'startSync', plan: nextPlan(facts, nowMs) } : { do: 'discoverWorkspaces' };
}

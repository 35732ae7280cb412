import { dayOf, earlierOf, type Day, type DayRange } from '../days.ts';
import { isKeyFailure, type FailureCode, type Failure } from '../failures.ts';
import type { Message } from './messages.ts';
import type { SyncKind } from '../reading.ts';
import {
  PAUSE_MS,
  capWaitMs,
  confirmAtMs,
  dailyWindow,
  isBeyondNow,
  lastDayBeforeDaily,
  lastDueMs,
  nextDueMs,
  nextProbeMs,
  nextTryMs,
  retryAtMs,
  type KeyProbes,
} from './schedule.ts';
import { isLive, type Status } from './statuses.ts';

/** A staged key that is neither active nor refused. */
export interface CandidateFacts {
  readonly keyId: string;
  /** Whether somebody asked for it to be tried (by a signal, or by connecting with it). */
  readonly requested: boolean;
  /** How often it was tried without an answer, and when last (ms). */
  readonly tries: number;
  readonly triedAtMs: number | null;
  /** What it met when it was tried last. */
  readonly failure?: Pick<Failure, 'code' | 'retryAfterMs'> | null;
}

/** The last failure that is not made good yet. Of one that lies in the key, what was asked about that key since. */
export interface FailureFacts extends KeyProbes {
  readonly code: FailureCode;
  /** How long Anthropic asked to wait (ms), where it did. */
  readonly retryAfterMs?: number | null;
  /** The key that was used, where the failure lies in the key. */
  readonly keyId: string | null;
  readonly atMs: number;
  /** How many there were in a row, this one included. */
  readonly count: number;
}

/** What Postgres says of a connection, as far as its next step depends on it. Plain JSON. */
export interface Facts {
  readonly connectionId: string;
  readonly status: Status;
  readonly syncHourUtc: number;
  /** The first day it keeps, which moves back when more history is asked for, and the last one of its backfill. */
  readonly began: Day;
  readonly backfillTo: Day;
  /** Whether the organization's workspaces were read since it was connected. */
  readonly discovered: boolean;
  readonly activeKeyId: string | null;
  /** Whether a replaced key waits for its successor's first success. */
  readonly hasSupersededKey: boolean;
  /** In the order in which they were asked for. */
  readonly candidates: readonly CandidateFacts[];
  /** The oldest day from `began` to today that some report lacks. */
  readonly oldestMissing: Day | null;
  /** The newest day of the backfill that some report lacks. */
  readonly newestMissing: Day | null;
  /**
   * The oldest day before the daily window that is missing, or was last read before its numbers had settled: on itself,
   * or within the trailing window. No daily sync comes to it any more.
   */
  readonly oldestUnfinished: Day | null;
  /** Whether the latest sync failed, whatever became of its failure. */
  readonly lastSyncFailed: boolean;
  /** Days that somebody asked to have read, by a sync that failed. */
  readonly owed: DayRange | null;
  /** Whether somebody asked to read without naming days, by a sync that failed, and the recent days were not read since. */
  readonly owesRecent?: boolean;
  /** When the last complete sync of the recent days began (ms). */
  readonly syncedAtMs: number | null;
  readonly failure: FailureFacts | null;
  /** Whether a day is stored that is not there yet by the present clock, or was read on one. */
  readonly hasFutureDays: boolean;
}

/** What a sync is started with. */
export interface SyncPlan extends DayRange {
  readonly kind: SyncKind;
  readonly everyDay: boolean;
}

/** What the connection does next. */
export type Step =
  | { readonly do: 'end' }
  | { readonly do: 'tryKey'; readonly keyId: string }
  | { readonly do: 'discoverWorkspaces' }
  | { readonly do: 'startSync'; readonly plan: SyncPlan }
  | { readonly do: 'cancelSync' }
  | { readonly do: 'setStatus'; readonly to: Status }
  | { readonly do: 'clearFailure' }
  | { readonly do: 'restoreKey'; readonly rejectedKeyId: string; readonly code: FailureCode }
  | { readonly do: 'probeKey' }
  /** What is kept was written by a clock that was ahead: it is put right. */
  | { readonly do: 'distrustClock' }
  | { readonly do: 'disconnect'; readonly purge: boolean }
  | { readonly do: 'note'; readonly text: string }
  /** A rotation to a key that does not wait to be used: what became of it is told. */
  | { readonly do: 'noteRotation'; readonly keyId: string }
  /** Nothing until a message comes or this instant (ms); null: until a message comes. */
  | { readonly do: 'wait'; readonly untilMs: number | null };

/** A step, and the message that it answers, which leaves the inbox once the step is carried out. */
export interface Decision {
  readonly step: Step;
  readonly answers?: Message;
}

/**
 * What to do next. Pure: the same facts, inbox and instant give the same step, and carrying a step out changes what
 * Postgres says, so that a step interrupted at any point is decided again.
 *
 * Messages come first, in their order, but for `syncNow`, which waits while a sync runs, and where {@link waits} says so,
 * without holding up the rest. `justSynced` is what a sync read that succeeded, until a pause after it is over: the same is
 * not read again without that pause, whatever the facts say. Nor is a status set again that Postgres just did not take
 * (`untaken`).
 */
export function decide(
  facts: Facts | null,
  inbox: readonly Message[],
  syncRunning: boolean,
  nowMs: number,
  justSynced: SyncPlan | null = null,
  untaken: Status | null = null,
): Decision {
  if (facts === null || !isLive(facts.status)) {
    if (syncRunning) return { step: { do: 'cancelSync' } };
    // The one thing that can still be asked of an ended connection: to delete what it kept.
    const purge = inbox.find((waiting) => waiting.type === 'disconnect' && waiting.purge);
    if (facts !== null && purge !== undefined) return { step: { do: 'disconnect', purge: true }, answers: purge };
    return { step: { do: 'end' } };
  }
  if (clockWasAhead(facts, nowMs) && !syncRunning) return { step: { do: 'distrustClock' } };
  const message = inbox.find((waiting) => waiting.type !== 'syncNow' || (!syncRunning && !waits(facts, waiting)));
  if (message !== undefined) {
    const decision = answer(facts, message, syncRunning, nowMs);
    return decision.answers === undefined ? { step: withoutRepeating(decision.step, null, untaken, nowMs) } : decision;
  }
  const step = withoutRepeating(proceed(facts, syncRunning, nowMs), justSynced, untaken, nowMs);
  return {
    step: step.do === 'wait' && step.untilMs !== null ? { ...step, untilMs: capWaitMs(step.untilMs, nowMs) } : step,
  };
}

/** Nothing that happened can lie beyond now. */
function clockWasAhead({ syncedAtMs, failure, candidates, hasFutureDays }: Facts, nowMs: number): boolean {
  const instants = [
    syncedAtMs,
    ...(failure === null ? [] : [failure.atMs, failure.probedAtMs, failure.answeredAtMs, failure.rejectedAtMs]),
    ...candidates.map(({ triedAtMs }) => triedAtMs),
  ];
  return hasFutureDays || instants.some((instantMs) => isBeyondNow(instantMs, nowMs));
}

/** A step that just changed nothing, or would do the same once more, waits: the facts may never change by it. */
function withoutRepeating(step: Step, justSynced: SyncPlan | null, untaken: Status | null, nowMs: number): Step {
  const isAgain =
    (step.do === 'startSync' && justSynced !== null && isSamePlan(step.plan, justSynced)) ||
    (step.do === 'setStatus' && step.to === untaken);
  return isAgain ? { do: 'wait', untilMs: nowMs + PAUSE_MS } : step;
}

function isSamePlan(a: SyncPlan, b: SyncPlan): boolean {
  return a.kind === b.kind && a.from === b.from && a.to === b.to && a.everyDay === b.everyDay;
}

function answer(facts: Facts, message: Message, syncRunning: boolean, nowMs: number): Decision {
  switch (message.type) {
    case 'disconnect':
      // The message stays until the sync is gone, so that nothing is written after the data is deleted.
      if (syncRunning) return { step: { do: 'cancelSync' } };
      return { step: { do: 'disconnect', purge: message.purge }, answers: message };
    case 'rotateKey':
      if (facts.candidates.some((candidate) => candidate.keyId === message.keyId)) {
        return { step: { do: 'tryKey', keyId: message.keyId }, answers: message };
      }
      return { step: { do: 'noteRotation', keyId: message.keyId }, answers: message };
    case 'pause':
      if (facts.status === 'paused') return note(message, 'pause: it is paused already');
      return { step: { do: 'setStatus', to: 'paused' }, answers: message };
    case 'resume':
      if (facts.status !== 'paused') return note(message, 'resume: it is not paused, so nothing changed');
      return { step: { do: 'setStatus', to: statusAfterPause(facts) }, answers: message };
    case 'syncNow':
      return answerSyncNow(facts, message, nowMs);
    case 'malformed':
      return note(message, `${message.signal}: ${message.problem}, so nothing changed`);
  }
}

/** Whether a demand for a sync can only be answered later. Days that are named are not read before there is a connection. */
function waits(facts: Facts, { from, probed }: Message & { type: 'syncNow' }): boolean {
  if (facts.status === 'paused') return true;
  if (facts.status === 'awaiting_key') return probed === true && keyIsRejected(facts);
  return from !== undefined && !facts.discovered;
}

function keyIsRejected(facts: Facts): boolean {
  return facts.status === 'awaiting_key' && (facts.failure !== null || facts.activeKeyId === null);
}

/**
 * What becomes of a message when the key that it needs is tried and rejected once more: days that somebody named wait
 * for a key that is taken. Anything else is read then anyway.
 */
export function afterFailedProbe(message: Message): Message | null {
  return message.type === 'syncNow' && message.from !== undefined ? { ...message, probed: true } : null;
}

/** Whether carrying out what answers one message answers the other too: it asks for the same. */
export function isAnsweredWith(message: Message, answered: Message): boolean {
  if (message === answered) return true;
  if (message.type === 'rotateKey') return answered.type === 'rotateKey' && message.keyId === answered.keyId;
  if (message.type !== 'syncNow' || answered.type !== 'syncNow') return false;
  return message.from === answered.from && message.to === answered.to;
}

function note(message: Message, text: string): Decision {
  return { step: { do: 'note', text }, answers: message };
}

function answerSyncNow(facts: Facts, message: Message & { type: 'syncNow' }, nowMs: number): Decision {
  const { from, to } = message;
  const today = dayOf(nowMs);
  const [waiting] = facts.candidates.filter((candidate) => candidate.requested);
  switch (facts.status) {
    case 'paused':
      return { step: { do: 'wait', untilMs: null } };
    case 'validating':
      if (waiting === undefined) return note(message, 'syncNow: there is no key to read with yet');
      return { step: { do: 'tryKey', keyId: waiting.keyId }, answers: message };
    case 'awaiting_key':
      // Once the key is taken again, the connection goes on and the message is answered by a sync.
      if (!keyIsRejected(facts)) return { step: { do: 'setStatus', to: statusByProgress(facts) } };
      return { step: { do: 'probeKey' }, answers: message };
    case 'discovering':
    case 'backfilling':
    case 'degraded':
    case 'active': {
      if (!facts.discovered) return { step: { do: 'discoverWorkspaces' }, answers: message };
      if (from === undefined || to === undefined) {
        const plan = missingPlan(facts, today) ?? {
          ...dailyWindow(facts.began, today),
          kind: 'manual',
          everyDay: false,
        };
        return { step: { do: 'startSync', plan }, answers: message };
      }
      if (from < facts.began || to > today) {
        return note(message, `syncNow: only days from ${facts.began} to ${today} can be read, so nothing was`);
      }
      return { step: { do: 'startSync', plan: { kind: 'manual', from, to, everyDay: true } }, answers: message };
    }
    case 'refused':
    case 'disconnected':
      return { step: { do: 'end' } };
  }
}

/** Where a connection stands by what it has: after a pause, a repaired failure or a new key. */
export function statusByProgress(facts: Facts): Status {
  if (facts.activeKeyId === null) return 'validating';
  if (!facts.discovered) return 'discovering';
  return backfillIsDone(facts) ? 'active' : 'backfilling';
}

/** Where a connection goes on after a pause: a failure that still holds is where it stands. */
function statusAfterPause(facts: Facts): Status {
  const { failure, activeKeyId } = facts;
  if (failure === null || activeKeyId === null) return statusByProgress(facts);
  if (!isKeyFailure(failure.code)) return 'degraded';
  if (failure.keyId !== activeKeyId || facts.hasSupersededKey) return statusByProgress(facts);
  if (!isConfirmed(failure)) return 'degraded';
  return facts.candidates.some((candidate) => candidate.requested) ? 'degraded' : 'awaiting_key';
}

function backfillIsDone(facts: Facts): boolean {
  return facts.oldestMissing === null || facts.oldestMissing > facts.backfillTo;
}

function proceed(facts: Facts, syncRunning: boolean, nowMs: number): Step {
  // A rotation reads no day, so it goes on while the connection is paused; a first key waits.
  if (facts.status === 'paused' && facts.activeKeyId === null) return { do: 'wait', untilMs: null };
  const candidate = dueCandidate(facts, nowMs);
  if (candidate.step !== null) return candidate.step;
  if (facts.status === 'paused') return { do: 'wait', untilMs: candidate.nextMs };
  if (facts.activeKeyId === null) return withoutKey(facts, candidate.nextMs);
  if (facts.status === 'validating') return { do: 'setStatus', to: 'discovering' };
  if (syncRunning) return { do: 'wait', untilMs: candidate.nextMs };
  const step = facts.failure === null ? goOn(facts, nowMs) : afterFailure(facts, facts.failure, nowMs);
  return step.do === 'wait' ? { do: 'wait', untilMs: earliest(step.untilMs, candidate.nextMs) } : step;
}

/** No key serves. One that waits for an answer may yet; where none ever served and none waits, nothing can be read. */
function withoutKey(facts: Facts, nextTryMs: number | null): Step {
  if (facts.status === 'validating') {
    return nextTryMs === null ? { do: 'setStatus', to: 'refused' } : { do: 'wait', untilMs: nextTryMs };
  }
  return facts.status === 'awaiting_key' ? { do: 'wait', untilMs: nextTryMs } : { do: 'setStatus', to: 'awaiting_key' };
}

/** A requested candidate whose time has come; else when the next one's comes. */
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

/** The earlier of two instants, where either may lack. */
export function earliest(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b;
  return Math.min(a, b);
}

/**
 * Whether a failure of the key counts: it was asked about again and rejected again. That we cannot open a key needs no
 * second opinion.
 */
export function isConfirmed({ code, rejectedAtMs }: Pick<FailureFacts, 'code' | 'rejectedAtMs'>): boolean {
  return code === 'key_unreadable' || rejectedAtMs !== null;
}

/** Whether a failure of the key was not asked about yet, so that it may be none. */
export function isUnconfirmed(failure: Pick<FailureFacts, 'code' | 'rejectedAtMs' | 'answeredAtMs'>): boolean {
  return isKeyFailure(failure.code) && !isConfirmed(failure) && !isRefuted(failure);
}

/** Whether Anthropic took the key after all when it was asked about again, so that the failure does not lie in it. */
function isRefuted({ answeredAtMs, rejectedAtMs }: Pick<FailureFacts, 'rejectedAtMs' | 'answeredAtMs'>): boolean {
  return answeredAtMs !== null && rejectedAtMs === null;
}

function afterFailure(facts: Facts, failure: FailureFacts, nowMs: number): Step {
  if (isKeyFailure(failure.code)) {
    // The key that failed was replaced meanwhile: its failure says nothing of the one that serves now.
    if (failure.keyId === null || failure.keyId !== facts.activeKeyId) return { do: 'clearFailure' };
    if (!isConfirmed(failure)) {
      return isRefuted(failure) ? retry(facts, failure, nowMs) : confirm(facts, failure, nowMs);
    }
    // Anthropic did not reject a key that we cannot open: with the right encryption key it serves again.
    if (facts.hasSupersededKey && failure.code !== 'key_unreadable') {
      return { do: 'restoreKey', rejectedKeyId: failure.keyId, code: failure.code };
    }
    if (facts.status === 'awaiting_key') {
      const dueMs = nextQuestionMs(failure);
      return dueMs <= nowMs ? { do: 'probeKey' } : { do: 'wait', untilMs: dueMs };
    }
    const keyWaits = facts.candidates.some((candidate) => candidate.requested);
    if (!keyWaits) return { do: 'setStatus', to: 'awaiting_key' };
    return facts.status === 'degraded' ? { do: 'wait', untilMs: null } : { do: 'setStatus', to: 'degraded' };
  }
  return retry(facts, failure, nowMs);
}

/** When Anthropic is asked about a key that failed (ms), without anybody asking for it. */
export function nextQuestionMs(failure: Pick<FailureFacts, 'code' | 'atMs' | keyof KeyProbes>): number {
  const { code, atMs, probedAtMs } = failure;
  // Where the key cannot be opened, nobody is asked, and there is nobody who could be silent.
  if (code === 'key_unreadable') return nextProbeMs(atMs, { probedAtMs, answeredAtMs: probedAtMs, rejectedAtMs: atMs });
  return isConfirmed(failure) ? nextProbeMs(atMs, failure) : confirmAtMs(atMs, failure);
}

/** One rejection is asked about before anything is concluded from it. */
function confirm(facts: Facts, failure: FailureFacts, nowMs: number): Step {
  if (facts.status !== 'degraded') return { do: 'setStatus', to: 'degraded' };
  const dueMs = nextQuestionMs(failure);
  return dueMs <= nowMs ? { do: 'probeKey' } : { do: 'wait', untilMs: dueMs };
}

function retry(facts: Facts, failure: FailureFacts, nowMs: number): Step {
  if (facts.status !== 'degraded') return { do: 'setStatus', to: 'degraded' };
  const retryMs = retryAtMs(failure);
  return retryMs <= nowMs ? read(facts, nowMs) : { do: 'wait', untilMs: retryMs };
}

function goOn(facts: Facts, nowMs: number): Step {
  const home = statusByProgress(facts);
  if (facts.status !== home) return { do: 'setStatus', to: home };
  // A new key is proven at once, so that the one it replaced can be destroyed.
  const behind = home !== 'active' || facts.oldestUnfinished !== null || facts.owed !== null || facts.lastSyncFailed;
  const isAsked = facts.owesRecent === true || isDue(facts, nowMs);
  if (isAsked || behind || facts.hasSupersededKey) return read(facts, nowMs);
  return { do: 'wait', untilMs: nextDueMs(facts.connectionId, facts.syncHourUtc, nowMs) };
}

function isDue(facts: Facts, nowMs: number): boolean {
  return (facts.syncedAtMs ?? -Infinity) < lastDueMs(facts.connectionId, facts.syncHourUtc, nowMs);
}

/**
 * The next thing to read: workspaces if never read, then what is missing, oldest first, then what somebody asked for,
 * then the daily window. After failures these take turns: what cannot be read must not hold up the rest.
 */
function read(facts: Facts, nowMs: number): Step {
  if (!facts.discovered) return { do: 'discoverWorkspaces' };
  const today = dayOf(nowMs);
  // What somebody asked for stays theirs until it is read, also where the daily sync came due meanwhile.
  const kind = facts.owesRecent === true ? 'manual' : 'daily';
  const daily: SyncPlan = { ...dailyWindow(facts.began, today), kind, everyDay: false };
  const owed: SyncPlan | null = facts.owed === null ? null : { ...facts.owed, kind: 'manual', everyDay: true };
  const isAsked = facts.owesRecent === true || isDue(facts, nowMs);
  const plans = [missingPlan(facts, today), owed, isAsked ? daily : null].filter((plan) => plan !== null);
  const turn = facts.failure === null ? 0 : (facts.failure.count - 1) % Math.max(1, plans.length);
  return { do: 'startSync', plan: plans[turn] ?? daily };
}

function missingPlan(facts: Facts, today: Day): SyncPlan | null {
  const { oldestMissing, newestMissing, oldestUnfinished, backfillTo } = facts;
  if (oldestMissing !== null && !backfillIsDone(facts)) {
    // History that is extended reads what is added, and nothing of the months after it that are there already.
    const isOld = newestMissing !== null && newestMissing <= lastDayBeforeDaily(today);
    const to = isOld ? newestMissing : earlierOf(backfillTo, today);
    return { kind: 'backfill', from: oldestMissing, to, everyDay: false };
  }
  if (oldestUnfinished === null) return null;
  return { kind: 'catch_up', from: oldestUnfinished, to: lastDayBeforeDaily(today), everyDay: false };
}

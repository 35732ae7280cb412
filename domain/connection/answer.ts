import { dayOf } from '../days.ts';
import { isKeyFailure } from '../failures.ts';
import { hasRequestedCandidate, statusByProgress, type Facts } from './facts.ts';
import { isConfirmed } from './key-failure.ts';
import type { Message } from './messages.ts';
import type { Status } from './statuses.ts';
import type { Decision } from './steps.ts';
import { manualPlan, requestedPlan } from './sync-plan.ts';

type SyncNow = Message & { type: 'syncNow' };

/**
 * The first message that can be answered now. A syncNow may have to wait, and then does not hold up those behind it.
 */
export function firstAnswerable(facts: Facts, inbox: readonly Message[], syncRunning: boolean): Message | undefined {
  return inbox.find((message) => message.type !== 'syncNow' || (!syncRunning && !mustWait(facts, message)));
}

function mustWait(facts: Facts, { from, probed }: SyncNow): boolean {
  if (facts.status === 'paused') return true;
  if (facts.status === 'awaiting_key') return probed === true && isKeyRejected(facts);
  return from !== undefined && !facts.discovered;
}

function isKeyRejected({ status, failure, activeKeyId }: Facts): boolean {
  return status === 'awaiting_key' && (failure !== null || activeKeyId === null);
}

/** What to do about a message. Without `answers`, the step prepares the answer and the message stays. */
export function answer(facts: Facts, message: Message, syncRunning: boolean, nowMs: number): Decision {
  switch (message.type) {
    case 'disconnect':
      // The message stays until the sync has ended, so that nothing is written after the data is deleted.
      if (syncRunning) return { step: { do: 'cancelSync' } };
      return { step: { do: 'disconnect', purge: message.purge }, answers: message };
    case 'rotateKey':
      if (facts.candidates.some((candidate) => candidate.keyId === message.keyId)) {
        return { step: { do: 'tryKey', keyId: message.keyId }, answers: message };
      }
      return { step: { do: 'recordRotation', keyId: message.keyId }, answers: message };
    case 'pause':
      if (facts.status === 'paused') return declined(message, 'pause: it is paused already');
      return { step: { do: 'setStatus', to: 'paused' }, answers: message };
    case 'resume':
      if (facts.status !== 'paused') return declined(message, 'resume: it is not paused, so nothing changed');
      return { step: { do: 'setStatus', to: statusAfterPause(facts) }, answers: message };
    case 'syncNow':
      return answerSyncNow(facts, message, nowMs);
    case 'malformed':
      return declined(message, `${message.signal}: ${message.problem}, so nothing changed`);
  }
}

/** A message that changes nothing: an event says why. */
function declined(message: Message, text: string): Decision {
  return { step: { do: 'addEvent', text }, answers: message };
}

function answerSyncNow(facts: Facts, message: SyncNow, nowMs: number): Decision {
  switch (facts.status) {
    case 'paused':
      return { step: { do: 'wait', untilMs: null } };
    case 'validating': {
      const candidate = facts.candidates.find(({ requested }) => requested);
      if (candidate === undefined) return declined(message, 'syncNow: there is no key to read with yet');
      return { step: { do: 'tryKey', keyId: candidate.keyId }, answers: message };
    }
    case 'awaiting_key':
      // Once Anthropic accepts the key again, the connection goes on, and a sync answers the message.
      if (!isKeyRejected(facts)) return { step: { do: 'setStatus', to: statusByProgress(facts) } };
      return { step: { do: 'probeKey' }, answers: message };
    case 'discovering':
    case 'backfilling':
    case 'degraded':
    case 'active':
      return startRequested(facts, message, nowMs);
    case 'refused':
    case 'disconnected':
      return { step: { do: 'end' } };
  }
}

function startRequested(facts: Facts, message: SyncNow, nowMs: number): Decision {
  const { from, to } = message;
  if (!facts.discovered) return { step: { do: 'discoverWorkspaces' }, answers: message };
  if (from === undefined || to === undefined) {
    return { step: { do: 'startSync', plan: manualPlan(facts, nowMs) }, answers: message };
  }
  const today = dayOf(nowMs);
  if (from < facts.began || to > today) {
    return declined(message, `syncNow: only days from ${facts.began} to ${today} can be read, so nothing was read`);
  }
  return { step: { do: 'startSync', plan: requestedPlan({ from, to }) }, answers: message };
}

/** The status after a pause: that of a failure which still holds, or else the one by progress. */
function statusAfterPause(facts: Facts): Status {
  const { failure, activeKeyId } = facts;
  if (failure === null || activeKeyId === null) return statusByProgress(facts);
  if (!isKeyFailure(failure.code)) return 'degraded';
  if (failure.keyId !== activeKeyId || facts.hasSupersededKey) return statusByProgress(facts);
  if (!isConfirmed(failure)) return 'degraded';
  return hasRequestedCandidate(facts) ? 'degraded' : 'awaiting_key';
}

/**
 * What is left of a message after the key that it needs was tried and rejected once more. Days that somebody named wait
 * for a key that Anthropic accepts. A message without days is dropped, since those days are read then anyway.
 */
export function afterFailedProbe(message: Message): Message | null {
  return message.type === 'syncNow' && message.from !== undefined ? { ...message, probed: true } : null;
}

/** Whether the answer to one message answers the other too, because both ask for the same. */
export function isAnsweredWith(message: Message, answered: Message): boolean {
  if (message === answered) return true;
  if (message.type === 'rotateKey') return answered.type === 'rotateKey' && message.keyId === answered.keyId;
  if (message.type !== 'syncNow' || answered.type !== 'syncNow') return false;
  return message.from === answered.from && message.to === answered.to;
}

import { isCancellation, proxyActivities } from '@temporalio/workflow';
import type { Activities } from '../activities/activities.ts';
import { afterFailedProbe, isAnsweredWith } from '../domain/connection/answer.ts';
import type { Message } from '../domain/connection/messages.ts';
import type { Status } from '../domain/connection/statuses.ts';
import type { Decision, Step } from '../domain/connection/steps.ts';
import { DELETION, KEY_QUESTION, POSTGRES, QUESTION } from './activity-options.ts';
import { cancelSync, startSync } from './child-sync.ts';
import { runAndReload, runAndReloadWithAnswer, type ConnectionRun } from './connection-run.ts';
import { attemptFailureOf } from './failures.ts';
import { removeMessages } from './inbox.ts';
import { readings } from './readings.ts';

const postgres = proxyActivities<Activities>(POSTGRES);
const deletion = proxyActivities<Activities>(DELETION);
const keyQuestion = proxyActivities<Activities>(KEY_QUESTION);

type Action = Exclude<Step, { do: 'end' | 'wait' }>;

/** Carries a step out. The messages that it answers leave the inbox only afterwards. */
export async function carryOut(run: ConnectionRun, step: Action, answers: Decision['answers']): Promise<void> {
  run.unreachable = null;
  // A sync that starts changes nothing that a decision depends on. Every other step does.
  if (step.do !== 'startSync') run.readAt = null;
  if (step.do === 'probeKey') return probeKey(run, answers);
  await perform(run, step);
  if (answers !== undefined) removeMessages(run.inbox, (message) => isAnsweredWith(message, answers));
}

async function perform(run: ConnectionRun, step: Exclude<Action, { do: 'probeKey' }>): Promise<unknown> {
  switch (step.do) {
    case 'startSync':
      return startSync(run, step.plan);
    case 'cancelSync':
      return cancelSync(run);
    case 'tryKey':
      return tryKey(run, step.keyId);
    case 'discoverWorkspaces':
      return discoverWorkspaces(run);
    case 'setStatus':
      return setStatus(run, step.to);
    case 'restoreKey':
      return runAndReload(run, (ref) =>
        postgres.restoreKey({ ...ref, rejectedKeyId: step.rejectedKeyId, code: step.code }),
      );
    case 'clearFailure':
      return runAndReload(run, (ref) => postgres.clearFailure(ref));
    case 'distrustClock':
      return runAndReload(run, (ref) => postgres.distrustClock(ref));
    case 'addEvent': {
      const { text } = step;
      return runAndReload(run, (ref) => postgres.addEvent.executeWithOptions({ summary: text }, [{ ...ref, text }]));
    }
    case 'recordRotation':
      return runAndReload(run, (ref) => postgres.recordRotation({ ...ref, keyId: step.keyId }));
    case 'disconnect':
      return runAndReload(run, (ref) => deletion.disconnect({ ...ref, purge: step.purge }));
  }
}

async function setStatus(run: ConnectionRun, to: Status): Promise<void> {
  const options = { summary: `becomes ${to}` };
  const { moved } = await runAndReloadWithAnswer(run, (ref) =>
    postgres.setStatus.executeWithOptions(options, [{ ...ref, to }]),
  );
  if (!moved) run.unreachable = to;
}

async function tryKey(run: ConnectionRun, keyId: string): Promise<void> {
  try {
    const summary = `asks Anthropic about key ${keyId}`;
    await runAndReload(run, (ref) => keyQuestion.tryKey.executeWithOptions({ summary }, [{ ...ref, keyId }]));
  } catch (error) {
    if (isCancellation(error)) throw error;
    const { failure } = attemptFailureOf(error);
    await runAndReload(run, (ref) => postgres.deferKey({ ...ref, keyId, failure }));
  }
}

async function discoverWorkspaces(run: ConnectionRun): Promise<void> {
  try {
    await runAndReload(run, (ref) => readings(QUESTION).discoverWorkspaces(ref));
  } catch (error) {
    if (isCancellation(error)) throw error;
    const failed = attemptFailureOf(error);
    await runAndReload(run, (ref) => postgres.recordFailure({ ...ref, ...failed }));
  }
}

/** A request for a sync stays if Anthropic accepts the key: a sync answers it then. */
async function probeKey(run: ConnectionRun, request: Message | undefined): Promise<void> {
  const accepted = await askAboutRejectedKey(run);
  if (accepted || request === undefined) return;
  const left = afterFailedProbe(request);
  removeMessages(run.inbox, (message) => message === request || (left !== null && isAnsweredWith(message, left)));
  if (left !== null) run.inbox.waiting.push(left);
}

async function askAboutRejectedKey(run: ConnectionRun): Promise<boolean> {
  const options = { summary: 'asks Anthropic about the rejected key' };
  try {
    const { accepted } = await runAndReloadWithAnswer(run, (ref) =>
      keyQuestion.probeKey.executeWithOptions(options, [ref]),
    );
    return accepted;
  } catch (error) {
    if (isCancellation(error)) throw error;
    // No answer is no verdict. The activity recorded the question, so the next one is not due at once.
    return false;
  }
}

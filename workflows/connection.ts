import {
  ApplicationFailure,
  CancellationScope,
  ChildWorkflowFailure,
  ParentClosePolicy,
  allHandlersFinished,
  condition,
  continueAsNew,
  isCancellation,
  proxyActivities,
  setHandler,
  startChild,
  workflowInfo,
  type ChildWorkflowHandle,
} from '@temporalio/workflow';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import type { Activities } from '../activities/activities.ts';
import type { LoadedConnection } from '../activities/connection.ts';
import { dayOf } from '../domain/days.ts';
import {
  afterFailedProbe,
  decide,
  earliest,
  isAnsweredWith,
  type Decision,
  type Step,
  type SyncPlan,
} from '../domain/connection/decide.ts';
import type { Message } from '../domain/connection/messages.ts';
import type { Status } from '../domain/connection/statuses.ts';
import { stillWaiting } from '../domain/connection/waiting.ts';
import { DELETION, POSTGRES, KEY_QUESTION, QUESTION } from './activity-options.ts';
import { attributesOf, describeNext, showConnection, summaryOfSync } from './display.ts';
import { attemptFailureOf, workflowFailure } from './failures.ts';
import { acceptReceived, forget, openInbox, takeSignals, takeStraySignals, type Inbox } from './inbox.ts';
import { statusQuery, syncWorkflowId, type ConnectionInput, type ConnectionStatus } from './messages.ts';
import { sync } from './sync.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

const postgres = proxyActivities<Activities>(POSTGRES);
const deleting = proxyActivities<Activities>(DELETION);
const anthropic = proxyActivities<Activities>(QUESTION);
const asking = proxyActivities<Activities>(KEY_QUESTION);

/** A sync under way, started by this run. */
interface RunningSync {
  readonly n: number;
  readonly plan: SyncPlan;
  readonly runId: string;
  readonly scope: CancellationScope;
  /** Set once it is over, in whatever way. */
  outcome: 'succeeded' | 'failed' | 'interrupted' | null;
}

interface State {
  readonly connectionId: string;
  readonly startedAtMs: number;
  readonly inbox: Inbox;
  sync: RunningSync | null;
  loaded: LoadedConnection | null;
  doing: string;
  /** What a sync of this run read well, until the pause after it is over. */
  justSynced: SyncPlan | null;
  /** A status that Postgres did not take, until the pause after it is over or something else is done. */
  untaken: Status | null;
}

/**
 * A connection's life. Each round reads Postgres, decides the one next step by it, and carries it out; nothing else is
 * remembered, so start, continue-as-new, reset and restart are one path. Messages only wait in the inbox for the next
 * round: signals and not updates, since they must be taken while no worker runs, and their verdict is read in Postgres.
 * One whose first key is refused fails, so that nobody takes it for one that went well.
 */
export async function connection(input: ConnectionInput): Promise<void> {
  const state: State = {
    connectionId: input.connectionId,
    startedAtMs: Date.now(),
    inbox: openInbox(input),
    sync: null,
    loaded: null,
    doing: 'reading where it stands',
    justSynced: null,
    untaken: null,
  };
  takeMessages(state);
  for (;;) {
    if (state.sync?.outcome) await closeSync(state, state.sync);
    takeStraySignals(state.inbox);
    if (isTimeForNewRun(state)) return goOnAsNewRun(state);
    // Postgres is read after the messages that it is held against: what a message is about was stored before it was sent.
    const seenNudges = state.inbox.nudges;
    state.loaded = await loadConnection(state, acceptReceived(state.inbox));
    const { facts, outlook } = state.loaded;
    const { waiting } = state.inbox;
    const decision = decide(facts, waiting, state.sync !== null, Date.now(), state.justSynced, state.untaken);
    showConnection(state.loaded, decision.step, state.sync);
    if (decision.step.do === 'end') {
      if (facts?.status !== 'refused') return;
      throw workflowFailure({ failure: outlook?.failure ?? { code: 'key_invalid' }, keyId: null });
    }
    state.doing = decision.step.do;
    await carryOut(state, decision, seenNudges);
  }
}

function loadConnection({ connectionId }: State, received: string[]): Promise<LoadedConnection> {
  const reads = 'reads in Postgres where it stands';
  const summary =
    received.length === 0 ? reads : `signal ${received.join('; ')}: keeps an event, ${reads}`.slice(0, 190);
  const told = received.length === 0 ? {} : { received };
  return postgres.loadConnection.executeWithOptions({ summary }, [{ connectionId, today: dayOf(Date.now()), ...told }]);
}

function takeMessages(state: State): void {
  // Of a sync that this run started, the end itself is news. The signal is for those that an earlier run started.
  takeSignals(state.inbox, (n) => state.sync !== null && state.sync.n === n);
  const answer = (): ConnectionStatus => ({
    connectionId: state.connectionId,
    status: state.loaded?.facts?.status ?? 'unknown',
    doing: state.doing,
    inbox: state.inbox.waiting.length + state.inbox.received.length,
  });
  setHandler(statusQuery, answer, { description: 'Where it stands, what it does, and how many signals wait' });
}

function isTimeForNewRun(state: State): boolean {
  const { continueAsNewSuggested } = workflowInfo();
  return state.sync === null && (continueAsNewSuggested || Date.now() - state.startedAtMs >= DAY_MS);
}

async function goOnAsNewRun({ connectionId, inbox }: State): Promise<never> {
  await condition(allHandlersFinished);
  const { waiting, received, answered } = inbox;
  return continueAsNew<typeof connection>({ connectionId, inbox: waiting, received, answered });
}

/** The messages that a step answers leave the inbox only now that the step is carried out. */
async function carryOut(state: State, { step, answers }: Decision, seenNudges: number): Promise<void> {
  if (step.do === 'wait') return waitForNews(state, step, seenNudges);
  state.untaken = null;
  if (step.do === 'probeKey') return probeKey(state, answers);
  await perform(state, step);
  if (answers !== undefined) forget(state.inbox, (message) => isAnsweredWith(message, answers));
  if (step.do === 'startSync') await waitForSync(state, seenNudges);
}

/** A sync that was just started changed nothing that is decided by: what was read just before still holds. */
async function waitForSync(state: State, seenNudges: number): Promise<void> {
  const { loaded } = state;
  if (loaded === null || state.sync === null) return;
  const { step } = decide(loaded.facts, state.inbox.waiting, true, Date.now());
  if (step.do !== 'wait') return;
  showConnection(loaded, step, state.sync);
  state.doing = step.do;
  await waitForNews(state, step, seenNudges);
}

async function perform(state: State, step: Exclude<Step, { do: 'wait' | 'probeKey' }>): Promise<void> {
  const { connectionId } = state;
  switch (step.do) {
    case 'end':
      return;
    case 'startSync':
      return startSync(state, step.plan);
    case 'cancelSync':
      return cancelSync(state);
    case 'tryKey':
      return tryKey(state, step.keyId);
    case 'discoverWorkspaces':
      return discover(state);
    case 'setStatus':
      return setStatus(state, step.to);
    case 'restoreKey':
      return postgres.restoreKey({ connectionId, rejectedKeyId: step.rejectedKeyId, code: step.code });
    case 'clearFailure':
      return postgres.clearFailure({ connectionId });
    case 'distrustClock':
      return postgres.distrustClock({ connectionId, nowMs: Date.now(), today: dayOf(Date.now()) });
    case 'note':
      return postgres.recordSignal.executeWithOptions({ summary: step.text }, [{ connectionId, text: step.text }]);
    case 'noteRotation':
      return postgres.recordSignal({ connectionId, keyId: step.keyId });
    case 'disconnect':
      return deleting.disconnect({ connectionId, purge: step.purge });
  }
}

async function setStatus(state: State, to: Status): Promise<void> {
  const { connectionId } = state;
  const isTaken = await postgres.setStatus.executeWithOptions({ summary: `becomes ${to}` }, [{ connectionId, to }]);
  if (!isTaken) state.untaken = to;
}

async function waitForNews(state: State, step: Step & { do: 'wait' }, seenNudges: number): Promise<void> {
  const { inbox } = state;
  const news = (): boolean => {
    // Looked at whenever anything comes, also a signal that nobody takes.
    takeStraySignals(inbox);
    return inbox.received.length > 0 || inbox.nudges > seenNudges || state.sync?.outcome != null;
  };
  const untilMs = alarmOf(state, step);
  if (untilMs === null) {
    await condition(news);
    return;
  }
  const waitMs = Math.max(1, untilMs - Date.now());
  const isNews = await condition(news, waitMs, { summary: summaryOfWait(state, step) });
  if (isNews) return;
  state.justSynced = null;
  state.untaken = null;
}

/**
 * When to look again (ms), or null: while a sync runs, its end is news, and its line in the timeline is the last one.
 * Where there is nothing to wait for, there is a timer all the same, since its label is what says so in the timeline.
 */
function alarmOf({ loaded, sync: running, startedAtMs }: State, { untilMs }: Step & { do: 'wait' }): number | null {
  const nowMs = Date.now();
  const retried = stillWaiting(loaded?.outlook?.waiting, nowMs)?.nextTryAtMs ?? null;
  const isSilent = running === null || loaded?.facts?.status === 'paused';
  const own = untilMs ?? (isSilent ? Math.max(startedAtMs + DAY_MS, nowMs + HOUR_MS) : null);
  return earliest(own, retried);
}

/** The first line of a connection's timeline, so it says where the connection stands too. */
function summaryOfWait({ loaded, sync: running }: State, step: Step): string {
  const facts = loaded?.facts ?? null;
  if (facts === null) return '';
  const waiting = stillWaiting(loaded?.outlook?.waiting, Date.now());
  // A label is no Markdown.
  return `${facts.status}: ${describeNext(facts, step, running, waiting)}`.replaceAll('`', '').slice(0, 190);
}

async function tryKey(state: State, keyId: string): Promise<void> {
  const { connectionId } = state;
  try {
    const summary = `asks Anthropic about key ${keyId}`;
    const verdict = await asking.tryKey.executeWithOptions({ summary }, [{ connectionId, keyId }]);
    // What was read just before was read with another key: a sync with the new one is no repetition.
    if (verdict === 'accepted') state.justSynced = null;
  } catch (error) {
    if (isCancellation(error)) throw error;
    await postgres.deferKey({ connectionId, keyId, failure: attemptFailureOf(error).failure, nowMs: Date.now() });
  }
}

/** Whoever asks for a sync while the key is rejected gets it once the key is taken again, so the message stays then. */
async function probeKey(state: State, asked: Message | undefined): Promise<void> {
  const { connectionId } = state;
  try {
    const summary = 'asks Anthropic about the key that was rejected';
    if (await asking.probeKey.executeWithOptions({ summary }, [{ connectionId, nowMs: Date.now() }])) return;
  } catch (error) {
    if (isCancellation(error)) throw error;
    // No answer is no verdict. The activity kept that it asked, so the next question is not due at once.
  }
  if (asked === undefined) return;
  const kept = afterFailedProbe(asked);
  forget(state.inbox, (message) => message === asked || (kept !== null && isAnsweredWith(message, kept)));
  if (kept !== null) state.inbox.waiting.push(kept);
}

async function discover({ connectionId }: State): Promise<void> {
  try {
    await anthropic.discoverWorkspaces({ connectionId });
  } catch (error) {
    if (isCancellation(error)) throw error;
    await postgres.recordFailure({ connectionId, ...attemptFailureOf(error), nowMs: Date.now() });
  }
}

async function startSync(state: State, plan: SyncPlan): Promise<void> {
  const { connectionId } = state;
  for (;;) {
    const summary = 'takes the number of the next sync';
    const n = await postgres.takeSyncNumber.executeWithOptions({ summary }, [{ connectionId }]);
    const scope = new CancellationScope();
    const child = await scope.run(() => startSyncWorkflow(state, n, plan)).catch(onlyIfTaken);
    // A database that was restored from a backup hands out numbers again; the next one is taken then.
    if (child === null) continue;
    const running: RunningSync = { n, plan, runId: child.firstExecutionRunId, scope, outcome: null };
    state.sync = running;
    void child.result().then(
      () => (running.outcome = 'succeeded'),
      (error: unknown) => (running.outcome = saysItself(error) ? 'failed' : 'interrupted'),
    );
    return;
  }
}

/** Whether a sync that ended badly kept its failure: it did unless it was cancelled, terminated or timed out. */
function saysItself(error: unknown): boolean {
  return error instanceof ChildWorkflowFailure && error.cause instanceof ApplicationFailure;
}

function onlyIfTaken(error: unknown): null {
  if (error instanceof WorkflowExecutionAlreadyStartedError) return null;
  throw error;
}

function startSyncWorkflow(
  { connectionId, loaded }: State,
  n: number,
  plan: SyncPlan,
): Promise<ChildWorkflowHandle<typeof sync>> {
  return startChild(sync, {
    workflowId: syncWorkflowId(connectionId, n),
    args: [{ connectionId, n, plan }],
    staticSummary: summaryOfSync(plan, loaded?.outlook?.name ?? connectionId),
    // Whoever ends a connection's workflow by hand wants its sync to end too, and to say so.
    parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
    // Far longer than any window takes; a sync that hangs for ever would hold up all later ones.
    workflowRunTimeout: '12 hours',
    ...(loaded?.searchAttributesExist ? { typedSearchAttributes: attributesOf(loaded, plan) } : {}),
  });
}

async function cancelSync({ sync: running }: State): Promise<void> {
  if (running === null) return;
  running.scope.cancel();
  await condition(() => running.outcome !== null);
}

/** A sync that could not say how it ended: it is said here. */
async function closeSync(state: State, { n, runId, plan, outcome }: RunningSync): Promise<void> {
  const { connectionId } = state;
  if (outcome === 'interrupted') {
    const summary = `makes sure that the failure of sync ${n} is kept`;
    await postgres.recordInterruptedSync.executeWithOptions({ summary }, [
      { connectionId, n, runId, plan, nowMs: Date.now() },
    ]);
  }
  if (outcome === 'succeeded') state.justSynced = plan;
  state.sync = null;
}

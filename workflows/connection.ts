import {
  CancellationScope,
  ParentClosePolicy,
  allHandlersFinished,
  condition,
  continueAsNew,
  defineSignal,
  isCancellation,
  patched,
  proxyActivities,
  setDefaultSignalHandler,
  setHandler,
  startChild,
  workflowInfo,
  type ChildWorkflowHandle,
} from '@temporalio/workflow';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import type { Activities } from '../activities/activities.ts';
import type { LoadedConnection } from '../activities/connection.ts';
import { dayOf } from '../domain/days.ts';
import { afterFailedProbe, decide, isAnsweredWith, type Decision, type Step, type SyncPlan } from '../domain/decide.ts';
import { isSignalName, parseSignal, unknownSignal, type Message } from '../domain/messages.ts';
import { DELETION, POSTGRES, QUESTION } from './activity-options.ts';
import { attributesOf, nextOf, showConnection, summaryOfSync } from './display.ts';
import { detailsOf } from './failures.ts';
import {
  signalDescriptions,
  statusQuery,
  syncEnded,
  syncWorkflowId,
  wake,
  type ConnectionInput,
  type ConnectionStatus,
} from './messages.ts';
import { sync } from './sync.ts';

const DAY_MS = 86_400_000;

const postgres = proxyActivities<Activities>(POSTGRES);
const deleting = proxyActivities<Activities>(DELETION);
const anthropic = proxyActivities<Activities>(QUESTION);

/** A sync under way, started by this run. */
interface RunningSync {
  readonly n: number;
  readonly plan: SyncPlan;
  readonly runId: string;
  readonly scope: CancellationScope;
  /** Set once it is over, in whatever way. */
  outcome: 'succeeded' | 'failed' | null;
}

interface State {
  readonly connectionId: string;
  readonly startedAtMs: number;
  inbox: Message[];
  sync: RunningSync | null;
  /** How often it was told to look at Postgres again. */
  nudges: number;
  loaded: LoadedConnection | null;
  doing: string;
  /** What a sync of this run read well, until the pause after it is over. */
  justSynced: SyncPlan | null;
  /** False in a run that began under release 0.1, which forgot these messages: it must do so again when it is replayed. */
  keepsStrays: boolean;
  /** False in a run that began under an earlier release, which read Postgres again where there is no news. */
  savesRounds: boolean;
}

/** What had come when Postgres was read. Whatever comes later is news, and waits for the next round. */
interface Seen {
  readonly inbox: readonly Message[];
  readonly nudges: number;
}

/**
 * A connection's life. Each round reads Postgres, decides the one next step by it, and carries it out; nothing else is
 * remembered, so start, continue-as-new, reset and restart are one path. Messages only wait in the inbox for the next
 * round: signals and not updates, since they must be taken while no worker runs, and their verdict is read in Postgres.
 */
export async function connection(input: ConnectionInput): Promise<void> {
  const state: State = {
    connectionId: input.connectionId,
    startedAtMs: Date.now(),
    inbox: [...(input.inbox ?? [])],
    sync: null,
    nudges: 0,
    loaded: null,
    doing: 'reading where it stands',
    justSynced: null,
    keepsStrays: patched('stray signals and owed days are kept'),
    savesRounds: patched('Postgres is read again for news only'),
  };
  takeMessages(state);
  for (;;) {
    if (state.sync?.outcome) await closeSync(state, state.sync);
    takeStraySignals(state);
    if (isTimeForNewRun(state)) return goOnAsNewRun(state);
    // Postgres is read after the messages that it is held against: what a message is about was stored before it was sent.
    const seen: Seen = { inbox: [...state.inbox], nudges: state.nudges };
    state.loaded = await loadConnection(state);
    const decision = decide(state.loaded.facts, seen.inbox, state.sync !== null, Date.now(), state.justSynced);
    showConnection(state.loaded, decision.step, state.sync);
    if (decision.step.do === 'end') return;
    state.doing = decision.step.do;
    await carryOut(state, decision, seen);
  }
}

function loadConnection({ connectionId }: State): Promise<LoadedConnection> {
  const summary = 'reads in Postgres where it stands';
  return postgres.loadConnection.executeWithOptions({ summary }, [{ connectionId, today: dayOf(Date.now()) }]);
}

/** All handlers are set before anything is awaited: a signal without a handler is lost at continue-as-new. */
function takeMessages(state: State): void {
  takeStraySignals(state);
  for (const [name, description] of Object.entries(signalDescriptions)) {
    const handler = (carried: unknown): void => {
      takeSignal(state, name, carried);
    };
    setHandler(defineSignal<[unknown?]>(name), handler, { description });
  }
  const answer = (): ConnectionStatus => ({
    connectionId: state.connectionId,
    status: state.loaded?.facts?.status ?? 'unknown',
    doing: state.doing,
    inbox: state.inbox.length,
  });
  setHandler(statusQuery, answer, { description: 'Where it stands, what it does, and how many signals wait' });
}

function takeSignal(state: State, name: string, carried?: unknown): void {
  if (isSignalName(name)) state.inbox.push(parseSignal(name, carried));
  else if (name === syncEnded.name && isOfRunningSync(state, carried)) return;
  else if (name === syncEnded.name || name === wake.name) state.nudges += 1;
  else state.inbox.push(unknownSignal(name));
}

/** Of a sync that this run started, the end itself is news. The signal is for those that an earlier run started. */
function isOfRunningSync({ savesRounds, sync: running }: State, carried: unknown): boolean {
  const n = typeof carried === 'object' && carried !== null && 'n' in carried ? carried.n : undefined;
  return savesRounds && running !== null && running.n === n;
}

/**
 * Takes the signals that no handler took, in their order: those by an unknown name, and all that came before this run
 * began, since a handler of one name takes those of that name alone, and a resume that was followed by a pause would
 * come after it. The handler of all names does not stay: while it is set, a signal by a name that the SDK keeps to itself
 * fails the workflow task over and over.
 */
function takeStraySignals(state: State): void {
  if (!state.keepsStrays) return;
  for (;;) {
    try {
      setDefaultSignalHandler((name, carried) => {
        takeSignal(state, name, carried);
      });
      break;
    } catch {
      // Such a name was among them, and is gone from them now.
      takeSignal(state, '');
    }
  }
  setDefaultSignalHandler(undefined);
}

function isTimeForNewRun(state: State): boolean {
  const { continueAsNewSuggested } = workflowInfo();
  return state.sync === null && (continueAsNewSuggested || Date.now() - state.startedAtMs >= DAY_MS);
}

async function goOnAsNewRun(state: State): Promise<never> {
  await condition(allHandlersFinished);
  return continueAsNew<typeof connection>({ connectionId: state.connectionId, inbox: state.inbox });
}

/** The messages that a step answers leave the inbox only now that the step is carried out. */
async function carryOut(state: State, { step, answers }: Decision, seen: Seen): Promise<void> {
  if (step.do === 'wait') return waitForNews(state, step, seen);
  if (step.do === 'probeKey') return probeKey(state, answers);
  await perform(state, step);
  const left = (messages: readonly Message[]): Message[] =>
    answers === undefined ? [...messages] : messages.filter((message) => !isAnsweredWith(message, answers));
  state.inbox = left(state.inbox);
  if (step.do === 'startSync' && state.savesRounds) {
    await waitForSync(state, { ...seen, inbox: left(seen.inbox) });
  }
}

/** A sync that was just started changed nothing that is decided by: what was read just before still holds. */
async function waitForSync(state: State, seen: Seen): Promise<void> {
  const { loaded } = state;
  if (loaded === null || state.sync === null) return;
  const { step } = decide(loaded.facts, seen.inbox, true, Date.now());
  if (step.do !== 'wait') return;
  showConnection(loaded, step, state.sync);
  state.doing = step.do;
  await waitForNews(state, step, seen);
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
    case 'discover':
      return discover(state);
    case 'setStatus':
      return postgres.setStatus.executeWithOptions({ summary: `becomes ${step.to}` }, [{ connectionId, to: step.to }]);
    case 'restoreKey':
      return postgres.restoreKey({ connectionId, rejectedKeyId: step.rejectedKeyId, code: step.code });
    case 'forgiveFailure':
      return postgres.forgiveFailure({ connectionId });
    case 'distrustClock':
      return postgres.distrustClock({ connectionId, nowMs: Date.now(), today: dayOf(Date.now()) });
    case 'note':
      return postgres.noteSignal.executeWithOptions({ summary: step.text }, [{ connectionId, text: step.text }]);
    case 'noteRotation':
      return postgres.noteSignal({ connectionId, keyId: step.keyId });
    case 'disconnect':
      return deleting.disconnect({ connectionId, purge: step.purge });
  }
}

async function waitForNews(state: State, step: Step & { do: 'wait' }, seen: Seen): Promise<void> {
  const { untilMs } = step;
  const news = (): boolean => {
    // Looked at whenever anything comes, also a signal that nobody takes.
    takeStraySignals(state);
    return state.inbox.length > seen.inbox.length || state.nudges > seen.nudges || state.sync?.outcome != null;
  };
  if (untilMs === null) {
    await condition(news);
    return;
  }
  const waitMs = Math.max(1, untilMs - Date.now());
  const isNews = await condition(news, waitMs, { summary: summaryOfWait(state, step) });
  if (!isNews) state.justSynced = null;
}

/** The first line of a connection's timeline, so it says where the connection stands too. */
function summaryOfWait({ loaded, sync: running }: State, step: Step): string {
  const facts = loaded?.facts ?? null;
  return facts === null ? '' : `${facts.status}: ${nextOf(facts, step, running)}`;
}

async function tryKey(state: State, keyId: string): Promise<void> {
  const { connectionId } = state;
  try {
    await anthropic.tryKey.executeWithOptions({ summary: `asks Anthropic about key ${keyId}` }, [
      { connectionId, keyId },
    ]);
  } catch (error) {
    if (isCancellation(error)) throw error;
    await postgres.deferKey({ connectionId, keyId, fault: detailsOf(error).fault, nowMs: Date.now() });
  }
}

/** Whoever asks for a sync while the key is rejected gets it once the key is taken again, so the message stays then. */
async function probeKey(state: State, asked: Message | undefined): Promise<void> {
  const { connectionId } = state;
  try {
    const summary = 'asks Anthropic about the key that was rejected';
    if (await anthropic.probeKey.executeWithOptions({ summary }, [{ connectionId, nowMs: Date.now() }])) return;
  } catch (error) {
    if (isCancellation(error)) throw error;
    // No answer is no verdict. The activity kept that it asked, so the next question is not due at once.
  }
  const kept = state.keepsStrays && asked !== undefined ? afterFailedProbe(asked) : null;
  const others = state.inbox.filter(
    (message) => message !== asked && (kept === null || !isAnsweredWith(message, kept)),
  );
  state.inbox = kept === null ? others : [...others, kept];
}

async function discover({ connectionId }: State): Promise<void> {
  try {
    await anthropic.discoverWorkspaces({ connectionId });
  } catch (error) {
    if (isCancellation(error)) throw error;
    await postgres.noteFailure({ connectionId, ...detailsOf(error), nowMs: Date.now() });
  }
}

async function startSync(state: State, plan: SyncPlan): Promise<void> {
  const { connectionId } = state;
  for (;;) {
    const n = await postgres.takeSyncNumber({ connectionId });
    const scope = new CancellationScope();
    const child = await scope.run(() => startSyncWorkflow(state, n, plan)).catch(onlyIfTaken);
    // A database that was restored from a backup hands out numbers again; the next one is taken then.
    if (child === null) continue;
    const running: RunningSync = { n, plan, runId: child.firstExecutionRunId, scope, outcome: null };
    state.sync = running;
    void child.result().then(
      () => (running.outcome = 'succeeded'),
      () => (running.outcome = 'failed'),
    );
    return;
  }
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

/** A sync that failed has said so itself, unless it was terminated or timed out: then it is said here. */
async function closeSync(state: State, { n, runId, plan, outcome }: RunningSync): Promise<void> {
  const { connectionId } = state;
  if (outcome === 'failed') {
    const summary = `makes sure that the failure of sync ${n} is kept`;
    await postgres.noteInterruptedSync.executeWithOptions({ summary }, [
      { connectionId, n, runId, plan, nowMs: Date.now() },
    ]);
  }
  if (outcome === 'succeeded') state.justSynced = plan;
  state.sync = null;
}

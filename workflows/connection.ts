import {
  allHandlersFinished,
  condition,
  continueAsNew,
  proxyActivities,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { Activities } from '../activities/activities.ts';
import type { LoadedConnection } from '../activities/connection.ts';
import { decide } from '../domain/connection/decide.ts';
import { earliest } from '../domain/connection/schedule.ts';
import type { Step } from '../domain/connection/steps.ts';
import { DAY_MS, HOUR_MS } from '../domain/days.ts';
import { MAX_SUMMARY_LENGTH, POSTGRES } from './activity-options.ts';
import { closeSync } from './child-sync.ts';
import { beginRun, hasNews, isOutdated, runAndReload, type ConnectionRun } from './connection-run.ts';
import { carryOut } from './connection-steps.ts';
import { failureOf, showConnection, summaryOfWait, waitOfSync } from './display.ts';
import { workflowFailure } from './failures.ts';
import { acceptReceived, receiveStraySignals, setSignalHandlers } from './inbox.ts';
import { statusQuery, type ConnectionInput, type ConnectionStatus } from './messages.ts';

const postgres = proxyActivities<Activities>(POSTGRES);

/**
 * A connection's life. Each round decides one step by what Postgres says, and carries it out. Nothing else is
 * remembered, so start, continue-as-new, reset and restart are one path. Messages wait in the inbox for the next round.
 * They are signals and not updates, since a connection must accept them while no worker runs; callers read the verdict
 * in Postgres. A connection whose first key is refused fails, so that nobody takes it for one that went well.
 */
export async function connection(input: ConnectionInput): Promise<void> {
  const run = beginRun(input);
  setHandlers(run);
  for (;;) {
    if (run.sync?.outcome) await closeSync(run, run.sync);
    receiveStraySignals(run.inbox);
    if (isTimeForNewRun(run)) return continueInNewRun(run);
    const loaded = run.loaded === null || isOutdated(run) ? await loadConnection(run) : run.loaded;
    const { inbox, justSynced, unreachable } = run;
    const situation = { nowMs: Date.now(), syncRunning: run.sync !== null, justSynced, unreachable };
    const { step, answers } = decide(loaded.facts, inbox.waiting, situation);
    showConnection(loaded, step, run.sync);
    run.doing = step.do;
    if (step.do === 'end') {
      endRun(loaded);
      return;
    }
    if (step.do === 'wait') await waitForNews(run, step);
    else await carryOut(run, step, answers);
  }
}

function setHandlers(run: ConnectionRun): void {
  // The child's result tells this run about the end of its own sync; the signal is for syncs of earlier runs.
  setSignalHandlers(run.inbox, (n) => run.sync?.n === n);
  const status = (): ConnectionStatus => ({
    connectionId: run.connectionId,
    status: run.loaded?.facts?.status ?? 'unknown',
    doing: run.doing,
    inbox: run.inbox.waiting.length + run.inbox.received.length,
    sync: run.sync?.n ?? null,
  });
  setHandler(statusQuery, status, {
    description: 'Where it stands, what it does, how many signals wait, and which sync is under way',
  });
}

function loadConnection(run: ConnectionRun): Promise<LoadedConnection> {
  const received = acceptReceived(run.inbox);
  const loads = 'reads the connection in Postgres';
  const summary = received.length === 0 ? loads : `signal ${received.join('; ')}: adds an event, ${loads}`;
  const options = { summary: summary.slice(0, MAX_SUMMARY_LENGTH) };
  return runAndReload(run, (ref) =>
    postgres.loadConnection.executeWithOptions(options, [{ ...ref, ...(received.length === 0 ? {} : { received }) }]),
  );
}

function isTimeForNewRun({ sync, startedAtMs }: ConnectionRun): boolean {
  return sync === null && (workflowInfo().continueAsNewSuggested || Date.now() - startedAtMs >= DAY_MS);
}

async function continueInNewRun({ connectionId, inbox }: ConnectionRun): Promise<never> {
  await condition(allHandlersFinished);
  const { waiting, received, answered } = inbox;
  return continueAsNew<typeof connection>({ connectionId, inbox: waiting, received, answered });
}

function endRun({ facts, view }: LoadedConnection): void {
  if (facts?.status !== 'refused') return;
  const failure = view === null ? null : failureOf(view);
  throw workflowFailure({ failure: failure ?? { code: 'key_invalid' }, keyId: null });
}

async function waitForNews(run: ConnectionRun, step: Step & { do: 'wait' }): Promise<void> {
  const receiveNews = (): boolean => {
    // Temporal evaluates this after each event, so it sees signals without a handler too.
    receiveStraySignals(run.inbox);
    return hasNews(run) || run.sync?.outcome != null;
  };
  const alarmMs = alarmOf(run, step);
  if (alarmMs === null) {
    await condition(receiveNews);
  } else {
    const summary = summaryOfWait(run.loaded, step, run.sync).slice(0, MAX_SUMMARY_LENGTH);
    const wasNews = await condition(receiveNews, Math.max(1, alarmMs - Date.now()), { summary });
    if (!wasNews) {
      run.justSynced = null;
      run.unreachable = null;
    }
  }
  run.readAt = null;
}

/**
 * When to look at Postgres again (ms); null while a sync runs, since its end is news. Without anything to wait for,
 * there is a timer all the same: its summary tells people so in the timeline.
 */
function alarmOf({ loaded, sync, startedAtMs }: ConnectionRun, { untilMs }: Step & { do: 'wait' }): number | null {
  const nowMs = Date.now();
  const nextTryAtMs = waitOfSync(loaded?.view ?? null)?.nextTryAtMs ?? null;
  const needsSummary = sync === null || loaded?.facts?.status === 'paused';
  const ownMs = untilMs ?? (needsSummary ? Math.max(startedAtMs + DAY_MS, nowMs + HOUR_MS) : null);
  return earliest(ownMs, nextTryAtMs);
}

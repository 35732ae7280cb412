import {
  ApplicationFailure,
  CancellationScope,
  ChildWorkflowFailure,
  ParentClosePolicy,
  condition,
  proxyActivities,
  startChild,
  type ChildWorkflowHandle,
} from '@temporalio/workflow';
import { WorkflowExecutionAlreadyStartedError, WorkflowIdReusePolicy } from '@temporalio/common';
import type { Activities } from '../activities/activities.ts';
import type { SyncPlan } from '../domain/connection/sync-plan.ts';
import { SYNC_RUN_TIMEOUT_HOURS } from '../domain/reading.ts';
import { POSTGRES } from './activity-options.ts';
import type { ConnectionRun, RunningSync } from './connection-run.ts';
import { attributesOf, summaryOfSync } from './display.ts';
import { syncWorkflowId } from './messages.ts';
import { sync } from './sync.ts';

/** Temporal's priorities are 1 to 5, and 3 by default. */
const LOWEST_PRIORITY = 5;

const postgres = proxyActivities<Activities>(POSTGRES);

/** Starts a sync as a child workflow. Its end sets `run.sync.outcome`. */
export async function startSync(run: ConnectionRun, plan: SyncPlan): Promise<void> {
  let n = run.loaded?.facts?.nextSync ?? (await takeSyncNumber(run));
  while (!(await startChildSync(run, n, plan))) {
    // A database that was restored from a backup gives out numbers again, and so does a run that somebody reset.
    n = await takeSyncNumber(run);
  }
}

function takeSyncNumber({ connectionId }: ConnectionRun): Promise<number> {
  const summary = 'takes the number of the next sync';
  return postgres.takeSyncNumber.executeWithOptions({ summary }, [{ connectionId }]);
}

/** False if Temporal knows a sync of that number already. */
async function startChildSync(run: ConnectionRun, n: number, plan: SyncPlan): Promise<boolean> {
  const scope = new CancellationScope();
  const child = await scope.run(() => startChildWorkflow(run, n, plan)).catch(nullIfStarted);
  if (child === null) return false;
  const running: RunningSync = { n, plan, runId: child.firstExecutionRunId, scope, outcome: null };
  run.sync = running;
  void child.result().then(
    () => (running.outcome = 'succeeded'),
    (error: unknown) => (running.outcome = hasRecordedFailure(error) ? 'failed' : 'interrupted'),
  );
  return true;
}

function startChildWorkflow(
  { connectionId, loaded }: ConnectionRun,
  n: number,
  plan: SyncPlan,
): Promise<ChildWorkflowHandle<typeof sync>> {
  return startChild(sync, {
    workflowId: syncWorkflowId(connectionId, n),
    // A number stands for one sync, also after that sync has ended.
    workflowIdReusePolicy: WorkflowIdReusePolicy.REJECT_DUPLICATE,
    args: [{ connectionId, n, plan }],
    staticSummary: summaryOfSync(plan, loaded?.view?.name ?? connectionId),
    // Whoever ends a connection's workflow by hand wants its sync to end too, and to record that.
    parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
    // A sync that hangs for ever would hold up all later ones.
    workflowRunTimeout: `${SYNC_RUN_TIMEOUT_HOURS} hours`,
    // Whoever connects, rotates or pauses does not wait behind hundreds of syncs.
    priority: { priorityKey: LOWEST_PRIORITY },
    ...(loaded?.searchAttributesExist ? { typedSearchAttributes: attributesOf(loaded, plan) } : {}),
  });
}

function nullIfStarted(error: unknown): null {
  if (error instanceof WorkflowExecutionAlreadyStartedError) return null;
  throw error;
}

/** Whether a failed sync recorded its failure. It could not if it was cancelled, terminated or timed out. */
function hasRecordedFailure(error: unknown): boolean {
  return error instanceof ChildWorkflowFailure && error.cause instanceof ApplicationFailure;
}

/** Cancels the sync under way, and waits until it has ended. */
export async function cancelSync({ sync: running }: ConnectionRun): Promise<void> {
  if (running === null) return;
  running.scope.cancel();
  await condition(() => running.outcome !== null);
}

/** Lets go of a sync that has ended. Records the failure of one that could not record it. */
export async function closeSync(run: ConnectionRun, { n, runId, plan, outcome }: RunningSync): Promise<void> {
  const { connectionId } = run;
  if (outcome === 'interrupted') {
    const summary = `makes sure that the failure of sync ${n} is recorded`;
    const interrupted = { connectionId, n, runId, plan, nowMs: Date.now() };
    await postgres.recordInterruptedSync.executeWithOptions({ summary }, [interrupted]);
  }
  if (outcome === 'succeeded') run.justSynced = plan;
  run.sync = null;
  run.readAt = null;
}

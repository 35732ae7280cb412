import { Context, activityInfo } from '@temporalio/activity';
import type { Client } from '@temporalio/client';
import type { ActivityExecuteInput, ActivityInboundCallsInterceptor, Next } from '@temporalio/worker';
import { isAssessmentDue } from '../db/budgets/assess.ts';
import { ASSESS_WORKFLOW, SYNC_WORKFLOW, assessNow, assessStart } from '../workflows/messages.ts';
import type { SyncActivities } from '../activities/sync.ts';
import type { Woken, Workflows } from './keeper.ts';

const END = 'succeedSync' satisfies keyof SyncActivities;

/**
 * Has what a sync read assessed, right after the transaction that records that it succeeded. Where this does not come to it,
 * the keeper does, and so it does for a sync that failed after it had changed days.
 */
export function assessAfterSyncs(taskQueue: string): ActivityInboundCallsInterceptor {
  return {
    async execute(
      input: ActivityExecuteInput,
      next: Next<ActivityInboundCallsInterceptor, 'execute'>,
    ): Promise<unknown> {
      const result = await next(input);
      const { workflowType, activityType } = activityInfo();
      if (workflowType === SYNC_WORKFLOW && activityType === END) {
        const { client } = Context.current();
        // Nobody waits for it, and the keeper asks for what this does not.
        void askToAssess(client, taskQueue).catch(() => undefined);
      }
      return result;
    },
  };
}

const DUE = ASSESS_WORKFLOW;

/** Has everything assessed if something is due. `woken` remembers that it was asked for. */
export async function keepAssessment({ db, client, taskQueue }: Workflows, woken: Woken): Promise<void> {
  if (!(await isAssessmentDue(db))) {
    woken.delete(DUE);
    return;
  }
  if (woken.has(DUE)) return;
  await askToAssess(client, taskQueue);
  woken.set(DUE, performance.now());
}

async function askToAssess(client: Client, taskQueue: string): Promise<void> {
  await client.workflow.signalWithStart(ASSESS_WORKFLOW, {
    ...assessStart(taskQueue),
    signal: assessNow,
    signalArgs: [],
  });
}

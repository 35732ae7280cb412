import { Context, activityInfo, type Info } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { msToNumber } from '@temporalio/common/lib/time.js';
import type { ActivityExecuteInput, ActivityInboundCallsInterceptor, Next } from '@temporalio/worker';
import { z } from 'zod';
import type { AttemptFailure } from '../activities/failures.ts';
import type { Db } from '../db/core/database.ts';
import { recordWaiting } from '../db/ledger/syncs.ts';
import type { Waiting } from '../domain/connection/waiting.ts';
import { CONNECTION_WORKFLOW, SYNC_WORKFLOW, connectionWorkflowId, wake } from '../workflows/messages.ts';

/** A shorter wait is over before anybody reads of it, and is not worth a line in the connection's timeline. */
const SHOWN_FROM_MS = 5_000;

const ofSync = z.object({ connectionId: z.guid(), n: z.int() });

/**
 * Shows waits before a next attempt, which Temporal alone would know of. A sync's wait is kept in Postgres with the sync,
 * and its connection is told to look. A connection waits by itself, where all can see it, so that a failure which says how
 * long to wait is not retried out of its sight. Goes around {@link translateFailures}.
 */
export function showWaits(db: Db): ActivityInboundCallsInterceptor {
  return {
    async execute(
      input: ActivityExecuteInput,
      next: Next<ActivityInboundCallsInterceptor, 'execute'>,
    ): Promise<unknown> {
      try {
        return await next(input);
      } catch (error) {
        if (!(error instanceof ApplicationFailure) || error.nonRetryable === true) throw error;
        const info = activityInfo();
        if (info.workflowType === CONNECTION_WORKFLOW) throw delayMsOf(error) < SHOWN_FROM_MS ? error : final(error);
        const sync = ofSync.safeParse(input.args[0]);
        if (info.workflowType === SYNC_WORKFLOW && sync.success) await show(db, sync.data, error, info);
        throw error;
      }
    },
  };
}

async function show(db: Db, sync: z.output<typeof ofSync>, error: ApplicationFailure, info: Info): Promise<void> {
  const waitMs = waitMsAfter(error, info);
  const failure = failureIn(error);
  if (waitMs === null || failure === null || info.workflowExecution === undefined) return;
  const attempts = info.retryPolicy?.maximumAttempts ?? null;
  const atMs = Date.now();
  const waiting: Waiting = { failure, attempt: info.attempt, attempts, atMs, nextTryAtMs: atMs + waitMs };
  try {
    await recordWaiting(db, { ...sync, runId: info.workflowExecution.runId }, waiting);
    if (waitMs < SHOWN_FROM_MS) return;
    await Context.current().client.workflow.getHandle(connectionWorkflowId(sync.connectionId)).signal(wake);
  } catch {
    // It is only shown: what failed is told by the failure itself, whatever else does not answer.
  }
}

function failureIn({ details }: ApplicationFailure): AttemptFailure['failure'] | null {
  const [first] = (details ?? []) as Partial<AttemptFailure>[];
  return first?.failure ?? null;
}

function delayMsOf({ nextRetryDelay }: ApplicationFailure): number {
  return nextRetryDelay == null ? 0 : msToNumber(nextRetryDelay);
}

/** How long it is until the next attempt (ms), by the failure's own word or the activity's policy; null without one. */
function waitMsAfter(failure: ApplicationFailure, { attempt, retryPolicy = {} }: Info): number | null {
  const { maximumAttempts = Infinity, backoffCoefficient = 2 } = retryPolicy;
  if (attempt >= maximumAttempts) return null;
  const ownMs = delayMsOf(failure);
  if (ownMs > 0) return ownMs;
  const firstMs = msToNumber(retryPolicy.initialInterval ?? '1 second');
  const mostMs = retryPolicy.maximumInterval === undefined ? firstMs * 100 : msToNumber(retryPolicy.maximumInterval);
  return Math.min(mostMs, firstMs * backoffCoefficient ** (attempt - 1));
}

function final({ message, type, details, cause }: ApplicationFailure): ApplicationFailure {
  return ApplicationFailure.create({
    message,
    nonRetryable: true,
    details: details ?? [],
    ...(type == null ? {} : { type }),
    ...(cause === undefined ? {} : { cause }),
  });
}

import { Context, activityInfo, type Info } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { ActivityExecuteInput, ActivityInboundCallsInterceptor, Next } from '@temporalio/worker';
import { z } from 'zod';
import type { Db } from '../db/core/database.ts';
import { failureJson } from '../db/core/json.ts';
import { recordWaiting } from '../db/ledger/syncs.ts';
import type { Waiting } from '../domain/connection/waiting.ts';
import type { Failure } from '../domain/failures.ts';
import { CONNECTION_WORKFLOW, SYNC_WORKFLOW, connectionWorkflowId, wake } from '../workflows/messages.ts';

/** A shorter wait is over before anybody reads of it. */
const SHOWN_FROM_MS = 5_000;

const syncNumber = z.object({ connectionId: z.guid(), n: z.int() });
type SyncNumber = z.output<typeof syncNumber>;
/** What `toActivityFailure` puts into each failure, as far as it is shown. */
const attemptDetails = z.object({ failure: failureJson });

/**
 * Shows people the waits between attempts, which only Temporal would know of. A sync's wait is recorded in Postgres, and
 * its connection is woken to show it. A connection's failure that asks for a long wait is not retried here: its workflow
 * waits itself, which people see. Must run outside of {@link translateFailures}, whose failures it reads.
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
        if (info.workflowType === CONNECTION_WORKFLOW && ownDelayMs(error) >= SHOWN_FROM_MS) throw notRetryable(error);
        const sync = syncNumber.safeParse(input.args[0]);
        if (info.workflowType === SYNC_WORKFLOW && sync.success) await recordWait(db, sync.data, error, info);
        throw error;
      }
    },
  };
}

async function recordWait(db: Db, sync: SyncNumber, error: ApplicationFailure, info: Info): Promise<void> {
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
    // The wait is only shown. The failure itself must reach Temporal even if Postgres or Temporal's client fails here.
  }
}

function failureIn({ details }: ApplicationFailure): Failure | null {
  const parsed = attemptDetails.safeParse(details?.[0]);
  return parsed.success ? parsed.data.failure : null;
}

/** How long it is until the next attempt (ms), as the failure or else the retry policy says. Null if there is none. */
function waitMsAfter(failure: ApplicationFailure, { attempt, retryPolicy = {} }: Info): number | null {
  const { maximumAttempts = Infinity, backoffCoefficient = 2 } = retryPolicy;
  if (attempt >= maximumAttempts) return null;
  const ownMs = ownDelayMs(failure);
  if (ownMs > 0) return ownMs;
  // Temporal's own defaults: a second first, and at most a hundred times that.
  const firstMs = msOf(retryPolicy.initialInterval) ?? 1_000;
  const mostMs = msOf(retryPolicy.maximumInterval) ?? firstMs * 100;
  return Math.min(mostMs, firstMs * backoffCoefficient ** (attempt - 1));
}

function ownDelayMs({ nextRetryDelay }: ApplicationFailure): number {
  return msOf(nextRetryDelay) ?? 0;
}

/** Our failures and the SDK's {@link Info} have milliseconds here; a duration in words never reaches an activity. */
function msOf(duration: unknown): number | null {
  return typeof duration === 'number' ? duration : null;
}

function notRetryable({ message, type, details, cause }: ApplicationFailure): ApplicationFailure {
  return ApplicationFailure.create({
    message,
    nonRetryable: true,
    details: details ?? [],
    ...(type == null ? {} : { type }),
    ...(cause === undefined ? {} : { cause }),
  });
}

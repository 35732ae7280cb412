import type { Client } from '@temporalio/client';
import { listLiveConnections } from '../db/connections/connections.ts';
import { listOverdue, listUntoldHistories } from '../db/connections/overdue.ts';
import { databaseFailure, type Db } from '../db/core/database.ts';
import { destroyForgottenCandidates } from '../db/keys/discard.ts';
import { listUntoldKeys } from '../db/keys/candidates.ts';
import { CONNECTION_WORKFLOW, connectionStart, wake } from '../workflows/messages.ts';

/** Trying a new key may take minutes, so a workflow is not woken again for the same work before this time is over. */
const WAKE_AGAIN_MS = 600_000;

/** What the keeper needs to start, count and wake the workflows of connections. */
export interface Workflows {
  readonly db: Db;
  readonly client: Client;
  readonly taskQueue: string;
}

/** When a workflow was last woken for some work, by the work, in milliseconds of `performance.now()`. */
export type Woken = Map<string, number>;

/**
 * Starts the workflow of every live connection that has none running, and destroys forgotten candidates. Postgres is
 * the truth, so this repairs a Temporal that lost its state, and workflows that somebody ended by hand. It may run twice,
 * or in several workers at once: nothing starts twice. Returns the number of live connections.
 */
export async function keepConnections({ db, client, taskQueue }: Workflows): Promise<number> {
  await destroyForgottenCandidates(db);
  const live = await listLiveConnections(db);
  for (const { id, name } of live) {
    await client.workflow.start(CONNECTION_WORKFLOW, {
      ...connectionStart(taskQueue, id),
      workflowIdConflictPolicy: 'USE_EXISTING',
      staticSummary: name.slice(0, 150),
    });
  }
  return live.length;
}

/**
 * How many live connections have no running workflow: Temporal lost its state, or somebody ended workflows by hand. What
 * Temporal counts lags behind by seconds. 0 if Temporal cannot count.
 */
export async function countMissingWorkflows({ db, client, taskQueue }: Workflows): Promise<number> {
  const query = `TaskQueue = '${taskQueue}' AND WorkflowType = '${CONNECTION_WORKFLOW}' AND ExecutionStatus = 'Running'`;
  try {
    const [running, live] = await Promise.all([client.workflow.count(query), listLiveConnections(db)]);
    return Math.max(0, live.length - running.count);
  } catch (error) {
    if (databaseFailure(error) !== null) throw error;
    return 0;
  }
}

/**
 * Wakes the workflows of overdue connections, and of connections with work that their workflow was never told of, because
 * Temporal did not answer or the API died before telling it: a first key, a rotation, or more history. A woken workflow
 * finds its work in Postgres. `woken` remembers the work between calls.
 */
export async function wakeForWork({ db, client, taskQueue }: Workflows, woken: Woken): Promise<void> {
  const [keys, histories, overdue] = await Promise.all([listUntoldKeys(db), listUntoldHistories(db), listOverdue(db)]);
  const waiting = [
    ...keys.map(({ connectionId, keyId }) => ({ connectionId, work: keyId })),
    ...histories.map(({ connectionId, began }) => ({ connectionId, work: `${connectionId} from ${began}` })),
    ...overdue.map(({ connectionId }) => ({ connectionId, work: `${connectionId} is overdue` })),
  ];
  for (const [work, atMs] of woken) if (performance.now() - atMs >= WAKE_AGAIN_MS) woken.delete(work);
  for (const { connectionId, work } of waiting) {
    if (woken.has(work)) continue;
    await client.workflow.signalWithStart(CONNECTION_WORKFLOW, {
      ...connectionStart(taskQueue, connectionId),
      signal: wake,
      signalArgs: [],
    });
    woken.set(work, performance.now());
  }
}

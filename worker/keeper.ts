import type { Client } from '@temporalio/client';
import type { Logger } from 'pino';
import { listLiveConnections } from '../db/connections.ts';
import { databaseFault, type Db } from '../db/database.ts';
import { destroyForgottenCandidates } from '../db/keys.ts';
import { CONNECTION_WORKFLOW, connectionWorkflowId, type ConnectionInput } from '../workflows/messages.ts';

const INTERVAL_MS = 3_600_000;
const RETRY_MS = 15_000;

/** What the keeper works with. */
export interface KeeperDependencies {
  readonly db: Db;
  readonly client: Client;
  readonly taskQueue: string;
  readonly log: Logger;
}

/**
 * Starts the workflow of every live connection that has none running, and destroys forgotten candidates. Postgres is
 * the truth: so a Temporal that lost its state, a workflow ended by hand, and a crash between storing a connection and
 * starting its workflow all mend themselves. Doing it twice, or in several workers at once, starts nothing twice.
 * Returns how many live connections there are.
 */
export async function keepConnections({ db, client, taskQueue }: Omit<KeeperDependencies, 'log'>): Promise<number> {
  await destroyForgottenCandidates(db);
  const live = await listLiveConnections(db);
  for (const { id, name } of live) {
    const input: ConnectionInput = { connectionId: id };
    await client.workflow.start(CONNECTION_WORKFLOW, {
      workflowId: connectionWorkflowId(id),
      taskQueue,
      args: [input],
      workflowIdConflictPolicy: 'USE_EXISTING',
      staticSummary: name.slice(0, 150),
    });
  }
  return live.length;
}

/** Keeps connections now and then hourly, sooner after a failure. Returns what stops it. */
export function startKeeper(deps: KeeperDependencies): () => void {
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  const round = async (): Promise<void> => {
    let nextMs = INTERVAL_MS;
    try {
      const live = await keepConnections(deps);
      deps.log.info({ live }, 'every live connection has its workflow');
    } catch (error) {
      nextMs = RETRY_MS;
      const message = databaseFault(error)?.message ?? (error instanceof Error ? error.message : 'unknown');
      deps.log.warn({ error: message, retryInMs: nextMs }, 'connections could not be looked after; trying again');
    }
    if (!stopped) timer = setTimeout(() => void round(), nextMs);
  };
  void round();
  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}

import type { Client } from '@temporalio/client';
import type { Logger } from 'pino';
import { listLiveConnections } from '../db/connections.ts';
import { databaseFault, type Db } from '../db/database.ts';
import { destroyForgottenCandidates, listUntold } from '../db/keys.ts';
import { endFrozenSessions } from '../db/sessions.ts';
import { CONNECTION_WORKFLOW, connectionWorkflowId, wake, type ConnectionInput } from '../workflows/messages.ts';

const KEEP_INTERVAL_MS = 3_600_000;
const ROUND_MS = 10_000;
const TELL_AGAIN_MS = 600_000;

/** What the keeper works with. */
export interface KeeperDependencies {
  readonly db: Db;
  readonly client: Client;
  readonly taskQueue: string;
  readonly log: Logger;
}

/**
 * Starts the workflow of every live connection that has none running, and destroys forgotten candidates. Postgres is
 * the truth: so a Temporal that lost its state and a workflow that was ended by hand mend themselves. Doing it twice,
 * or in several workers at once, starts nothing twice. Returns how many live connections there are.
 */
export async function keepConnections(deps: Omit<KeeperDependencies, 'log'>): Promise<number> {
  await destroyForgottenCandidates(deps.db);
  const live = await listLiveConnections(deps.db);
  for (const { id, name } of live) {
    await deps.client.workflow.start(CONNECTION_WORKFLOW, {
      ...startOf(deps.taskQueue, id),
      workflowIdConflictPolicy: 'USE_EXISTING',
      staticSummary: name.slice(0, 150),
    });
  }
  return live.length;
}

/**
 * Wakes the workflows of connections with a key that somebody asked to use while Temporal did not answer, or died
 * before telling it: the first key of a connection, or a rotation. What is to be done with the key is in Postgres, so
 * this only makes the workflow look; `told` keeps who was woken, since a key may take minutes to be tried.
 */
export async function tellOfKeys(
  { db, client, taskQueue }: Omit<KeeperDependencies, 'log'>,
  told: Map<string, number>,
): Promise<void> {
  for (const { connectionId, keyId } of await listUntold(db)) {
    if (Date.now() - (told.get(keyId) ?? 0) < TELL_AGAIN_MS) continue;
    await client.workflow.signalWithStart(CONNECTION_WORKFLOW, {
      ...startOf(taskQueue, connectionId),
      signal: wake,
      signalArgs: [],
    });
    told.set(keyId, Date.now());
  }
  for (const [keyId, atMs] of told) if (Date.now() - atMs >= TELL_AGAIN_MS) told.delete(keyId);
}

function startOf(
  taskQueue: string,
  connectionId: string,
): { workflowId: string; taskQueue: string; args: [ConnectionInput] } {
  return { workflowId: connectionWorkflowId(connectionId), taskQueue, args: [{ connectionId }] };
}

/** Ends frozen sessions and tells of keys every few seconds, and keeps connections now and then hourly. Returns what stops it. */
export function startKeeper(deps: KeeperDependencies): () => void {
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  let keepAtMs = 0;
  const told = new Map<string, number>();
  const round = async (): Promise<void> => {
    try {
      const frozen = await endFrozenSessions(deps.db);
      if (frozen > 0) deps.log.warn({ frozen }, 'sessions of a frozen process held locks; they are ended');
      if (Date.now() >= keepAtMs) {
        const live = await keepConnections(deps);
        keepAtMs = Date.now() + KEEP_INTERVAL_MS;
        deps.log.info({ live }, 'every live connection has its workflow');
      }
      await tellOfKeys(deps, told);
    } catch (error) {
      const message = databaseFault(error)?.message ?? (error instanceof Error ? error.message : 'unknown');
      deps.log.warn({ error: message }, 'connections could not be looked after; it is tried again');
    }
    if (!stopped) timer = setTimeout(() => void round(), ROUND_MS);
  };
  void round();
  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}

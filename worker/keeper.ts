import type { Client } from '@temporalio/client';
import type { Logger } from 'pino';
import { listLiveConnections } from '../db/connections/connections.ts';
import { listOverdue, listUntoldHistories } from '../db/connections/overdue.ts';
import { databaseFailure, type Db } from '../db/core/database.ts';
import { adviceOn } from '../db/core/failures.ts';
import { destroyForgottenCandidates } from '../db/keys/ends.ts';
import { listUntoldKeys } from '../db/keys/keys.ts';
import { endFrozenSessions } from '../db/core/sessions.ts';
import { CONNECTION_WORKFLOW, connectionWorkflowId, wake, type ConnectionInput } from '../workflows/messages.ts';
import { reasonOf, type Outages } from './outages.ts';

const KEEP_INTERVAL_MS = 3_600_000;
const ROUND_MS = 10_000;
/** What Temporal lists lags behind what it does, so a look that was for nothing is not repeated at once. */
const LOOK_AGAIN_MS = 60_000;
const TELL_AGAIN_MS = 600_000;
const ANSWER_WITHIN_MS = 5_000;

/** What the keeper works with. */
export interface KeeperDependencies {
  readonly db: Db;
  readonly client: Client;
  readonly taskQueue: string;
  readonly log: Logger;
  /** Registers the search attributes that Temporal lacks. */
  readonly registerAttributes: () => Promise<void>;
  /** Who tells the log of the outages of either server. */
  readonly outages: { readonly postgres: Outages; readonly temporal: Outages };
}

/** What starting and counting workflows needs of that. */
type Deps = Pick<KeeperDependencies, 'db' | 'client' | 'taskQueue'>;

/**
 * Starts the workflow of every live connection that has none running, and destroys forgotten candidates. Postgres is
 * the truth: so a Temporal that lost its state and a workflow that was ended by hand mend themselves. Doing it twice,
 * or in several workers at once, starts nothing twice. Returns how many live connections there are.
 */
export async function keepConnections(deps: Deps): Promise<number> {
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
 * Whether fewer connections have a running workflow than are live: somebody ended one by hand, or Temporal lost its
 * state. False where Temporal cannot count.
 */
export async function someStandStill({ db, client, taskQueue }: Deps): Promise<boolean> {
  const query = `TaskQueue = '${taskQueue}' AND WorkflowType = '${CONNECTION_WORKFLOW}' AND ExecutionStatus = 'Running'`;
  try {
    const [{ count }, live] = await Promise.all([client.workflow.count(query), listLiveConnections(db)]);
    return count < live.length;
  } catch (error) {
    if (databaseFailure(error) !== null) throw error;
    return false;
  }
}

/**
 * Wakes the workflows of connections with work that somebody asked for while Temporal did not answer, or died before
 * telling it: the first key of a connection, a rotation, or more history; and of connections that are overdue. What is to
 * be done is in Postgres, so this only makes the workflow look; `told` keeps what it was woken for, since a key may take minutes to be tried.
 */
export async function tellOfWork({ db, client, taskQueue }: Deps, told: Map<string, number>): Promise<void> {
  const [keys, histories, overdue] = await Promise.all([listUntoldKeys(db), listUntoldHistories(db), listOverdue(db)]);
  const untold = [
    ...keys.map(({ connectionId, keyId }) => ({ connectionId, work: keyId })),
    ...histories.map(({ connectionId, began }) => ({ connectionId, work: `${connectionId} from ${began}` })),
    ...overdue.map(({ connectionId }) => ({ connectionId, work: `${connectionId} is overdue` })),
  ];
  for (const { connectionId, work } of untold) {
    if (performance.now() - (told.get(work) ?? -Infinity) < TELL_AGAIN_MS) continue;
    await client.workflow.signalWithStart(CONNECTION_WORKFLOW, {
      ...startOf(taskQueue, connectionId),
      signal: wake,
      signalArgs: [],
    });
    told.set(work, performance.now());
  }
  for (const [work, atMs] of told) if (performance.now() - atMs >= TELL_AGAIN_MS) told.delete(work);
}

/** gRPC's codes of a server that was not reached: cancelled, deadline exceeded, unavailable. */
const UNREACHED: readonly unknown[] = [1, 4, 14];
const NO_NAMESPACE = 5;

/**
 * By what Temporal's state is told from the one that comes after its loss: the id of the namespace, which is made anew
 * with it. Null where Temporal does not say; `unreached`, and the log is told, where it does not answer.
 */
async function askForState({ client, outages: { temporal } }: KeeperDependencies): Promise<{
  unreached: boolean;
  stateId: string | null;
}> {
  const { namespace } = client.options;
  try {
    const { namespaceInfo } = await client.withDeadline(Date.now() + ANSWER_WITHIN_MS, () =>
      client.workflowService.describeNamespace({ namespace }),
    );
    temporal.answered();
    return { unreached: false, stateId: namespaceInfo?.id ?? null };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (UNREACHED.includes(code)) {
      temporal.failed(reasonOf(error));
      return { unreached: true, stateId: null };
    }
    if (code === NO_NAMESPACE) temporal.failed(reasonOf(error));
    else temporal.answered();
    return { unreached: false, stateId: null };
  }
}

function startOf(
  taskQueue: string,
  connectionId: string,
): { workflowId: string; taskQueue: string; args: [ConnectionInput] } {
  return { workflowId: connectionWorkflowId(connectionId), taskQueue, args: [{ connectionId }] };
}

/** What one round of the keeper leaves for the next. */
interface Kept {
  atMs: number;
  lookAgainMs: number;
  /** The state of Temporal in which every connection was started. */
  stateId: string | null;
  readonly told: Map<string, number>;
}

/**
 * Every few seconds ends frozen sessions, registers search attributes, tells of work, and keeps connections where one
 * stands still or Temporal lost its state; and keeps them hourly in any case. Returns what stops it.
 */
export function startKeeper(deps: KeeperDependencies): () => void {
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  const kept: Kept = { atMs: -Infinity, lookAgainMs: LOOK_AGAIN_MS, stateId: null, told: new Map() };
  const round = async (): Promise<void> => {
    try {
      const frozen = await endFrozenSessions(deps.db);
      if (frozen > 0) deps.log.warn({ frozen }, 'sessions of a frozen process held locks; they are ended');
      await lookAfter(deps, kept);
      deps.outages.postgres.answered();
    } catch (error) {
      const failure = databaseFailure(error);
      if (failure?.unavailable === true) deps.outages.postgres.failed(failure.message, adviceOn(failure));
      else {
        const message = failure?.message ?? (error instanceof Error ? error.message : 'unknown');
        deps.log.warn({ error: message }, 'connections could not be looked after; it is tried again');
      }
    }
    if (!stopped) timer = setTimeout(() => void round(), ROUND_MS);
  };
  void round();
  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}

async function lookAfter(deps: KeeperDependencies, kept: Kept): Promise<void> {
  const { unreached, stateId } = await askForState(deps);
  if (unreached) {
    await destroyForgottenCandidates(deps.db);
    return;
  }
  // First of all: a workflow that uses one which is not there fails its task, and goes on at a retry once it is.
  await deps.registerAttributes();
  const isLost = stateId !== null && kept.stateId !== null && stateId !== kept.stateId;
  if (isLost) kept.told.clear();
  await tellOfWork(deps, kept.told);
  const sinceMs = performance.now() - kept.atMs;
  const isTimeToLook = sinceMs >= kept.lookAgainMs;
  const isMissed = isLost || (isTimeToLook && (await someStandStill(deps)));
  if (!isMissed && sinceMs < KEEP_INTERVAL_MS) {
    if (isTimeToLook) kept.lookAgainMs = LOOK_AGAIN_MS;
    kept.stateId ??= stateId;
    return;
  }
  const live = await keepConnections(deps);
  kept.atMs = performance.now();
  kept.stateId = stateId ?? kept.stateId;
  // Where starting does not help (they run on another task queue), it is tried more and more seldom.
  kept.lookAgainMs = isMissed && !isLost ? Math.min(kept.lookAgainMs * 2, KEEP_INTERVAL_MS) : LOOK_AGAIN_MS;
  if (isLost) deps.log.warn({ live }, 'Temporal lost its state; every live connection is started again');
  else if (isMissed) deps.log.warn({ live }, 'fewer connections ran here than are live; the others are started');
  else deps.log.info({ live }, 'every live connection has its workflow');
}

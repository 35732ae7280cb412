import type { CancellationScope } from '@temporalio/workflow';
import { dayOf, type Day } from '../domain/days.ts';
import type { Status } from '../domain/connection/statuses.ts';
import type { SyncPlan } from '../domain/connection/sync-plan.ts';
import type { LoadedConnection, ConnectionRef } from '../activities/connection.ts';
import { openInbox, type Inbox } from './inbox.ts';
import type { ConnectionInput } from './messages.ts';

/** A sync under way that this run of its connection started. */
export interface RunningSync {
  readonly n: number;
  readonly plan: SyncPlan;
  readonly runId: string;
  readonly scope: CancellationScope;
  /** Null while it runs. */
  outcome: 'succeeded' | 'failed' | 'interrupted' | null;
}

/** What one run of a connection's workflow knows. Postgres knows the rest. */
export interface ConnectionRun {
  readonly connectionId: string;
  readonly startedAtMs: number;
  readonly inbox: Inbox;
  /** The sync under way, if this run started it. */
  sync: RunningSync | null;
  /** The connection as Postgres last said. */
  loaded: LoadedConnection | null;
  /** When that was read: the UTC day, and the wakes counted before. Null once something may have changed since. */
  readAt: { readonly today: Day; readonly wakes: number } | null;
  /** The step under way, for the status query. */
  doing: string;
  /** The plan of a sync of this run that just succeeded, until the pause after it is over. */
  justSynced: SyncPlan | null;
  /** A status that the connection just could not move to, until the pause after it is over or another step is done. */
  unreachable: Status | null;
}

/** The state that a run begins with. */
export function beginRun(input: ConnectionInput): ConnectionRun {
  return {
    connectionId: input.connectionId,
    startedAtMs: Date.now(),
    inbox: openInbox(input),
    sync: null,
    loaded: null,
    readAt: null,
    doing: 'loadConnection',
    justSynced: null,
    unreachable: null,
  };
}

/** Runs an activity that returns the connection as it stands afterwards. */
export async function runAndReload(
  run: ConnectionRun,
  activity: (ref: ConnectionRef) => Promise<LoadedConnection>,
): Promise<LoadedConnection> {
  const { connection } = await runAndReloadWithAnswer(run, async (ref) => ({ connection: await activity(ref) }));
  return connection;
}

/**
 * The same for an activity that returns an answer with the connection. A wake that comes meanwhile may be about
 * something newer, so `readAt` counts those from before.
 */
export async function runAndReloadWithAnswer<Answer extends { readonly connection: LoadedConnection }>(
  run: ConnectionRun,
  activity: (ref: ConnectionRef) => Promise<Answer>,
): Promise<Answer> {
  const nowMs = Date.now();
  const { connectionId, inbox, sync } = run;
  const { wakes } = inbox;
  const isFree = sync === null && inbox.waiting.length + inbox.received.length === 0;
  const answer = await activity({ connectionId, nowMs, isFree });
  const { connection } = answer;
  // A sync that ran on the key before does not stand for one on the new key.
  if (connection.facts?.activeKeyId !== run.loaded?.facts?.activeKeyId) run.justSynced = null;
  run.loaded = connection;
  run.readAt = { today: dayOf(nowMs), wakes };
  return answer;
}

/** Whether anything was received since Postgres was read. What a message is about was stored before it was sent. */
export function hasNews({ inbox, readAt }: ConnectionRun): boolean {
  return readAt === null || inbox.received.length > 0 || inbox.wakes > readAt.wakes;
}

/** Whether the connection must be loaded before the next decision. */
export function isOutdated(run: ConnectionRun): boolean {
  return hasNews(run) || run.readAt?.today !== dayOf(Date.now());
}

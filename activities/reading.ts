import { Context, activityInfo, heartbeat } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { z } from 'zod';
import { AnthropicError } from '../anthropic/failure.ts';
import type { AnthropicReader } from '../anthropic/transport.ts';
import { recordKeyUse, openActiveKey } from '../db/keys/keys.ts';
import { ConnectionGoneError } from '../db/connections/live.ts';
import { addSyncTraffic, continueSync, type SyncRun } from '../db/ledger/syncs.ts';
import { isDay, type Day } from '../domain/days.ts';
import { isKeyFailure } from '../domain/failures.ts';
import type { Dependencies } from './dependencies.ts';
import { KEY_REPLACED, toActivityFailure } from './failures.ts';

const day = z.string().refine(isDay);
const progressKept = z.object({ through: day.nullable(), suspect: z.array(day) });

const HEARTBEAT_INTERVAL_MS = 2_000;

/** How far an activity has come. */
export interface Progress {
  /** The last day that is done; a retry goes on after it. */
  through: Day | null;
  /** Days that are done but for a second read, since their lines contradict their totals. */
  suspect: Day[];
  /** The day that is being read, where it is one day alone. */
  day?: Day;
}

/**
 * Reads from Anthropic with the key that serves now, as part of the sync run that this activity belongs to. A key
 * that is rejected after it was replaced says nothing: the attempt is retried with the one that serves by then.
 */
export async function readForSync<T>(
  deps: Dependencies,
  sync: { connectionId: string; n: number },
  read: (reader: AnthropicReader, progress: Progress) => Promise<T>,
): Promise<T> {
  const run: SyncRun = { ...sync, runId: runIdOfThisActivity() };
  const progress = progressSoFar();
  await continueSync(deps.db, run);
  const counted = async (reader: AnthropicReader): Promise<T> => {
    const result = await read(reader, progress).catch(async (error: unknown) => {
      // An attempt that failed made its requests, too. Should they not be counted, what failed is told all the same.
      await addSyncTraffic(deps.db, run, reader.traffic).catch(() => undefined);
      throw error;
    });
    await addSyncTraffic(deps.db, run, reader.traffic);
    return result;
  };
  return readWithActiveKey(deps, sync.connectionId, counted, progress);
}

/** Of three (`QUESTION` in workflows/activity-options.ts): what fails now is not tried again in the same way. */
export function isLastTry(): boolean {
  return activityInfo().attempt >= 3;
}

/** The run of the workflow that asked for this activity. A sync that was reset goes on under another run. */
export function runIdOfThisActivity(): string {
  const { workflowExecution } = activityInfo();
  if (workflowExecution === undefined) throw new Error('this activity belongs to no workflow');
  return workflowExecution.runId;
}

/** Reads from Anthropic with the key that serves now, heartbeating meanwhile. */
export async function readWithActiveKey<T>(
  deps: Dependencies,
  connectionId: string,
  read: (reader: AnthropicReader) => Promise<T>,
  progress: Progress = { through: null, suspect: [] },
): Promise<T> {
  const key = await openActiveKey(deps.db, deps.ring, connectionId);
  if (key === null) throw new ConnectionGoneError(connectionId);
  try {
    const reader = deps.transport.readerFor(key.adminKey, Context.current().cancellationSignal);
    const result = await whileHeartbeating(() => read(reader), progress);
    await recordKeyUse(deps.db, connectionId, key.keyId);
    return result;
  } catch (error) {
    if (!(error instanceof AnthropicError)) throw error;
    if (isKeyFailure(error.code) && (await isReplaced(deps, connectionId, key.keyId))) {
      throw ApplicationFailure.create({
        message: 'The key was replaced while this ran; it is tried again with the new one.',
        type: KEY_REPLACED,
        nextRetryDelay: '100ms',
      });
    }
    const { day, suspect } = progress;
    throw toActivityFailure(error, key.keyId, { ...(day === undefined ? {} : { day }), suspect });
  }
}

async function isReplaced({ db, ring }: Dependencies, connectionId: string, keyId: string): Promise<boolean> {
  const active = await openActiveKey(db, ring, connectionId);
  return active?.keyId !== keyId;
}

/**
 * Tells Temporal every few seconds that this process is alive, also while one long reply is under way. Each heartbeat
 * replaces the details of the one before, so it carries how far the work has come by then.
 */
export async function whileHeartbeating<T>(work: () => Promise<T>, progress?: Progress): Promise<T> {
  const beat = (): void => {
    heartbeat(progress);
  };
  beat();
  const timer = setInterval(beat, HEARTBEAT_INTERVAL_MS);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}

/** How far an earlier attempt of this activity came. Days are read oldest first, so one day says it. */
function progressSoFar(): Progress {
  const kept = progressKept.safeParse(activityInfo().heartbeatDetails);
  return kept.success ? kept.data : { through: null, suspect: [] };
}

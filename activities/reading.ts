import { Context, activityInfo, heartbeat } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { z } from 'zod';
import { AnthropicError } from '../anthropic/failure.ts';
import type { AnthropicReader } from '../anthropic/transport.ts';
import { activeKeyId, openActiveKey, recordKeyUse } from '../db/keys/open.ts';
import { ConnectionGoneError } from '../db/connections/live.ts';
import { addSyncTraffic, continueSync, openSync, type SyncRun } from '../db/ledger/syncs.ts';
import type { SyncPlan } from '../domain/connection/sync-plan.ts';
import { isDay, type Day } from '../domain/days.ts';
import { isKeyFailure } from '../domain/failures.ts';
import type { Report } from '../domain/lines.ts';
import { MAX_ATTEMPTS } from '../domain/reading.ts';
import type { Dependencies } from './dependencies.ts';
import { KEY_REPLACED, toActivityFailure } from './failures.ts';

const day = z.string().refine(isDay);
const heartbeatDetails = z.object({ through: day.nullable(), heldBack: z.array(day) });

const HEARTBEAT_INTERVAL_MS = 2_000;

/** The sync that an activity belongs to. */
export interface SyncNumber {
  readonly connectionId: string;
  readonly n: number;
}

/** The part of a sync that reads one report. */
export interface SyncReport extends SyncNumber {
  readonly report: Report;
}

/** How far reading days has come. Heartbeats carry it to the next attempt. */
export interface Progress {
  /** The last day that was committed; days are read oldest first, so a retry goes on after it. */
  through: Day | null;
  /** The days up to there whose lines were not taken. */
  heldBack: Day[];
  /** The day that is being read, if it is read alone. */
  day?: Day;
}

/**
 * Reads from Anthropic as a part of a sync's run, with the key that is active now, and adds up what the run asked for.
 * Given the plan, opens the run's row first: a run begins with several activities side by side.
 * Where the key is rejected and was replaced meanwhile, the attempt fails so that its retry takes the new key.
 */
export async function readForSync<T>(
  deps: Dependencies,
  { connectionId, n, plan }: SyncNumber & { readonly plan?: SyncPlan },
  read: (reader: AnthropicReader, progress: Progress) => Promise<T>,
): Promise<T> {
  const run: SyncRun = { connectionId, n, runId: runIdOfThisActivity() };
  const progress = progressOfEarlierAttempt();
  await (plan === undefined ? continueSync(deps.db, run) : openSync(deps.db, run, plan));
  const readAndCount = async (reader: AnthropicReader): Promise<T> => {
    const result = await read(reader, progress).catch(async (error: unknown) => {
      // A failed attempt made requests, too. If they can't be counted, the first failure is still the one to report.
      await addSyncTraffic(deps.db, run, reader.traffic).catch(() => undefined);
      throw error;
    });
    await addSyncTraffic(deps.db, run, reader.traffic);
    return result;
  };
  return readWithActiveKey(deps, connectionId, readAndCount, progress);
}

/** Whether Temporal will not retry this attempt. Not every server tells an activity its retry policy. */
export function isLastAttempt(): boolean {
  return activityInfo().attempt >= MAX_ATTEMPTS;
}

/** The run of the workflow that asked for this activity. A sync that somebody resets gets another run. */
export function runIdOfThisActivity(): string {
  const { workflowExecution } = activityInfo();
  if (workflowExecution === undefined) throw new Error('this activity belongs to no workflow');
  return workflowExecution.runId;
}

/** Reads from Anthropic with the key that is active now, and heartbeats meanwhile. */
export async function readWithActiveKey<T>(
  deps: Dependencies,
  connectionId: string,
  read: (reader: AnthropicReader) => Promise<T>,
  progress: Progress = { through: null, heldBack: [] },
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
    if (isKeyFailure(error.code) && (await activeKeyId(deps.db, connectionId)) !== key.keyId) {
      throw ApplicationFailure.create({
        message: 'The key was replaced while this ran. The next attempt uses the new key.',
        type: KEY_REPLACED,
        nextRetryDelay: '100ms',
      });
    }
    const { day, heldBack } = progress;
    throw toActivityFailure(error, key.keyId, { ...(day === undefined ? {} : { day }), heldBack });
  }
}

/**
 * Heartbeats every two seconds while `work` runs, also while it waits for one long reply. Each heartbeat replaces the
 * details of the one before, so each carries the progress made so far. Work without progress has nothing to say at once, and
 * most of it is over before its first heartbeat, each of which Temporal stores.
 */
export async function whileHeartbeating<T>(work: () => Promise<T>, progress?: Progress): Promise<T> {
  const beat = (): void => {
    heartbeat(progress);
  };
  if (progress !== undefined) beat();
  const timer = setInterval(beat, HEARTBEAT_INTERVAL_MS);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}

function progressOfEarlierAttempt(): Progress {
  const details = heartbeatDetails.safeParse(activityInfo().heartbeatDetails);
  return details.success ? details.data : { through: null, heldBack: [] };
}

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker, type NativeConnection, type WorkerOptions, type WorkerStatus } from '@temporalio/worker';
import { createActivities } from '../activities/activities.ts';
import type { Dependencies } from '../activities/dependencies.ts';
import { translateFailures } from '../activities/failures.ts';
import { readingsQueue, sendingQueue } from '../workflows/messages.ts';
import { assessAfterSyncs } from './assess.ts';
import { startDeliveriesAfterActivities } from './deliveries.ts';
import { showWaits } from './waits.ts';

/** The payload converter. The worker needs it as well as the bundle of workflow code. */
export const PAYLOAD_CONVERTER = fileURLToPath(new URL('../workflows/payload-converter.cjs', import.meta.url));

const CONCURRENT_ACTIVITIES = 40;
/**
 * What syncs read from Anthropic at a time, beside all other work: whoever connects does not wait for a place behind
 * hundreds of first syncs. Not fewer, since a reading that gets no answer keeps its place for minutes.
 */
const CONCURRENT_READINGS = 40;
/** Messages that leave at a time. */
const CONCURRENT_SENDING = 20;
/** Fewer than {@link CONCURRENT_ACTIVITIES}: most of the time an activity waits for Anthropic and needs no connection. */
export const POOL_SIZE = 20;
/**
 * Workflows in memory, at half a megabyte each. A connection and its sync work for a second a day, and replaying one that
 * was evicted takes a history of some hundred events.
 */
const CACHED_WORKFLOWS = 200;
/** Few, so that the others wait in Temporal, which gives those of connections before those of syncs. */
const CONCURRENT_WORKFLOW_TASKS = 10;
/** The part of the polls that asks for workflows that no worker has in memory, as those of whoever connects just now. */
const POLLS_FOR_NEW_RUNS = 0.5;
/** An activity learns of its cancellation by a heartbeat, and the SDK's default throttle would delay that by a minute. */
const HEARTBEAT_THROTTLE_MS = 2_000;
/** A stopping worker lets its activities run on for this long, then cancels them. */
const GRACE_MS = 2_000;

/** What a process does for Temporal: it takes workflows and short activities from one queue, readings and messages from two more. */
export class TaskWorkers {
  readonly #tasks: Worker;
  readonly #all: readonly Worker[];

  constructor(tasks: Worker, ...others: readonly Worker[]) {
    this.#tasks = tasks;
    this.#all = [tasks, ...others];
  }

  /** Works until {@link shutdown}, and then until all that was taken is over. Rejects if one of them cannot go on. */
  async run(): Promise<void> {
    const ends = this.#all.map((worker) =>
      worker.run().finally(() => {
        this.shutdown();
      }),
    );
    const failed = (await Promise.allSettled(ends)).find((end) => end.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  /** Takes nothing more. May be called again, and before {@link run} has ended for another reason. */
  shutdown(): void {
    for (const worker of this.#all) if (worker.getState() === 'RUNNING') worker.shutdown();
  }

  /** Of the worker that takes workflows. The others end with it. */
  getStatus(): WorkerStatus {
    return this.#tasks.getStatus();
  }
}

/** Makes the workers of a process. They do nothing until they are run. */
export async function createWorkers(options: {
  connection: NativeConnection;
  namespace: string;
  taskQueue: string;
  dependencies: Dependencies;
  /** Workflow code that is bundled already. By default the bundle of the build, or else the sources. */
  bundle?: WorkerOptions['workflowBundle'];
}): Promise<TaskWorkers> {
  const { connection, namespace, taskQueue, dependencies, bundle } = options;
  const startDeliveries = startDeliveriesAfterActivities(dependencies.db, taskQueue);
  const shared: Omit<WorkerOptions, 'taskQueue'> = {
    connection,
    namespace,
    dataConverter: { payloadConverterPath: PAYLOAD_CONVERTER },
    activities: createActivities(dependencies),
    interceptors: {
      activity: [
        () => ({ inbound: startDeliveries }),
        () => ({ inbound: assessAfterSyncs(taskQueue) }),
        () => ({ inbound: showWaits(dependencies.db) }),
        () => ({ inbound: translateFailures() }),
      ],
    },
    maxHeartbeatThrottleInterval: HEARTBEAT_THROTTLE_MS,
    defaultHeartbeatThrottleInterval: HEARTBEAT_THROTTLE_MS,
    shutdownGraceTime: GRACE_MS,
    shutdownForceTime: GRACE_MS * 2,
  };
  const tasks = await Worker.create({
    ...shared,
    taskQueue,
    ...(bundle === undefined ? workflowCode() : { workflowBundle: bundle }),
    maxConcurrentActivityTaskExecutions: CONCURRENT_ACTIVITIES,
    maxCachedWorkflows: CACHED_WORKFLOWS,
    nonStickyToStickyPollRatio: POLLS_FOR_NEW_RUNS,
    maxConcurrentWorkflowTaskExecutions: CONCURRENT_WORKFLOW_TASKS,
  });
  const readings = await Worker.create({
    ...shared,
    taskQueue: readingsQueue(taskQueue),
    maxConcurrentActivityTaskExecutions: CONCURRENT_READINGS,
  });
  const sending = await Worker.create({
    ...shared,
    taskQueue: sendingQueue(taskQueue),
    maxConcurrentActivityTaskExecutions: CONCURRENT_SENDING,
  });
  return new TaskWorkers(tasks, readings, sending);
}

function workflowCode(): Pick<WorkerOptions, 'workflowBundle' | 'workflowsPath'> {
  const built = fileURLToPath(new URL('../workflow-bundle.js', import.meta.url));
  if (existsSync(built)) return { workflowBundle: { codePath: built } };
  return { workflowsPath: fileURLToPath(new URL('../workflows/index.ts', import.meta.url)) };
}

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker, type NativeConnection, type WorkerOptions } from '@temporalio/worker';
import { createActivities } from '../activities/activities.ts';
import type { Dependencies } from '../activities/dependencies.ts';
import { translateFailures } from '../activities/failures.ts';
import { showWaits } from './waits.ts';

/** The payload converter. The worker needs it as well as the bundle of workflow code. */
export const PAYLOAD_CONVERTER = fileURLToPath(new URL('../workflows/payload-converter.cjs', import.meta.url));

const CONCURRENT_ACTIVITIES = 40;
/** Fewer than {@link CONCURRENT_ACTIVITIES}: most of the time an activity waits for Anthropic and needs no connection. */
export const POOL_SIZE = 20;
/**
 * Workflows in memory, at half a megabyte each. A connection and its sync work for a second a day, and replaying one that
 * was evicted takes a history of some hundred events.
 */
const CACHED_WORKFLOWS = 200;
/** An activity learns of its cancellation by a heartbeat, and the SDK's default throttle would delay that by a minute. */
const HEARTBEAT_THROTTLE_MS = 2_000;
/** A stopping worker lets its activities run on for this long, then cancels them. */
const GRACE_MS = 2_000;

/** Makes a worker for workflows and activities. It does nothing until it is run. */
export async function createWorker(options: {
  connection: NativeConnection;
  namespace: string;
  taskQueue: string;
  dependencies: Dependencies;
  /** Workflow code that is bundled already. By default the bundle of the build, or else the sources. */
  bundle?: WorkerOptions['workflowBundle'];
}): Promise<Worker> {
  const { connection, namespace, taskQueue, dependencies, bundle } = options;
  return Worker.create({
    connection,
    namespace,
    taskQueue,
    ...(bundle === undefined ? workflowCode() : { workflowBundle: bundle }),
    dataConverter: { payloadConverterPath: PAYLOAD_CONVERTER },
    activities: createActivities(dependencies),
    interceptors: {
      activity: [() => ({ inbound: showWaits(dependencies.db) }), () => ({ inbound: translateFailures() })],
    },
    maxConcurrentActivityTaskExecutions: CONCURRENT_ACTIVITIES,
    maxCachedWorkflows: CACHED_WORKFLOWS,
    maxHeartbeatThrottleInterval: HEARTBEAT_THROTTLE_MS,
    defaultHeartbeatThrottleInterval: HEARTBEAT_THROTTLE_MS,
    shutdownGraceTime: GRACE_MS,
    shutdownForceTime: GRACE_MS * 2,
  });
}

function workflowCode(): Pick<WorkerOptions, 'workflowBundle' | 'workflowsPath'> {
  const built = fileURLToPath(new URL('../workflow-bundle.js', import.meta.url));
  if (existsSync(built)) return { workflowBundle: { codePath: built } };
  return { workflowsPath: fileURLToPath(new URL('../workflows/index.ts', import.meta.url)) };
}

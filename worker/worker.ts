import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker, type NativeConnection, type WorkerOptions } from '@temporalio/worker';
import { createActivities } from '../activities/activities.ts';
import type { Dependencies } from '../activities/dependencies.ts';
import { translateFailures } from '../activities/failures.ts';
import { showWaits } from './waits.ts';

/** The converter that the workflow code is bundled with, and that a worker must be given, too. */
export const PAYLOAD_CONVERTER = fileURLToPath(new URL('../workflows/payload-converter.cjs', import.meta.url));

/** Activities under way at once. Each needs a connection to Postgres for moments only. */
const CONCURRENT_ACTIVITIES = 40;
/**
 * Workflows kept in memory, at half a megabyte each. A connection and its sync are at work for a second a day; one that is
 * not kept is replayed from its history of some hundred events when it wakes.
 */
const CACHED_WORKFLOWS = 200;
/** Connections to Postgres that serve them. */
export const POOL_SIZE = 20;
/** An activity learns by its heartbeats that it is cancelled; the SDK's own throttle would let that take a minute. */
const HEARTBEAT_THROTTLE_MS = 2_000;
/** How long activities under way may go on when the worker is asked to stop; then they are cancelled. */
const GRACE_MS = 2_000;

/** Makes a worker for workflows and activities. It does nothing before it is run. */
export async function createWorker(options: {
  connection: NativeConnection;
  namespace: string;
  taskQueue: string;
  dependencies: Dependencies;
  /** Workflow code that was bundled before; else what the build left beside this file, or the sources. */
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

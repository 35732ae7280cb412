import { proxyActivities, workflowInfo, type ActivityInterfaceFor, type ActivityOptions } from '@temporalio/workflow';
import type { Activities } from '../activities/activities.ts';
import { readingsQueue } from './messages.ts';

/**
 * Activities that read from Anthropic: they have a queue of their own, from which a worker takes few at a time. Made at
 * each call, since a workflow's queue is known only while it runs.
 */
export function readings(options: ActivityOptions): ActivityInterfaceFor<Activities> {
  return proxyActivities<Activities>({ ...options, taskQueue: readingsQueue(workflowInfo().taskQueue) });
}

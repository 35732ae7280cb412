import { Context, activityInfo } from '@temporalio/activity';
import type { Client } from '@temporalio/client';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import type { ActivityExecuteInput, ActivityInboundCallsInterceptor, Next } from '@temporalio/worker';
import type { Db } from '../db/core/database.ts';
import { holdDelivery, listNewDeliveries, listOverdueDeliveries, type ToStart } from '../db/notices/starts.ts';
import {
  ASSESS_WORKFLOW,
  CONNECTION_WORKFLOW,
  DELIVERY_WORKFLOW,
  REPORT_WORKFLOW,
  deliveryStart,
  deliveryWorkflowId,
} from '../workflows/messages.ts';
import type { Woken, Workflows } from './keeper.ts';

/** The workflows whose activities write notices, or follow right after those that do. */
const TELLING: readonly string[] = [CONNECTION_WORKFLOW, REPORT_WORKFLOW, ASSESS_WORKFLOW];
/** How many workflows are started at a time. */
const AT_A_TIME = 20;
const SUMMARY_LENGTH = 150;

/**
 * Starts the workflows of deliveries right after an activity of a connection, a report or the assessment wrote them. The
 * transaction writes and this
 * starts, so a sync never waits for a notice: the connection that looks at Postgres after its sync starts what the sync
 * wrote. Where this does not come to it, the keeper does.
 */
export function startDeliveriesAfterActivities(db: Db, taskQueue: string): ActivityInboundCallsInterceptor {
  const started = new Set<string>();
  let isStarting = false;
  let isAsked = false;
  /** Many activities end at once: one start of all deliveries at a time, and one more for whoever asks meanwhile. */
  const startAll = async (client: Client): Promise<void> => {
    isAsked = true;
    if (isStarting) return;
    isStarting = true;
    try {
      while (isAsked) {
        isAsked = false;
        await startNewDeliveries({ db, client, taskQueue }, started);
      }
    } finally {
      isStarting = false;
    }
  };
  return {
    async execute(
      input: ActivityExecuteInput,
      next: Next<ActivityInboundCallsInterceptor, 'execute'>,
    ): Promise<unknown> {
      try {
        return await next(input);
      } finally {
        if (TELLING.includes(activityInfo().workflowType ?? '')) {
          const { client } = Context.current();
          // Nobody waits for it, and the keeper starts what this does not.
          void startAll(client).catch(() => undefined);
        }
      }
    },
  };
}

/** Starts the workflows of deliveries that were written just now. `started` remembers their ids between calls. */
export async function startNewDeliveries(workflows: Workflows, started = new Set<string>()): Promise<void> {
  const found = await listNewDeliveries(workflows.db);
  const listed = new Set(found.map(({ id }) => id));
  for (const id of started) if (!listed.has(id)) started.delete(id);
  const due = found.filter(({ id, isAnew }) => isAnew || !started.has(id));
  await eachOf(due, async (delivery) => {
    await start(workflows, delivery);
    started.add(delivery.id);
  });
}

/**
 * Starts the workflows of deliveries that wait for one: whoever wrote them died before it started them, or Temporal lost
 * its state. Where Temporal ended a workflow that should work on a delivery, the delivery waits for a person. It may run
 * twice, or in several workers at once. `woken` remembers the deliveries between calls.
 */
export async function keepDeliveries(workflows: Workflows, woken: Woken): Promise<void> {
  const { db } = workflows;
  const overdue = await listOverdueDeliveries(db, [...woken.keys()].filter(isDelivery).map(idIn));
  // A thousand at once wait for their turn longer than a round: trying them again would hold up those that work.
  const isNews = ({ id, isAnew }: ToStart): boolean => isAnew || !woken.has(deliveryWorkflowId(id));
  const fresh = (await listNewDeliveries(db)).filter(isNews);
  const due = new Map([...fresh, ...overdue].map((delivery) => [delivery.id, delivery]));
  await eachOf([...due.values()], async (delivery) => {
    if (!(await start(workflows, delivery))) {
      // An earlier run is just about to end. The next round tries again.
      if (delivery.isAnew) return;
      if ((await hasEnded(workflows, delivery.id)) && (await holdDelivery(db, delivery.id))) return;
    }
    woken.set(deliveryWorkflowId(delivery.id), performance.now());
  });
}

const WORK = deliveryWorkflowId('');

function isDelivery(work: string): boolean {
  return work.startsWith(WORK);
}

function idIn(work: string): string {
  return work.slice(WORK.length);
}

/** False if Temporal knows a workflow of this delivery already. */
async function start({ client, taskQueue }: Workflows, delivery: ToStart): Promise<boolean> {
  try {
    const staticSummary = delivery.summary.slice(0, SUMMARY_LENGTH);
    await client.workflow.start(DELIVERY_WORKFLOW, { ...deliveryStart(taskQueue, delivery), staticSummary });
    return true;
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) return false;
    throw error;
  }
}

async function hasEnded({ client }: { client: Client }, id: string): Promise<boolean> {
  const { status } = await client.workflow.getHandle(deliveryWorkflowId(id)).describe();
  return status.name !== 'RUNNING';
}

async function eachOf<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  const left = [...items];
  const workers = Array.from({ length: Math.min(AT_A_TIME, items.length) }, async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item);
  });
  await Promise.all(workers);
}

import { randomUUID } from 'node:crypto';
import { WorkflowNotFoundError, type WorkflowHandle } from '@temporalio/client';
import { addDays, type Day } from '../../../domain/days.ts';
import { connectionWorkflowId, type signals } from '../../../workflows/messages.ts';
import { isSyncing } from '../../support/state.ts';
import { until } from '../../support/wait.ts';
import type { World } from '../../support/world.ts';
import type { Change, Order } from './commands.ts';
import type { Life } from './life.ts';

/** Lets something happen at Anthropic, at once. */
export function change(world: World, life: Life, what: Change, today: Day): void {
  const { control } = world.simulator;
  const { organization } = life;
  switch (what.do) {
    case 'restate': {
      const { kind, report, factor } = what;
      const day = addDays(today, -what.daysAgo);
      const { length } = control.ledger({ report: 'cost', from: day, to: day, organization });
      if (kind === 'split' && length < 2) return;
      control.restate({ organization, day, kind, report, factor });
      return;
    }
    case 'hide':
      control.late({ organization, day: addDays(today, -what.daysAgo), part: what.part });
      return;
    case 'show':
      control.release({ organization });
      return;
    case 'setKey': {
      const serving = life.serving === null ? null : life.secrets.get(life.serving);
      const others = [...life.anthropic.keys()].filter((secret) => secret !== serving);
      const secret = what.which === 'serving' ? serving : others.at(-1);
      if (secret != null) setKey(world, life, secret, what.state);
      return;
    }
    case 'fail':
      for (const key of life.anthropic.keys()) control.fault({ ...what.failure, key });
      life.failing = true;
      life.quiet = false;
      if (what.failure.grouped !== undefined) life.linesLost = true;
  }
}

function setKey(world: World, life: Life, secret: string, state: 'active' | 'revoked' | 'forbidden'): void {
  world.simulator.control.setKeyState(secret, state);
  life.setAnthropic(secret, state);
}

/** Tells a connection something, and the model too. An ended one is told nothing. */
export async function tell(
  world: World,
  life: Life,
  order: Exclude<Order, { do: 'terminate' }>,
  today: Day,
): Promise<void> {
  if (life.ended !== null) return;
  switch (order.do) {
    case 'syncNow':
      if (!life.paused) life.syncAsked = true;
      return signal(world, life, 'syncNow');
    case 'syncDays':
      return syncDays(world, life, addDays(today, -order.daysAgo), order.length, today);
    case 'syncOutside': {
      const range =
        order.side === 'before' ? { from: addDays(life.began, -1), to: today } : { from: today, to: addDays(today, 2) };
      return signal(world, life, 'syncNow', range);
    }
    case 'pause':
    case 'resume':
      life.paused = order.do === 'pause';
      return signal(world, life, order.do);
    case 'rotate':
      return rotate(world, life, order);
    case 'malformed':
      life.malformed += 1;
      return signal(world, life, order.signal, order.input);
    case 'disconnect':
      if (!(await becomesStill(world, life))) return;
      life.ended = 'disconnected';
      life.purged = order.purge;
      return signal(world, life, 'disconnect', { purge: order.purge });
  }
}

/** Bounds only how long a machine may take. */
export const PATIENCE_MS = 180_000;

/**
 * Waits until a connection and its syncs do nothing. The time-skipping server loses an activity that is cancelled
 * between its being scheduled and its start, and stands still from then on; so nothing is cancelled here. False where
 * it is never still, since Anthropic fails it.
 */
export async function becomesStill(world: World, life: Life): Promise<boolean> {
  if (life.failing) return false;
  return until(
    'the connection to be still',
    async () => (await isIdle(world, life)) && !(await isSyncing(world.database.db, life.id)),
    PATIENCE_MS,
  );
}

/** Whether a connection has ended, or waits for a time or a signal: nothing that it was asked for is under way. */
export async function isIdle(world: World, life: Life): Promise<boolean> {
  const handle = world.client.workflow.getHandle(connectionWorkflowId(life.id));
  const { status } = await handle.describe();
  if (status.name !== 'RUNNING') return true;
  // Not by a query: one that meets a task of the workflow may never be answered by that server.
  const { events } = await handle.fetchHistory();
  const last = events?.at(-1);
  if (last?.timerStartedEventAttributes == null && last?.workflowTaskCompletedEventAttributes == null) return false;
  // A signal that comes while an activity runs ends in a task that does nothing, which looks the same.
  return !hasOpenWork(events ?? []);
}

type HistoryEvents = NonNullable<Awaited<ReturnType<WorkflowHandle['fetchHistory']>>['events']>;

/** Whether an activity or a child workflow was asked for that has not ended yet. */
function hasOpenWork(events: HistoryEvents): boolean {
  const open = new Set<string>();
  for (const event of events) {
    if (
      event.activityTaskScheduledEventAttributes != null ||
      event.startChildWorkflowExecutionInitiatedEventAttributes != null
    ) {
      open.add(String(event.eventId));
    }
    const ended =
      event.activityTaskCompletedEventAttributes ??
      event.activityTaskFailedEventAttributes ??
      event.activityTaskTimedOutEventAttributes ??
      event.activityTaskCanceledEventAttributes;
    if (ended != null) open.delete(String(ended.scheduledEventId));
    const child =
      event.childWorkflowExecutionCompletedEventAttributes ??
      event.childWorkflowExecutionFailedEventAttributes ??
      event.childWorkflowExecutionCanceledEventAttributes ??
      event.childWorkflowExecutionTimedOutEventAttributes ??
      event.childWorkflowExecutionTerminatedEventAttributes ??
      event.startChildWorkflowExecutionFailedEventAttributes;
    if (child != null) open.delete(String(child.initiatedEventId));
  }
  return open.size > 0;
}

async function signal(world: World, life: Life, name: keyof typeof signals, input?: unknown): Promise<void> {
  try {
    await world.signal(life.id, name, input);
  } catch (error) {
    if (!(error instanceof WorkflowNotFoundError)) throw error;
    // The time-skipping server has a moment between two runs of a workflow in which it knows of none.
    const isOver = await until('the next run, or the end', async () => {
      const { status } = await world.client.workflow.getHandle(connectionWorkflowId(life.id)).describe();
      if (status.name === 'RUNNING') return { ended: false };
      return status.name === 'COMPLETED' || status.name === 'FAILED' ? { ended: true } : null;
    });
    if (isOver.ended) {
      // Before its first key is accepted, a connection may be refused at any moment, and then it has ended.
      if (life.serving !== null) throw error;
      life.ended = 'refused';
      return;
    }
    await world.signal(life.id, name, input);
  }
}

async function syncDays(world: World, life: Life, first: Day, length: number, today: Day): Promise<void> {
  const from = first < life.began ? life.began : first;
  const last = addDays(from, length);
  const to = last > today ? today : last;
  if (life.serving !== null && life.isGood(life.heir)) life.wishes.push({ from, to, after: life.lastSync });
  await signal(world, life, 'syncNow', { from, to });
}

async function rotate(world: World, life: Life, order: Order & { do: 'rotate' }): Promise<void> {
  if (order.to === 'unknown') return signal(world, life, 'rotateKey', { keyId: randomUUID() });
  const old = life.heir === null ? null : (life.secrets.get(life.heir) ?? null);
  // The first key of a connection says which organization it is of; another one's would be right then.
  if ((order.to === 'foreign' || order.to === 'same') && (life.serving === null || old === null)) return;
  const secret = secretFor(world, life, order.to, old);
  const keyId = await world.stage(life.id, secret);
  life.secrets.set(keyId, order.to === 'foreign' ? null : secret);
  await signal(world, life, 'rotateKey', { keyId });
  const heir = life.heir;
  life.asked.push(keyId);
  if (order.thenRevoke === 'new' && order.to !== 'foreign') {
    setKey(world, life, secret, 'revoked');
    life.quiet = false;
  }
  if (order.thenRevoke === 'old' && old !== null) {
    setKey(world, life, old, 'revoked');
    // Unless the new key is good: then it serves, whatever becomes of those before.
    if (order.to !== 'good' || heir === null) life.quiet = false;
  }
}

function secretFor(
  world: World,
  life: Life,
  to: 'good' | 'revoked' | 'forbidden' | 'foreign' | 'same',
  old: string | null,
): string {
  if (to === 'foreign') return world.key;
  if (to === 'same' && old !== null) return old;
  const state = to === 'revoked' || to === 'forbidden' ? to : 'active';
  const { key } = world.simulator.control.addKey({ organization: life.organization, state });
  life.setAnthropic(key, state);
  return key;
}

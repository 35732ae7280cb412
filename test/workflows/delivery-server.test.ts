import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { holdDelivery, resendDelivery } from '../../db/notices/starts.ts';
import { keepDeliveries, startNewDeliveries } from '../../worker/deliveries.ts';
import type { Workflows } from '../../worker/keeper.ts';
import { deliveryWorkflowId } from '../../workflows/messages.ts';
import { FakeDoor, TARGETS, channelOf, deliveryOf, writeTo } from '../support/fake-door.ts';
import { record } from '../support/histories.ts';
import { rows } from '../support/rows.ts';
import { stateOf } from '../support/state.ts';
import { until } from '../support/wait.ts';
import { createWorld, type World } from '../support/world.ts';

const door = new FakeDoor();
let world: World;
let workflows: Workflows;
beforeAll(async () => {
  world = await createWorld({ timeSkipping: false, door });
  workflows = { db: world.database.db, client: world.client, taskQueue: world.taskQueue };
});
afterAll(() => world.close());
beforeEach(async () => {
  door.told.length = 0;
  door.most.clear();
  door.answer = () => ({ state: 'sent', reply: 'taken' });
  await world.database.db.execute(sql`update channels set disabled_at = now(), disabled_reason = 'of another test'`);
});

function channel(kind: keyof typeof TARGETS): Promise<string> {
  return channelOf(world.database.db, world.ring, TARGETS[kind]);
}

async function ends(id: string, state: string): Promise<void> {
  await until(`${id} to be ${state}`, async () => (await deliveryOf(world.database.db, id)).state === state, 60_000);
}

function statusOf(id: string): Promise<string> {
  return world.client.workflow
    .getHandle(deliveryWorkflowId(id))
    .describe()
    .then(({ status }) => status.name);
}

async function closed(id: string): Promise<string> {
  return until('the workflow to end', async () => {
    const status = await statusOf(id);
    return status === 'RUNNING' ? null : status;
  });
}

/** Resets a workflow to its first event, as a person does in the Temporal UI. */
async function reset(id: string): Promise<void> {
  const handle = world.client.workflow.getHandle(deliveryWorkflowId(id));
  const { events } = await handle.fetchHistory();
  const firstTask = events?.find(({ workflowTaskCompletedEventAttributes: completed }) => completed != null);
  const { runId } = await handle.describe();
  await world.client.workflowService.resetWorkflowExecution({
    namespace: 'default',
    workflowExecution: { workflowId: handle.workflowId, runId },
    reason: 'as a person would in the Temporal UI',
    requestId: `reset-${runId}`,
    workflowTaskFinishEventId: firstTask?.eventId ?? null,
  });
  await until('the next run to end', async () => {
    const now = await handle.describe();
    return now.runId !== runId && now.status.name !== 'RUNNING';
  });
}

describe('on a real Temporal server', () => {
  it('a reset of a delivery that was sent sends nothing', async () => {
    const id = await writeTo(workflows.db, await channel('email'));
    await startNewDeliveries(workflows);
    await ends(id, 'sent');
    await closed(id);
    await reset(id);
    expect(await statusOf(id)).toBe('COMPLETED');
    expect(door.timesOf(id)).toBe(1);
    await record(world.client, 'server-delivery-reset', deliveryWorkflowId(id));
  });

  it('a reset of one that failed has it sent again', async () => {
    door.answer = () => ({ state: 'failed', reason: '550 no such user' });
    const id = await writeTo(workflows.db, await channel('email'));
    await startNewDeliveries(workflows);
    await ends(id, 'failed');
    await closed(id);
    door.answer = () => ({ state: 'sent', reply: 'taken' });
    await reset(id);
    expect(await deliveryOf(workflows.db, id)).toMatchObject({ state: 'sent', tries: 2 });
  });

  it('one that a person has sent again starts anew, also if nobody but the keeper starts it', async () => {
    door.answer = () => ({ state: 'failed', reason: '550 no such user' });
    const id = await writeTo(workflows.db, await channel('email'));
    await startNewDeliveries(workflows);
    await ends(id, 'failed');
    await closed(id);
    door.answer = () => ({ state: 'sent', reply: 'taken' });
    expect(await resendDelivery(workflows.db, id, 'Ada')).toEqual({ outcome: 'queued' });
    await workflows.db.execute(
      sql`update deliveries set queued_at = queued_at - interval '2 minutes' where id = ${id}`,
    );
    await keepDeliveries(workflows, new Map());
    await ends(id, 'sent');
    expect(await resendDelivery(workflows.db, id, 'Ada')).toEqual({ outcome: 'refused', state: 'sent' });
  });

  it('one whose workflow somebody terminated waits for a person, and so does one of a restored database', async () => {
    door.answer = () => ({ state: 'retry', reason: '503', retryAfterMs: 60_000 });
    const id = await writeTo(workflows.db, await channel('email'));
    await startNewDeliveries(workflows);
    await until('the first try', async () => (await deliveryOf(workflows.db, id)).failures === 1);
    await world.client.workflow.getHandle(deliveryWorkflowId(id)).terminate();
    const sent = await writeTo(workflows.db, await channel('webhook'));
    door.answer = () => ({ state: 'sent', reply: 'taken' });
    await startNewDeliveries(workflows);
    await ends(sent, 'sent');
    await closed(sent);
    // As a dump from before it was sent would have it.
    await workflows.db.execute(
      sql`update deliveries set state = 'pending', ended_at = null, begun_at = null, tries = 0 where id = ${sent}`,
    );
    await workflows.db.execute(sql`
      update deliveries set queued_at = now() - interval '1 minute', next_try_at = null, tried_at = null
      where id in (${id}, ${sent})
    `);
    await keepDeliveries(workflows, new Map());
    for (const one of [id, sent]) expect(await deliveryOf(workflows.db, one)).toMatchObject({ state: 'held' });
    expect([door.timesOf(id), door.timesOf(sent)]).toEqual([1, 1]);
    await reset(id);
    expect(await deliveryOf(workflows.db, id)).toMatchObject({ state: 'sent' });
  });

  it('one that waits for its turn is started once, however often somebody looks', async () => {
    // Its workflow is there, and nobody has worked on it yet.
    const start = vi.spyOn(world.client.workflow, 'start');
    start.mockRejectedValue(new WorkflowExecutionAlreadyStartedError('There already', '', 'delivery'));
    try {
      const id = await writeTo(workflows.db, await channel('email'));
      const times = (): number =>
        start.mock.calls.filter(([, { workflowId }]) => workflowId === deliveryWorkflowId(id)).length;
      const started = new Set<string>();
      await startNewDeliveries(workflows, started);
      await startNewDeliveries(workflows, started);
      expect(times()).toBe(1);
      await keepDeliveries(workflows, new Map([[deliveryWorkflowId(id), performance.now()]]));
      expect(times()).toBe(1);
    } finally {
      start.mockRestore();
    }
  });

  it('one that was sent is never held', async () => {
    const id = await writeTo(workflows.db, await channel('email'));
    await startNewDeliveries(workflows);
    await ends(id, 'sent');
    expect(await holdDelivery(workflows.db, id)).toBe(false);
  });

  it('a chat gets one message at a time, other channels many', async () => {
    door.answer = () =>
      new Promise((resolve) =>
        setTimeout(() => {
          resolve({ state: 'sent', reply: 'ok' });
        }, 100),
      );
    const [chat, hook] = [await channel('slack'), await channel('webhook')];
    const ids: string[] = [];
    for (let n = 0; n < 6; n += 1) ids.push(await writeTo(workflows.db, chat), await writeTo(workflows.db, hook));
    await startNewDeliveries(workflows);
    for (const id of ids) await ends(id, 'sent');
    expect(door.most.get(JSON.stringify(TARGETS.slack))).toBe(1);
    expect(door.most.get(JSON.stringify(TARGETS.webhook))).toBeGreaterThan(1);
    for (const id of ids) expect(door.timesOf(id)).toBe(1);
  });

  it('the end of an incident is told after its beginning', async () => {
    let tries = 0;
    door.answer = (message) => {
      tries += 1;
      return tries === 1 && !message.isClosed
        ? { state: 'retry', reason: '503', retryAfterMs: null }
        : { state: 'sent', reply: 'ok' };
    };
    const pager = await channel('pagerduty');
    const id = await writeTo(workflows.db, pager);
    await workflows.db.execute(sql`
      insert into deliveries (id, notice_id, occasion, channel_id, address)
      select gen_random_uuid(), notice_id, 'closed', channel_id, address from deliveries where id = ${id}
    `);
    await startNewDeliveries(workflows);
    await until(
      'both',
      async () => {
        const sent = await rows(
          workflows.db,
          sql`select 1 from deliveries where channel_id = ${pager} and state = 'sent'`,
        );
        return sent.length === 2;
      },
      60_000,
    );
    expect(door.told.map(({ message }) => message.isClosed)).toEqual([false, false, true]);
    expect(new Set(door.told.map(({ message }) => message.dedupeKey)).size).toBe(1);
  });

  it('an organization that is connected is told of within two seconds of its first sync', async () => {
    await channel('email');
    const { control } = world.simulator;
    const organization = control.addOrganization({ name: 'Told', keys: [{}] }).id;
    const key = control.keys().find((known) => known.organization === organization)?.key ?? '';
    const id = await world.connect({ key, name: 'Told', backfillDays: 3 });
    await until('active', async () => (await stateOf(workflows.db, id)).status === 'active', 40_000);
    await until('the mail', () => door.told.some(({ message }) => message.content.kind === 'connected'));
    const [{ late } = { late: Infinity }] = await rows<{ late: number }>(
      workflows.db,
      sql`
      select extract(epoch from d.begun_at - n.opened_at)::float8 as late
      from notices n join deliveries d on d.notice_id = n.id where n.connection_id = ${id} and n.kind = 'connected'
    `,
    );
    expect(late).toBeLessThan(2);
  });
});

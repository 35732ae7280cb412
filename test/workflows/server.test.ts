import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { extendHistory } from '../../db/connections/connections.ts';
import { addDays, dayOf } from '../../domain/days.ts';
import { keepConnections } from '../../worker/keeper.ts';
import {
  CONNECTION_WORKFLOW,
  connectionWorkflowId,
  statusQuery,
  syncWorkflowId,
  wake,
} from '../../workflows/messages.ts';
import { storedCost, trueCost } from '../support/ledger.ts';
import { record } from '../support/histories.ts';
import { eventsOf, keysOf, stateOf, syncsOf } from '../support/state.ts';
import { until } from '../support/wait.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;

beforeAll(async () => {
  world = await createWorld({ timeSkipping: false, simulator: { now: Date.now(), ticking: false } });
});
afterAll(() => world.close());

async function becomes(id: string, status: string): Promise<void> {
  await until(status, async () => (await stateOf(world.database.db, id)).status === status, 40_000);
}

async function connected(name: string): Promise<{ id: string; key: string; organization: string }> {
  const { control } = world.simulator;
  const organization = control.addOrganization({ name, keys: [{}] }).id;
  const key = control.keys().find((known) => known.organization === organization)?.key ?? '';
  const id = await world.connect({ key, name, backfillDays: 3 });
  await becomes(id, 'active');
  return { id, key, organization };
}

/** Resets a sync that has ended to its first event, and waits until its new run has succeeded. */
async function resetSync(id: string, n: number): Promise<void> {
  const handle = world.client.workflow.getHandle(syncWorkflowId(id, n));
  const { events } = await handle.fetchHistory();
  const firstTask = events?.find(({ workflowTaskCompletedEventAttributes: completed }) => completed != null);
  const ended = (await handle.describe()).runId;
  await world.client.workflowService.resetWorkflowExecution({
    namespace: 'default',
    workflowExecution: { workflowId: handle.workflowId, runId: ended },
    reason: 'as a person would in the Temporal UI',
    requestId: `reset-${ended}`,
    workflowTaskFinishEventId: firstTask?.eventId ?? null,
  });
  await until(
    'the sync to succeed in its second run',
    async () => {
      const { runId, status } = await handle.describe();
      return runId !== ended && status.name === 'COMPLETED';
    },
    40_000,
  );
}

describe('on a real Temporal server', () => {
  it('connections and their syncs are found by search attributes', async () => {
    const { id, organization } = await connected('Searched');
    const found = await until('both to be listed', async () => {
      const types: string[] = [];
      const query = `MeterlineConnection = '${id}' AND MeterlineOrganization = '${organization}' AND MeterlineName = 'Searched'`;
      for await (const workflow of world.client.workflow.list({ query })) types.push(workflow.type);
      return types.length === 2 ? types.sort() : null;
    });
    expect(found).toEqual(['connection', 'sync']);
    await until('its status to be listed', async () => {
      const query = `MeterlineConnection = '${id}' AND MeterlineStatus = 'active'`;
      return (await world.client.workflow.count(query)).count === 1;
    });
    await until('its backfill to be listed', async () => {
      const query = `MeterlineConnection = '${id}' AND MeterlineSyncKind = 'backfill'`;
      return (await world.client.workflow.count(query)).count === 1;
    });
    await record(world.client, 'server-connection', connectionWorkflowId(id));
  });

  it('history that was extended while no worker ran is read once a worker runs', async () => {
    const { id, organization } = await connected('Extended');
    const { db } = world.database;
    const today = dayOf(Date.now());
    await world.stopWorker();
    await extendHistory(db, id, addDays(today, -40), 'test');
    await world.client.workflow.getHandle(connectionWorkflowId(id)).signal(wake);
    await world.startWorker();
    await becomes(id, 'active');
    expect(await storedCost(db, id, addDays(today, -40), today)).toEqual(
      trueCost(world.simulator, addDays(today, -40), today, organization),
    );
    expect((await stateOf(db, id)).days).toBe(41);
  });

  it('a rotation signalled while no worker runs is carried out once a worker runs', async () => {
    const { id, organization } = await connected('Asleep');
    const next = world.simulator.control.addKey({ organization }).key;
    await world.stopWorker();
    await world.signal(id, 'rotateKey', { keyId: await world.stage(id, next) });
    await world.startWorker();
    await until(
      'the old key to be destroyed',
      async () => {
        const [old, young] = await keysOf(world.database.db, id);
        return old?.state === 'destroyed' && young?.state === 'active' && young.hint === next.slice(-4);
      },
      40_000,
    );
    await becomes(id, 'active');
  });

  it('a failed sync that is reset clears the failure of its connection, even after the connection went on', async () => {
    const { id, key } = await connected('Reset');
    const { control } = world.simulator;
    control.fault({ kind: 'status', status: 500, key, report: 'workspaces', times: 3 });
    await world.signal(id, 'syncNow');
    await becomes(id, 'degraded');
    const failed = (await syncsOf(world.database.db, id)).find(({ state }) => state === 'failed');
    expect(failed).toMatchObject({ failure: 'upstream_unavailable' });
    await world.signal(id, 'pause');
    await becomes(id, 'paused');
    await resetSync(id, failed?.n ?? 0);
    expect(await stateOf(world.database.db, id)).toMatchObject({ failure: null, status: 'paused' });
    expect((await syncsOf(world.database.db, id)).filter(({ n }) => n === failed?.n).map(({ state }) => state)).toEqual(
      ['failed', 'succeeded'],
    );
    await record(world.client, 'server-sync-reset', syncWorkflowId(id, failed?.n ?? 0));
    await world.signal(id, 'resume');
    await becomes(id, 'active');
  });

  it('a finished sync that is reset counts a day once, however many of its runs read or changed it', async () => {
    const { id, organization } = await connected('Reset when finished');
    const { control } = world.simulator;
    const [yesterday, theDayBefore] = [addDays(dayOf(Date.now()), -1), addDays(dayOf(Date.now()), -2)];
    // A line more changes any day, also one without lines.
    control.restate({ kind: 'add', day: yesterday, report: 'cost', organization });
    await world.signal(id, 'syncNow');
    const runs = async (): Promise<{ state: string; days_read: number; days_changed: number }[]> =>
      (await syncsOf(world.database.db, id))
        .filter(({ kind }) => kind === 'manual')
        .map(({ state, days_read, days_changed }) => ({ state, days_read, days_changed }));
    await until('it to end', async () => (await runs())[0]?.state === 'succeeded', 40_000);
    const first = { state: 'succeeded', days_read: 3, days_changed: 1 };
    expect(await runs()).toEqual([first]);
    control.restate({ kind: 'scale', day: yesterday, report: 'cost', organization });
    control.restate({ kind: 'add', day: theDayBefore, report: 'usage', organization });
    await resetSync(id, 2);
    expect(await runs()).toEqual([first, { ...first, days_changed: 2 }]);
  });

  it('signals that came before their run began are taken in their order, whatever their names', async () => {
    const { id } = await connected('In order');
    const { client, taskQueue } = world;
    const workflowId = connectionWorkflowId(id);
    await world.stopWorker();
    await client.workflow.getHandle(workflowId).terminate();
    await client.workflow.start(CONNECTION_WORKFLOW, { workflowId, taskQueue, args: [{ connectionId: id }] });
    const names = ['resume', 'pause', 'syncnow', '__temporal_x', 'resume', 'pause'];
    for (const name of names) await client.workflow.getHandle(workflowId).signal(name);
    await world.startWorker();
    await becomes(id, 'paused');
    await until(
      'all to be answered',
      async () => (await client.workflow.getHandle(workflowId).query(statusQuery)).inbox === 0,
    );
    expect((await stateOf(world.database.db, id)).status).toBe('paused');
    const told = await eventsOf(world.database.db, id, 'signal');
    expect(told.map((message) => message.split(':')[0])).toEqual(['resume', 'syncnow', 'a signal']);
  });

  it('a workflow that was terminated, or lost with all of Temporal, is started again and reads no day twice', async () => {
    const { id, organization } = await connected('Terminated');
    const handle = world.client.workflow.getHandle(connectionWorkflowId(id));
    await handle.terminate('as a person would in the Temporal UI');
    const asked = world.simulator.control.requests().total;
    const { db } = world.database;
    await keepConnections({ db, client: world.client, taskQueue: world.taskQueue });
    await keepConnections({ db, client: world.client, taskQueue: world.taskQueue });
    await until('it to wait for the next day', async () => (await handle.query(statusQuery)).doing === 'wait');
    expect(world.simulator.control.requests().total).toBe(asked);
    const today = dayOf(Date.now());
    expect(await storedCost(db, id, addDays(today, -2), today)).toEqual(
      trueCost(world.simulator, addDays(today, -2), today, organization),
    );
  });

  it('a terminated sync counts as failed, and another one reads its days', async () => {
    const { id, key } = await connected('Killed sync');
    const { control } = world.simulator;
    control.fault({ kind: 'stall_body', key, report: 'cost', grouped: true, times: 'always' });
    await world.signal(id, 'syncNow');
    const n = await until(
      'the sync',
      async () => (await syncsOf(world.database.db, id)).find(({ state }) => state === 'running')?.n,
    );
    await world.client.workflow.getHandle(syncWorkflowId(id, n)).terminate('as a person would');
    control.clearFaults();
    await until('it to be told', async () =>
      (await syncsOf(world.database.db, id)).some((sync) => sync.n === n && sync.failure === 'sync_interrupted'),
    );
    await until(
      'another sync',
      async () => (await syncsOf(world.database.db, id)).some((sync) => sync.n > n && sync.state === 'succeeded'),
      40_000,
    );
    await becomes(id, 'active');
    await record(world.client, 'server-connection-interrupted', connectionWorkflowId(id));
  });

  it('a database that gives out the number of a running sync again loses nothing but that number', async () => {
    const { id } = await connected('Restored');
    // The sync still runs, but the database was restored from a backup and does not know it.
    const running = { workflowId: syncWorkflowId(id, 2), taskQueue: 'nobody works here', args: [{}] };
    const handle = await world.client.workflow.start('sync', running);
    await world.signal(id, 'syncNow');
    await until('a sync under the next number', async () =>
      (await syncsOf(world.database.db, id)).some(({ n, state }) => n === 3 && state === 'succeeded'),
    );
    await handle.terminate();
  });

  it('no key is in any history', async () => {
    const keys = world.simulator.control.keys().map(({ key }) => key);
    for await (const { workflowId, runId, taskQueue } of world.client.workflow.list()) {
      if (taskQueue !== world.taskQueue) continue;
      const history = await world.client.workflow.getHandle(workflowId, runId).fetchHistory();
      const text = JSON.stringify(history, (_, value: unknown) =>
        value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : value,
      );
      for (const key of keys) expect(text.includes(key)).toBe(false);
    }
  });
});

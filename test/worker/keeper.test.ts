import { randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createConnection, extendHistory } from '../../db/connections/connections.ts';
import { listOverdue, listUntoldHistories } from '../../db/connections/overdue.ts';
import { addCandidate } from '../../db/keys/candidates.ts';
import { dayOf, addDays } from '../../domain/days.ts';
import { countMissingWorkflows, keepConnections, wakeForWork } from '../../worker/keeper.ts';
import { connectionWorkflowId } from '../../workflows/messages.ts';
import { eventsOf, keysOf, stateOf, syncsOf } from '../support/state.ts';
import { until } from '../support/wait.ts';
import { createWorld, type World } from '../support/world.ts';
import { adminKey } from '../support/admin-key.ts';

let world: World;

beforeAll(async () => {
  world = await createWorld({ timeSkipping: false });
});
afterAll(() => world.close());

async function tell(): Promise<void> {
  const { db } = world.database;
  // As if the process that stored the key had died ten seconds ago, before it told Temporal.
  await db.execute(
    sql`update keys set requested_at = requested_at - interval '1 minute' where requested_at is not null`,
  );
  await wakeForWork({ db, client: world.client, taskQueue: world.taskQueue }, new Map());
}

it('the keeper starts the workflow of a stored connection and carries out a stored rotation, though no signal arrived', async () => {
  const { db } = world.database;
  const [id, today] = [randomUUID(), dayOf(Date.now())];
  const stored = {
    id,
    name: 'Untold',
    began: addDays(today, -2),
    backfillTo: today,
    keyId: randomUUID(),
    actor: 'test',
  };
  await createConnection(db, world.ring, { ...stored, adminKey: adminKey(world.key) });
  await tell();
  await until('active', async () => (await stateOf(db, id)).status === 'active');

  const [organization] = world.simulator.control.organizations();
  const next = world.simulator.control.addKey({ organization: organization?.id }).key;
  const rotation = { connectionId: id, keyId: randomUUID(), adminKey: adminKey(next), requested: true, actor: 'test' };
  await addCandidate(db, world.ring, rotation);
  await tell();
  await until('the new key to serve', async () =>
    (await keysOf(db, id)).some(({ hint, state }) => hint === next.slice(-4) && state === 'active'),
  );
});

/** Waits until a connection's workflow waits for its next daily sync, and would look at nothing without being told. */
async function rests(id: string): Promise<void> {
  await until('nothing to be under way', async () => {
    const { raw } = await world.client.workflow.getHandle(connectionWorkflowId(id)).describe();
    const under = [...(raw.pendingChildren ?? []), ...(raw.pendingActivities ?? [])];
    return under.length === 0 && raw.pendingWorkflowTask == null;
  });
}

it('history that was extended without telling the workflow is read', async () => {
  const deps = { db: world.database.db, client: world.client, taskQueue: world.taskQueue };
  const { id: organization } = world.simulator.control.addOrganization({ name: 'Untold history' });
  const { key } = world.simulator.control.addKey({ organization });
  const id = await world.connect({ key, backfillDays: 3 });
  await until('active', async () => (await stateOf(deps.db, id)).status === 'active');
  const isUntold = async (): Promise<boolean> =>
    (await listUntoldHistories(deps.db)).some(({ connectionId }) => connectionId === id);
  expect(await isUntold()).toBe(false);
  const told = new Map<string, number>();
  for (const days of [10, 20]) {
    await rests(id);
    await extendHistory(deps.db, id, addDays(dayOf(Date.now()), 1 - days), 'test');
    expect(await isUntold()).toBe(true);
    await wakeForWork(deps, told);
    await until(`${days} days`, async () => {
      const { status, days: stored } = await stateOf(deps.db, id);
      return status === 'active' && stored === days;
    });
    expect(await isUntold()).toBe(false);
  }
});

it.each([
  ['waits by a clock that was ahead', '30 days', 1],
  ['nothing read for longer than a day', '-27 hours', 0],
])('a connection that %s is woken', async (name, offset, told) => {
  const deps = { db: world.database.db, client: world.client, taskQueue: world.taskQueue };
  const { id: organization } = world.simulator.control.addOrganization({ name });
  const { key } = world.simulator.control.addKey({ organization });
  const id = await world.connect({ key, backfillDays: 3 });
  await until('active', async () => (await stateOf(deps.db, id)).status === 'active');
  const isOverdue = async (): Promise<boolean> =>
    (await listOverdue(deps.db)).some(({ connectionId }) => connectionId === id);
  expect(await isOverdue()).toBe(false);
  await deps.db.execute(sql`update connections set synced_at = now() + ${offset}::interval where id = ${id}`);
  expect(await isOverdue()).toBe(true);
  await wakeForWork(deps, new Map());
  await until('a sync', async () => {
    const syncs = await syncsOf(deps.db, id);
    return syncs.length === 2 && syncs.every(({ state }) => state === 'succeeded');
  });
  expect(await isOverdue()).toBe(false);
  expect(await eventsOf(deps.db, id, 'clock')).toHaveLength(told);
});

it('a workflow that somebody ended by hand is missed, and started again', async () => {
  const deps = { db: world.database.db, client: world.client, taskQueue: world.taskQueue };
  const { key } = world.simulator.control.addKey({
    organization: world.simulator.control.addOrganization({ name: 'Ended by hand' }).id,
  });
  const id = await world.connect({ key, backfillDays: 3 });
  await until('active', async () => (await stateOf(deps.db, id)).status === 'active');
  await until('all to be listed', async () => (await countMissingWorkflows(deps)) === 0);
  await world.client.workflow.getHandle(connectionWorkflowId(id)).terminate();
  await until('it to be missed', async () => (await countMissingWorkflows(deps)) === 1);
  await keepConnections(deps);
  await until('all to be listed again', async () => (await countMissingWorkflows(deps)) === 0);
});

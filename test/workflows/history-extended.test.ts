import { sql } from 'drizzle-orm';
import { describe, expect, inject, it } from 'vitest';
import { extendHistory } from '../../db/connections/connections.ts';
import { addDays, type Day } from '../../domain/days.ts';
import { connectionWorkflowId, wake } from '../../workflows/messages.ts';
import { skippingWorld } from '../support/skipping.ts';
import { until } from '../support/wait.ts';
import { historiesOf, replay } from './model/histories.ts';
import { rows } from '../support/rows.ts';

const { world, syncs, shown, connected, organizationOf, becomes, awaitsKey, settles, ...skipping } =
  await skippingWorld();
const { workflowDay, passDays, expectExact } = skipping;
const { control } = world.simulator;
const { db } = world.database;

/** Does what the API does. */
async function extend(id: string, from: Day): Promise<void> {
  await extendHistory(db, id, from, 'test');
  await world.client.workflow.getHandle(connectionWorkflowId(id)).signal(wake);
}

/** Checks that a connection is active and equals the simulator since `from`, and that all but the last days are final. */
async function expectWhole(id: string, organization: string, from: Day, backfillTo: Day): Promise<void> {
  const today = await workflowDay();
  await expectExact(id, organization, from, today);
  const view = await shown(id);
  expect(view).toMatchObject({
    status: 'active',
    backfill: { from, to: backfillTo, days_done: view.backfill.days_total },
    covered_from: from,
    covered_through: today,
    missing_days: 0,
    error: null,
  });
  expect(view.next_sync_at).not.toBeNull();
  const open = await rows<{ day: Day }>(
    db,
    sql`select distinct day::text from days where connection_id = ${id} and (state <> 'final' or not reconciled) order by day`,
  );
  expect(open.filter(({ day }) => day < addDays(today, -3))).toEqual([]);
}

async function expectReplays(id: string): Promise<void> {
  const histories = await historiesOf(world.client, id);
  expect(histories.flatMap(({ failedTasks }) => failedTasks)).toEqual([]);
  await replay(inject('workflowBundlePath'), histories);
}

describe('history that is extended', () => {
  it('is read exactly, by one sync of the added days alone, and not again the next day', async () => {
    const { id, organization } = await connected('Extended', 31);
    const today = await workflowDay();
    const from = addDays(today, -119);
    await extend(id, from);
    await becomes(id, 'active');
    await settles(id);
    await expectWhole(id, organization, from, today);
    const made = await rows<{ kind: string; from: Day; to: Day }>(
      db,
      sql`select kind, from_day::text as "from", to_day::text as "to" from syncs where connection_id = ${id} order by n`,
    );
    expect(made).toEqual([
      { kind: 'backfill', from: addDays(today, -30), to: today },
      { kind: 'backfill', from, to: addDays(today, -31) },
    ]);

    await passDays(id, 1);
    await settles(id);
    await expectWhole(id, organization, from, today);
    expect((await syncs(id)).map(({ kind }) => kind)).toEqual(['backfill', 'backfill', 'daily']);
    await expectReplays(id);
  });

  it('twice, months after the connection was created, is read each time', async () => {
    const { id, organization } = await connected('Extended twice', 3);
    const made = await workflowDay();
    await passDays(id, 2);
    await extend(id, addDays(made, -20));
    await becomes(id, 'active');
    await settles(id);
    await expectWhole(id, organization, addDays(made, -20), made);
    await extend(id, addDays(made, -70));
    await becomes(id, 'active');
    await settles(id);
    await expectWhole(id, organization, addDays(made, -70), made);
    await expectReplays(id);
  });

  it('while the first backfill runs, is read after it, and the connection is active no earlier', async () => {
    const { organization, key } = organizationOf('Extended meanwhile');
    const today = await workflowDay();
    control.fault({ kind: 'hold', report: 'usage', grouped: true, key });
    const id = await world.connect({ key, backfillDays: 5, today });
    await until('the sync to read usage', async () => (await shown(id)).last_sync?.days_read === 5);
    const from = addDays(today, -60);
    await extend(id, from);
    expect(await shown(id)).toMatchObject({ status: 'backfilling', missing_days: 61, backfill: { days_total: 61 } });
    control.clearFaults();
    await until('the first sync to end', async () => (await syncs(id))[0]?.state === 'succeeded');
    await becomes(id, 'active');
    await settles(id);
    const told = await rows<{ message: string }>(
      db,
      sql`select message from events where connection_id = ${id} and message = 'The connection is active.'`,
    );
    expect(told).toHaveLength(1);
    await expectWhole(id, organization, from, today);
    await expectReplays(id);
  });

  it('while a daily sync runs, is read after it', async () => {
    const { id, key, organization } = await connected('Extended in a sync', 5);
    const today = await workflowDay();
    control.fault({ kind: 'hold', report: 'usage', grouped: true, key });
    await world.signal(id, 'syncNow');
    await until('the sync', async () =>
      (await syncs(id)).some(({ kind, state }) => kind === 'manual' && state === 'running'),
    );
    await extend(id, addDays(today, -40));
    expect(await shown(id)).toMatchObject({ status: 'backfilling', missing_days: 36 });
    control.clearFaults();
    await becomes(id, 'active');
    await settles(id);
    await expectWhole(id, organization, addDays(today, -40), today);
  });

  it('has the costs of all its windows while the usage of the first one is held up', async () => {
    const { id, key, organization } = await connected('Side by side', 1);
    const today = await workflowDay();
    control.fault({ kind: 'hold', report: 'usage', grouped: true, key });
    await extend(id, addDays(today, -89));
    const stored = async (report: string): Promise<number> => {
      const counted = sql`select count(*)::int as n from days where connection_id = ${id} and report = ${report}`;
      return (await rows<{ n: number }>(db, counted))[0]?.n ?? 0;
    };
    await until('the costs of three windows', async () => (await stored('cost')) === 90);
    expect(await stored('usage')).toBe(1);
    control.clearFaults();
    await becomes(id, 'active');
    await settles(id);
    await expectWhole(id, organization, addDays(today, -89), today);
    await expectReplays(id);
  });

  it('during a pause, is read after the resume', async () => {
    const { id, organization } = await connected('Extended while paused', 5);
    const today = await workflowDay();
    await world.signal(id, 'pause');
    await becomes(id, 'paused');
    await extend(id, addDays(today, -40));
    await settles(id);
    expect(await shown(id)).toMatchObject({ status: 'paused', missing_days: 36 });
    await world.signal(id, 'resume');
    await becomes(id, 'active');
    await settles(id);
    await expectWhole(id, organization, addDays(today, -40), today);
  });

  it('while the key is rejected, is read once there is another key', async () => {
    const { id, key, organization } = await connected('Extended without a key', 5);
    const today = await workflowDay();
    control.setKeyState(key, 'revoked');
    await world.signal(id, 'syncNow');
    await awaitsKey(id);
    await extend(id, addDays(today, -40));
    const next = control.addKey({ organization }).key;
    await world.signal(id, 'rotateKey', { keyId: await world.stage(id, next) });
    await becomes(id, 'active');
    await settles(id);
    await expectWhole(id, organization, addDays(today, -40), today);
  });
});

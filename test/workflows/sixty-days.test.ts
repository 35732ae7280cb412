import { sql } from 'drizzle-orm';
import { expect, it } from 'vitest';
import { addDays } from '../../domain/days.ts';
import { connectionWorkflowId } from '../../workflows/messages.ts';
import { skippingWorld } from '../support/skipping.ts';
import { until } from '../support/wait.ts';
import { row } from '../support/rows.ts';

const { world, state, keys, syncs, shown, connected, becomes, settles, ...skipping } = await skippingWorld();
const { workflowDay, passDays, passHours, expectExact } = skipping;
const { control } = world.simulator;

const DAYS = 60;
const ROTATION = 20;
const OUTAGE = { from: 30, to: 32 };
const PAUSE = { from: 40, to: 45 };

/** Chooses the corrected days and amounts, the same in every run. */
function* draws(): Generator<number> {
  let state = 20_261_120;
  for (;;) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    yield state >>> 8;
  }
}

it('sixty days with a correction every day, a rotation, an outage and a pause end exact, and ask for little', async () => {
  const startedAtMs = Date.now();
  const { id, organization } = await connected('Sixty days', 31);
  const began = addDays(await workflowDay(), -30);
  const random = draws();
  const draw = (below: number): number => (random.next().value ?? 0) % below;
  /** Corrects a day that the next sync still has in its window. */
  const correct = async (daysToSync: number): Promise<void> => {
    const day = addDays(await workflowDay(), -draw(31 - daysToSync));
    const kind = (['add', 'scale', 'remove', 'fill'] as const)[draw(4)] ?? 'add';
    control.restate({ organization, day, kind, report: draw(2) === 0 ? 'both' : 'cost' });
  };
  const exact = async (): Promise<void> => expectExact(id, organization, began, await workflowDay());

  for (let day = 1; day <= DAYS; day += 1) {
    const idle = [OUTAGE, PAUSE].find(({ from, to }) => day >= from && day < to);
    await correct(idle === undefined ? 1 : idle.to - day);
    if (day === ROTATION) {
      const { key } = control.addKey({ organization });
      await world.signal(id, 'rotateKey', { keyId: await world.stage(id, key) });
      await until('the new key to serve alone', async () => (await keys(id))[0]?.state === 'destroyed');
      await becomes(id, 'active');
    }
    if (day === OUTAGE.from) control.fault({ kind: 'status', status: 529, times: 'always' });
    if (day === OUTAGE.to) {
      expect(await shown(id)).toMatchObject({ status: 'degraded', error: { code: 'upstream_unavailable' } });
      control.clearFaults();
      // By now the tries are an hour apart.
      await passHours(1.1);
      await becomes(id, 'active');
    }
    if (day === PAUSE.from) {
      await world.signal(id, 'pause');
      await becomes(id, 'paused');
    }
    if (day === PAUSE.to) {
      await world.signal(id, 'resume');
      await becomes(id, 'active');
    }
    if (idle !== undefined) await passHours(24);
    else await passDays(id, 1);
  }
  await settles(id);
  await exact();
  expect(await state(id)).toMatchObject({ status: 'active', failure: null, flagged: 0, unreconciled: 0 });

  // An ordinary day: nothing was corrected.
  await passDays(id, 1);
  await exact();
  const last = (await syncs(id)).at(-1);
  expect(last).toMatchObject({ kind: 'daily', state: 'succeeded' });
  expect(last?.requests).toBeLessThanOrEqual(6);
  const { historyLength } = await world.client.workflow.getHandle(connectionWorkflowId(id)).describe();
  expect(historyLength).toBeLessThan(500);
  const { kept } = await row<{ kept: number }>(
    world.database.db,
    sql`select count(*)::int as kept from restatements where connection_id = ${id}`,
  );
  expect(kept).toBeGreaterThan(DAYS / 2);
  process.stdout.write(`sixty days took ${Math.round((Date.now() - startedAtMs) / 100) / 10} s\n`);
}, 240_000);

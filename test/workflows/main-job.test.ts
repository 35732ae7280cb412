import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addDays, dayOf } from '../../domain/days.ts';
import { storedCost, storedUsage, trueCost, trueUsage } from '../support/ledger.ts';
import { until } from '../support/wait.ts';
import { createWorld, type World } from '../support/world.ts';
import { rows } from '../support/rows.ts';

let world: World;
beforeAll(async () => {
  world = await createWorld({ timeSkipping: false, simulator: { now: Date.now(), ticking: false } });
});
afterAll(() => world.close());

async function statusOf(id: string): Promise<string | undefined> {
  const [found] = await rows<{ status: string }>(
    world.database.db,
    sql`select status from connections where id = ${id}`,
  );
  return found?.status;
}

describe('the main job', () => {
  it('from a key to 31 exact days of cost and usage', async () => {
    const startedAt = Date.now();
    const id = await world.connect();
    await until('active', async () => (await statusOf(id)) === 'active');
    const tookMs = Date.now() - startedAt;
    const today = dayOf(Date.now());
    const from = addDays(today, -30);
    expect(await storedCost(world.database.db, id, from, today)).toEqual(trueCost(world.simulator, from, today));
    expect(await storedUsage(world.database.db, id, from, today)).toEqual(trueUsage(world.simulator, from, today));
    const states = await rows(
      world.database.db,
      sql`select report, count(*)::int as days, count(*) filter (where reconciled)::int as reconciled, count(*) filter (where state = 'final')::int as final
          from days where connection_id = ${id} group by report order by report`,
    );
    expect(states).toEqual([
      { report: 'cost', days: 31, reconciled: 31, final: 28 },
      { report: 'usage', days: 31, reconciled: 31, final: 28 },
    ]);
    expect(world.simulator.control.conduct().violations).toBe(0);
    expect(tookMs).toBeLessThan(20_000);
  });
});

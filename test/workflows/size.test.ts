import { afterAll, beforeAll, expect, it } from 'vitest';
import { connectionWorkflowId, syncWorkflowId } from '../../workflows/messages.ts';
import { until } from '../support/wait.ts';
import { createWorld, type World } from '../support/world.ts';

const MOST_BYTES = 4_096;

let worlds: readonly World[];
beforeAll(async () => {
  worlds = await Promise.all(
    [20, 2_000].map((linesPerDay) =>
      createWorld({ timeSkipping: false, simulator: { linesPerDay, newSeriesPerDay: linesPerDay / 20, days: 31 } }),
    ),
  );
});
afterAll(() => Promise.all(worlds.map((world) => world.close())));

/** The sizes of all payloads in a message of Temporal. */
function payloadsIn(value: unknown): number[] {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return [];
  const own = 'data' in value && value.data instanceof Uint8Array ? [value.data.length] : [];
  return [...own, ...Object.values(value).flatMap(payloadsIn)];
}

it('an organization of a hundred times the lines has the same history, and no payload above 4 kB', async () => {
  const histories = await Promise.all(
    worlds.map(async (world) => {
      const id = await world.connect({ name: 'x'.repeat(100) });
      const sync = world.client.workflow.getHandle(syncWorkflowId(id, 1));
      await until('the first sync to end', async () =>
        sync.describe().then(
          ({ status }) => status.name === 'COMPLETED',
          () => false,
        ),
      );
      const history = await sync.fetchHistory();
      const parent = await world.client.workflow.getHandle(connectionWorkflowId(id)).fetchHistory();
      const largest = Math.max(...[history, parent].flatMap(payloadsIn));
      return { events: history.events?.length ?? 0, largest };
    }),
  );
  const [small, large] = histories;
  expect(large?.events).toBeGreaterThan(20);
  // What happens to come together shares a workflow task, which is three events: so much may differ, and no more. With
  // something for each line or page, it would be hundreds.
  expect(Math.abs((large?.events ?? 0) - (small?.events ?? 0))).toBeLessThanOrEqual(9);
  for (const { largest } of histories) expect(largest).toBeLessThan(MOST_BYTES);
});

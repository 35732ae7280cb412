import type { WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connectionWorkflowId, syncWorkflowId } from '../../workflows/messages.ts';
import { addDays, dayOf } from '../../domain/days.ts';
import { storedCost, trueCost } from '../support/ledger.ts';
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

/** Whether an event is no workflow task. Events that come at the same time share a task, so their number varies. */
function isWork(event: object): boolean {
  return !Object.entries(event).some(([name, value]) => name.startsWith('workflowTask') && value != null);
}

function stepsIn({ events }: Awaited<ReturnType<WorkflowHandle['fetchHistory']>>): string[] {
  return (events ?? []).flatMap((event) => event.activityTaskScheduledEventAttributes?.activityType?.name ?? []);
}

function isOver(world: World, id: string): Promise<boolean> {
  return world.client.workflow
    .getHandle(syncWorkflowId(id, 1))
    .describe()
    .then(
      ({ status }) => status.name === 'COMPLETED',
      () => false,
    );
}

it('an organization of a hundred times the lines has the same history, and no payload above 4 kB', async () => {
  const histories = await Promise.all(
    worlds.map(async (world) => {
      const id = await world.connect({ name: 'x'.repeat(100) });
      await until('the first sync to end', () => isOver(world, id), 50_000);
      const history = await world.client.workflow.getHandle(syncWorkflowId(id, 1)).fetchHistory();
      const parent = await world.client.workflow.getHandle(connectionWorkflowId(id)).fetchHistory();
      const largest = Math.max(...[history, parent].flatMap(payloadsIn));
      return { work: (history.events ?? []).filter(isWork).length, largest, steps: stepsIn(history) };
    }),
  );
  const [small, large] = histories;
  expect(large?.steps).toEqual(['refreshWorkspaces', 'readWindow', 'readWindow', 'succeedSync']);
  expect(large?.work).toBe(small?.work);
  for (const { largest } of histories) expect(largest).toBeLessThan(MOST_BYTES);
});

it('a connection takes four steps beside the four of its first sync, so that hundreds can connect at once', async () => {
  const [world] = worlds;
  if (world === undefined) throw new Error('there is no world');
  const { control } = world.simulator;
  const added = control.addOrganization({ name: 'Steps', keys: [{}] }).id;
  const key = control.keys().find(({ organization }) => organization === added)?.key ?? '';
  const id = await world.connect({ key });
  const history = await until('the connection to rest', async () => {
    const found = await world.client.workflow.getHandle(connectionWorkflowId(id)).fetchHistory();
    const started = found.events?.filter((event) => event.timerStartedEventAttributes != null);
    return started !== undefined && started.length > 0 ? found : null;
  });
  expect(stepsIn(history)).toEqual(['loadConnection', 'tryKey', 'discoverWorkspaces', 'loadConnection']);
});

it('days too large to be in memory together are read one by one, and none of their lines is lost', async () => {
  const world = await createWorld({
    timeSkipping: false,
    simulator: { now: Date.now(), ticking: false, linesPerDay: 45_000, days: 2 },
  });
  try {
    const id = await world.connect({ backfillDays: 2 });
    await until('the first sync to end', () => isOver(world, id), 60_000);
    const today = dayOf(Date.now());
    const yesterday = addDays(today, -1);
    const stored = await storedCost(world.database.db, id, yesterday, today);
    expect(stored.length).toBeGreaterThan(40_000);
    // A diff of so many lines would be unreadable.
    expect(stored.join('\n') === trueCost(world.simulator, yesterday, today).join('\n')).toBe(true);
    const { events } = await world.client.workflow.getHandle(syncWorkflowId(id, 1)).fetchHistory();
    const attempts = events?.map((event) => event.activityTaskStartedEventAttributes?.attempt ?? 1);
    expect(Math.max(...(attempts ?? []))).toBe(1);
    const asked = world.simulator.control.requests().last.map(({ query }) => new URLSearchParams(query));
    expect(asked.some((query) => query.has('group_by[]') && query.get('ending_at')?.startsWith(today))).toBe(true);
  } finally {
    await world.close();
  }
});

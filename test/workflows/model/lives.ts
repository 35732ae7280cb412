import { randomInt } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { createWorld, type World } from '../../support/world.ts';
import { Batch, ModelError } from './batch.ts';
import { roundPlans, sequences, type RoundPlan, type Sequence } from './commands.ts';
import { MAX_EVENTS, MAX_EVENTS_OF_AN_OUTAGE, historiesOf, replay } from './histories.ts';
import { Observer } from './observe.ts';
import { reportOf } from './report.ts';

/** The same one unless told, so that a run says of a change what it said before it; `random` finds something new. */
const { METERLINE_MODEL_SEED: seed = '20261124' } = process.env;
const SEED = seed === 'random' ? randomInt(2 ** 31) : Number(seed);
const SEQUENCES = Number(process.env['METERLINE_MODEL_SEQUENCES'] ?? 200);
/** The one sequence to run, beside whom nothing else lives. */
const ONLY = process.env['METERLINE_MODEL_ONLY'];
const ROUNDS = 4;
const SIDE_BY_SIDE = 50;
const SAMPLE = 3;

/** Small, so that what is tried is the life and not the size. */
const POPULATION = { workspaces: 1, models: 1, newSeriesPerDay: 0, linesPerDay: 5, days: 90 };

type Numbered = Readonly<{ index: number; sequence: Sequence }>;

let world: World;
beforeAll(async () => {
  world = await createWorld({ timeSkipping: true, simulator: { now: Date.now(), ticking: false, ...POPULATION } });
});
afterAll(() => world.close());

/** Whether Anthropic never failed it. */
function isSpared({ start, turns }: Sequence): boolean {
  return start !== 'unanswered' && turns.every(({ changes }) => changes.every((change) => change.do !== 'fail'));
}

/** Lets one batch live from beginning to end, and looks at the histories of some. */
async function live(observer: Observer, numbered: readonly Numbered[], plans: readonly RoundPlan[]): Promise<void> {
  const batch = new Batch(world, observer);
  try {
    await batch.begin(numbered);
    for (const [round, plan] of plans.entries()) await batch.play(round, plan);
    await batch.finish();
    await batch.end();
  } catch (error) {
    if (!(error instanceof ModelError)) throw error;
    throw new Error(await reportOf(world, error, plans, SEED), { cause: error });
  }
  expect(world.simulator.control.conduct()).toMatchObject({ violations: 0 });
  const sampled = await Promise.all(
    batch.lives.slice(0, SAMPLE).map(async (life) => ({ life, runs: await historiesOf(world.client, life.id) })),
  );
  for (const { life, runs } of sampled) {
    const longest = Math.max(...runs.map(({ events }) => events));
    expect(longest).toBeLessThan(isSpared(life.sequence) ? MAX_EVENTS : MAX_EVENTS_OF_AN_OUTAGE);
  }
  const histories = sampled.flatMap(({ runs }) => runs);
  expect(histories.flatMap(({ failedTasks }) => failedTasks)).toEqual([]);
  await replay(inject('workflowBundlePath'), histories);
}

/**
 * The test that sequences of what may happen to connections end as a simple model says. They live in batches; the files
 * that call this share them, so that two processors have something to do. `part` counts from 0.
 */
export function itLivesAsModelled(part: number, parts: number): void {
  const title = `a connection lives as a simple model of it says, whatever happens to it (METERLINE_MODEL_SEED=${SEED}, part ${part + 1} of ${parts})`;
  it(title, { timeout: 3_600_000 }, async () => {
    const all = fc
      .sample(sequences(ROUNDS), { seed: SEED, numRuns: SEQUENCES })
      .map((sequence, index) => ({ index, sequence }));
    const batches = Math.ceil(all.length / SIDE_BY_SIDE);
    const observer = new Observer(world.database.db);
    for (const [number, plan] of fc.sample(roundPlans(ROUNDS), { seed: SEED, numRuns: batches }).entries()) {
      if (number % parts !== part) continue;
      const batch = all
        .slice(number * SIDE_BY_SIDE, (number + 1) * SIDE_BY_SIDE)
        .filter(({ index }) => ONLY === undefined || index === Number(ONLY));
      if (batch.length > 0) await live(observer, batch, plan);
    }
  });
}

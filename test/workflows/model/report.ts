import { sql } from 'drizzle-orm';
import type { World } from '../../support/world.ts';
import type { ModelError } from './batch.ts';
import type { RoundPlan } from './commands.ts';
import { rows } from '../../support/rows.ts';

/** All that a person needs to understand a failure, and to see it again. */
export async function reportOf(
  world: World,
  { life, round, complaints }: ModelError,
  plans: readonly RoundPlan[],
  seed: number,
): Promise<string> {
  const events = await rows<{ type: string; message: string }>(
    world.database.db,
    sql`select type, message from events where connection_id = ${life.id} order by id`,
  );
  const { backfillDays, start, turns } = life.sequence;
  return [
    `Sequence ${life.index} is not as the model says after ${round.name}:`,
    ...complaints.map((complaint) => `  ${complaint}`),
    `Again: METERLINE_MODEL_SEED=${seed} METERLINE_MODEL_ONLY=${life.index} npx vitest run test/workflows/model-`,
    `It began with ${backfillDays} days and a key that is ${start}. What happened to it:`,
    ...turns.flatMap(({ changes, orders }, number) => [
      `  round ${number} ${JSON.stringify(plans[number])}`,
      ...[...changes, ...orders].map((command) => `    ${JSON.stringify(command)}`),
    ]),
    'Its events:',
    ...events.map(({ type, message }) => `  ${type}: ${message}`),
  ].join('\n');
}

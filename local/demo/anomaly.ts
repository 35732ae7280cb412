import { z } from 'zod';
import { dayOf } from '../../domain/days.ts';
import type { Console } from '../terminal/console.ts';
import { eventually } from '../wait.ts';
import { surpriseDay } from './organization.ts';
import { numberTable, toCents } from './tables.ts';
import { DECIDED_WITHIN_MS, LOOK_EVERY_MS, mailLines, printLines, wrapped, type Watched } from './watched.ts';

const anomalySchema = z.object({
  sentence: z.string(),
  cause: z.array(z.object({ dimension: z.string(), name: z.string() })),
  days: z.array(z.object({ day: z.string(), expected: z.string(), high: z.string(), observed: z.string() })),
});
type Anomaly = z.output<typeof anomalySchema>;
const anomalies = z.object({ data: z.array(anomalySchema) });

const NONE = 'No anomaly yet: the worker looks for them after each sync.';

/** Waits until the surprise of the sample organization is found, and prints it with its cause. */
export async function printAnomaly(out: Console, watched: Watched): Promise<void> {
  const { api, stack, connectionId } = watched;
  const day = surpriseDay(dayOf(Date.now()));
  const seen: { anomaly: Anomaly | null } = { anomaly: null };
  const isFound = async (): Promise<boolean> => {
    const query = { connection_id: connectionId, from: day, to: day };
    seen.anomaly = (await api.get('/v1/anomalies', query, anomalies)).data[0] ?? null;
    return seen.anomaly !== null;
  };
  await eventually(isFound, DECIDED_WITHIN_MS, LOOK_EVERY_MS);
  if (seen.anomaly === null) {
    printLines(out, [NONE]);
    return;
  }
  const mail = await mailLines(watched, { kind: 'anomaly', connection_id: connectionId });
  const next = `What to do: say whether this was expected, is real, or is wrong: ${stack.publicUrl}/#/anomalies`;
  printLines(out, [...anomalyLines(seen.anomaly), ...mail, next]);
}

/** An anomaly as a table of its days, and what happened in words. */
export function anomalyLines({ sentence, cause, days }: Anomaly): string[] {
  const where = cause.map(({ dimension, name }) => `${dimension} ${name}`).join(', ');
  const rows = days.map(({ day, expected, high, observed }) => ({
    name: `${where === '' ? 'all spend' : where}, ${day}`,
    cells: [expected, high, observed].map(toCents),
  }));
  return [
    ...numberTable('Anomaly, to the cent', ['expected', 'usual at most', 'observed'], rows),
    '',
    ...wrapped(sentence),
  ];
}

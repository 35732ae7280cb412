import { sql } from 'drizzle-orm';
import { storeVerdict } from '../../db/anomalies/verdicts.ts';
import type { Db } from '../../db/core/database.ts';
import type { Incident } from '../../domain/anomalies/incident.ts';
import { addDays, toDay, type Day } from '../../domain/days.ts';
import { ZERO, toDecimal } from '../../domain/money.ts';
import { row } from './rows.ts';

/** A spike of one day that nobody found: tests of what is stored and shown need one that is as they say. */
export function spike(changes: Partial<Incident> = {}): Incident {
  const day = toDay('2026-11-10');
  const usd = { observed: toDecimal('150.0000001'), expected: toDecimal('50.25') };
  return {
    key: 'up model:opus 2026-11-10',
    kind: 'spike',
    direction: 'up',
    severity: 'warning',
    state: 'open',
    end: null,
    cause: [{ dimension: 'model', value: 'opus' }],
    within: [],
    counterpart: [],
    explained: 0.97,
    firstDay: day,
    lastDay: day,
    detectedOn: day,
    daysToDetection: 1,
    ...usd,
    excess: toDecimal('99.7500001'),
    days: [{ day, ...usd, low: toDecimal('40'), high: toDecimal('60') }],
    change: { before: ZERO, after: ZERO, change: ZERO, volume: ZERO, mix: ZERO, price: ZERO, unmatched: ZERO },
    strength: 2,
    sentence: 'It happened.',
    ...changes,
  };
}

/** Stores an incident of a connection as an assessment on the day after does, and returns its id. */
export async function storeIncident(db: Db, connectionId: string, incident = spike()): Promise<string> {
  const today: Day = addDays(incident.lastDay, 1);
  await db.transaction((tx) => storeVerdict(tx, connectionId, { verdict: 'open', incident }, { settled: [], today }));
  const { id } = await row<{ id: string }>(
    db,
    sql`select id from incidents where connection_id = ${connectionId} and key = ${incident.key}`,
  );
  return id;
}

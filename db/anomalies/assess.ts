import { sql } from 'drizzle-orm';
import { z } from 'zod';
import type { Sensitivity } from '../../domain/anomalies/incident.ts';
import type { FindAnomalies } from '../../domain/anomalies/settled.ts';
import { LIVE_STATUSES } from '../../domain/connection/statuses.ts';
import type { Day } from '../../domain/days.ts';
import { shareLive } from '../connections/live.ts';
import { row, rows, textArray, type Db } from '../core/database.ts';
import { readSettledDays, settledDays } from './days.ts';
import { storedIncidents } from './incidents.ts';
import { readSensitivity } from './settings.ts';
import { storeVerdict } from './verdicts.ts';

/** How many incidents an assessment opened, closed and withdrew. */
export interface AnomalyCounts {
  readonly opened: number;
  readonly closed: number;
  readonly withdrawn: number;
}

const NOTHING: AnomalyCounts = { opened: 0, closed: 0, withdrawn: 0 };

/** An assessment of many connections leaves the rest to the next one after so long: it is one transaction. */
const LONGEST_MS = 20_000;

/**
 * Looks for anomalies in the settled days of every live connection, one after the other, as {@link assessConnection} does.
 * Connections of which nothing changed since take a millisecond. Also returns how many it left for the next assessment.
 * Belongs in a transaction.
 */
export async function assessEveryConnection(
  tx: Db,
  today: Day,
  find: FindAnomalies,
): Promise<AnomalyCounts & { readonly left: number }> {
  const begunAt = performance.now();
  await tx.execute(sql`update incident_feedback set is_assessed = true where not is_assessed`);
  await tx.execute(sql`update anomaly_settings set is_assessed = true where not is_assessed`);
  const found = await rows(
    tx,
    z.object({ id: z.string() }),
    sql`
      select c.id from connections c left join anomaly_assessments a on a.connection_id = c.id
      where c.status = any(${textArray(LIVE_STATUSES)})
      order by a.assessed_at nulls first, c.id
    `,
  );
  let counts = NOTHING;
  for (const [place, { id }] of found.entries()) {
    if (performance.now() - begunAt > LONGEST_MS) return { ...counts, left: found.length - place };
    counts = added(counts, await assessConnection(tx, id, today, find));
  }
  return { ...counts, left: 0 };
}

/** Whether a person said something about an anomaly, or set the sensitivity, since anything was assessed. */
export const ANOMALIES_ARE_DUE = sql`
  exists (select from incident_feedback where not is_assessed)
  or exists (select from anomaly_settings where not is_assessed)
`;

/**
 * Looks for anomalies in the settled days of a connection before `today`, and stores what follows with the notices about
 * it. Assessing twice changes nothing, also at once: whoever comes second waits for the first and finds that nothing is
 * new. Does nothing for a connection that has ended. Belongs in a transaction, to which the verdicts belong.
 */
export async function assessConnection(
  tx: Db,
  connectionId: string,
  today: Day,
  find: FindAnomalies,
): Promise<AnomalyCounts> {
  const sensitivity = await readSensitivity(tx);
  if ((await assessedBasis(tx, connectionId)) === (await basisOf(tx, connectionId, sensitivity, today))) return NOTHING;
  // An end of the connection waits until the incidents are stored, and then deletes or closes them all.
  if ((await shareLive(tx, connectionId)) === null) return NOTHING;
  await lockAssessment(tx, connectionId);
  const basis = await basisOf(tx, connectionId, sensitivity, today);
  if ((await assessedBasis(tx, connectionId)) === basis) return NOTHING;
  const incidents = await storedIncidents(tx, connectionId, today);
  const texts = await readSettledDays(tx, connectionId, today);
  const verdicts = await find({ settled: texts, incidents, sensitivity, today });
  const settled = texts.days.map(({ day }) => day);
  let counts = NOTHING;
  for (const verdict of verdicts) {
    counts = added(counts, await storeVerdict(tx, connectionId, verdict, { settled, today }));
  }
  await tx.execute(sql`
    update anomaly_assessments set basis = ${await basisOf(tx, connectionId, sensitivity, today)}, assessed_at = now()
    where connection_id = ${connectionId}
  `);
  return counts;
}

async function assessedBasis(tx: Db, connectionId: string): Promise<string | null> {
  const [found] = await rows(
    tx,
    z.object({ basis: z.string() }),
    sql`select basis from anomaly_assessments where connection_id = ${connectionId}`,
  );
  return found?.basis ?? null;
}

async function lockAssessment(tx: Db, connectionId: string): Promise<void> {
  await tx.execute(sql`
    insert into anomaly_assessments (connection_id, basis) values (${connectionId}, '')
    on conflict (connection_id) do nothing
  `);
  await tx.execute(sql`select from anomaly_assessments where connection_id = ${connectionId} for update`);
}

/** A digest of everything that verdicts about a connection follow from. */
async function basisOf(tx: Db, connectionId: string, sensitivity: Sensitivity, today: Day): Promise<string> {
  const { basis } = await row(
    tx,
    z.object({ basis: z.string() }),
    sql`
      select md5(concat_ws(' ', ${sensitivity}::text,
        (select string_agg(d.day || encode(d.digest, 'hex'), '' order by d.day) from days d where ${settledDays(connectionId, today)}),
        (
          select string_agg(i.id || i.state || coalesce(f.no, 0), '' order by i.id)
          from incidents i left join lateral (
            select max(no) as no from incident_feedback where incident_id = i.id
          ) f on true
          where i.connection_id = ${connectionId}
        )
      )) as basis
    `,
  );
  return basis;
}

function added(a: AnomalyCounts, b: AnomalyCounts): AnomalyCounts {
  return { opened: a.opened + b.opened, closed: a.closed + b.closed, withdrawn: a.withdrawn + b.withdrawn };
}

import { and, desc, eq, gte, inArray, lt, lte, sql } from 'drizzle-orm';
import {
  HISTORY_DAYS,
  type Feedback,
  type Incident,
  type IncidentKind,
  type IncidentState,
  type StoredIncident,
} from '../../domain/anomalies/incident.ts';
import type { IncidentChange } from '../../domain/anomalies/incident.ts';
import { addDays, type Day } from '../../domain/days.ts';
import { subtractDecimals } from '../../domain/money.ts';
import { addEvent } from '../connections/events.ts';
import { connections } from '../connections/tables.ts';
import type { Db } from '../core/database.ts';
import { incidentFeedback, incidents, type StoredEnd } from './tables.ts';

/** What somebody said about an incident. */
export interface GivenFeedback {
  readonly feedback: Feedback;
  readonly note: string | null;
  readonly actor: string;
  readonly at: Date;
}

/** An incident as it is listed. */
export interface IncidentInfo {
  readonly id: string;
  readonly no: number;
  readonly connection: { readonly id: string; readonly name: string };
  readonly incident: Incident;
  readonly state: IncidentState;
  readonly end: StoredEnd | null;
  readonly change: IncidentChange & { readonly compared_days: number };
  readonly noticeId: string | null;
  readonly openedAt: Date;
  readonly endedAt: Date | null;
  /** The latest; null if nobody said anything. */
  readonly feedback: GivenFeedback | null;
}

/** Which incidents are asked for. */
export interface IncidentFilter {
  readonly connectionId?: string | undefined;
  readonly state?: IncidentState | undefined;
  readonly kind?: IncidentKind | undefined;
  /** Only those with a day from here on. */
  readonly from?: Day | undefined;
  /** Only those with a day up to here. */
  readonly to?: Day | undefined;
}

/** Incidents, newest first; `after` is the `no` of the last one seen. */
export async function listIncidents(
  db: Db,
  filter: IncidentFilter,
  page: { after: number | null; limit: number },
): Promise<IncidentInfo[]> {
  const found = await selectIncidents(db)
    .where(
      and(
        filter.connectionId === undefined ? undefined : eq(incidents.connectionId, filter.connectionId),
        filter.state === undefined ? undefined : eq(incidents.state, filter.state),
        filter.kind === undefined ? undefined : eq(incidents.kind, filter.kind),
        filter.from === undefined ? undefined : gte(incidents.lastDay, filter.from),
        filter.to === undefined ? undefined : lte(incidents.firstDay, filter.to),
        page.after === null ? undefined : lt(incidents.no, page.after),
      ),
    )
    .orderBy(desc(incidents.no))
    .limit(page.limit);
  return withFeedback(db, found);
}

/** An incident; null if it does not exist. */
export async function findIncident(db: Db, id: string): Promise<IncidentInfo | null> {
  const [found] = await withFeedback(db, await selectIncidents(db).where(eq(incidents.id, id)));
  return found ?? null;
}

/** What is stored of a connection for its next assessment: incidents of the days that it looks at. */
export async function storedIncidents(tx: Db, connectionId: string, today: Day): Promise<StoredIncident[]> {
  const found = await tx
    .select({ id: incidents.id, incident: incidents.incident })
    .from(incidents)
    .where(and(eq(incidents.connectionId, connectionId), gte(incidents.lastDay, addDays(today, -HISTORY_DAYS))))
    .orderBy(incidents.no);
  const given = await feedbackOf(
    tx,
    found.map(({ id }) => id),
  );
  return found.map(({ id, incident }) => ({ incident, feedback: given.get(id)?.feedback ?? null }));
}

/**
 * Stores what somebody says about an incident, with an event of its connection. The latest feedback counts. Returns whether
 * the incident exists.
 */
export async function giveFeedback(
  db: Db,
  id: string,
  { feedback, note, actor }: Omit<GivenFeedback, 'at'>,
): Promise<boolean> {
  return db.transaction(async (tx) => {
    // A purge that deletes the incident waits, or is over.
    const [found] = await tx
      .select({ connectionId: incidents.connectionId })
      .from(incidents)
      .where(eq(incidents.id, id))
      .for('key share');
    if (found === undefined) return false;
    await tx.insert(incidentFeedback).values({ incidentId: id, feedback, note, actor });
    const message = `The anomaly ${id} is ${MEANINGS[feedback]}.`;
    await addEvent(tx, found.connectionId, { type: 'anomaly_feedback', actor, message });
    return true;
  });
}

const MEANINGS: Readonly<Record<Feedback, string>> = {
  expected: 'said to be expected',
  real: 'said to be real',
  wrong: 'said to be wrong',
};

/** Closes the open incidents of a connection that ends. Their notices close with all others of it. */
export async function closeIncidentsOf(tx: Db, connectionId: string): Promise<void> {
  await tx
    .update(incidents)
    .set({ state: 'closed', end: 'disconnected', endedAt: sql`greatest(now(), ${incidents.openedAt})` })
    .where(and(eq(incidents.connectionId, connectionId), eq(incidents.state, 'open')));
}

/** Deletes the incidents of a connection, with their feedback. They tell what it spent. */
export async function deleteIncidents(tx: Db, connectionId: string): Promise<void> {
  await tx.delete(incidents).where(eq(incidents.connectionId, connectionId));
  await tx.execute(sql`delete from anomaly_assessments where connection_id = ${connectionId}`);
}

const selectIncidents = (db: Db) =>
  db
    .select({
      id: incidents.id,
      no: incidents.no,
      connection: { id: connections.id, name: connections.name },
      incident: incidents.incident,
      state: incidents.state,
      end: incidents.end,
      comparedDays: incidents.comparedDays,
      before: incidents.before,
      after: incidents.after,
      volume: incidents.volume,
      mix: incidents.mix,
      price: incidents.price,
      unmatched: incidents.unmatched,
      noticeId: incidents.noticeId,
      openedAt: incidents.openedAt,
      endedAt: incidents.endedAt,
    })
    .from(incidents)
    .innerJoin(connections, eq(connections.id, incidents.connectionId));

type Selected = Awaited<ReturnType<typeof selectIncidents>>[number];

async function withFeedback(db: Db, found: readonly Selected[]): Promise<IncidentInfo[]> {
  const given = await feedbackOf(
    db,
    found.map(({ id }) => id),
  );
  return found.map(({ comparedDays, before, after, volume, mix, price, unmatched, ...info }) => ({
    ...info,
    change: {
      compared_days: comparedDays,
      before,
      after,
      change: subtractDecimals(after, before),
      volume,
      mix,
      price,
      unmatched,
    },
    feedback: given.get(info.id) ?? null,
  }));
}

/** The latest feedback on incidents, by their id. */
async function feedbackOf(db: Db, ids: readonly string[]): Promise<ReadonlyMap<string, GivenFeedback>> {
  if (ids.length === 0) return new Map();
  const found = await db
    .select()
    .from(incidentFeedback)
    .where(inArray(incidentFeedback.incidentId, [...ids]))
    .orderBy(incidentFeedback.no);
  return new Map(found.map(({ incidentId, feedback, note, actor, at }) => [incidentId, { feedback, note, actor, at }]));
}

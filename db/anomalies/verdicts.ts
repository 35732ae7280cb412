import { randomUUID } from 'node:crypto';
import { eq, sql } from 'drizzle-orm';
import { z } from 'zod';
import { comparedDays } from '../../domain/anomalies/compared.ts';
import { exploreOf } from '../../domain/anomalies/explore.ts';
import type { Incident, IncidentChange, IncidentEnd, Verdict } from '../../domain/anomalies/incident.ts';
import { named } from '../../domain/anomalies/names.ts';
import { addDays, type Day } from '../../domain/days.ts';
import type { NoticeDataOf } from '../../domain/notices/data.ts';
import { row, type Db } from '../core/database.ts';
import { connections } from '../connections/tables.ts';
import { closeNotice, withdrawNotice, writeNotice } from '../notices/outbox.ts';
import type { AnomalyCounts } from './assess.ts';
import { workspaceNames } from './names.ts';
import { splitChange } from './split.ts';
import { incidents } from './tables.ts';

/** An incident that was over so many days before it was found is not told of: the first look at a year finds its past. */
const TOLD_FOR_DAYS = 7;

/** What a verdict is stored with. */
interface Assessed {
  /** The settled days of the connection. */
  readonly settled: readonly Day[];
  readonly today: Day;
}

interface Stored {
  readonly id: string;
  readonly openings: number;
  readonly noticeId: string | null;
}

/**
 * Stores a verdict about a connection with its notice: one that opens is told of, one that is over closes its notice, and
 * one that never was withdraws it. Returns what became of the incident.
 */
export async function storeVerdict(
  tx: Db,
  connectionId: string,
  { verdict, incident }: Verdict,
  { settled, today }: Assessed,
): Promise<AnomalyCounts> {
  const compared = comparedDays(
    settled,
    incident.days.map(({ day }) => day),
  );
  const split = {
    ...(await splitChange(tx, connectionId, incident.cause, compared)),
    compared_days: compared.now.length,
  };
  const stored = await saveIncident(tx, connectionId, incident, split, verdict === 'open');
  const isOver = incident.state !== 'open';
  if (verdict === 'open' && (!isOver || incident.lastDay >= addDays(today, -TOLD_FOR_DAYS))) {
    stored.noticeId = await tell(tx, connectionId, stored, incident, split);
  }
  if (stored.noticeId !== null && incident.state === 'closed') await closeNotice(tx, stored.noticeId);
  if (stored.noticeId !== null && incident.state === 'withdrawn') {
    await withdrawNotice(tx, stored.noticeId, WITHDRAWN_BECAUSE[incident.end ?? 'restated']);
  }
  return {
    opened: verdict === 'open' ? 1 : 0,
    closed: incident.state === 'closed' ? 1 : 0,
    withdrawn: incident.state === 'withdrawn' ? 1 : 0,
  };
}

const RESTATED = 'Anthropic has corrected these days since, and they show nothing unusual any more.';
const WITHDRAWN_BECAUSE: Readonly<Record<IncidentEnd, string>> = {
  restated: RESTATED,
  back: RESTATED,
  new_normal: RESTATED,
  expected: 'Somebody said that this was expected.',
  wrong: 'Somebody said that this was no anomaly.',
  sensitivity: 'Somebody has lowered the sensitivity of anomalies since.',
};

type Split = IncidentChange & { readonly compared_days: number };

/** Stores an incident as it is known now, under its key. */
async function saveIncident(
  tx: Db,
  connectionId: string,
  incident: Incident,
  split: Split,
  isOpening: boolean,
): Promise<{ -readonly [Name in keyof Stored]: Stored[Name] }> {
  const { kind, severity, state, end, firstDay, lastDay, detectedOn, observed, expected, excess } = incident;
  const { before, after, volume, mix, price, unmatched, compared_days: compared } = split;
  const known = { kind, severity, state, end, firstDay, lastDay, detectedOn, observed, expected, excess, incident };
  const columns = { ...known, comparedDays: compared, before, after, volume, mix, price, unmatched };
  const endedAt = state === 'open' ? null : sql`now()`;
  const [stored] = await tx
    .update(incidents)
    .set({
      // What was told of an incident that is taken back stays together: its days have other numbers now.
      ...(state === 'withdrawn' ? known : columns),
      endedAt: state === 'open' ? null : sql`coalesce(${incidents.endedAt}, greatest(now(), ${incidents.openedAt}))`,
      ...(isOpening ? { openings: sql`${incidents.openings} + 1`, openedAt: sql`now()`, endedAt, noticeId: null } : {}),
    })
    .where(sql`${incidents.connectionId} = ${connectionId} and ${incidents.key} = ${incident.key}`)
    .returning(STORED);
  if (stored !== undefined) return stored;
  const [added] = await tx
    .insert(incidents)
    .values({ id: randomUUID(), connectionId, key: incident.key, ...columns, endedAt })
    .returning(STORED);
  if (added === undefined) throw new Error('a row that was inserted was not returned');
  return added;
}

const STORED = { id: incidents.id, openings: incidents.openings, noticeId: incidents.noticeId };

/** Tells of an incident that opened, and returns the id of the notice. */
async function tell(
  tx: Db,
  connectionId: string,
  { id, openings }: Stored,
  incident: Incident,
  split: Split,
): Promise<string | null> {
  const data = await noticeData(tx, connectionId, id, incident, split);
  const noticeId = await writeNotice(tx, {
    kind: 'anomaly',
    dedupeKey: `anomaly:${id}:${openings}`,
    connectionId,
    data,
  });
  await tx.update(incidents).set({ noticeId }).where(eq(incidents.id, id));
  return noticeId;
}

async function noticeData(
  tx: Db,
  connectionId: string,
  id: string,
  incident: Incident,
  change: Split,
): Promise<NoticeDataOf['anomaly']> {
  const { name } = await row(
    tx,
    z.object({ name: z.string() }),
    sql`select name from ${connections} where id = ${connectionId}`,
  );
  const { kind, direction, severity, cause, within, counterpart, firstDay, lastDay, observed, expected, excess } =
    incident;
  const names = await workspaceNames(tx, [connectionId]);
  const explore = exploreOf(connectionId, { cause, firstDay, lastDay });
  return {
    connection: { id: connectionId, name },
    anomaly: { id, kind, direction, explore },
    severity,
    cause: named(cause, names),
    within: named(within, names),
    counterpart: named(counterpart, names),
    first_day: firstDay,
    last_day: lastDay,
    observed,
    expected,
    excess,
    change,
  };
}

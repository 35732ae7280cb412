import { randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { assessConnection, assessEveryConnection, type AnomalyCounts } from '../../db/anomalies/assess.ts';
import { readSettledDays } from '../../db/anomalies/days.ts';
import { giveFeedback, listIncidents, type IncidentInfo } from '../../db/anomalies/incidents.ts';
import { setSensitivity } from '../../db/anomalies/settings.ts';
import { splitChange } from '../../db/anomalies/split.ts';
import { assess, isAssessmentDue } from '../../db/budgets/assess.ts';
import { disconnect } from '../../db/connections/disconnect.ts';
import { setStatus } from '../../db/connections/status.ts';
import { saveWorkspaces } from '../../db/connections/workspaces.ts';
import type { Db } from '../../db/core/database.ts';
import { createChannel } from '../../db/notices/channels.ts';
import { explainChanges } from '../../db/spend/changes.ts';
import { findAnomaliesHere, settledDaysOf } from '../../domain/anomalies/settled.ts';
import { addDays, daysIn, type Day } from '../../domain/days.ts';
import { addDecimals } from '../../domain/money.ts';
import { EVERYTHING } from '../../domain/notices/subscriptions.ts';
import { comparisonOf } from '../../domain/spend/compare.ts';
import { testDatabase, type TestDatabase } from '../support/postgres.ts';
import { rows } from '../support/rows.ts';
import { RING, TODAY, commitCost, commitUsage, connect, cost, count, usage } from './support.ts';

let database: TestDatabase;
let db: Db;
beforeAll(async () => {
  database = await testDatabase();
  ({ db } = database);
});
afterAll(() => database.close());
beforeEach(async () => {
  await db.execute(sql`truncate connections, channels, channel_addresses, notices, deliveries cascade`);
  await db.execute(sql`truncate anomaly_settings, assess_state`);
  const target = { kind: 'email', to: ['a@example.com'] } as const;
  await createChannel(db, RING, { name: 'Mail', target, subscriptions: EVERYTHING, actor: 'test' });
});

const SPIKE = addDays(TODAY, -1);

/** A day of a calm organization: a few dollars up and down, but for the factor on opus in one workspace. */
async function spend(id: string, day: Day, factor = 1): Promise<void> {
  const wobble = (Number(day.slice(8)) * 7) % 5;
  await commitCost(
    db,
    id,
    [
      cost(String((100 + wobble) * factor), {
        model: 'opus',
        workspace_id: 'w',
        cost_type: 'tokens',
        token_type: 'output_tokens',
      }),
      cost(String(60 + wobble), { model: 'haiku', workspace_id: 'w', cost_type: 'tokens' }),
      cost(String(40 + wobble), { model: 'haiku', cost_type: 'tokens' }),
      cost('999', { model: 'opus', currency: 'EUR' }),
    ],
    { day, today: addDays(day, 1) },
  );
  await db.execute(sql`update days set reconciled = true where connection_id = ${id} and day = ${day}`);
}

/** A connection with 60 settled days, and a spike on the last one. */
async function organization({ spikes = [SPIKE] }: { spikes?: readonly Day[] } = {}): Promise<string> {
  const { id } = await connect(db, { organization: randomUUID() });
  await setStatus(db, id, 'active');
  for (const day of daysIn({ from: addDays(TODAY, -60), to: SPIKE }))
    await spend(id, day, spikes.includes(day) ? 4 : 1);
  return id;
}

function assessed(id: string, today = TODAY): Promise<AnomalyCounts> {
  return db.transaction((tx) => assessConnection(tx, id, today, findAnomaliesHere));
}

async function only(id: string): Promise<IncidentInfo> {
  const found = await listIncidents(db, { connectionId: id }, { after: null, limit: 10 });
  expect(found).toHaveLength(1);
  const [incident] = found;
  if (incident === undefined) throw new Error('there is no incident');
  return incident;
}

const NOTHING = { opened: 0, closed: 0, withdrawn: 0 };

describe('an assessment', () => {
  it('opens a spike once, with its cause, its exact excess, and one notice', async () => {
    const id = await organization();
    await saveWorkspaces(db, id, [
      { id: 'w', name: 'Prod <b>', createdAt: null, archivedAt: null, tags: new Map(), reported: {} },
    ]);
    expect(await assessed(id)).toEqual({ opened: 1, closed: 0, withdrawn: 0 });
    const { incident, state, noticeId } = await only(id);
    expect(state).toBe('open');
    expect(incident).toMatchObject({ firstDay: SPIKE, lastDay: SPIKE, direction: 'up' });
    expect(incident.cause).toContainEqual({ dimension: 'model', value: 'opus' });
    expect(addDecimals([incident.expected, incident.excess])).toBe(incident.observed);
    expect(await assessed(id)).toEqual(NOTHING);
    expect(await rows(db, sql`select id, kind, closed_at from notices where kind = 'anomaly'`)).toEqual([
      { id: noticeId, kind: 'anomaly', closed_at: null },
    ]);
    expect(await count(db, sql`deliveries where notice_id = ${noticeId} and occasion = 'opened'`)).toBe(1);
  });

  it('that is not skipped finds the same again and changes nothing', async () => {
    const id = await organization();
    await assessed(id);
    const before = await rows(db, sql`select *, xmin::text from incidents`);
    await db.execute(sql`update anomaly_assessments set basis = 'another'`);
    expect(await assessed(id)).toEqual(NOTHING);
    expect(await rows(db, sql`select *, xmin::text from incidents`)).toEqual(before);
  });

  it('by two at once opens one incident and tells once', async () => {
    const id = await organization();
    const counts = await Promise.all([assessed(id), assessed(id), assessed(id)]);
    expect(counts.map(({ opened }) => opened).sort()).toEqual([0, 0, 1]);
    expect(await count(db, sql`incidents`)).toBe(1);
    expect(await count(db, sql`deliveries`)).toBe(1);
  });

  it('withdraws an incident that a correction undid, once, and tells those who were told why', async () => {
    const id = await organization();
    await assessed(id);
    const { noticeId } = await only(id);
    await spend(id, SPIKE);
    expect(await assessed(id)).toEqual({ opened: 0, closed: 0, withdrawn: 1 });
    expect(await assessed(id)).toEqual(NOTHING);
    await db.execute(sql`update anomaly_assessments set basis = 'another'`);
    expect(await assessed(id)).toEqual(NOTHING);
    const { state, end } = await only(id);
    expect({ state, end }).toEqual({ state: 'withdrawn', end: 'restated' });
    const [notice] = await rows(db, sql`select withdrawn_reason as reason from notices where id = ${noticeId}`);
    expect(notice).toEqual({ reason: expect.stringMatching(/^Anthropic has corrected these days/) as string });
    expect(await rows(db, sql`select occasion from deliveries order by no`)).toEqual([
      { occasion: 'opened' },
      { occasion: 'withdrawn' },
    ]);
    // The correction is taken back.
    await spend(id, SPIKE, 4);
    expect((await assessed(id)).opened).toBe(1);
    expect((await only(id)).noticeId).not.toBe(noticeId);
  });

  it('looks at settled days only, and says nothing of missing and provisional ones', async () => {
    const id = await organization();
    await db.execute(sql`update days set reconciled = false where connection_id = ${id} and day = ${SPIKE}`);
    expect(await assessed(id)).toEqual(NOTHING);
    await db.execute(
      sql`update days set reconciled = true, read_on = day where connection_id = ${id} and day = ${SPIKE}`,
    );
    expect(await assessed(id)).toEqual(NOTHING);
    expect(await assessed(id, SPIKE)).toEqual(NOTHING);
  });

  it('does not tell of what was long over when it was found', async () => {
    const id = await organization({ spikes: [addDays(TODAY, -20)] });
    expect((await assessed(id)).opened).toBe(1);
    expect(await only(id)).toMatchObject({ state: 'closed', noticeId: null });
    expect(await count(db, sql`notices where kind = 'anomaly'`)).toBe(0);
  });

  it('closes an incident and its notice once the spend is back', async () => {
    const id = await organization();
    await assessed(id);
    for (const day of daysIn({ from: TODAY, to: addDays(TODAY, 3) })) await spend(id, day);
    expect((await assessed(id, addDays(TODAY, 4))).closed).toBe(1);
    const { noticeId, state, end } = await only(id);
    expect({ state, end }).toEqual({ state: 'closed', end: 'back' });
    expect(await count(db, sql`notices where id = ${noticeId} and closed_at is not null`)).toBe(1);
  });
});

describe('feedback', () => {
  it('that it was expected closes the incident, and the same again opens none', async () => {
    const [id, other] = [await organization(), await organization()];
    await assessed(id);
    await assessed(other);
    const { id: incident, noticeId } = await only(id);
    expect(await giveFeedback(db, incident, { feedback: 'expected', note: 'A load test.', actor: 'Ada' })).toBe(true);
    expect(await assessed(id)).toEqual({ opened: 0, closed: 1, withdrawn: 0 });
    expect(await only(id)).toMatchObject({ state: 'closed', end: 'expected', feedback: { note: 'A load test.' } });
    expect(await count(db, sql`notices where id = ${noticeId} and closed_at is not null`)).toBe(1);
    for (const one of [id, other]) {
      for (const day of daysIn({ from: TODAY, to: addDays(TODAY, 5) })) await spend(one, day);
      await spend(one, addDays(TODAY, 6), 4);
    }
    const later = addDays(TODAY, 7);
    expect([(await assessed(id, later)).opened, (await assessed(other, later)).opened]).toEqual([0, 1]);
  });

  it('is due for assessment until it was assessed, and so is another sensitivity', async () => {
    const id = await organization();
    const today =
      (await rows<{ day: Day }>(db, sql`select (now() at time zone 'UTC')::date::text as day`))[0]?.day ?? TODAY;
    const settle = (): Promise<unknown> => assess(db, today);
    await assessed(id);
    await settle();
    expect(await isAssessmentDue(db)).toBe(false);
    await giveFeedback(db, (await only(id)).id, { feedback: 'real', note: null, actor: 'Ada' });
    expect(await isAssessmentDue(db)).toBe(true);
    await settle();
    expect(await isAssessmentDue(db)).toBe(false);
    await setSensitivity(db, 'low', 'Ada');
    expect(await isAssessmentDue(db)).toBe(true);
    await settle();
    await setSensitivity(db, 'low', 'Ada');
    expect(await isAssessmentDue(db)).toBe(false);
  });

  it('on an incident that is not there is not stored', async () => {
    expect(await giveFeedback(db, randomUUID(), { feedback: 'real', note: null, actor: 'Ada' })).toBe(false);
  });
});

describe('the end of a connection', () => {
  it('closes its incidents, and a purge deletes them with their notices', async () => {
    const id = await organization();
    await assessed(id);
    await giveFeedback(db, (await only(id)).id, { feedback: 'real', note: null, actor: 'Ada' });
    await disconnect(db, id, false);
    expect(await only(id)).toMatchObject({ state: 'closed', end: 'disconnected' });
    expect(await db.transaction((tx) => assessEveryConnection(tx, TODAY, findAnomaliesHere))).toEqual({
      ...NOTHING,
      left: 0,
    });
    await disconnect(db, id, true);
    for (const table of ['incidents', 'incident_feedback', 'anomaly_assessments', 'notices', 'deliveries']) {
      expect([table, await count(db, sql`${sql.identifier(table)}`)]).toEqual([table, 0]);
    }
  });
});

describe('what is read', () => {
  it('is every settled day with groups in US dollars that add up to its total', async () => {
    const id = await organization();
    const days = settledDaysOf(await db.transaction((tx) => readSettledDays(tx, id, TODAY)));
    expect(days.map(({ day }) => day)).toEqual(daysIn({ from: addDays(TODAY, -60), to: SPIKE }));
    for (const { total, groups } of days) {
      expect(groups).toHaveLength(3);
      expect(addDecimals(groups.map(({ usd }) => usd))).toBe(total);
    }
    expect(new Set(days.flatMap(({ groups }) => groups.map(({ dimensions }) => dimensions))).size).toBe(3);
  });

  it('splits a change as /v1/costs/changes does', async () => {
    const { id } = await connect(db, { organization: randomUUID() });
    const [before, now] = [addDays(TODAY, -3), addDays(TODAY, -2)];
    const at = { model: 'opus', workspace_id: 'w' };
    const line = (usd: string, type: string) => cost(usd, { ...at, cost_type: 'tokens', token_type: type });
    await commitCost(db, id, [line('3', 'output_tokens'), line('1', 'uncached_input_tokens'), cost('0.5', at)], {
      day: before,
    });
    await commitCost(db, id, [line('7', 'output_tokens'), line('5', 'uncached_input_tokens'), cost('2', at)], {
      day: now,
    });
    await commitUsage(db, id, [usage({ output_tokens: 300, uncached_input_tokens: 700 }, at)], { day: before });
    await commitUsage(db, id, [usage({ output_tokens: 500, uncached_input_tokens: 3100 }, at)], { day: now });
    const split = await splitChange(db, id, [{ dimension: 'model', value: 'opus' }], { now: [now], before: [before] });
    const range = { from: now, to: now };
    const { totals } = await explainChanges(db, {
      ...range,
      today: TODAY,
      filters: [{ dimension: 'connection', excludes: false, values: [id] }],
      groupBy: [],
      order: 'key',
      comparison: comparisonOf(range, 'previous', null),
      after: null,
      limit: 10,
    });
    expect(split).toEqual(totals.total);
    expect(split.volume).not.toBe('0');
    expect(split.mix).not.toBe('0');
    expect(split.unmatched).toBe('1.5');
    const none = await splitChange(db, id, [{ dimension: 'model', value: null }], { now: [now], before: [before] });
    expect(none).toMatchObject({ before: '0', after: '0', change: '0' });
  });
});

import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { disconnect } from '../../db/connections/disconnect.ts';
import { daysIn, type Day, type DayRange } from '../../domain/days.ts';
import { commitCost, cost } from '../db/support.ts';
import { sumOf, textOf, unitsOf } from '../spend/decimal.ts';
import { doubtsOf, lives, on, storeLives, type Life } from './lives.ts';
import { NOW, TODAY, seedConnection, seedCovered, seedDay, startApi, type Answer, type Api } from './support.ts';

let api: Api;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.close());
beforeEach(() => api.db.execute(sql`truncate connections cascade`));

const COUNTS = ['provisional_days', 'missing_days', 'uncovered_days'] as const;

function queryOf({ from, to }: DayRange, ids: readonly string[]): string {
  return [`from=${from}`, `to=${to}`, ...ids.map((id) => `connection_id=${id}`)].join('&');
}

/** The coverage of a range, which counts the same days as its costs. */
async function coverage(range: DayRange, ids: readonly string[] = []): Promise<Answer['body']> {
  const { status, body } = await api.get(`/v1/coverage?${queryOf(range, ids)}`);
  expect(status).toBe(200);
  const costs = await api.get(`/v1/costs?${queryOf(range, ids)}`);
  for (const name of COUNTS) expect(body[name], name).toBe(costs.body[name]);
  return body;
}

/** What a row should be, by a check of its day. */
function rowOf(drawn: readonly Life[], day: Day): unknown {
  const { doubts, counted } = doubtsOf(drawn, day);
  const restated = counted.filter(({ totals }) => totals.length > 1);
  const sum = (place: 0 | -1): bigint => sumOf(restated.map(({ totals }) => unitsOf(totals.at(place) ?? '')));
  const times = restated.map(({ totals }) => totals.length - 1);
  return {
    day,
    state: (['missing', 'uncovered', 'provisional'] as const).find((doubt) => doubts.has(doubt)) ?? 'final',
    flagged: counted.some(({ isFlagged }) => isFlagged),
    restated:
      restated.length === 0
        ? null
        : {
            before: textOf(sum(0)),
            after: textOf(sum(-1)),
            changed: textOf(sum(-1) - sum(0)),
            at: new Date(NOW + Math.max(...times) - 1).toISOString(),
            times: times.reduce((all, one) => all + one, 0),
          },
  };
}

describe('GET /v1/coverage', () => {
  it('has a row for every day of the range, and the counts of /v1/costs, whatever connections there are', async () => {
    await fc.assert(
      fc.asyncProperty(
        lives,
        fc.integer({ min: -14, max: 2 }),
        fc.integer({ min: 0, max: 14 }),
        fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }),
        async (drawn, start, length, chosen) => {
          await api.db.execute(sql`truncate connections cascade`);
          const ids = await storeLives(api.db, drawn);
          const range = { from: on(start), to: on(start + length) };
          const check = async (of: readonly Life[], asked: readonly string[]): Promise<void> => {
            const { data, from, to } = await coverage(range, asked);
            expect({ from, to }).toEqual(range);
            expect(data).toEqual(daysIn(range).map((day) => rowOf(of, day)));
          };
          await check(drawn, []);
          const isChosen = (_: unknown, place: number): boolean => chosen[place] === true;
          const some = ids.filter(isChosen);
          if (some.length > 0) await check(drawn.filter(isChosen), some);
        },
      ),
      { numRuns: 80, seed: 11 },
    );
  });

  it('names a day missing if it is missing in one organization and uncovered in another', async () => {
    const older = await seedConnection(api.db, { began: on(-3) });
    const younger = await seedConnection(api.db, { began: on(-1) });
    for (const id of [older, younger]) await seedCovered(api.db, id, on(-1), TODAY);
    const { data, ...counts } = await coverage({ from: on(-4), to: TODAY });
    expect(data.map(({ state }) => state)).toEqual(['uncovered', 'missing', 'missing', 'final', 'final']);
    expect(counts).toMatchObject({ provisional_days: 0, missing_days: 2, uncovered_days: 3 });
  });

  it('sums what was restated over connections, exactly, from the first total to the last', async () => {
    const [one, other] = [await seedConnection(api.db), await seedConnection(api.db)];
    const day = on(-10);
    for (const amount of ['0.1', '0.25', '0.3']) await commitCost(api.db, one, [cost(amount)], { day, today: TODAY });
    for (const amount of ['10', '9.7']) await commitCost(api.db, other, [cost(amount)], { day, today: TODAY });
    const rowOfDay = async (ids: string[]): Promise<unknown> => (await coverage({ from: day, to: day }, ids)).data[0];
    const at: unknown = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(await rowOfDay([])).toMatchObject({
      restated: { before: '10.1', after: '10', changed: '-0.1', at, times: 3 },
    });
    expect(await rowOfDay([one])).toMatchObject({
      restated: { before: '0.1', after: '0.3', changed: '0.2', at, times: 2 },
    });
  });

  it('shows lines that moved within a day as a restatement that changed nothing', async () => {
    const id = await seedConnection(api.db);
    for (const model of ['a', 'b']) {
      await commitCost(api.db, id, [cost('1', { model })], { day: on(-10), today: TODAY });
    }
    const { data } = await coverage({ from: on(-10), to: on(-10) });
    expect(data[0]).toMatchObject({ restated: { before: '1', after: '1', changed: '0', times: 1 } });
  });

  it('does not show the growth of today as a restatement, nor what was restated in usage', async () => {
    const id = await seedConnection(api.db);
    for (const amount of ['1', '2']) await commitCost(api.db, id, [cost(amount)], { day: TODAY, today: TODAY });
    await seedDay(api.db, id, 'usage', TODAY);
    await api.db.execute(sql`
      insert into restatements (connection_id, report, day, before, after, lines_added, lines_removed, lines_changed, sync)
      values (${id}, 'usage', ${TODAY}, 1, 2, 0, 0, 1, 1)
    `);
    const { data } = await coverage({ from: TODAY, to: TODAY });
    expect(data).toEqual([{ day: TODAY, state: 'provisional', flagged: false, restated: null }]);
  });

  it('takes flags and restatements of a reconnected organization from the connection that counts', async () => {
    const organization = randomUUID();
    const day = on(-5);
    const old = await seedConnection(api.db, { organization, createdAt: new Date(NOW - 1) });
    await seedDay(api.db, old, 'cost', day, { state: 'provisional', disagreesWith: '3' });
    await api.db.execute(sql`
      insert into restatements (connection_id, report, day, before, after, lines_added, lines_removed, lines_changed, sync)
      values (${old}, 'cost', ${day}, 1, 2, 0, 0, 1, 1)
    `);
    await disconnect(api.db, old, false);
    const rowOfDay = async (ids: string[] = []): Promise<unknown> =>
      (await coverage({ from: day, to: day }, ids)).data[0];
    const ofOld = { state: 'provisional', flagged: true, restated: { before: '1', after: '2', times: 1 } };
    expect(await rowOfDay()).toMatchObject(ofOld);
    const now = await seedConnection(api.db, { organization, createdAt: new Date(NOW), began: on(-6) });
    expect(await rowOfDay()).toMatchObject(ofOld);
    await seedDay(api.db, now, 'cost', day);
    expect(await rowOfDay()).toEqual({ day, state: 'final', flagged: false, restated: null });
    expect(await rowOfDay([old])).toMatchObject(ofOld);
  });

  it('takes ranges and connections as /v1/costs does, with the same refusals', async () => {
    const id = await seedConnection(api.db);
    const taken = await api.get('/v1/coverage');
    expect(taken.body).toMatchObject({ from: on(-30), to: TODAY });
    expect(taken.body.data).toHaveLength(31);
    expect((await api.get(`/v1/coverage?from=${on(-1099)}`)).body.data).toHaveLength(1100);
    for (const query of [
      `from=${on(-1100)}`,
      `from=${on(1)}`,
      `from=${on(-1)}&to=${on(-2)}`,
      'from=2026-02-30',
      `from=${TODAY}&from=${TODAY}`,
      `connection_id=${randomUUID()}`,
      `connection_id=${id}&connection_id=x`,
      'connection_id=',
    ]) {
      const [{ body: ours, status }, { body: theirs }] = [
        await api.get(`/v1/coverage?${query}`),
        await api.get(`/v1/costs?${query}`),
      ];
      expect(status, query).toBe(query.startsWith('connection_id') ? 404 : 400);
      expect({ ...ours, request_id: null }, query).toEqual({ ...theirs, request_id: null });
    }
    expect((await api.get('/v1/coverage?model=a')).status).toBe(400);
    const without = await api.get(`/v1/coverage?not.connection_id=${id}`);
    expect(without.body).toMatchObject({ missing_days: 0, uncovered_days: 31 });
  });

  it('may be read by a viewer', async () => {
    const { body } = await api.send('POST', '/v1/tokens', { name: 'Eyes', role: 'viewer' });
    const { token } = body as unknown as { token: string };
    expect((await api.get('/v1/coverage', token)).status).toBe(200);
    expect((await api.get('/v1/coverage', null)).status).toBe(401);
  });
});

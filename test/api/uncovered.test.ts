import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { disconnect } from '../../db/connections/disconnect.ts';
import type { DayRange } from '../../domain/days.ts';
import { countsOf, lives, on, storeLives, type Counts } from './lives.ts';
import { NOW, TODAY, seedConnection, seedCovered, seedDay, startApi, type Api } from './support.ts';

let api: Api;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.close());
beforeEach(() => api.db.execute(sql`truncate connections cascade`));

async function counts(range: DayRange, id?: string, report = 'costs'): Promise<Counts> {
  const of = id === undefined ? '' : `&connection_id=${id}`;
  const { status, body } = await api.get(`/v1/${report}?from=${range.from}&to=${range.to}${of}`);
  expect(status).toBe(200);
  return { provisional: body.provisional_days, missing: body.missing_days, uncovered: body.uncovered_days };
}

const lastTen: DayRange = { from: on(-9), to: TODAY };

/** A connection that has every day from where it began to today or to its end. */
async function whole(
  began: number,
  { ended, organization, age = 1 }: { ended?: number; organization?: string; age?: number } = {},
): Promise<string> {
  const id = await seedConnection(api.db, {
    began: on(began),
    backfillTo: TODAY,
    createdAt: new Date(NOW - age * 86_400_000),
    ...(organization === undefined ? {} : { organization }),
    ...(ended === undefined ? {} : { status: 'disconnected', endedAt: new Date(`${on(ended)}T12:00:00Z`) }),
  });
  await seedCovered(api.db, id, on(began), on(ended ?? 0));
  return id;
}

describe('uncovered days', () => {
  it('are uncovered before the connection began, and after today, in both reports', async () => {
    const id = await whole(-4);
    for (const report of ['costs', 'usage']) {
      for (const asked of [undefined, id]) {
        expect(await counts(lastTen, asked, report)).toEqual({ provisional: 0, missing: 0, uncovered: 5 });
        const around = { from: on(-6), to: on(3) };
        expect(await counts(around, asked, report)).toEqual({ provisional: 0, missing: 0, uncovered: 5 });
        const before = { from: on(-100), to: on(-50) };
        expect(await counts(before, asked, report)).toEqual({ provisional: 0, missing: 0, uncovered: 51 });
        const future = { from: on(1), to: on(7) };
        expect(await counts(future, asked, report)).toEqual({ provisional: 0, missing: 0, uncovered: 7 });
      }
    }
  });

  it('are all days while there is no connection, or only refused and purged ones', async () => {
    const none = { provisional: 0, missing: 0, uncovered: 10 };
    expect(await counts(lastTen)).toEqual(none);
    const refused = await seedConnection(api.db, { status: 'refused', organization: null, began: on(-9) });
    const purged = await whole(-9, { ended: 0 });
    await disconnect(api.db, purged, true);
    for (const asked of [undefined, refused, purged]) expect(await counts(lastTen, asked)).toEqual(none);
  });

  it('include days that one live connection lacks, though another has them', async () => {
    await whole(-9);
    const younger = await whole(-2);
    expect(await counts(lastTen)).toMatchObject({ uncovered: 7 });
    await disconnect(api.db, younger, true);
    expect(await counts(lastTen)).toMatchObject({ uncovered: 0 });
  });

  it('exclude days after the end of a connection that another one has', async () => {
    const ended = await whole(-9, { ended: -5 });
    expect(await counts(lastTen)).toMatchObject({ uncovered: 5, missing: 0 });
    await whole(-9);
    expect(await counts(lastTen)).toMatchObject({ uncovered: 0, missing: 0 });
    expect(await counts(lastTen, ended)).toMatchObject({ uncovered: 5, missing: 0 });
  });

  it('include days before an ended connection began, though another one has them', async () => {
    await whole(-9);
    await whole(-7, { ended: -5 });
    expect(await counts(lastTen)).toMatchObject({ uncovered: 2 });
  });

  it('are the gap between two connections of an organization, and no day of the earlier one', async () => {
    const organization = randomUUID();
    const earlier = await whole(-9, { ended: -6, organization, age: 2 });
    const later = await whole(-3, { organization });
    expect(await counts(lastTen)).toEqual({ provisional: 0, missing: 0, uncovered: 2 });
    expect(await counts(lastTen, earlier)).toMatchObject({ uncovered: 6 });
    expect(await counts(lastTen, later)).toMatchObject({ uncovered: 6 });
    await disconnect(api.db, earlier, true);
    expect(await counts(lastTen)).toMatchObject({ uncovered: 6 });
  });

  it('are never missing, and missing days are never uncovered', async () => {
    const id = await seedConnection(api.db, { began: on(-4) });
    await seedDay(api.db, id, 'cost', on(-2), { state: 'provisional' });
    expect(await counts({ from: on(-9), to: on(9) }, id)).toEqual({ provisional: 1, missing: 4, uncovered: 14 });
  });

  it('are counted also if the clock of the API is behind the beginning of a connection', async () => {
    await seedConnection(api.db, { began: on(1), backfillTo: on(1) });
    expect(await counts(lastTen)).toEqual({ provisional: 0, missing: 0, uncovered: 10 });
  });
});

describe('a newer connection of an organization', () => {
  it('does not make a day missing that the older connection has', async () => {
    const organization = randomUUID();
    await whole(-9, { ended: -5, organization, age: 2 });
    const newer = await seedConnection(api.db, { began: on(-9), organization, createdAt: new Date(NOW) });
    await seedDay(api.db, newer, 'cost', on(-1), { state: 'provisional' });
    expect(await counts(lastTen)).toEqual({ provisional: 1, missing: 4, uncovered: 0 });
    expect(await counts(lastTen, newer)).toEqual({ provisional: 1, missing: 9, uncovered: 0 });
  });

  it('decides whether a day that both have may still change', async () => {
    const organization = randomUUID();
    const older = await seedConnection(api.db, {
      ...{ status: 'disconnected', began: on(-9), organization, createdAt: new Date(NOW - 1) },
      endedAt: new Date(`${on(-8)}T12:00:00Z`),
    });
    for (const offset of [-9, -8]) await seedDay(api.db, older, 'cost', on(offset), { state: 'provisional' });
    const newer = await seedConnection(api.db, { began: on(-9), organization, createdAt: new Date(NOW) });
    await seedDay(api.db, newer, 'cost', on(-8), { state: 'final' });
    expect(await counts({ from: on(-9), to: on(-8) })).toEqual({ provisional: 1, missing: 0, uncovered: 0 });
  });
});

describe('whatever connections there are', () => {
  it('count as many provisional, missing and uncovered days as a check of each day', async () => {
    await fc.assert(
      fc.asyncProperty(
        lives,
        fc.integer({ min: -14, max: 2 }),
        fc.integer({ min: 0, max: 14 }),
        async (drawn, start, length) => {
          await api.db.execute(sql`truncate connections cascade`);
          const ids = await storeLives(api.db, drawn);
          const range = { from: on(start), to: on(start + length) };
          expect(await counts(range)).toEqual(countsOf(drawn, range));
          for (const [index, one] of drawn.entries()) {
            expect(await counts(range, ids[index])).toEqual(countsOf([one], range));
          }
        },
      ),
      { numRuns: 60, seed: 7 },
    );
  });
});

import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { addDays, daysBetween, daysIn, type Day } from '../../domain/days.ts';
import { addDecimals, toDecimal, type Decimal } from '../../domain/money.ts';
import { seedConnection, seedCostDay, startApi, type Api, type SeedLine } from './support.ts';

/** The days of this month are partly over. */
const NOW_ON_THE_TENTH = Date.parse('2026-07-10T12:00:00Z');
const TENTH: Day = '2026-07-10';
const UNKNOWN = '0b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b';

let api: Api;
beforeAll(async () => {
  api = await startApi({ now: () => NOW_ON_THE_TENTH });
});
afterAll(() => api.close());
beforeEach(() => api.db.execute(sql`truncate connections cascade`));

/** A connection with settled days up to yesterday, and part of today. */
async function spending(linesOf: (index: number) => readonly SeedLine[], days = 40): Promise<string> {
  const began = addDays(TENTH, -days);
  const id = await seedConnection(api.db, { withKey: true, began, backfillTo: TENTH });
  for (const day of daysIn({ from: began, to: addDays(TENTH, -1) })) {
    await seedCostDay(api.db, id, day, linesOf(daysBetween(began, day)));
  }
  await api.db.execute(sql`update days set reconciled = true, state = 'final', read_on = day + 4`);
  return id;
}

interface Expected {
  readonly mean: string;
  readonly low: string;
  readonly high: string;
}
interface Forecast {
  readonly spent: string;
  readonly reason: string | null;
  readonly backtest: { readonly origins: number; readonly error: number; readonly coverage: number } | null;
  readonly days: readonly (Expected & { readonly day: string; readonly kind: string })[];
  readonly total: Expected;
  readonly data: readonly {
    share: number;
    spent: string;
    total: Expected;
    days: readonly Expected[];
    model?: string;
  }[];
  readonly other?: { groups: number; share: number; spent: string; total: Expected };
}

async function forecast(query = ''): Promise<Forecast> {
  const { status, body, text } = await api.get(`/v1/forecast${query}`);
  expect([status, body.detail]).toEqual([200, undefined]);
  return JSON.parse(text) as Forecast;
}

const sum = (amounts: readonly string[]): Decimal => addDecimals(amounts.map(toDecimal));
const parts = ['mean', 'low', 'high'] as const;

describe('a forecast of the month', () => {
  it('is what was spent, exactly, and what settled days lead to expect of the rest', async () => {
    await spending((index) => [{ model: 'a', amount: index % 7 < 5 ? '10.0000001' : '2' }]);
    const body = await forecast();
    expect(body).toMatchObject({
      from: '2026-07-01',
      through: '2026-07-31',
      basis: '2026-07-09',
      reason: null,
      missing_days: 0,
      is_lower_bound: false,
      data: [],
      group_by: [],
    });
    expect(body.days.map(({ kind }) => kind)).toEqual(
      Array.from({ length: 31 }, (_, index) => (index < 9 ? 'actual' : 'forecast')),
    );
    const actual = body.days.filter(({ kind }) => kind === 'actual');
    for (const { mean, low, high } of actual) expect([low, high]).toEqual([mean, mean]);
    expect(sum(actual.map(({ mean }) => mean))).toBe(body.spent);
    expect(sum(body.days.map(({ mean }) => mean))).toBe(body.total.mean);
    // A series that repeats itself each week is known to the cent, but for what a band adds.
    const truth = daysIn({ from: '2026-07-01', to: '2026-07-31' }).map((day) =>
      daysBetween(addDays(TENTH, -40), day) % 7 < 5 ? 10.0000001 : 2,
    );
    const whole = truth.reduce((total, usd) => total + usd, 0);
    expect(Math.abs(Number(body.total.mean) - whole)).toBeLessThan(whole * 0.02);
    expect(Number(body.total.low)).toBeLessThanOrEqual(Number(body.total.mean));
    expect(Number(body.total.high)).toBeGreaterThanOrEqual(Number(body.total.mean));
  });

  it('is the same whatever it is grouped by, and the groups add up to it, with the ones that are not shown', async () => {
    await spending((index) => [
      { model: 'a', workspace_id: 'wrkspc_1', amount: `${10 + (index % 3)}.001` },
      { model: 'b', amount: '3.333' },
      ...(index < 20 ? [{ model: 'gone', amount: '1' }] : []),
    ]);
    const whole = await forecast();
    for (const query of [
      '?group_by=model',
      '?group_by=workspace,model',
      '?group_by=model&limit=1',
      '?group_by=tag.team',
    ]) {
      const { total, data, other, days } = await forecast(query);
      expect([total, days]).toEqual([whole.total, whole.days]);
      const groups = [...data, ...(other === undefined ? [] : [other])];
      for (const part of parts) expect(sum(groups.map((group) => group.total[part]))).toBe(total[part]);
      expect(sum(groups.map(({ spent }) => spent))).toBe(whole.spent);
      expect(groups.reduce((shares, { share }) => shares + share, 0)).toBeCloseTo(1, 9);
      expect([data.length, other?.groups ?? 0]).toEqual(query.includes('limit') ? [1, 2] : [data.length, 0]);
    }
    const { data } = await forecast('?group_by=model');
    expect(data.map(({ model }) => model)).toEqual(['a', 'b', 'gone']);
    expect(data.map(({ days }) => days.length)).toEqual([22, 22, 22]);
  });

  it('counts only what the filters let through', async () => {
    const id = await spending(() => [
      { model: 'a', amount: '5' },
      { model: 'b', amount: '1' },
    ]);
    expect((await forecast('?model=a')).total.mean).toBe('155');
    expect((await forecast('?not.model=a')).total.mean).toBe('31');
    expect((await forecast(`?connection_id=${id}&model=c`)).total.mean).toBe('0');
    const unknown = await api.get(`/v1/forecast?connection_id=${UNKNOWN}`);
    expect([unknown.status, unknown.body.errors[0]?.path]).toEqual([404, 'query.connection_id']);
  });

  it('leads through a day that is asked for, beyond the month too', async () => {
    await spending(() => [{ amount: '2' }]);
    const [today, later] = [await forecast(`?through=${TENTH}`), await forecast('?through=2026-09-30')];
    expect([today.total.mean, later.total.mean]).toEqual(['20', '184']);
    expect(later.days.at(-1)?.day).toBe('2026-09-30');
    for (const [through, expected] of [
      ['2026-07-09', 409],
      ['2027-07-12', 409],
      ['quarter_end', 400],
      ['2026-02-30', 400],
    ] as const) {
      const { status, body } = await api.get(`/v1/forecast?through=${through}`);
      expect([status, body.errors[0]?.path]).toEqual([expected, 'query.through']);
    }
    expect((await api.get('/v1/forecast?through=2027-07-11')).status).toBe(200);
  });

  it('is none under 14 settled days, and says so; days that are read are shown all the same', async () => {
    await spending(() => [{ amount: '2' }], 13);
    const body = await forecast('?group_by=model');
    expect(body).toMatchObject({ method: null, basis: null, backtest: null, total: null, data: [], spent: '18' });
    expect(body.reason).toBe('A forecast needs 14 settled days, and there are 13.');
    expect(body.days.map(({ kind }) => kind)).toEqual(Array.from({ length: 9 }, () => 'actual'));
  });

  it('never learns from a day that is not over, and never says less than what is read of one', async () => {
    const id = await spending(() => [{ amount: '2' }]);
    const before = await forecast();
    await seedCostDay(api.db, id, TENTH, [{ amount: '1' }], 'provisional');
    await api.db.execute(sql`update days set read_on = day where day = ${TENTH}`);
    expect((await forecast()).total).toEqual(before.total);
    await api.db.execute(sql`delete from days where day = ${TENTH}`);
    await seedCostDay(api.db, id, TENTH, [{ amount: '50.001' }], 'provisional');
    await api.db.execute(sql`update days set read_on = day where day = ${TENTH}`);
    const after = await forecast();
    expect(after.days.find(({ day }) => day === TENTH)).toMatchObject({
      kind: 'forecast',
      mean: '50.01',
      low: '50.01',
    });
    expect(Number(after.total.mean) - Number(before.total.mean)).toBeCloseTo(48.01, 9);
    expect(after).toMatchObject({ provisional_days: 1, spent: '68.001' });
  });

  it('is none while a day of the month is missing: it is never taken for zero', async () => {
    await spending(() => [{ amount: '2' }]);
    await api.db.execute(sql`delete from days where day = '2026-07-05'`);
    const body = await forecast();
    expect(body).toMatchObject({ method: null, total: null, missing_days: 1, is_lower_bound: true, spent: '16' });
    expect(body.reason).toBe('A day of the period must be read first.');
    expect(body.days.map(({ day }) => day)).not.toContain('2026-07-05');
  });

  it('says how well it would have done on the past of this very series', async () => {
    await spending((index) => [{ amount: String(5 + (index % 5)) }], 100);
    const { backtest } = await forecast();
    expect(backtest?.origins).toBeGreaterThan(5);
    for (const share of [backtest?.error, backtest?.coverage]) {
      expect(share).toBeGreaterThanOrEqual(0);
      expect(share).toBeLessThanOrEqual(1);
    }
  });

  it('refuses groups that it cannot be shared by, and names the parameter', async () => {
    for (const group of ['day', 'description', 'currency', 'model,model']) {
      const { status, body } = await api.get(`/v1/forecast?group_by=${group}`);
      expect([status, body.errors[0]?.path]).toEqual([400, 'query.group_by']);
    }
  });
});

import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { assess } from '../../db/budgets/assess.ts';
import { createBudget } from '../../db/budgets/budgets.ts';
import { disconnect } from '../../db/connections/disconnect.ts';
import { addDays, dayOf, daysIn, type Day } from '../../domain/days.ts';
import { toDecimal } from '../../domain/money.ts';
import { monthOf } from '../../domain/months.ts';
import { rows } from '../support/rows.ts';
import { seedConnection, seedCostDay, startApi, type Api } from './support.ts';

/** The views ask Postgres for the day, so these tests live today. */
const NOW = Date.now();
const TODAY = dayOf(NOW);

let api: Api;
beforeAll(async () => {
  api = await startApi({ now: () => NOW });
});
afterAll(() => api.close());
beforeEach(() => api.db.execute(sql`truncate connections, budgets, notices, assess_state cascade`));

/** A connection whose days are settled up to yesterday; today is read in part, and costs more than expected already. */
async function spending(days: number, organization?: string): Promise<string> {
  const began = addDays(TODAY, -days);
  const id = await seedConnection(api.db, {
    began,
    backfillTo: TODAY,
    ...(organization === undefined ? {} : { organization }),
  });
  for (const [index, day] of daysIn({ from: began, to: addDays(TODAY, -1) }).entries()) {
    await seedCostDay(api.db, id, day, [{ model: 'a', amount: `${10 + (index % 7)}.125` }]);
  }
  await api.db.execute(sql`update days set read_on = day + 4`);
  await seedCostDay(api.db, id, TODAY, [{ model: 'a', amount: '1000.005' }], 'provisional');
  await api.db.execute(sql`
    update days d set total = (select coalesce(sum(amount), 0) from cost_lines l where l.day_no = d.day_no)
  `);
  return id;
}

async function create(given: object): Promise<string> {
  const budget = { filters: {}, period: 'month', amount: '5000', thresholds: [{ of: 'actual', percent: '50' }] };
  const { status, body } = await api.send('POST', '/v1/budgets', { ...budget, ...given });
  expect([status, body.detail]).toEqual([201, undefined]);
  return body.id;
}

type Row = Record<string, unknown>;

/** The budget as the API says it, in the columns of the view. */
async function replied(id: string): Promise<Row> {
  const reply = (await api.get(`/v1/budgets/${id}`)).text;
  const { name, current, amount, spent, percent, forecast } = JSON.parse(reply) as {
    readonly name: string;
    readonly current: { readonly from: Day; readonly to: Day };
    readonly amount: string;
    readonly spent: string;
    readonly percent: string;
    readonly forecast: Row;
  };
  const { mean, low, high, method, reason, made_on: madeOn } = forecast;
  return { name, ...current, amount, spent, percent, mean, low, high, method, reason, made_on: madeOn };
}

async function viewed(id: string): Promise<Row> {
  const [found = {}] = await rows<Row>(
    api.db,
    sql`
      select budget_name as name, period_from::text as "from", period_to::text as "to", trim_scale(amount)::text as amount,
        trim_scale(spent)::text as spent, trim_scale(spent_percent)::text as percent,
        forecast::text as mean, forecast_low::text as low, forecast_high::text as high, method, reason, made_on::text
      from budget_status where budget_id = ${id}
    `,
  );
  return found;
}

const NOTHING = {
  spent: null,
  percent: null,
  mean: null,
  low: null,
  high: null,
  method: null,
  reason: null,
  made_on: null,
};

describe('budget_status', () => {
  it.each(['month', 'quarter', 'year'])('says of a %s what the API says, once it is assessed', async (period) => {
    await spending(60);
    const id = await create({ name: 'All', period });
    const { from, to, amount } = await replied(id);
    expect(await viewed(id)).toEqual({ name: 'All', from, to, amount, ...NOTHING });
    await assess(api.db, TODAY);
    const said = await replied(id);
    expect(await viewed(id)).toEqual(said);
    expect(said).toMatchObject({ made_on: TODAY, reason: null });
    // Today is read in part, and the forecast is not below it.
    expect(Number(said['mean'])).toBeGreaterThanOrEqual(Number(said['spent']));

    // What was judged of a budget that a person changed since says nothing of it.
    await api.send('PATCH', `/v1/budgets/${id}`, { amount: '300' });
    expect(await viewed(id)).toEqual({ name: 'All', from, to, amount: '300', ...NOTHING });
    await assess(api.db, TODAY);
    expect(await viewed(id)).toEqual(await replied(id));
    await api.send('DELETE', `/v1/budgets/${id}`);
    expect(await viewed(id)).toEqual({});
  });

  it('says what is spent, and the last day that is read, though nothing can be forecast', async () => {
    await spending(3);
    const id = await create({ name: 'Short', period: 'year' });
    await assess(api.db, TODAY);
    const said = await replied(id);
    expect(said).toMatchObject({ method: null, mean: null });
    expect(await viewed(id)).toEqual(said);
    expect(said['reason']).toMatch(/settled/);
    const read = sql`select spent_through::text as through, forecast_percent from budget_status`;
    expect(await rows(api.db, read)).toEqual([{ through: TODAY, forecast_percent: null }]);

    const none = await create({ name: 'Nothing', filters: { model: 'nothing' }, period: 'year' });
    await assess(api.db, TODAY);
    expect(await viewed(none)).toEqual(await replied(none));
    await api.db.execute(sql`truncate connections cascade`);
    await assess(api.db, TODAY);
    expect(await rows(api.db, sql`select spent::text, spent_through from budget_status`)).toEqual([
      { spent: '0', spent_through: null },
      { spent: '0', spent_through: null },
    ]);
  });

  it('keeps what is spent up to date of a period that is over, as long as corrections may change it', async () => {
    const connection = await spending(60);
    const period = { from: addDays(TODAY, -20), to: addDays(TODAY, -2) };
    const id = await createBudget(
      api.db,
      {
        ...{ name: 'Fixed', scope: { filters: [] }, period, amount: toDecimal('100'), channels: [] },
        ...{ thresholds: [{ of: 'actual', percent: toDecimal('50'), usd: null }], createdOn: period.from },
      },
      'test',
    );
    const within = addDays(period.to, -5);
    await assess(api.db, within);
    expect(await viewed(id)).toMatchObject({ from: period.from, to: period.to, made_on: within });
    await api.db.execute(sql`
      update cost_rollup r set amount = amount + 5000 from days d
      where d.day_no = r.day_no and d.day = ${period.to} and d.connection_id = ${connection}
    `);
    await api.db.execute(sql`update assess_state set assessed_on = ${TODAY}`);
    await assess(api.db, TODAY);
    const { spent, percent } = await viewed(id);
    const said = await replied(id);
    expect([spent, percent]).toEqual([said['spent'], said['percent']]);
    expect(Number(spent)).toBeGreaterThan(5000);
    // The forecast stays the one that was made while the period ran.
    expect(await viewed(id)).toMatchObject({ made_on: within });
  });
});

describe('monthly_forecasts', () => {
  const found = (): Promise<Row[]> =>
    rows<Row>(
      api.db,
      sql`
        select connection_name, organization_name, month, made_on::text, basis_day::text as basis, method, reason,
          forecast::text as mean, forecast_low::text as low, forecast_high::text as high
        from monthly_forecasts order by month, connection_name
      `,
    );

  it('has the last forecast of a month and connection, as GET /v1/forecast says it, until a purge', async () => {
    const id = await spending(60);
    await assess(api.db, TODAY);
    const { method, basis, total } = JSON.parse((await api.get(`/v1/forecast?connection_id=${id}`)).text) as {
      readonly method: string;
      readonly basis: Day;
      readonly total: { readonly mean: string; readonly low: string; readonly high: string };
    };
    const month = monthOf(TODAY);
    const names = { connection_name: 'Acme', organization_name: 'Acme Inc.', reason: null };
    expect(await found()).toEqual([{ ...names, month, made_on: TODAY, basis, method, ...total }]);

    // An earlier forecast of the same month, and one of the month before.
    await api.db.execute(sql`
      insert into forecasts (connection_id, from_day, to_day, made_on, method, basis_day, mean, low, high, band, spent, spent_through,
        shown_mean, shown_low, shown_high)
      values (${id}, '2024-02-01', '2024-02-29', '2024-02-10', 'mean', '2024-02-09', 5, 4, 6, '[]', 1, '2024-02-09', 5, 4, 6),
        (${id}, '2024-02-01', '2024-02-29', '2024-02-11', 'mean', '2024-02-10', 7, 6, 8, '[]', 2, '2024-02-10', 9, 8, 10)
    `);
    const last = { made_on: '2024-02-11', basis: '2024-02-10', method: 'mean', mean: '9', low: '8', high: '10' };
    expect((await found())[0]).toEqual({ ...names, month: '2024-02', ...last });

    await disconnect(api.db, id, false);
    expect(await found()).toHaveLength(2);
    await disconnect(api.db, id, true);
    expect(await found()).toEqual([]);
    expect(await rows(api.db, sql`select from forecasts where connection_id = ${id}`)).toEqual([]);
  });

  it('has one row for a month in which an organization was connected again: that of the newest connection', async () => {
    const id = await spending(60);
    await assess(api.db, TODAY);
    const [before] = await found();
    const organization = await rows<{ id: string }>(
      api.db,
      sql`select organization_id as id from connections where id = ${id}`,
    );
    await disconnect(api.db, id, false);
    const again = await spending(40, organization[0]?.id);
    await assess(api.db, TODAY);
    expect(await found()).toHaveLength(1);
    expect(await rows(api.db, sql`select connection_id from monthly_forecasts`)).toEqual([{ connection_id: again }]);
    expect(before).toMatchObject({ month: monthOf(TODAY) });
  });

  it('has the reason of a connection of which nothing can be said', async () => {
    await spending(5);
    await assess(api.db, TODAY);
    const [only] = await found();
    expect(only).toMatchObject({ method: null, mean: null, low: null, high: null, basis: null, made_on: TODAY });
    expect(only?.['reason']).toMatch(/settled/);
  });
});

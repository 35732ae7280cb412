import { and, desc, eq, sql } from 'drizzle-orm';
import { z } from 'zod';
import type { BudgetDay, Forecaster, Outlook } from '../../domain/budgets/state.ts';
import { atLeast, lastSettled, outlookAt, within } from '../../domain/budgets/state.ts';
import { addDays, laterOf, type Day, type DayRange } from '../../domain/days.ts';
import { addDecimals, type Decimal } from '../../domain/money.ts';
import { daysOfMonth, monthOf } from '../../domain/months.ts';
import { numberArray, row, rows, type Db } from '../core/database.ts';
import { dayJson, decimalText } from '../core/json.ts';
import { budgets, forecasts } from './tables.ts';

/** What a forecast is of. */
type Owner = { readonly budgetId: string } | { readonly connectionId: string };

/** What a forecast of a period was made from: the days that were read, and what they lead to expect. */
export interface Expected {
  /** At least every day of the period up to the day on which it is made. */
  readonly days: readonly BudgetDay[];
  readonly outlook: Outlook;
}

/**
 * Keeps what a period is expected to come to and what is spent of it, as the last forecast of a day. The same one again
 * changes nothing.
 */
export async function keepForecast(
  tx: Db,
  owner: Owner,
  period: DayRange,
  madeOn: Day,
  { days, outlook }: Expected,
): Promise<void> {
  const { from, to } = period;
  const said = { ...outlookColumns(outlook, within(days, period)), ...spentColumns(days, period, madeOn) };
  const isOfBudget = 'budgetId' in owner;
  const target = [
    isOfBudget ? forecasts.budgetId : forecasts.connectionId,
    forecasts.from,
    forecasts.to,
    forecasts.madeOn,
  ];
  await tx
    .insert(forecasts)
    .values({ ...owner, from, to, madeOn, ...said })
    .onConflictDoUpdate({ target, set: { ...said, actual: null, error: null } });
}

/** Brings what is spent of a period of a budget up to date in the last forecast of it, once no more forecasts are made. */
export async function keepSpent(
  tx: Db,
  budgetId: string,
  period: DayRange,
  today: Day,
  days: readonly BudgetDay[],
): Promise<void> {
  const { spent, spentThrough } = spentColumns(days, period, today);
  await tx.execute(sql`
    update forecasts f set spent = ${spent}::numeric, spent_through = ${spentThrough}::date
    where f.no = (
      select last.no from forecasts last
      where last.budget_id = ${budgetId} and last.from_day = ${period.from}::date and last.to_day = ${period.to}::date
      order by last.made_on desc
      limit 1
    ) and (f.spent, f.spent_through) is distinct from (${spent}::numeric, ${spentThrough}::date)
  `);
}

type Columns = typeof forecasts.$inferInsert;

const NOTHING_SAID = {
  method: null,
  basisDay: null,
  mean: null,
  low: null,
  high: null,
  band: null,
  shownMean: null,
  shownLow: null,
  shownHigh: null,
};

function outlookColumns(
  outlook: Outlook,
  ownDays: readonly BudgetDay[],
): Pick<Columns, keyof typeof NOTHING_SAID | 'reason'> {
  if (outlook.method === null) return { ...NOTHING_SAID, reason: outlook.reason };
  const { method, basis: basisDay, mean, low, high, days: band } = outlook;
  const { mean: shownMean, low: shownLow, high: shownHigh } = atLeast(outlook, ownDays);
  return { method, basisDay, mean, low, high, band, shownMean, shownLow, shownHigh, reason: null };
}

function spentColumns(
  days: readonly BudgetDay[],
  period: DayRange,
  madeOn: Day,
): { spent: Decimal; spentThrough: Day | null } {
  const own = within(days, period).filter(({ day }) => day <= madeOn);
  return {
    spent: addDecimals(own.map(({ amount }) => amount)),
    spentThrough: own.findLast(({ isRead }) => isRead)?.day ?? null,
  };
}

/** Judges the forecasts of a period of a budget by what it came to. */
export async function judgeForecasts(tx: Db, budgetId: string, { from, to }: DayRange, actual: Decimal): Promise<void> {
  await tx
    .update(forecasts)
    .set({ actual, error: sql`${forecasts.mean} - ${actual}::numeric` })
    .where(
      and(
        eq(forecasts.budgetId, budgetId),
        eq(forecasts.from, from),
        eq(forecasts.to, to),
        sql`${forecasts.method} is not null and ${forecasts.actual} is distinct from ${actual}::numeric`,
      ),
    );
}

/** The last forecast of a period of a budget; null if none was made since the budget changed. */
export async function lastForecast(db: Db, budgetId: string, { from, to }: DayRange): Promise<KeptForecast | null> {
  const [found] = await db
    .select({ kept: forecasts, isJudged: budgets.isJudged })
    .from(forecasts)
    .innerJoin(budgets, eq(budgets.id, forecasts.budgetId))
    .where(and(eq(forecasts.budgetId, budgetId), eq(forecasts.from, from), eq(forecasts.to, to)))
    .orderBy(desc(forecasts.madeOn))
    .limit(1);
  if (found?.isJudged !== true) return null;
  return { madeOn: found.kept.madeOn, outlook: outlookFrom(found.kept) };
}

/** What a budget came to when it was assessed last. Amounts are US dollars. */
export interface Assessed {
  readonly on: Day;
  readonly period: DayRange;
  readonly spent: Decimal;
  /** What the whole period is expected to come to; null if nothing can be said. */
  readonly expected: Decimal | null;
}

/** What each of these budgets came to when its newest period was assessed last. Those not assessed since they changed are left out. */
export async function lastAssessed(db: Db, budgetIds: readonly string[]): Promise<ReadonlyMap<string, Assessed>> {
  const found = await rows(
    db,
    lastOfBudget,
    sql`
      select distinct on (f.budget_id) f.budget_id as id, f.made_on::text as on, f.from_day::text as from,
        f.to_day::text as to, trim_scale(f.spent)::text as spent, trim_scale(f.shown_mean)::text as expected
      from forecasts f join budgets b on b.id = f.budget_id
      where f.budget_id = any(${numberArray('uuid', budgetIds)}) and b.is_judged
      order by f.budget_id, f.to_day desc, f.made_on desc
    `,
  );
  return new Map(found.map(({ id, from, to, ...assessed }) => [id, { ...assessed, period: { from, to } }]));
}

const lastOfBudget = z.object({
  id: z.string(),
  on: dayJson,
  from: dayJson,
  to: dayJson,
  spent: decimalText,
  expected: decimalText.nullable(),
});

/** A forecast as it was kept, and the day on which it was made. */
export interface KeptForecast {
  readonly madeOn: Day;
  readonly outlook: Outlook;
}

function outlookFrom(kept: typeof forecasts.$inferSelect): Outlook {
  const { method, basisDay: basis, mean, low, high, band: days, reason } = kept;
  if (method === null) return { method, reason: reason ?? '' };
  if (basis === null || mean === null || low === null || high === null || days === null) {
    throw new Error('a forecast is stored in part');
  }
  return { method, basis, mean, low, high, days };
}

/** So many connections get their forecast at a time, since each takes some time to choose its method. */
const CONNECTIONS_AT_ONCE = 20;
const HISTORY_DAYS = 400;

/**
 * Keeps a forecast of the month for connections that have yesterday settled and no forecast of today, some at a time.
 * Returns how many it made, and how many are left.
 */
export async function forecastConnections(
  tx: Db,
  today: Day,
  forecast: Forecaster,
): Promise<{ made: number; left: number }> {
  const yesterday = addDays(today, -1);
  const due = await rows(
    tx,
    z.object({ id: z.string(), began: dayJson }),
    sql`
      select c.id, c.began::text as began from connections c
      where c.ended_at is null
        and exists (
          select from days d
          where d.connection_id = c.id and d.report = 'cost' and d.day = ${yesterday}::date
            and d.reconciled and d.read_on > d.day
        )
        and not exists (select from forecasts f where f.connection_id = c.id and f.made_on = ${today}::date)
      order by c.id
    `,
  );
  const now = due.slice(0, CONNECTIONS_AT_ONCE);
  for (const { id, began } of now) {
    const month = daysOfMonth(monthOf(today));
    const period = { from: laterOf(month.from, began), to: month.to };
    const days = await connectionDays(tx, id, { from: laterOf(began, addDays(today, -HISTORY_DAYS)), to: today });
    const basis = lastSettled(days);
    if (basis === null) continue;
    const outlook = outlookAt(days, period, basis, forecast);
    await keepForecast(tx, { connectionId: id }, period, today, { days, outlook });
  }
  return { made: now.length, left: due.length - now.length };
}

const connectionDay = z.object({
  day: dayJson,
  amount: decimalText,
  state: z.enum(['missing', 'provisional', 'final']),
  isRead: z.boolean(),
  isSettled: z.boolean(),
});

function connectionDays(tx: Db, id: string, { from, to }: DayRange): Promise<BudgetDay[]> {
  return rows(
    tx,
    connectionDay,
    sql`
      select dated.day::date::text as day, trim_scale(coalesce(d.total, 0))::text as amount,
        coalesce(d.state, 'missing') as state, d.day is not null as "isRead",
        coalesce(d.reconciled and d.read_on > d.day, false) as "isSettled"
      from generate_series(${from}::date, ${to}::date, interval '1 day') dated(day)
      left join days d on d.connection_id = ${id} and d.report = 'cost' and d.day = dated.day
      order by dated.day
    `,
  );
}

/** Deletes the forecasts of a connection, which hold what it cost. */
export async function deleteForecasts(tx: Db, connectionId: string): Promise<void> {
  await tx.delete(forecasts).where(eq(forecasts.connectionId, connectionId));
}

/** Judges the forecasts of connections whose month is over and settled. Returns how many. */
export async function judgeForecastsOfConnections(tx: Db, today: Day): Promise<number> {
  const { judged } = await row(
    tx,
    z.object({ judged: z.int() }),
    sql`
      with settled as (
        select f.no, sum(d.total) as actual
        from forecasts f
        join days d on d.connection_id = f.connection_id and d.report = 'cost' and d.day between f.from_day and f.to_day
        where f.actual is null and f.method is not null and f.to_day < ${today}::date
        group by f.no
        having bool_and(d.reconciled and d.read_on > d.day) and count(*) = max(f.to_day - f.from_day) + 1
      ), judged as (
        update forecasts f set actual = settled.actual, error = f.mean - settled.actual
        from settled where settled.no = f.no
        returning f.no
      )
      select count(*)::int as judged from judged
    `,
  );
  return judged;
}

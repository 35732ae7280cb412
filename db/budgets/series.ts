import { sql, type SQL } from 'drizzle-orm';
import { z } from 'zod';
import type { Scope } from '../../domain/budgets/budget.ts';
import type { BudgetDay } from '../../domain/budgets/state.ts';
import { addDays, earlierOf, laterOf, type Day, type DayRange } from '../../domain/days.ts';
import { ZERO, addDecimals, type Decimal } from '../../domain/money.ts';
import { firstDayOf, monthOf, nextMonth, previousMonth, type Month } from '../../domain/months.ts';
import { COVERAGE_STATES } from '../../domain/reading.ts';
import type { Filter, SpendQuery } from '../../domain/spend/query.ts';
import { readOpenMonth } from '../allocation/months.ts';
import { readCharged } from '../allocation/rows.ts';
import { closedSource, openSource } from '../allocation/source.ts';
import { findStatement } from '../allocation/statements.ts';
import { list, rows, type Db } from '../core/database.ts';
import { dayJson, decimalText } from '../core/json.ts';
import { STATE_BY_DAY, completenessParts } from '../spend/completeness.ts';
import { WORKSPACES_NOW } from '../spend/groups.ts';
import { COST_ROLLUP, CURRENCY, addedUp, costLinesFor } from '../spend/lines.ts';
import { DAY_PARTS, asked, dayParts } from '../spend/scope.ts';

/** A forecast learns from so many days before the period, if the sums of the ledger by workspace and model give them. */
const HISTORY_DAYS = 400;
/** If every line must be added up, from fewer. */
const HISTORY_OF_LINES_DAYS = 92;

/**
 * Reads what budgets count, day by day, in one snapshot. What several budgets count alike is read once. Must run in a
 * transaction that sees one instant.
 */
export class BudgetReader {
  readonly #series = new Map<string, Promise<readonly BudgetDay[]>>();
  readonly #months = new Map<Month, Promise<ReadonlyMap<string, Decimal>>>();

  constructor(
    readonly tx: Db,
    readonly today: Day,
  ) {}

  /** Every day from before a period, as far as a forecast learns from it, up to today. */
  read(scope: Scope, since: Day): Promise<readonly BudgetDay[]> {
    const key = JSON.stringify([scope, since]);
    const known =
      this.#series.get(key) ?? this.#read(scope, { from: historyOf(scope, since, this.today), to: this.today });
    this.#series.set(key, known);
    return known;
  }

  /** Every day from this one up to today; none if it lies ahead. */
  readSince(scope: Scope, from: Day): Promise<readonly BudgetDay[]> {
    return from > this.today ? Promise.resolve([]) : this.#read(scope, { from, to: this.today });
  }

  async #read(scope: Scope, range: DayRange): Promise<readonly BudgetDay[]> {
    if ('filters' in scope) return readDays(this.tx, queryOf(range, this.today, scope.filters));
    const days = await readDays(this.tx, queryOf(range, this.today, []), false);
    const amounts = new Map<string, Decimal>();
    for (let month = monthOf(range.from); firstDayOf(month) <= range.to; month = nextMonth(month)) {
      for (const [key, amount] of await this.#ofCenters(month)) amounts.set(key, amount);
    }
    return days.map((one) => ({ ...one, amount: amounts.get(keyOf(scope.costCenter, one.day)) ?? ZERO }));
  }

  /** What each cost center costs on each day of a month, without corrections of months that are closed. */
  #ofCenters(month: Month): Promise<ReadonlyMap<string, Decimal>> {
    const known = this.#months.get(month) ?? readCenters(this.tx, month, this.today);
    this.#months.set(month, known);
    return known;
  }
}

function historyOf(scope: Scope, since: Day, today: Day): Day {
  // A cost center depends on the rules and the shares of each month.
  if (!('filters' in scope)) return firstDayOf(previousMonth(previousMonth(monthOf(earlierOf(since, today)))));
  const isRolledUp = costLinesFor(queryOf({ from: since, to: today }, today, scope.filters)) === COST_ROLLUP;
  return earlierOf(since, addDays(today, -(isRolledUp ? HISTORY_DAYS : HISTORY_OF_LINES_DAYS)));
}

function queryOf(range: DayRange, today: Day, filters: readonly Filter[]): SpendQuery {
  return { ...range, today, filters, groupBy: ['day'], order: 'key', comparison: null, after: null, limit: null };
}

const budgetDay = z.object({
  day: dayJson,
  amount: decimalText,
  state: z.enum(COVERAGE_STATES),
  isRead: z.boolean(),
  isSettled: z.boolean(),
});

/**
 * Every day of a query: what it costs in US dollars (zero if amounts are not asked for), and how far it was read. A day is
 * settled if every organization that covers it has it read after its end, and reconciled.
 */
async function readDays(tx: Db, query: SpendQuery, withAmounts = true): Promise<BudgetDay[]> {
  const days = DAY_PARTS.cost.after;
  const sums: SQL = withAmounts
    ? addedUp(query, costLinesFor(query), ['amount'], [CURRENCY])
    : sql`select null::date as g0, null::text as currency, null::numeric as amount where false`;
  return rows(
    tx,
    budgetDay,
    sql`
      with ${list([asked(query), WORKSPACES_NOW, ...dayParts(query, ['cost']), ...completenessParts(query, query.today, [days])])},
      grouped as materialized (${sums}),
      sums as (select g0 as day, sum(amount) as amount from grouped where currency = 'USD' group by g0),
      read_days as (
        select day, bool_and(reconciled and read_on > day) as is_settled from ${days} group by day
      )
      select d.day::text as day, d.state, trim_scale(coalesce(sums.amount, 0))::text as amount,
        read_days.day is not null as "isRead",
        d.state <> 'missing' and coalesce(read_days.is_settled, false) as "isSettled"
      from (${STATE_BY_DAY}) d left join sums using (day) left join read_days using (day)
      order by d.day
    `,
  );
}

async function readCenters(tx: Db, month: Month, today: Day): Promise<ReadonlyMap<string, Decimal>> {
  const statement = await findStatement(tx, month, null);
  const source =
    statement === null
      ? openSource({ ...(await readOpenMonth(tx, month, today, null)), corrected: [] })
      : closedSource(statement.statementNo, null);
  const found = await readCharged(tx, source, { groupBy: ['cost_center', 'day'], after: null, limit: null });
  return new Map(
    found.flatMap(({ key: [center, day], direct, shared }) =>
      center == null || day == null ? [] : [[keyOf(center, day), addDecimals([direct, shared])] as const],
    ),
  );
}

function keyOf(center: string, day: string): string {
  return `${day} ${center}`;
}

/** The first day that any connection has cost of, up to today; today if there is none. */
export async function firstDayRead(tx: Db, today: Day): Promise<Day> {
  const [found] = await rows(
    tx,
    z.object({ day: dayJson.nullable() }),
    sql`select min(day)::text as day from days where report = 'cost'`,
  );
  return found?.day == null ? today : laterOf(found.day, addDays(today, -HISTORY_DAYS));
}

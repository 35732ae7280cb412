import { sql } from 'drizzle-orm';
import { z } from 'zod';
import { dayOf, type Day, type DayRange } from '../../domain/days.ts';
import type { Report } from '../../domain/lines.ts';
import type { Decimal } from '../../domain/money.ts';
import { COVERAGE_STATES } from '../../domain/reading.ts';
import {
  changeOf,
  nameOfValue,
  percentOf,
  type DoubtfulDays,
  type ReportData,
  type ReportedGroup,
} from '../../domain/reports/notice.ts';
import { periodComparison } from '../../domain/reports/periods.ts';
import type { Dimension, SpendQuery } from '../../domain/spend/query.ts';
import { readStoredQuery, type StoredQueryOptions } from '../../domain/spend/stored-query.ts';
import { inSnapshot } from '../core/cursor.ts';
import { list, rows, type Db } from '../core/database.ts';
import { dayJson } from '../core/json.ts';
import { explainChanges, type ChangeTotals } from '../spend/changes.ts';
import { STATE_BY_DAY, completenessParts } from '../spend/completeness.ts';
import { sumCosts, type CostTotals } from '../spend/costs.ts';
import type { GroupRow } from '../spend/groups.ts';
import { DAY_PARTS, asked, dayParts } from '../spend/scope.ts';
import type { ReportInfo } from './reports.ts';

/** What the query of a report may say: filters, and at most two dimensions. */
export const REPORT_QUERY: StoredQueryOptions = { groups: { fallback: 'model', most: 2 } };

const GROUPS = 10;
const MOVERS = 5;

/**
 * What a report tells of a period, all of one instant of the ledger. Days after today, by this clock (ms), are not missing
 * yet. Throws a `ParameterError` if the stored query has no meaning any more.
 */
export async function reportNumbers(db: Db, report: ReportInfo, period: DayRange, nowMs: number): Promise<ReportData> {
  const query = spendQueryOf(report, period, nowMs);
  const { canonical } = readStoredQuery(report.query, REPORT_QUERY);
  return inSnapshot(db, async (tx) => {
    const costs = await sumCosts(tx, { ...query, limit: GROUPS });
    const changes = await explainChanges(tx, { ...query, limit: MOVERS });
    const now = await statesOfDays(tx, query, ['cost']);
    const earlier = await statesOfDays(tx, { ...query, ...periodComparison(report.every, period).range }, ['cost']);
    const isRead = now.some((day) => day.isRead);
    const wasRead = earlier.some((day) => day.isRead);
    const total = isRead ? costs.totals.total.amount : null;
    const totalBefore = wasRead ? costs.totals.total.before : null;
    const change = changeOf(total, totalBefore);
    const groupOf = groupMaker(query, isRead, wasRead);
    const { other } = costs;
    return {
      report: { id: report.id, name: report.name },
      every: report.every,
      time_zone: report.timeZone,
      query: canonical,
      group_by: [...query.groupBy],
      from: period.from,
      to: period.to,
      total,
      days: doubtfulIn(now),
      before: { ...periodComparison(report.every, period).range, total: totalBefore, days: doubtfulIn(earlier) },
      change,
      change_percent: percentOf(change, totalBefore),
      why: change === null ? null : whyOf(changes.totals),
      groups: isRead ? costs.data.map((row) => groupOf(row, row)) : [],
      other:
        isRead && other !== null && other.rows > 0
          ? { count: other.rows, amount: other.amount, before: wasRead ? other.before : null }
          : null,
      movers: change === null ? [] : moversOf(changes.data, groupOf),
      other_currencies: otherCurrenciesOf(costs.totals, isRead, wasRead),
    };
  });
}

/** Days of a period that a sync should still read, or read again now that they are over; of costs and of usage. */
export async function awaitedDays(db: Db, report: ReportInfo, period: DayRange, nowMs: number): Promise<Day[]> {
  const days = await statesOfDays(db, spendQueryOf(report, period, nowMs), ['cost', 'usage']);
  return days.flatMap(({ day, state, isUnfinished }) => (state === 'missing' || isUnfinished ? [day] : []));
}

function spendQueryOf(
  report: ReportInfo,
  period: DayRange,
  nowMs: number,
): SpendQuery & { groupBy: readonly Dimension[] } {
  const { groupBy, filters } = readStoredQuery(report.query, REPORT_QUERY);
  return {
    from: period.from,
    to: period.to,
    today: dayOf(nowMs),
    filters,
    groupBy,
    order: '-amount',
    comparison: periodComparison(report.every, period),
    after: null,
    limit: GROUPS,
  };
}

interface StateOfDay {
  readonly day: Day;
  readonly state: (typeof COVERAGE_STATES)[number];
  readonly flagged: boolean;
  /** Of any organization. */
  readonly isRead: boolean;
  /** It was last read before it was over. */
  readonly isUnfinished: boolean;
}

const stateOfDay: z.ZodType<StateOfDay> = z.object({
  day: dayJson,
  state: z.enum(COVERAGE_STATES),
  flagged: z.boolean(),
  isRead: z.boolean(),
  isUnfinished: z.boolean(),
});

/** What is known of each day of a query's range, as far as all of these reports of Anthropic have it. */
async function statesOfDays(tx: Db, ranged: SpendQuery, reports: readonly Report[]): Promise<StateOfDay[]> {
  const query = { ...ranged, comparison: null };
  const tables = reports.map((report) => DAY_PARTS[report].after);
  const early = sql.join(
    tables.map((table) => sql`select day from ${table} where read_at < (day + 1)::timestamp at time zone 'UTC'`),
    sql` union all `,
  );
  return rows(
    tx,
    stateOfDay,
    sql`
      with ${list([asked(query), ...dayParts(query, reports), ...completenessParts(query, query.today, tables)])}
      select s.day::text, s.state, s.flagged,
        exists (select from had where had.day = s.day) as "isRead",
        exists (select from (${early}) e where e.day = s.day) as "isUnfinished"
      from (${STATE_BY_DAY}) s
      order by s.day
    `,
  );
}

function doubtfulIn(days: readonly StateOfDay[]): DoubtfulDays {
  const those = (is: (day: StateOfDay) => boolean): Day[] => days.filter(is).map(({ day }) => day);
  return {
    missing: those(({ state }) => state === 'missing'),
    unfinished: those(({ isUnfinished }) => isUnfinished),
    uncovered: those(({ state }) => state === 'uncovered'),
    provisional: those(({ state }) => state === 'provisional'),
    flagged: those(({ flagged }) => flagged),
  };
}

/** Why the total changed. Without every day of costs and usage, tokens and costs would not belong together. */
function whyOf({ total, missingDays, uncoveredDays, before }: ChangeTotals): ReportData['why'] {
  if (missingDays + uncoveredDays > 0 || before === null) return null;
  if (before.missingDays + before.uncoveredDays > 0) return null;
  const { volume, mix, price, unmatched } = total;
  return { volume, mix, price, unmatched };
}

type GroupMaker = (row: GroupRow, cost: { amount: Decimal; before: Decimal | null }) => ReportedGroup;

function groupMaker({ groupBy }: { groupBy: readonly Dimension[] }, isRead: boolean, wasRead: boolean): GroupMaker {
  return ({ key, workspaceName, connectionName }, { amount, before }) => {
    const known: Partial<Record<Dimension, string | null>> = { workspace: workspaceName, connection: connectionName };
    const now = isRead ? amount : null;
    const earlier = wasRead ? before : null;
    return {
      names: groupBy.map((dimension, index) => nameOfValue(dimension, key[index] ?? null, known[dimension] ?? null)),
      amount: now,
      before: earlier,
      change: changeOf(now, earlier),
    };
  };
}

function moversOf(changed: Awaited<ReturnType<typeof explainChanges>>['data'], groupOf: GroupMaker): ReportedGroup[] {
  return changed
    .filter(({ change }) => change !== '0')
    .map((row) => groupOf(row, { amount: row.after, before: row.before }));
}

function otherCurrenciesOf(totals: CostTotals, isRead: boolean, wasRead: boolean): ReportData['other_currencies'] {
  return totals.otherCurrencies.map(({ currency, amount, before }) => ({
    currency,
    amount: isRead ? amount : null,
    before: wasRead ? before : null,
  }));
}

import { sql, type SQL } from 'drizzle-orm';
import type { DayRange } from '../../domain/days.ts';
import type { Report } from '../../domain/lines.ts';
import { grainOf, type Filter, type Grain, type SpendQuery } from '../../domain/spend/query.ts';
import { numberArray } from '../core/database.ts';

/** Which connections and which of their days a spend query is about, as parts of its statement. */

/** The part `asked`: the connections that count, with those of the same organization. */
export function asked(query: SpendQuery): SQL {
  return sql`asked as materialized (select c.* from counting_connections c where ${ofConnections(query, sql`c.id`)})`;
}

function ofConnections({ filters }: SpendQuery, id: SQL): SQL {
  const conditions = filters.filter(isOfConnections).map((filter) => {
    const ids = numberArray('uuid', idsOf(filter));
    return filter.excludes ? sql`${id} <> all(${ids})` : sql`${id} = any(${ids})`;
  });
  return conditions.length === 0 ? sql`true` : sql.join(conditions, sql` and `);
}

function isOfConnections({ dimension }: Filter): boolean {
  return dimension === 'connection';
}

function idsOf({ values }: Filter): string[] {
  return values.filter((id) => id !== null);
}

/** The id of the connection that a query is about; null if it may be about several. */
function onlyConnection({ filters }: SpendQuery): string | null {
  const [filter, ...others] = filters.filter(isOfConnections);
  if (filter === undefined || others.length > 0 || filter.excludes) return null;
  const [id, ...more] = idsOf(filter);
  return id === undefined || more.length > 0 ? null : id;
}

/**
 * The days of a report in a range that count, each day of an organization once. The newest of the connections that a query
 * asks for gives the day, among those that have it. Needs `asked`, but reads it only for one connection's organization:
 * Postgres reads no part of a statement in parallel, and these days lead to the lines.
 */
export function countedDays(query: SpendQuery, report: Report, range: DayRange): SQL {
  const columns = sql`d.connection_id, d.day, d.day_no, d.lines, d.state, d.reconciled, d.disagrees_with, d.attempt, d.read_at, d.read_on`;
  return countedRows(query, report, range, { table: sql`days`, columns });
}

/** The restatements of {@link countedDays}. Needs `asked`, as these do. */
export function countedRestatements(query: SpendQuery, report: Report, range: DayRange): SQL {
  const columns = sql`d.connection_id, d.day, d.id, d.before, d.after, d.at`;
  return countedRows(query, report, range, { table: sql`restatements`, columns });
}

/** Rows of a table `d` that has a connection, a report and a day. */
function countedRows(
  query: SpendQuery,
  report: Report,
  range: DayRange,
  { table, columns }: { table: SQL; columns: SQL },
): SQL {
  const ofRange = sql`d.report = ${report} and d.day between ${range.from} and ${range.to}`;
  const only = onlyConnection(query);
  if (only !== null) {
    return sql`
      select (select organization from asked) as organization, ${columns} from ${table} d
      where d.connection_id = ${only} and ${ofRange}
    `;
  }
  // As in the view `counted_days`, but of the connections that are asked for.
  return sql`
    select c.organization, ${columns} from ${table} d join counting_connections c on c.id = d.connection_id
    where ${ofRange} and ${ofConnections(query, sql`c.id`)} and (
      c.newer is null or not exists (
        select from days n
        where n.connection_id = any(c.newer) and ${ofConnections(query, sql`n.connection_id`)}
          and n.report = d.report and n.day = d.day
      )
    )
  `;
}

/** The names of the parts that hold the counted days of a report. */
export const DAY_PARTS = {
  cost: { after: sql.raw('cost_days'), before: sql.raw('cost_days_before') },
  usage: { after: sql.raw('usage_days'), before: sql.raw('usage_days_before') },
} as const satisfies Readonly<Record<Report, { after: SQL; before: SQL }>>;

/** The parts {@link DAY_PARTS} of these reports: the days of the range and, in a comparison, those of the earlier one. */
export function dayParts(query: SpendQuery, reports: readonly Report[]): SQL[] {
  return reports.flatMap((report) => {
    const { after, before } = DAY_PARTS[report];
    // Not materialized, since the planner guesses too few rows of what it cannot look into.
    const part = (name: SQL, range: DayRange): SQL =>
      sql`${name} as not materialized (${countedDays(query, report, range)})`;
    const ofRange = part(after, query);
    return query.comparison === null ? [ofRange] : [ofRange, part(before, query.comparison.range)];
  });
}

/**
 * The days of a report that add to the rows of a query: `day_no`, the day that stands for its grain as `bucket` (null
 * without one), and whether it is of the earlier range as `is_before`. Earlier days come in the place that they have in
 * the range. Needs {@link dayParts}.
 */
export function placedDays(query: SpendQuery, report: Report): SQL {
  const grain = grainOf(query);
  const { after, before } = DAY_PARTS[report];
  const ofRange = sql`select d.day_no, ${bucketOf(sql`d.day`, grain)} as bucket, false as is_before from ${after} d`;
  if (query.comparison === null) return ofRange;
  const { distance } = query.comparison;
  const later =
    'days' in distance
      ? sql`d.day + ${distance.days}::int`
      : sql`(d.day + make_interval(months => ${distance.months}::int))::date`;
  const place = sql`least(greatest(${later}, ${query.from}::date), ${query.to}::date)`;
  return sql`${ofRange} union all select d.day_no, ${bucketOf(place, grain)}, true from ${before} d`;
}

/** The day that stands for the grain of a query; null without one. */
export function bucketOfDay(query: SpendQuery, day: SQL): SQL {
  return bucketOf(day, grainOf(query));
}

/** The day that stands for the grain of a day; null without one. */
export function bucketOf(day: SQL, grain: Grain | null): SQL {
  switch (grain) {
    case null:
      return sql`null::date`;
    case 'day':
      return day;
    case 'week':
    case 'month':
      return sql`date_trunc(${sql.raw(`'${grain}'`)}, (${day})::timestamp)::date`;
  }
}

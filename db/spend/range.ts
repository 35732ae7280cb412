import { sql, type SQL } from 'drizzle-orm';
import { z } from 'zod';
import type { Report } from '../../domain/lines.ts';
import { sizeOf } from '../ledger/syncs.ts';
import type { CostGroup, SpendQuery } from './groups.ts';

type Query = SpendQuery<CostGroup>;

/**
 * How much of a range may still change, is missing, or lies outside of what the connections cover. For each organization a
 * day is at most one of these. It counts if it is so for any of them.
 */
export interface Completeness {
  readonly provisionalDays: number;
  readonly missingDays: number;
  readonly uncoveredDays: number;
}

/** The fields of {@link Completeness} as Postgres answers them. */
export const completenessFields = { provisionalDays: z.int(), missingDays: z.int(), uncoveredDays: z.int() };

/** Two parts of a statement: `asked`, the connections of the query, and `counted`, the days of the range that count. */
export function askedAndCounted({ connectionId, from, to }: Query, report: Report): SQL {
  const ofRange = sql`d.report = ${report} and d.day between ${from} and ${to}`;
  if (connectionId === null) {
    return sql`
      asked as materialized (select * from counting_connections),
      counted as not materialized (
        select d.organization, d.connection_id, d.day, d.day_no, d.state from counted_days d where ${ofRange}
      )
    `;
  }
  // Not materialized, so that the planner sees the id of the one connection, with which the keys of the big tables begin.
  return sql`
    asked as not materialized (
      select c.*, c.id::text as organization from connections c where c.id = ${connectionId} and c.status <> 'refused'
    ),
    counted as not materialized (
      select d.connection_id::text as organization, d.connection_id, d.day, d.day_no, d.state
      from days d
      where d.connection_id = ${connectionId} and ${ofRange}
    )
  `;
}

/**
 * The {@link Completeness} of the range as JSON, from `asked` and `counted`.
 *
 * For each organization it takes the days that its connections cover, up to today, and the days on which it counts. A live
 * connection counts on every day, an ended one up to its end, and a purged one never. Whole days are compared by the number
 * of organizations that cover them and that have them, since there may be a thousand days of hundreds of organizations.
 */
export function completeness({ from, to, today }: Query): SQL {
  const range = sql`datemultirange(daterange(${from}::date, ${to}::date, '[]'))`;
  return sql`(
    with lives as (
      select c.organization, c.began, (c.ended_at at time zone 'UTC')::date as ended_on from asked c where c.purged_at is null
    ),
    organizations as (
      select
        organization,
        coalesce(range_agg(case when ended_on < began then null else daterange(began, ended_on, '[]') end), '{}')
          * ${range} * datemultirange(daterange(null, ${today}::date, '[]')) as covered,
        range_agg(daterange(null, ended_on, '[]')) * ${range} as counting
      from lives
      group by organization
    ),
    parts as materialized (
      select organization, lower(part) as first, upper(part) - 1 as last from organizations, unnest(covered) part
    ),
    steps as (
      select day, sum(step) as step
      from (select first as day, 1 as step from parts union all select last + 1, -1 from parts) both_ends
      group by day
    ),
    due as (
      select dated.day, sum(coalesce(steps.step, 0)) over (order by dated.day) as organizations
      from (select day::date from generate_series(${from}::date, ${to}::date, interval '1 day') day) dated
      left join steps using (day)
    ),
    had as (
      select d.day, count(*) as organizations, bool_or(d.state = 'provisional') as provisional
      from counted d
      join parts on parts.organization = d.organization and d.day between parts.first and parts.last
      group by d.day
    )
    select jsonb_build_object(
      'provisionalDays', (select count(*) from had where had.provisional),
      'missingDays', (
        select count(*) from due left join had using (day) where coalesce(had.organizations, 0) < due.organizations
      ),
      'uncoveredDays', ${sizeOf(sql`
        coalesce(range_agg(counting - covered), '{}') + (${range} - coalesce(range_agg(covered), '{}'))
      `)}
    )
    from organizations
  )`;
}

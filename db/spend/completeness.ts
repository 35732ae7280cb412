import { sql, type SQL } from 'drizzle-orm';
import { z } from 'zod';
import type { Day, DayRange } from '../../domain/days.ts';
import type { Report } from '../../domain/lines.ts';
import type { SpendQuery } from '../../domain/spend/query.ts';
import { list, row, type Db } from '../core/database.ts';
import { sizeOf } from '../ledger/syncs.ts';
import { DAY_PARTS, asked, dayParts } from './scope.ts';

/**
 * How much of a range may still change, is missing, or lies outside of what the connections cover. For each organization a
 * day is at most one of these. It counts if it is so for any of them.
 */
export interface Completeness {
  readonly provisionalDays: number;
  readonly missingDays: number;
  readonly uncoveredDays: number;
}

/** The {@link Completeness} of a query, and of what it is compared with; and when its days were read. */
export interface Certainty extends Completeness {
  /** Of the range that the query compares with; null if it compares with none. */
  readonly before: Completeness | null;
  /**
   * The instant of the newest read, in RFC 3339; null if no day of the query was read. It differs whenever a sync wrote one
   * of the days: the digits behind the microseconds tell two states apart whose newest read is the same.
   */
  readonly asOf: string | null;
}

/** The fields of {@link Completeness} as Postgres answers them. */
export const completenessFields = { provisionalDays: z.int(), missingDays: z.int(), uncoveredDays: z.int() };
/** The fields of {@link Certainty} as Postgres answers them. */
export const certaintyFields = {
  ...completenessFields,
  before: z.object(completenessFields).nullable(),
  asOf: z.string().nullable(),
};

/** The {@link Certainty} of a query as JSON. A day is there if all of these reports have it. Needs `asked` and `dayParts`. */
export function certainty(query: SpendQuery, reports: readonly Report[]): SQL {
  const { comparison, today } = query;
  const before =
    comparison === null
      ? sql`null`
      : completeness(
          comparison.range,
          today,
          reports.map((report) => DAY_PARTS[report].before),
        );
  const parts = reports.map((report) => DAY_PARTS[report]);
  const all = parts.flatMap(({ after, before: earlier }) => (comparison === null ? [after] : [after, earlier]));
  return sql`
    ${completeness(
      query,
      today,
      parts.map(({ after }) => after),
    )} || jsonb_build_object('before', ${before}, 'asOf', ${asOf(all)})
  `;
}

/** The {@link Completeness} of a query. A day is there if all of these reports have it. */
export async function readCompleteness(
  tx: Db,
  query: SpendQuery,
  reports: readonly Report[] = ['cost'],
): Promise<Completeness> {
  const parts = [asked(query), ...dayParts(query, reports)];
  const dayTables = reports.map((report) => DAY_PARTS[report].after);
  const counts = completeness(query, query.today, dayTables);
  const statement = sql`with ${list(parts)} select ${counts} as counts`;
  return (await row(tx, z.object({ counts: z.object(completenessFields) }), statement)).counts;
}

/** The sum of the hashes, since a sync may write a day without being the newest, and a purge removes days. */
function asOf(parts: readonly SQL[]): SQL {
  const days = sql.join(
    parts.map((part) => sql`select day_no, attempt, state, reconciled, read_at from ${part}`),
    sql` union all `,
  );
  return sql`(
    select to_char(max(read_at) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US')
      || lpad(mod(abs(sum(hashtextextended(concat_ws(' ', day_no, attempt, state, reconciled), 0)::numeric)), 1e12)::text, 12, '0')
      || 'Z'
    from (${days}) written
  )`;
}

/** The {@link Completeness} of a range as JSON. */
function completeness(range: DayRange, today: Day, dayTables: readonly SQL[]): SQL {
  return sql`(with ${list(completenessParts(range, today, dayTables))} select ${COUNTS})`;
}

/**
 * The parts that tell what is certain in a range. `due` has each of its days, with how many organizations it is to be read
 * for; `had` has those that were read; `outside` has one row with the set of the uncovered `days`. Needs `asked` and the
 * tables of days.
 *
 * For each organization they take the days that its connections cover, up to today, and the days on which it counts. A live
 * connection counts on every day, an ended one up to its end, and a purged one never. Whole days are compared by the number
 * of organizations that cover them and that have them, since there may be a thousand days of hundreds of organizations.
 */
export function completenessParts({ from, to }: DayRange, today: Day, dayTables: readonly SQL[]): SQL[] {
  const range = sql`datemultirange(daterange(${from}::date, ${to}::date, '[]'))`;
  return [
    sql`lives as (
      select c.organization, c.began, (c.ended_at at time zone 'UTC')::date as ended_on from asked c where c.purged_at is null
    )`,
    sql`organizations as (
      select
        organization,
        coalesce(range_agg(case when ended_on < began then null else daterange(began, ended_on, '[]') end), '{}')
          * ${range} * datemultirange(daterange(null, ${today}::date, '[]')) as covered,
        range_agg(daterange(null, ended_on, '[]')) * ${range} as counting
      from lives
      group by organization
    )`,
    sql`outside as (
      select coalesce(range_agg(counting - covered), '{}') + (${range} - coalesce(range_agg(covered), '{}')) as days
      from organizations
    )`,
    sql`parts as materialized (
      select organization, lower(part) as first, upper(part) - 1 as last from organizations, unnest(covered) part
    )`,
    sql`steps as (
      select day, sum(step) as step
      from (select first as day, 1 as step from parts union all select last + 1, -1 from parts) both_ends
      group by day
    )`,
    sql`due as (
      select dated.day, sum(coalesce(steps.step, 0)) over (order by dated.day) as organizations
      from (select day::date from generate_series(${from}::date, ${to}::date, interval '1 day') day) dated
      left join steps using (day)
    )`,
    sql`had as (
      select d.day, count(*) as organizations, bool_or(d.provisional) as provisional, bool_or(d.flagged) as flagged
      from (${readDays(dayTables)}) d
      join parts on parts.organization = d.organization and d.day between parts.first and parts.last
      group by d.day
    )`,
  ];
}

/** Whether a row of `due`, joined with `had`, is still to be read for an organization. */
const IS_MISSING = sql`coalesce(had.organizations, 0) < due.organizations`;

/** The {@link Completeness} as JSON. Needs {@link completenessParts}. */
export const COUNTS = sql`jsonb_build_object(
  'provisionalDays', (select count(*) from had where had.provisional),
  'missingDays', (select count(*) from due left join had using (day) where ${IS_MISSING}),
  'uncoveredDays', ${sizeOf(sql`(select outside.days from outside)`)}
)`;

/**
 * Each day of the range, whether it is flagged, and the first of {@link COVERAGE_STATES} that it is for any organization.
 * By the rules of {@link COUNTS}: a day may count there as several. Needs {@link completenessParts}.
 */
export const STATE_BY_DAY = sql`
  select
    day,
    case
      when ${IS_MISSING} then 'missing'
      when day <@ (select outside.days from outside) then 'uncovered'
      when had.provisional then 'provisional'
      else 'final'
    end as state,
    coalesce(had.flagged, false) as flagged
  from due left join had using (day)
`;

/** The days that all of these tables have. */
function readDays(dayTables: readonly SQL[]): SQL {
  const [first, ...others] = dayTables;
  const [provisional, flagged] = [sql`state = 'provisional'`, sql`disagrees_with is not null`];
  if (first !== undefined && others.length === 0) {
    return sql`select organization, day, ${provisional} as provisional, ${flagged} as flagged from ${first}`;
  }
  const each = dayTables.map((table) => sql`select organization, day, state, disagrees_with from ${table}`);
  return sql`
    select organization, day, bool_or(${provisional}) as provisional, bool_or(${flagged}) as flagged
    from (${sql.join(each, sql` union all `)}) each_report
    group by organization, day
    having count(*) = ${dayTables.length}::int
  `;
}

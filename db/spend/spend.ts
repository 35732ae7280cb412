import { sql, type SQL } from 'drizzle-orm';
import { z } from 'zod';
import type { Day } from '../../domain/days.ts';
import { USAGE_COUNTS, type Report, type UsageCount } from '../../domain/lines.ts';
import type { Decimal } from '../../domain/money.ts';
import { list, row, textArray, type Db } from '../core/database.ts';
import { decimalText } from '../core/json.ts';
import { sizeOf } from '../ledger/syncs.ts';

/** What costs can be grouped by. */
export const COST_GROUPS = [
  'day',
  'month',
  'connection',
  'workspace',
  'model',
  'token_type',
  'context_window',
  'service_tier',
  'inference_geo',
  'cost_type',
  'description',
  'currency',
] as const;
/** One of {@link COST_GROUPS}. */
export type CostGroup = (typeof COST_GROUPS)[number];

/** What usage can be grouped by. */
export const USAGE_GROUPS = [
  'day',
  'month',
  'connection',
  'workspace',
  'model',
  'service_tier',
  'context_window',
  'inference_geo',
] as const satisfies readonly CostGroup[];
/** One of {@link USAGE_GROUPS}. */
export type UsageGroup = (typeof USAGE_GROUPS)[number];

/** The values of the columns that a row is grouped by, in their order: what rows are sorted and paged by. */
export type GroupKey = readonly (string | null)[];

/** What is added up, and which page of it is wanted. */
export interface SpendQuery<Group extends CostGroup> {
  /** Null: all connections together, each day of an organization once. Refused ones never count. */
  readonly connectionId: string | null;
  readonly from: Day;
  readonly to: Day;
  /** Days after it are not missing yet. */
  readonly today: Day;
  readonly groupBy: readonly Group[];
  /** The key of the last row seen. */
  readonly after: GroupKey | null;
  readonly limit: number;
}

/** A row of a report: its key, and the names that belong to ids in it. */
interface GroupRow {
  readonly key: GroupKey;
  /** Null when not grouped by workspace, and for a workspace without a known name. */
  readonly workspaceName: string | null;
  readonly connectionName: string | null;
}

/**
 * How much of the range may still change, is to be read yet, or lies outside of what is kept. A day is one of these at
 * most for each organization asked for, and counts where it is so for any of them.
 */
interface Completeness {
  readonly provisionalDays: number;
  readonly missingDays: number;
  readonly uncoveredDays: number;
}

/** Costs of a range. Amounts are exact decimals in major units. */
export interface CostSums extends Completeness {
  /** USD, unless grouped by currency. */
  readonly data: readonly (GroupRow & { readonly amount: Decimal })[];
  /** Of the whole range, whatever the page: USD. */
  readonly total: Decimal;
  /** What was charged in another currency. It is never added to USD. */
  readonly otherCurrencies: readonly { readonly currency: string; readonly amount: Decimal }[];
}

/** Sums of counts, as text, since they may be larger than a float holds exactly. Those known by name are whole numbers. */
export interface UsageCounts {
  readonly counts: Readonly<Record<UsageCount, Decimal>>;
  /** Of counts that are not known by name, by their dotted path: decimals, those that are not zero. */
  readonly otherCounts: Readonly<Record<string, Decimal>>;
}

/** Usage of a range. */
export interface UsageSums extends Completeness {
  readonly data: readonly (GroupRow & UsageCounts)[];
  readonly totals: UsageCounts;
}

const completenessJson = { provisionalDays: z.int(), missingDays: z.int(), uncoveredDays: z.int() };

const groupRow = {
  key: z.array(z.string().nullable()),
  workspaceName: z.string().nullable(),
  connectionName: z.string().nullable(),
};

const costSums: z.ZodType<CostSums> = z.object({
  data: z.array(z.object({ ...groupRow, amount: decimalText })),
  total: decimalText,
  otherCurrencies: z.array(z.object({ currency: z.string(), amount: decimalText })),
  ...completenessJson,
});

const usageCounts = {
  counts: z.record(z.enum(USAGE_COUNTS), decimalText),
  otherCounts: z.record(z.string(), decimalText),
};

const usageSums: z.ZodType<UsageSums> = z.object({
  data: z.array(z.object({ ...groupRow, ...usageCounts })),
  totals: z.object(usageCounts),
  ...completenessJson,
});

/** Adds up costs, in one statement, so that page, total and completeness speak of the same instant. */
export async function sumCosts(db: Db, query: SpendQuery<CostGroup>): Promise<CostSums> {
  const counted = query.groupBy.includes('currency') ? sql`true` : sql`currency = 'USD'`;
  const { report } = await row(
    db,
    z.object({ report: costSums }),
    sql`
      with ${asked(query, 'cost')},
      grouped as (
        select ${rawColumns(query)}, s.currency, sum(l.amount) as amount
        from counted d
        join cost_lines l on l.day_no = d.day_no
        join cost_series s on s.series_no = l.series_no
        group by ${rawPositions(query)}, s.currency
      ),
      page as (
        select key, amount
        from (select ${keyOf(query)} as key, amount from grouped where ${counted}) keyed
        where ${isAfter(query)}
        order by key
        limit ${query.limit}
      ),
      by_currency as (select currency, sum(amount) as amount from grouped group by currency)
      select jsonb_build_object(
        'data', (
          select coalesce(jsonb_agg(jsonb_build_object(
            'key', to_jsonb(p.key), ${nameFields(query)}, 'amount', trim_scale(p.amount)::text
          ) order by p.key), '[]')
          from page p
        ),
        'total', coalesce((select trim_scale(amount)::text from by_currency where currency = 'USD'), '0'),
        'otherCurrencies', (
          select coalesce(jsonb_agg(jsonb_build_object(
            'currency', currency, 'amount', trim_scale(amount)::text
          ) order by currency), '[]')
          from by_currency
          where currency <> 'USD'
        )
      ) || ${completeness(query)} as report
    `,
  );
  return report;
}

/** Adds up usage, in one statement. Counts that are not known by name are few, and are added up beside the others. */
export async function sumUsage(db: Db, query: SpendQuery<UsageGroup>): Promise<UsageSums> {
  const sums = list(USAGE_COUNTS.map((count) => sql`sum(l.${sql.identifier(count)}) as ${sql.identifier(count)}`));
  const counts = list(USAGE_COUNTS.map((count) => sql`${text(count)}, p.${sql.identifier(count)}::text`));
  const totals = list(
    USAGE_COUNTS.map(
      (count) => sql`${text(count)}, (select coalesce(sum(${sql.identifier(count)}), 0)::text from grouped)`,
    ),
  );
  const { report } = await row(
    db,
    z.object({ report: usageSums }),
    sql`
      with ${asked(query, 'usage')},
      grouped as (
        select ${rawColumns(query)}, ${sums}
        from counted d
        join usage_lines l on l.day_no = d.day_no
        join usage_series s on s.series_no = l.series_no
        group by ${rawPositions(query)}
      ),
      other as materialized (
        select ${keyOf(query)} as key, name, sum(count) as count
        from (
          select ${rawColumns(query)}, other.key as name, other.value::numeric as count
          from counted d
          join usage_lines l on l.day_no = d.day_no and l.extra_counts is not null
          join usage_series s on s.series_no = l.series_no
          cross join lateral jsonb_each_text(l.extra_counts) other
        ) raw
        group by 1, name
      ),
      page as (
        select *
        from (select ${keyOf(query)} as key, * from grouped) keyed
        where ${isAfter(query)}
        order by key
        limit ${query.limit}
      )
      select jsonb_build_object(
        'data', (
          select coalesce(jsonb_agg(jsonb_build_object(
            'key', to_jsonb(p.key), ${nameFields(query)}, 'counts', jsonb_build_object(${counts}),
            'otherCounts', ${otherCounts(sql`select name, count from other o where o.key = p.key`)}
          ) order by p.key), '[]')
          from page p
        ),
        'totals', jsonb_build_object('counts', jsonb_build_object(${totals}), 'otherCounts', ${otherCounts(
          sql`select name, sum(count) as count from other group by name`,
        )})
      ) || ${completeness(query)} as report
    `,
  );
  return report;
}

function otherCounts(sums: SQL): SQL {
  return sql`(
    select coalesce(jsonb_object_agg(name, trim_scale(count)::text), '{}') from (${sums}) sums where count <> 0
  )`;
}

type Query = SpendQuery<CostGroup>;

/** A dimension: its column beside a line or its day, and its text in a key, of which the order of text is the order of rows. */
const GROUPS: Readonly<Record<CostGroup, { column: string; text: (column: SQL) => SQL }>> = {
  day: { column: 'd.day', text: (column) => sql`to_char(${column}, 'YYYY-MM-DD')` },
  month: { column: "date_trunc('month', d.day::timestamp)", text: (column) => sql`to_char(${column}, 'YYYY-MM')` },
  connection: { column: 'd.connection_id', text: (column) => sql`${column}::text` },
  workspace: { column: 's.workspace_id', text: (column) => column },
  model: { column: 's.model', text: (column) => column },
  token_type: { column: 's.token_type', text: (column) => column },
  context_window: { column: 's.context_window', text: (column) => column },
  service_tier: { column: 's.service_tier', text: (column) => column },
  inference_geo: { column: 's.inference_geo', text: (column) => column },
  cost_type: { column: 's.cost_type', text: (column) => column },
  description: { column: 's.description', text: (column) => column },
  currency: { column: 's.currency', text: (column) => column },
};

function text(value: string): SQL {
  return sql.raw(`'${value}'`);
}

/** The connections asked for, and the days of the range that count from them. */
function asked({ connectionId, from, to }: Query, report: Report): SQL {
  const ofRange = sql`d.report = ${report} and d.day between ${from} and ${to}`;
  if (connectionId === null) {
    return sql`
      asked as materialized (select * from counting_connections),
      counted as not materialized (
        select d.organization, d.connection_id, d.day, d.day_no, d.state from counted_days d where ${ofRange}
      )
    `;
  }
  // Inlined, so that the id of the one connection reaches the big tables, whose primary keys lead with it.
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

function rawColumns({ groupBy }: Query): SQL {
  return list(groupBy.map((group, index) => sql.raw(`${GROUPS[group].column} as g${index}`)));
}

function rawPositions({ groupBy }: Query): SQL {
  return list(groupBy.map((_, index) => sql.raw(`g${index}`)));
}

function keyOf({ groupBy }: Query): SQL {
  return sql`array[${list(groupBy.map((group, index) => GROUPS[group].text(sql.raw(`g${index}`))))}]::text[] collate "C"`;
}

/** Arrays compare element by element; a null element equals another, follows every text, and is not the empty text. */
function isAfter({ after }: Query): SQL {
  return after === null ? sql`true` : sql`key > ${textArray(after)} collate "C"`;
}

function nameFields({ groupBy }: Query): SQL {
  const element = (group: CostGroup): SQL => sql.raw(`p.key[${groupBy.indexOf(group) + 1}]`);
  const ofConnection = groupBy.includes('connection')
    ? sql`w.connection_id = ${element('connection')}::uuid`
    : sql`w.connection_id in (select id from asked)`;
  // The organization may have been connected before, and its workspaces have had other names then.
  const workspaceName = sql`(
    select w.name from workspaces w
    where ${ofConnection} and w.id = ${element('workspace')}
    order by w.read_at desc
    limit 1
  )`;
  const connectionName = sql`(select c.name from connections c where c.id = ${element('connection')}::uuid)`;
  return list([
    sql`'workspaceName', ${groupBy.includes('workspace') ? workspaceName : sql`null`}`,
    sql`'connectionName', ${groupBy.includes('connection') ? connectionName : sql`null`}`,
  ]);
}

/**
 * Of each organization: the days that its connections cover, up to today, and those on which it counts. A live connection
 * counts on every day, one that ended up to its end, and one that was purged is as if it never was. Days are compared by
 * how many organizations cover them and how many have them, since there may be a thousand days of hundreds.
 */
function completeness({ from, to, today }: Query): SQL {
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

import { sql, type SQL } from 'drizzle-orm';
import type { Day } from '../domain/days.ts';
import { USAGE_COUNTS, type Report, type UsageCount } from '../domain/lines.ts';
import { list, row, textArray, type Db } from './database.ts';

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
export interface ReportQuery<Group extends CostGroup> {
  /** Null: every connection, but for refused ones. */
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

/** How much of the range may still change or was not read: days on which this holds for any connection asked for. */
interface Completeness {
  readonly provisionalDays: number;
  readonly missingDays: number;
}

/** Costs of a range. Amounts are exact decimals in major units. */
export interface CostReport extends Completeness {
  /** USD, unless grouped by currency. */
  readonly data: readonly (GroupRow & { readonly amount: string })[];
  /** Of the whole range, whatever the page: USD. */
  readonly total: string;
  /** What was charged in another currency. It is never added to USD. */
  readonly otherCurrencies: readonly { readonly currency: string; readonly amount: string }[];
}

/** Sums of counts, as text, since they may be larger than a float holds exactly. Those known by name are whole numbers. */
export interface UsageSums {
  readonly counts: Readonly<Record<UsageCount, string>>;
  /** Of counts that are not known by name, by their dotted path: decimals, those that are not zero. */
  readonly otherCounts: Readonly<Record<string, string>>;
}

/** Usage of a range. */
export interface UsageReport extends Completeness {
  readonly data: readonly (GroupRow & UsageSums)[];
  readonly totals: UsageSums;
}

/** Adds up costs, in one statement, so that page, total and completeness speak of the same instant. */
export async function reportCosts(db: Db, query: ReportQuery<CostGroup>): Promise<CostReport> {
  const counted = query.groupBy.includes('currency') ? sql`true` : sql`currency = 'USD'`;
  const { report } = await row<{ report: CostReport }>(
    db,
    sql`
      with ${asked(query)},
      grouped as (
        select ${rawColumns(query)}, s.currency, sum(l.amount) as amount
        from asked c
        join days d on d.connection_id = c.id and d.report = 'cost' and d.day between ${query.from} and ${query.to}
          and (c.handed_over is null or d.day < c.handed_over)
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
      ) || ${completeness(query, 'cost')} as report
    `,
  );
  return report;
}

/** Adds up usage, in one statement. Counts that are not known by name are few, and are added up beside the others. */
export async function reportUsage(db: Db, query: ReportQuery<UsageGroup>): Promise<UsageReport> {
  const sums = list(USAGE_COUNTS.map((count) => sql`sum(l.${sql.identifier(count)}) as ${sql.identifier(count)}`));
  const counts = list(USAGE_COUNTS.map((count) => sql`${text(count)}, p.${sql.identifier(count)}::text`));
  const totals = list(
    USAGE_COUNTS.map(
      (count) => sql`${text(count)}, (select coalesce(sum(${sql.identifier(count)}), 0)::text from grouped)`,
    ),
  );
  const { report } = await row<{ report: UsageReport }>(
    db,
    sql`
      with ${asked(query)},
      grouped as (
        select ${rawColumns(query)}, ${sums}
        from asked c
        join days d on d.connection_id = c.id and d.report = 'usage' and d.day between ${query.from} and ${query.to}
          and (c.handed_over is null or d.day < c.handed_over)
        join usage_lines l on l.day_no = d.day_no
        join usage_series s on s.series_no = l.series_no
        group by ${rawPositions(query)}
      ),
      other as materialized (
        select ${keyOf(query)} as key, name, sum(count) as count
        from (
          select ${rawColumns(query)}, other.key as name, other.value::numeric as count
          from asked c
          join days d on d.connection_id = c.id and d.report = 'usage' and d.day between ${query.from} and ${query.to}
            and (c.handed_over is null or d.day < c.handed_over)
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
      ) || ${completeness(query, 'usage')} as report
    `,
  );
  return report;
}

function otherCounts(sums: SQL): SQL {
  return sql`(
    select coalesce(jsonb_object_agg(name, trim_scale(count)::text), '{}') from (${sums}) sums where count <> 0
  )`;
}

type Query = ReportQuery<CostGroup>;

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

/** Inlined, so that the id of the one connection reaches the big tables, whose primary keys lead with it. */
function asked({ connectionId }: Query): SQL {
  if (connectionId !== null) {
    return sql`asked as not materialized (select c.*, null::date as handed_over from connections c where id = ${connectionId})`;
  }
  // An organization that was disconnected and connected again keeps some days twice. Each counts once: from the first
  // day that the newer connection keeps, it counts.
  return sql`asked as not materialized (
    select c.*, (
      select min(newer.began) from connections newer
      where newer.organization_id = c.organization_id and newer.created_at > c.created_at
        and exists (select from days d where d.connection_id = newer.id)
    ) as handed_over
    from connections c
    where c.status <> 'refused'
  )`;
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
  const connectionName = sql`(select c.name from asked c where c.id = ${element('connection')}::uuid)`;
  return list([
    sql`'workspaceName', ${groupBy.includes('workspace') ? workspaceName : sql`null`}`,
    sql`'connectionName', ${groupBy.includes('connection') ? connectionName : sql`null`}`,
  ]);
}

/** Days that nobody is to read any more, since they were deleted on request, are not missing. */
function completeness({ from, to, today }: Query, report: Report): SQL {
  return sql`(
    select jsonb_build_object(
      'provisionalDays', count(distinct kept.day) filter (where d.state = 'provisional'),
      'missingDays', count(distinct kept.day) filter (where d.state is null)
    )
    from asked c
    cross join lateral generate_series(
      greatest(${from}::date, c.began)::timestamp,
      least(${to}::date, ${today}::date, (c.ended_at at time zone 'UTC')::date, c.handed_over - 1)::timestamp,
      interval '1 day'
    ) as kept(day)
    left join days d on d.connection_id = c.id and d.report = ${report} and d.day = kept.day::date
    where c.purged_at is null
  )`;
}

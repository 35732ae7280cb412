import { sql, type SQL } from 'drizzle-orm';
import { z } from 'zod';
import { USAGE_COUNTS, type UsageCount } from '../../domain/lines.ts';
import type { Decimal } from '../../domain/money.ts';
import type { SpendQuery } from '../../domain/spend/query.ts';
import { list, type Db } from '../core/database.ts';
import { decimalText } from '../core/json.ts';
import { certainty, certaintyFields, type Certainty } from './completeness.ts';
import { WORKSPACES_NOW, groupRowFields, isCounted, keyOf, rawColumns, withTags, type GroupRow } from './groups.ts';
import { USAGE_LINES, addedUp, keyed, sumNames } from './lines.ts';
import type { Compiled, Page } from './rows.ts';
import { asked, dayParts, placedDays } from './scope.ts';
import { readPageByDays } from './stretches.ts';

/** Sums of counts. They are text, since a float does not hold large ones exactly. */
export interface UsageCounts {
  /** Whole numbers. */
  readonly counts: Readonly<Record<UsageCount, Decimal>>;
  /** Counts that this release does not know by name, by their dotted path, without those that are zero. */
  readonly otherCounts: Readonly<Record<string, Decimal>>;
}

/** The counts of a range, and those of the earlier range in a comparison. */
export interface Usage extends UsageCounts {
  /** Null if the query compares with nothing. */
  readonly before: UsageCounts | null;
}

/** A row of usage. */
export type UsageRow = GroupRow & Usage;

/** What belongs to all rows of usage, whatever the page. */
export interface UsageTotals extends Certainty {
  readonly totals: Usage;
}

const countsFields = {
  counts: z.record(z.enum(USAGE_COUNTS), decimalText),
  otherCounts: z.record(z.string(), decimalText),
};
const usage = { ...countsFields, before: z.object(countsFields).nullable() };

/** Adds up usage, in the order by key. */
export function sumUsage(db: Db, query: SpendQuery): Promise<Page<UsageRow, UsageTotals, never>> {
  return readPageByDays(db, compileUsage, query, 'usage', z.never());
}

/** Compiles a query of usage. */
export function compileUsage(query: SpendQuery): Compiled<UsageRow, UsageTotals> {
  const names = sumNames(query, USAGE_COUNTS);
  return {
    query,
    parts: [
      asked(query),
      WORKSPACES_NOW,
      ...dayParts(query, ['usage']),
      sql`grouped as materialized (${addedUp(query, USAGE_LINES, USAGE_COUNTS)})`,
      sql`other as materialized (${otherCounts(query)})`,
      sql`other_by_key as (
        select
          key,
          ${jsonOfCounts(sql`count`)} as counts,
          ${jsonOfCounts(sql`count_before`)} as counts_before
        from other
        group by key
      )`,
      keyed(query, names),
    ],
    joins: sql`left join other_by_key o on o.key = p.key`,
    fields: jsonFieldsOfUsage(
      query,
      (name) => sql`coalesce(p.${name}, 0)`,
      (suffix) => sql`coalesce(o.${sql.raw(`counts${suffix}`)}, '{}')`,
    ),
    order: sql`p.key`,
    row: z.object({ ...groupRowFields, ...usage }),
    totals: sql`jsonb_build_object('totals', jsonb_build_object(${jsonFieldsOfUsage(
      query,
      (name) => sql`(select coalesce(sum(${name}), 0) from grouped)`,
      (suffix) => sql`(
        select coalesce(${jsonOfCounts(sql`count`)}, '{}')
        from (select name, sum(${sql.raw(`count${suffix}`)}) as count from other group by name) by_name
      )`,
    )})) || ${certainty(query, ['usage'])}`,
    totalsSchema: z.object({ totals: z.object(usage), ...certaintyFields }),
    other: sql`null`,
  };
}

/** `suffix` is empty, or names the columns of the earlier range. */
function jsonFieldsOfUsage(
  { comparison }: SpendQuery,
  count: (name: SQL) => SQL,
  others: (suffix: '' | '_before') => SQL,
): SQL {
  const fields = (suffix: '' | '_before'): SQL => {
    const known = USAGE_COUNTS.flatMap((name) => [
      sql.raw(`'${name}'`),
      sql`${count(sql`${sql.identifier(name + suffix)}`)}::text`,
    ]);
    return sql`'counts', jsonb_build_object(${list(known)}), 'otherCounts', ${others(suffix)}`;
  };
  const before = comparison === null ? sql`null` : sql`jsonb_build_object(${fields('_before')})`;
  return sql`${fields('')}, 'before', ${before}`;
}

/** The counts without a column of their own, by key and name. Few lines have any, so they are added up on their own. */
function otherCounts(query: SpendQuery): SQL {
  const raw = sql`(
    select ${list([...rawColumns(query), sql`other.key as name`, sql`other.value::numeric as count`, sql`l.is_before`])}
    from (
      select d.bucket, d.is_before, l.series_no, l.extra_counts
      from (${placedDays(query, 'usage')}) d
      join usage_lines l on l.day_no = d.day_no and l.extra_counts is not null
    ) l
    join usage_series s on s.series_no = l.series_no
    cross join lateral jsonb_each_text(l.extra_counts) other
    where ${isCounted(query)}
  ) raw`;
  return sql`
    select
      key,
      name,
      coalesce(sum(count) filter (where not is_before), 0) as count,
      coalesce(sum(count) filter (where is_before), 0) as count_before
    from (select ${keyOf(query)} as key, raw.name, count, is_before from ${withTags(query, raw)}) each_key
    group by key, name
  `;
}

/** Counts by their name, as a JSON object without those that are zero; null if that leaves none. */
function jsonOfCounts(count: SQL): SQL {
  return sql`jsonb_object_agg(name, trim_scale(${count})::text) filter (where ${count} <> 0)`;
}

import { sql, type SQL } from 'drizzle-orm';
import { z } from 'zod';
import { USAGE_COUNTS, type UsageCount } from '../../domain/lines.ts';
import type { Decimal } from '../../domain/money.ts';
import { list, row, type Db } from '../core/database.ts';
import { decimalText } from '../core/json.ts';
import { isAfter, keyOf, nameFields, rawColumns, rawNames, type SpendQuery, type UsageGroup } from './groups.ts';
import { askedAndCounted, completeness, completenessFields, type Completeness } from './range.ts';
import { groupRowFields, type GroupRow } from './row.ts';

/** Sums of counts. They are text, since a float does not hold large ones exactly. */
export interface UsageCounts {
  /** Whole numbers. */
  readonly counts: Readonly<Record<UsageCount, Decimal>>;
  /** Counts that this release does not know by name, by their dotted path, without those that are zero. */
  readonly otherCounts: Readonly<Record<string, Decimal>>;
}

/** The usage of a range. */
export interface UsageSums extends Completeness {
  readonly data: readonly (GroupRow & UsageCounts)[];
  /** Of the whole range, whatever the page. */
  readonly totals: UsageCounts;
}

const usageCounts = {
  counts: z.record(z.enum(USAGE_COUNTS), decimalText),
  otherCounts: z.record(z.string(), decimalText),
};

const usageSums: z.ZodType<UsageSums> = z.object({
  data: z.array(z.object({ ...groupRowFields, ...usageCounts })),
  totals: z.object(usageCounts),
  ...completenessFields,
});

/** Adds up usage. One statement, so that page, totals and completeness speak of the same instant. */
export async function sumUsage(db: Db, query: SpendQuery<UsageGroup>): Promise<UsageSums> {
  const { report } = await row(
    db,
    z.object({ report: usageSums }),
    sql`
      with ${askedAndCounted(query, 'usage')},
      grouped as (
        select ${rawColumns(query)}, ${ofEachCount((count) => sql`sum(l.${count}) as ${count}`)}
        from counted d
        join usage_lines l on l.day_no = d.day_no
        join usage_series s on s.series_no = l.series_no
        group by ${rawNames(query)}
      ),
      other as materialized (${otherCountsByKey(query)}),
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
            'key', to_jsonb(p.key), ${nameFields(query)},
            'counts', jsonb_build_object(${ofEachCount((count, name) => sql`${name}, p.${count}::text`)}),
            'otherCounts', ${jsonOfCounts(sql`select name, count from other o where o.key = p.key`)}
          ) order by p.key), '[]')
          from page p
        ),
        'totals', jsonb_build_object(
          'counts', jsonb_build_object(${ofEachCount(
            (count, name) => sql`${name}, (select coalesce(sum(${count}), 0)::text from grouped)`,
          )}),
          'otherCounts', ${jsonOfCounts(sql`select name, sum(count) as count from other group by name`)}
        )
      ) || ${completeness(query)} as report
    `,
  );
  return report;
}

/** One expression for each known count, from its column and its name as a text. */
function ofEachCount(expression: (column: SQL, name: SQL) => SQL): SQL {
  return list(USAGE_COUNTS.map((count) => expression(sql`${sql.identifier(count)}`, sql.raw(`'${count}'`))));
}

/** The counts without a column of their own, by key and name. Few lines have any, so they are added up on their own. */
function otherCountsByKey(query: SpendQuery<UsageGroup>): SQL {
  return sql`
    select ${keyOf(query)} as key, name, sum(count) as count
    from (
      select ${rawColumns(query)}, other.key as name, other.value::numeric as count
      from counted d
      join usage_lines l on l.day_no = d.day_no and l.extra_counts is not null
      join usage_series s on s.series_no = l.series_no
      cross join lateral jsonb_each_text(l.extra_counts) other
    ) raw
    group by 1, name
  `;
}

/** Counts by their name, as a JSON object without those that are zero. */
function jsonOfCounts(sums: SQL): SQL {
  return sql`(
    select coalesce(jsonb_object_agg(name, trim_scale(count)::text), '{}') from (${sums}) sums where count <> 0
  )`;
}

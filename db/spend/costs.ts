import { sql } from 'drizzle-orm';
import { z } from 'zod';
import type { Decimal } from '../../domain/money.ts';
import { row, type Db } from '../core/database.ts';
import { decimalText } from '../core/json.ts';
import { isAfter, keyOf, nameFields, rawColumns, rawNames, type CostGroup, type SpendQuery } from './groups.ts';
import { askedAndCounted, completeness, completenessFields, type Completeness } from './range.ts';
import { groupRowFields, type GroupRow } from './row.ts';

/** The costs of a range, as exact decimals in major units. */
export interface CostSums extends Completeness {
  /** USD, unless grouped by currency. */
  readonly data: readonly (GroupRow & { readonly amount: Decimal })[];
  /** USD of the whole range, whatever the page. */
  readonly total: Decimal;
  /** What was charged in another currency. It is never added to USD. */
  readonly otherCurrencies: readonly { readonly currency: string; readonly amount: Decimal }[];
}

const costSums: z.ZodType<CostSums> = z.object({
  data: z.array(z.object({ ...groupRowFields, amount: decimalText })),
  total: decimalText,
  otherCurrencies: z.array(z.object({ currency: z.string(), amount: decimalText })),
  ...completenessFields,
});

/** Adds up costs. One statement, so that page, total and completeness speak of the same instant. */
export async function sumCosts(db: Db, query: SpendQuery<CostGroup>): Promise<CostSums> {
  const counts = query.groupBy.includes('currency') ? sql`true` : sql`currency = 'USD'`;
  const { report } = await row(
    db,
    z.object({ report: costSums }),
    sql`
      with ${askedAndCounted(query, 'cost')},
      grouped as (
        select ${rawColumns(query)}, s.currency, sum(l.amount) as amount
        from counted d
        join cost_lines l on l.day_no = d.day_no
        join cost_series s on s.series_no = l.series_no
        group by ${rawNames(query)}, s.currency
      ),
      page as (
        select key, amount
        from (select ${keyOf(query)} as key, amount from grouped where ${counts}) keyed
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

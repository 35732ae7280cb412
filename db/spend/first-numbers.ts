import { sql } from 'drizzle-orm';
import { z } from 'zod';
import type { Day } from '../../domain/days.ts';
import type { Decimal } from '../../domain/money.ts';
import { row, type Db } from '../core/database.ts';
import { dayJson, decimalText } from '../core/json.ts';

const MODELS = 5;

/** What people are told when an organization is connected. Amounts are USD. */
export interface FirstNumbers {
  readonly organization: string;
  readonly from: Day;
  readonly to: Day;
  /** Of cost, with those that have no lines. */
  readonly days: number;
  readonly total: Decimal;
  /** The largest first, five at most. */
  readonly byModel: readonly { readonly model: string | null; readonly amount: Decimal }[];
}

/** The first numbers of a connection; null before a day of cost is stored. */
export async function firstNumbers(db: Db, connectionId: string): Promise<FirstNumbers | null> {
  const { from, to, ...rest } = await row(
    db,
    z.object({
      organization: z.string(),
      from: dayJson.nullable(),
      to: dayJson.nullable(),
      days: z.int(),
      total: decimalText,
      byModel: z.array(z.object({ model: z.string().nullable(), amount: decimalText })),
    }),
    sql`
      select coalesce(c.organization_name, c.name) as organization,
        d.first::text as "from", d.last::text as "to", d.days, trim_scale(d.total)::text as total,
        (
          select coalesce(jsonb_agg(jsonb_build_object('model', model, 'amount', trim_scale(amount)::text)
            order by amount desc, model), '[]')
          from (
            select s.model, sum(r.amount) as amount
            from days day
            join cost_rollup r using (day_no)
            join cost_series s using (series_no)
            where day.connection_id = c.id and day.report = 'cost' and s.currency = 'USD'
            group by s.model
            having sum(r.amount) <> 0
            order by sum(r.amount) desc, s.model
            limit ${MODELS}
          ) largest
        ) as "byModel"
      from connections c cross join lateral (
        select min(day) as first, max(day) as last, count(*)::int as days, coalesce(sum(total), 0) as total
        from days where connection_id = c.id and report = 'cost'
      ) d
      where c.id = ${connectionId}
    `,
  );
  return from === null || to === null ? null : { ...rest, from, to };
}

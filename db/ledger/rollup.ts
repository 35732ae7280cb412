import { sql, type SQL } from 'drizzle-orm';
import { GROUP_DIMENSIONS } from '../../domain/lines.ts';
import { list, type Db } from '../core/database.ts';

/**
 * Two parts of a statement that make the rollup of one day equal to `sums`, an earlier part with the columns `series_no` and
 * `amount`. The part `day` has the number of the day, or no row. Amounts that stay the same are not written.
 */
export function replacingRollup(): SQL {
  return sql`
    unrolled as (
      delete from cost_rollup r
      using day
      where r.day_no = day.day_no and not exists (select from sums where sums.series_no = r.series_no)
    ), rolled_up as (
      insert into cost_rollup as r (day_no, series_no, amount)
      select day.day_no, sums.series_no, sums.amount from sums cross join day
      on conflict (day_no, series_no) do update set amount = excluded.amount where r.amount <> excluded.amount
    )
  `;
}

/**
 * Whether the rollup of the day of cost `d` does not add up to the total of the day. Other currencies are in no total, but
 * nearly no day has any, so series are looked up only where the sum of everything is another one.
 */
export function rollupDiffers(): SQL {
  return sql`(
    d.total <> coalesce((select sum(r.amount) from cost_rollup r where r.day_no = d.day_no), 0)
    and d.total <> coalesce((
      select sum(r.amount) from cost_rollup r join cost_series s using (series_no)
      where r.day_no = d.day_no and s.currency = 'USD'
    ), 0)
  )`;
}

/** Makes the rollup of a day anew from its lines. */
export async function rewriteRollup(db: Db, dayNo: number): Promise<void> {
  await db.transaction(async (tx) => {
    // A statement that waits for the lock would add up the lines from before the wait.
    await tx.execute(sql`select from days where day_no = ${dayNo} for no key update`);
    await tx.execute(sql`
      with day as (
        select day_no from days where day_no = ${dayNo}
      ), sums as materialized (
        select min(series_no) as series_no, sum(l.amount) as amount
        from day join cost_lines l using (day_no) join cost_series s using (series_no)
        group by ${list(GROUP_DIMENSIONS.map((name) => sql`s.${sql.identifier(name)}`))}
      ), ${replacingRollup()}
      select
    `);
  });
}

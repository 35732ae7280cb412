import { sql, type SQL } from 'drizzle-orm';
import { GROUP_DIMENSIONS } from '../../domain/lines.ts';
import { list, type Db } from '../core/database.ts';

/** More parts of the statement that adds days: their rollups. `grouped` are the lines of a day by their groups. */
export function addingRollup(grouped: SQL): SQL {
  return sql`, rolled_up as (
    insert into cost_rollup (day_no, series_no, amount)
    select day.day_no, line.series_no, sum(line.amount)
    from day join asked using (day) cross join sent cross join lateral ${grouped}
    group by 1, 2
    order by 1, 2
  )`;
}

/**
 * More parts of a statement that has the number of a day, or no row, as its part `day`: they make the rollup of that day
 * from these lines by their groups. Amounts that stay the same are not written.
 */
export function replacingRollup(grouped: SQL): SQL {
  return sql`, sums as materialized (
    select line.series_no, sum(line.amount) as amount from (${grouped}) line group by line.series_no
  ), unrolled as (
    delete from cost_rollup r
    using day
    where r.day_no = day.day_no and not exists (select from sums where sums.series_no = r.series_no)
  ), rolled_up as (
    insert into cost_rollup as r (day_no, series_no, amount)
    select day.day_no, sums.series_no, sums.amount from sums cross join day
    on conflict (day_no, series_no) do update set amount = excluded.amount where r.amount <> excluded.amount
  )`;
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
  const groups = list(GROUP_DIMENSIONS.map((name) => sql`s.${sql.identifier(name)}`));
  await db.transaction(async (tx) => {
    // A statement that waits for the lock would add up the lines from before the wait.
    await tx.execute(sql`select from days where day_no = ${dayNo} for no key update`);
    await tx.execute(sql`
      with day as (
        select day_no from days where day_no = ${dayNo}
      )${replacingRollup(sql`
        select min(series_no) over (partition by ${groups}) as series_no, l.amount
        from day join cost_lines l using (day_no) join cost_series s using (series_no)
      `)}
      select
    `);
  });
}

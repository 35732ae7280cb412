import { sql, type SQL } from 'drizzle-orm';
import { CELL_AMOUNTS, CELL_DIMENSIONS, GROUP_DIMENSIONS } from '../../domain/lines.ts';
import { list, type Db } from '../core/database.ts';

/** The sums that are kept of a day: its cells, and its rollup, which adds up cells. */

const AMOUNTS = CELL_AMOUNTS.map((name) => sql.identifier(name));

/** The sums of the amounts of cells, from lines named `line` with their `kind`. */
const SUMS = list(
  AMOUNTS.map((name, kind) => sql`sum(line.amount) filter (where line.kind = ${sql.raw(String(kind))}) as ${name}`),
);

/** What the amounts of a cell add up to. */
export function wholeOf(cell: SQL, suffix = ''): SQL {
  return sql.join(
    CELL_AMOUNTS.map((name) => sql`coalesce(${cell}.${sql.identifier(name + suffix)}, 0)`),
    sql` + `,
  );
}

/**
 * The parts `cells` and `totals` of the statement that adds days: sums of each day that is `asked`, from its lines named
 * `line`. The totals leave out the cells `excluded`.
 */
export function addedCells(ofCells: SQL, excluded: SQL): SQL {
  return sql`, cells as materialized (
    select asked.day, line.cell_no, ${SUMS}
    from asked cross join sent cross join lateral ${ofCells}
    group by 1, 2
  ), totals as (
    select day, trim_scale(sum(${wholeOf(sql`cells`)})) as total from cells where cell_no <> all(${excluded}) group by day
  )`;
}

/** More parts of that statement: they keep the {@link addedCells} of each `day` that is new, and its rollup by these groups. */
export function addingRollup(groups: SQL): SQL {
  return sql`, cells_added as (
    insert into cost_cells (day_no, series_no, ${list(AMOUNTS)})
    select day.day_no, cells.cell_no, ${list(AMOUNTS)} from cells join day using (day)
    order by 1, 2
  ), rolled_up as (
    insert into cost_rollup (day_no, series_no, amount)
    select day.day_no, min(cell_no), sum(${wholeOf(sql`cells`)})
    from cells join day using (day) join ${groups} using (cell_no)
    group by day.day_no, cell.group_no
    order by 1, 2
  )`;
}

/**
 * More parts of a statement that has the number of a day, or no row, as its part `day`: they make the cells and the rollup
 * of that day from these lines and groups. Amounts that stay the same are not written.
 */
export function replacingRollup(lines: SQL, groups: SQL): SQL {
  return sql`, cells as materialized (
    select line.cell_no, ${SUMS} from (${lines}) line group by 1
  ), cells_removed as (
    delete from cost_cells c
    using day
    where c.day_no = day.day_no and not exists (select from cells where cells.cell_no = c.series_no)
  ), cells_added as (
    insert into cost_cells as c (day_no, series_no, ${list(AMOUNTS)})
    select day.day_no, cells.cell_no, ${list(AMOUNTS)} from cells cross join day
    on conflict (day_no, series_no) do update set ${list(AMOUNTS.map((name) => sql`${name} = excluded.${name}`))}
    where (${list(AMOUNTS.map((name) => sql`c.${name}`))})
      is distinct from (${list(AMOUNTS.map((name) => sql`excluded.${name}`))})
  ), sums as materialized (
    select min(cell_no) as series_no, sum(${wholeOf(sql`cells`)}) as amount
    from cells join ${groups} using (cell_no)
    group by cell.group_no
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

/** Whether the rollup or the cells of the day of cost `d` do not add up to the total of the day. */
export function rollupDiffers(): SQL {
  return sql`(${sumDiffers(sql`cost_rollup`, sql`r.amount`)} or ${sumDiffers(sql`cost_cells`, wholeOf(sql`r`))})`;
}

/**
 * Other currencies are in no total, but nearly no day has any, so series are looked up only where the sum of everything is
 * another one.
 */
function sumDiffers(table: SQL, amount: SQL): SQL {
  return sql`(
    d.total <> coalesce((select sum(${amount}) from ${table} r where r.day_no = d.day_no), 0)
    and d.total <> coalesce((
      select sum(${amount}) from ${table} r join cost_series s using (series_no)
      where r.day_no = d.day_no and s.currency = 'USD'
    ), 0)
  )`;
}

/** Makes the cells and the rollup of a day anew from its lines. */
export async function rewriteRollup(db: Db, dayNo: number): Promise<void> {
  const columns = (names: readonly string[]): SQL => list(names.map((name) => sql`s.${sql.identifier(name)}`));
  const ofCell = sql`${columns(CELL_DIMENSIONS)}, case when s.token_kind is null then s.token_type end`;
  await db.transaction(async (tx) => {
    // A statement that waits for the lock would add up the lines from before the wait.
    await tx.execute(sql`select from days where day_no = ${dayNo} for no key update`);
    await tx.execute(sql`
      with day as (
        select day_no from days where day_no = ${dayNo}
      ), lines as materialized (
        select
          min(series_no) over (partition by ${columns(GROUP_DIMENSIONS)}) as group_no,
          min(series_no) over (partition by ${ofCell}) as cell_no,
          coalesce(s.token_kind, 0) as kind,
          l.amount
        from day join cost_lines l using (day_no) join cost_series s using (series_no)
      )${replacingRollup(sql`select * from lines`, sql`(select distinct cell_no, group_no from lines) as cell`)}
      select
    `);
  });
}

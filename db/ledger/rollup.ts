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
 * More parts of the statement that adds days: their cells and rollups. `grouped` are the lines of a day, named `line`, with
 * the numbers of the series that stand for their group and their cell.
 */
export function addingRollup(grouped: SQL): SQL {
  return sql`, cells as materialized (
    select day.day_no, line.cell_no, min(line.group_no) as group_no, ${SUMS}
    from day join asked using (day) cross join sent cross join lateral ${grouped}
    group by 1, 2
  ), cells_added as (
    insert into cost_cells (day_no, series_no, ${list(AMOUNTS)})
    select day_no, cell_no, ${list(AMOUNTS)} from cells
    order by 1, 2
  ), rolled_up as (
    insert into cost_rollup (day_no, series_no, amount)
    select day_no, group_no, sum(${wholeOf(sql`cells`)}) from cells
    group by 1, 2
    order by 1, 2
  )`;
}

/**
 * More parts of a statement that has the number of a day, or no row, as its part `day`: they make the cells and the rollup
 * of that day from these lines. Amounts that stay the same are not written.
 */
export function replacingRollup(grouped: SQL): SQL {
  return sql`, cells as materialized (
    select line.cell_no as series_no, min(line.group_no) as group_no, ${SUMS} from (${grouped}) line group by line.cell_no
  ), cells_removed as (
    delete from cost_cells c
    using day
    where c.day_no = day.day_no and not exists (select from cells where cells.series_no = c.series_no)
  ), cells_added as (
    insert into cost_cells as c (day_no, series_no, ${list(AMOUNTS)})
    select day.day_no, cells.series_no, ${list(AMOUNTS)} from cells cross join day
    on conflict (day_no, series_no) do update set ${list(AMOUNTS.map((name) => sql`${name} = excluded.${name}`))}
    where (${list(AMOUNTS.map((name) => sql`c.${name}`))})
      is distinct from (${list(AMOUNTS.map((name) => sql`excluded.${name}`))})
  ), sums as materialized (
    select group_no as series_no, sum(${wholeOf(sql`cells`)}) as amount from cells group by 1
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
      )${replacingRollup(sql`
        select
          min(series_no) over (partition by ${columns(GROUP_DIMENSIONS)}) as group_no,
          min(series_no) over (partition by ${ofCell}) as cell_no,
          coalesce(s.token_kind, 0) as kind,
          l.amount
        from day join cost_lines l using (day_no) join cost_series s using (series_no)
      `)}
      select
    `);
  });
}

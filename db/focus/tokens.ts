import { sql, type SQL } from 'drizzle-orm';
import { TOKEN_COUNTS, TOKEN_TYPES } from '../../domain/lines.ts';
import { DAY_PARTS } from '../spend/scope.ts';

/**
 * The parts that say how many tokens a line of cost bills. `met` has the lines of `cost_days` by `day_no` and `series_no`,
 * each with its `amount` and its `tokens`: those of its connection, day, unit and token type, if no other line bills these as
 * well, and null if one does. Needs `cost_days` and `usage_days`.
 *
 * Costs and usage are put in one order instead of joined: Postgres guesses badly how many rows a part of a statement has,
 * and would look through all tokens for each line.
 */
export function tokenParts(): SQL[] {
  const { cost, usage } = DAY_PARTS;
  const counts = sql.raw(TOKEN_COUNTS.map((name) => `('${TOKEN_TYPES[name]}', l.${name})`).join(', '));
  return [
    sql`both_reports as (
      select d.connection_id, d.day, s.unit_id, s.token_type, l.day_no, l.series_no, l.amount, null::numeric as tokens
      from ${cost.after} d
      join cost_lines l on l.day_no = d.day_no
      join cost_series s on s.series_no = l.series_no
      union all
      select d.connection_id, d.day, s.unit_id, t.token_type, null, null, null, t.tokens
      from ${usage.after} d
      join usage_lines l on l.day_no = d.day_no
      join usage_series s on s.series_no = l.series_no
      cross join lateral (values ${counts}) t(token_type, tokens)
      where t.tokens <> 0
      union all
      select d.connection_id, d.day, s.unit_id, more.key, null, null, null, more.value::numeric
      from ${usage.after} d
      join usage_lines l on l.day_no = d.day_no and l.extra_counts is not null
      join usage_series s on s.series_no = l.series_no
      cross join lateral jsonb_each_text(l.extra_counts) more
      where more.key like '%tokens'
    )`,
    sql`met as (
      select day_no, series_no, amount, case when lines = 1 then of_cell end as tokens
      from (
        select day_no, series_no, amount, count(series_no) over cell as lines, sum(tokens) over cell as of_cell
        from both_reports
        window cell as (partition by connection_id, day, unit_id, token_type)
      ) cells
      where series_no is not null
    )`,
  ];
}

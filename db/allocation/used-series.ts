import { sql, type SQL } from 'drizzle-orm';
import type { Rule } from '../../domain/allocation/document.ts';
import type { Dimension } from '../../domain/spend/query.ts';
import { valueIn } from './series.ts';
import { centerOf, poolOf, ruleOf } from './targets.ts';

/**
 * The part `series`: every series that a line of `cost_days` has, with its `organization`, the `rule` that takes it, and its
 * `center` or `pool`. The rules are tried once for each, not for each of its lines. Needs `asked`, `cost_days` and
 * `workspaces_now`.
 */
export function usedSeries(rules: readonly Rule[]): SQL {
  const valueOf = (dimension: Dimension): SQL => valueIn(dimension, sql`s`);
  return sql`series as (
    select s.*, a.organization, m.rule, ${centerOf(rules, sql`m.rule`, valueOf)} as center,
      ${poolOf(rules, sql`m.rule`)} as pool
    from cost_series s
    join asked a on a.id = s.connection_id
    left join workspaces_now w on w.connection_id = s.connection_id and w.workspace_id = s.workspace_id
    cross join lateral (select ${ruleOf(rules, valueOf)} as rule offset 0) m
    where s.series_no in (select l.series_no from cost_days d join cost_lines l on l.day_no = d.day_no)
  )`;
}

import { sql, type SQL } from 'drizzle-orm';
import type { Rule } from '../../domain/allocation/document.ts';
import type { Dimension } from '../../domain/spend/query.ts';
import { list } from '../core/database.ts';
import { hasTag } from '../spend/groups.ts';
import { valueIn } from './series.ts';
import { centerOf, dimensionsOf, namedValue, poolOf, ruleOf } from './targets.ts';

/**
 * The parts `series` (every series that a line of `cost_days` has, with its `organization`) and `matched` (where the rules
 * give it, by its `combination`). Few series differ in what the rules ask for, so the rules are tried once for those that
 * do not. Needs `cost_days` and `workspaces_now`.
 */
export function matchedParts(rules: readonly Rule[]): SQL[] {
  const valueOf = (dimension: Dimension): SQL => valueIn(dimension, sql`s`);
  const values = dimensionsOf(rules).map((dimension) =>
    hasTag(dimension) ? valueOf(dimension) : namedValue(rules, dimension, valueOf(dimension)),
  );
  return [
    sql`used as materialized (
      select l.series_no, min(d.organization) as organization
      from cost_days d join cost_lines l on l.day_no = d.day_no
      group by l.series_no
    )`,
    sql`series as materialized (
      select s.*, u.organization, w.tags, ${values.length === 0 ? sql`''` : sql`row(${list(values)})::text`} as combination
      from used u join cost_series s on s.series_no = u.series_no
      left join workspaces_now w on w.connection_id = s.connection_id and w.workspace_id = s.workspace_id
    )`,
    sql`matched as materialized (
      select s.combination, m.rule, ${centerOf(rules, sql`m.rule`, valueOf)} as center,
        ${poolOf(rules, sql`m.rule`)} as pool
      from (select distinct on (combination) * from series) s
      cross join lateral (select s.tags) w
      cross join lateral (select ${ruleOf(rules, valueOf)} as rule offset 0) m
    )`,
  ];
}

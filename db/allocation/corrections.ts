import { sql, type SQL } from 'drizzle-orm';
import { z } from 'zod';
import type { DayRange } from '../../domain/days.ts';
import type { Rule } from '../../domain/allocation/document.ts';
import type { Dimension } from '../../domain/spend/query.ts';
import { COST_DIMENSIONS } from '../../domain/lines.ts';
import { list, rows, type Db } from '../core/database.ts';
import { valueIn } from './series.ts';
import { centerOf, poolOf, ruleOf } from './targets.ts';
import { allocationVersion } from './versions.ts';

/** A closed month whose lines Anthropic has corrected since, and the rules by which it was closed. */
export interface Corrected {
  readonly statementNo: number;
  readonly rules: readonly Rule[];
}

/**
 * The days of closed months whose cost is not what the last statement that knows them took, as a statement. A day that no
 * connection has any more, since its data were purged, was not corrected.
 */
export const CHANGED_DAYS = sql`
  select st.statement_no as rules_of, d.organization, d.day, d.day_no, d.connection_id, own.digest
  from counted_days d
  join days own on own.day_no = d.day_no
  join statements st on st.state = 'closed' and st.month = date_trunc('month', d.day::timestamp)::date
  left join lateral (
    select sd.digest from statement_days sd join statements known on known.statement_no = sd.statement_no
    where sd.organization = d.organization and sd.day = d.day and known.state = 'closed'
    order by sd.statement_no desc
    limit 1
  ) known on true
  where d.report = 'cost' and known.digest is distinct from own.digest
`;

/** The closed months whose lines were corrected since, oldest first. */
export async function correctedStatements(db: Db): Promise<Corrected[]> {
  const found = await rows(
    db,
    z.object({ statementNo: z.int(), version: z.int().nullable() }),
    sql`
      select statement_no as "statementNo", version from statements
      where statement_no in (select rules_of from (${CHANGED_DAYS}) changed)
      order by month
    `,
  );
  return Promise.all(
    found.map(async ({ statementNo, version }) => ({
      statementNo,
      rules: version === null ? [] : ((await allocationVersion(db, version))?.allocation.rules ?? []),
    })),
  );
}

const OWN_COLUMNS = COST_DIMENSIONS.map((name) => sql.raw(name));

/**
 * The parts `changed` (days) and `corrections`: for each line of a changed day, what it is now less what statements have
 * said so far, without those that stayed the same, with the columns of a series. A line that its statement has goes where
 * it went; a line that came later goes where the closed rules and tags give it. With a range, only of its days.
 */
export function correctionParts(corrected: readonly Corrected[], range: DayRange | null = null): SQL[] {
  if (corrected.length === 0) return [];
  const ofRange = range === null ? sql`` : sql`and d.day between ${range.from} and ${range.to}`;
  const either = (name: SQL): SQL => sql`case when s.series_no is null then n.${name} else s.${name} end as ${name}`;
  return [
    sql`changed as materialized (${CHANGED_DAYS} ${ofRange})`,
    sql`said as (
      select c.rules_of, c.organization, c.day, s.series_id, sum(l.amount) as amount,
        min(s.statement_no) as statement_no,
        (array_agg(s.series_no order by s.statement_no))[1] as series_no
      from changed c
      join statements st on st.state = 'closed' and st.statement_no >= c.rules_of
      join statement_lines l on l.statement_no = st.statement_no and l.day = c.day
      join statement_series s on s.statement_no = l.statement_no and s.series_no = l.series_no
        and s.rules_of = c.rules_of and s.organization = c.organization
      group by 1, 2, 3, 4
    )`,
    sql`now_lines as (
      select c.rules_of, c.organization, c.day, s.*, l.amount
      from changed c join cost_lines l on l.day_no = c.day_no join cost_series s on s.series_no = l.series_no
    )`,
    sql`differing as (
      select
        coalesce(n.rules_of, said.rules_of) as rules_of,
        coalesce(n.organization, said.organization) as organization,
        coalesce(n.day, said.day) as day,
        coalesce(n.series_id, said.series_id) as series_id,
        ${list(seriesColumns(either))},
        s.series_no is not null as is_said, s.rule as said_rule, s.center as said_center, s.pool as said_pool,
        coalesce(n.amount, 0) - coalesce(said.amount, 0) as amount
      from now_lines n
      full join said on said.rules_of = n.rules_of and said.organization = n.organization and said.day = n.day
        and said.series_id = n.series_id
      left join statement_series s on s.statement_no = said.statement_no and s.series_no = said.series_no
      where coalesce(n.amount, 0) <> coalesce(said.amount, 0)
    )`,
    sql`corrections as materialized (
      select d.rules_of, d.organization, d.day, d.series_id, ${list(seriesColumns((name) => sql`d.${name}`))}, d.amount,
        case when d.is_said then d.said_rule else found.rule end as rule,
        case when d.is_said then d.said_center else found.center end as center,
        case when d.is_said then d.said_pool else found.pool end as pool
      from differing d
      left join statement_workspaces w
        on w.statement_no = d.rules_of and w.organization = d.organization and w.workspace_id = d.workspace_id
      left join lateral (${byClosedRules(corrected)}) found on true
    )`,
  ];
}

function seriesColumns(of: (name: SQL) => SQL): SQL[] {
  return [sql.raw('connection_id'), ...OWN_COLUMNS].map(of);
}

/** Where the closed rules give a line `d` that no statement has, with the tags `w`. */
function byClosedRules(corrected: readonly Corrected[]): SQL {
  const valueOf = (dimension: Dimension): SQL => valueIn(dimension, sql`d`);
  const each = corrected.map(
    ({ statementNo, rules }) => sql`
      select m.rule, ${centerOf(rules, sql`m.rule`, valueOf)} as center, ${poolOf(rules, sql`m.rule`)} as pool
      from (select ${ruleOf(rules, valueOf)} as rule) m
      where not d.is_said and d.rules_of = ${statementNo}
    `,
  );
  return sql.join(each, sql` union all `);
}

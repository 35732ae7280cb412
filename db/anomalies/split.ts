import { sql, type SQL } from 'drizzle-orm';
import { z } from 'zod';
import type { ComparedDays } from '../../domain/anomalies/compared.ts';
import type { Condition, IncidentChange } from '../../domain/anomalies/incident.ts';
import { TOKEN_COUNTS, TOKEN_TYPES } from '../../domain/lines.ts';
import { list, row, textArray, type Db } from '../core/database.ts';
import { decimalText } from '../core/json.ts';
import { quotient } from '../spend/quotient.ts';
import { CAUSE_DIMENSIONS } from './days.ts';

const change = z.object({
  before: decimalText,
  after: decimalText,
  change: decimalText,
  volume: decimalText,
  mix: decimalText,
  price: decimalText,
  unmatched: decimalText,
}) satisfies z.ZodType<IncidentChange>;

/**
 * By how much the cost of some lines of a connection changed between two sets of days, and why, in US dollars. The parts are
 * those of `GET /v1/costs/changes`: they come from every line of both sets, by unit and token type, and add up exactly.
 */
export function splitChange(
  tx: Db,
  connectionId: string,
  conditions: readonly Condition[],
  { now, before }: ComparedDays,
): Promise<IncidentChange> {
  const price = quotient(sql`after * tokens_before - before * tokens`, sql`tokens_before`);
  const volume = quotient(sql`matched_before * (tokens - tokens_before)`, sql`tokens_before`);
  const shown = (part: string): SQL => sql`trim_scale(${sql.raw(part)})::text as ${sql.raw(part)}`;
  return row(
    tx,
    change,
    sql`
      with cells as materialized (
        select s.unit_id as unit, s.token_type, ${bothSums('amount')}
        from (${daysOf(connectionId, 'cost', { now, before })}) d
        join cost_lines l using (day_no) join cost_series s using (series_no)
        where s.currency = 'USD' and ${areMet(conditions)}
        group by 1, 2
      ),
      cell_tokens as materialized (${tokensOf(connectionId, { now, before })}),
      matched as (
        select c.after, c.before, greatest(coalesce(t.after, 0), 0) as tokens,
          greatest(coalesce(t.before, 0), 0) as tokens_before
        from cells c left join cell_tokens t on t.unit = c.unit and t.token_type = c.token_type
      ),
      sums as (
        select
          coalesce(sum(before), 0) as before,
          coalesce(sum(after), 0) as after,
          coalesce(sum(before) filter (where tokens_before > 0), 0) as matched_before,
          coalesce(sum(tokens), 0) as tokens,
          coalesce(sum(tokens_before), 0) as tokens_before,
          coalesce(sum(${price}) filter (where tokens > 0 and tokens_before > 0), 0) as price,
          coalesce(sum(after) filter (where tokens = 0), 0)
            - coalesce(sum(before) filter (where tokens_before = 0), 0) as unmatched
        from matched
      ),
      explained as (select *, after - before as change, coalesce(${volume}, 0) as volume from sums)
      select ${list(['before', 'after', 'change', 'volume', 'price', 'unmatched'].map(shown))},
        trim_scale(change - price - unmatched - volume)::text as mix
      from explained
    `,
  );
}

/** The days of a report by their number, with `is_before`. */
function daysOf(connectionId: string, report: 'cost' | 'usage', { now, before }: ComparedDays): SQL {
  return sql`
    select day_no, day = any(${textArray(before)}::date[]) as is_before from days
    where connection_id = ${connectionId} and report = ${report} and day = any(${textArray([...now, ...before])}::date[])
  `;
}

function bothSums(column: string): SQL {
  const name = sql.identifier(column);
  return sql`
    coalesce(sum(${name}) filter (where not is_before), 0) as after,
    coalesce(sum(${name}) filter (where is_before), 0) as before
  `;
}

/** The tokens of the units of the cells, by token type. */
function tokensOf(connectionId: string, compared: ComparedDays): SQL {
  const kinds = TOKEN_COUNTS.map(
    (name) => sql`(${sql.raw(`'${TOKEN_TYPES[name]}'`)}, ${sql.raw(`l.${name}`)}::numeric)`,
  );
  return sql`
    select unit, token_type, ${bothSums('tokens')}
    from (
      select s.unit_id as unit, d.is_before, kind.*
      from (${daysOf(connectionId, 'usage', compared)}) d
      join usage_lines l using (day_no) join usage_series s using (series_no)
      cross join lateral (
        select * from (values ${list(kinds)}) known(token_type, tokens) where tokens <> 0
        union all
        select other.key, other.value::numeric from jsonb_each_text(l.extra_counts) other
      ) kind
      where s.unit_id in (select unit from cells)
    ) each_kind
    group by 1, 2
  `;
}

/** Whether a line of the series `s` meets conditions: those on one dimension are alternatives, dimensions hold together. */
function areMet(conditions: readonly Condition[]): SQL {
  const parts = Object.entries(CAUSE_DIMENSIONS).flatMap(([dimension, name]) => {
    const values = conditions.filter((one) => one.dimension === dimension).map(({ value }) => value);
    if (values.length === 0) return [];
    const column = sql.raw(`s.${name}`);
    const texts = textArray(values.filter((value) => value !== null));
    return [
      sql`case when ${column} is null then ${sql.raw(String(values.includes(null)))} else ${column} = any(${texts}) end`,
    ];
  });
  return parts.length === 0 ? sql`true` : sql.join(parts, sql` and `);
}

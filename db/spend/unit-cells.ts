import { sql, type SQL } from 'drizzle-orm';
import { CELL_AMOUNTS, TOKEN_COUNTS } from '../../domain/lines.ts';
import type { Filter, SpendQuery } from '../../domain/spend/query.ts';
import { list } from '../core/database.ts';
import { isCounted } from './groups.ts';
import { DAY_PARTS, bucketOfDay } from './scope.ts';

/**
 * Where costs and tokens meet: cells of a connection, a day and a unit. A unit is a workspace, a model, a tier, a context
 * window and a geography. Each cell has columns by the kind of token: 1 to 5 for {@link TOKEN_COUNTS}, and 0 for the type
 * that is named in `other`, which is empty where 0 stands for costs without a token type.
 */

/** The kinds of tokens. */
export const KINDS = CELL_AMOUNTS.map((_, kind) => kind);

/** One expression for each kind. */
export function ofEachKind(expression: (kind: string) => string): SQL {
  return sql.raw(KINDS.map((kind) => expression(String(kind))).join(', '));
}

/** A geography that is absent, null or not available is one value, so a filter on one of these is a filter on all. */
export function withOneGeo(query: SpendQuery): SpendQuery {
  const ofGeo = (filter: Filter): Filter =>
    filter.dimension === 'inference_geo' && filter.values.some((value) => value === null || value === 'not_available')
      ? { ...filter, values: [...filter.values, null, 'not_available'] }
      : filter;
  return { ...query, filters: query.filters.map(ofGeo) };
}

/** The filters that a line passes or not whatever its token type and its currency. */
function ofUnits(query: SpendQuery): SpendQuery {
  const filters = query.filters.filter(({ dimension }) => dimension !== 'token_type' && dimension !== 'currency');
  return { ...query, filters };
}

/**
 * The parts `dated` and `added`: the sums of each cell in both reports at once. Days outside of the range of the query are
 * there, too. Tokens have no currency of their own, so they get `currencyOfTokens`.
 */
function addedParts(query: SpendQuery, currencyOfTokens: SQL): SQL[] {
  const counted = isCounted(ofUnits(query));
  const { cost, usage } = DAY_PARTS;
  const tokens = TOKEN_COUNTS.map((name, index) => sql.raw(`l.${name} as t${index + 1}`));
  // Not from `dated`, since the planner guesses too few rows of what it cannot look into.
  const usageDays = sql`
    select coalesce(c.day_no, u.day_no) as place, u.day_no
    from ${usage.after} u left join ${cost.after} c using (connection_id, day)
  `;
  const amounts = sql.raw(CELL_AMOUNTS.map((name, kind) => `l.${name} as a${kind}`).join(', '));
  const noAmounts = sql.raw(KINDS.map((kind) => `null::numeric as a${kind}`).join(', '));
  const noTokens = sql.raw(TOKEN_COUNTS.map((_, index) => `null::bigint as t${index + 1}`).join(', '));
  return [
    sql`dated as materialized (
      select *, case when in_range then ${bucketOfDay(query, sql`day`)} end as bucket,
        date_trunc('month', day::timestamp)::date as month
      from (
        select
          coalesce(c.day_no, u.day_no) as place,
          coalesce(c.connection_id, u.connection_id) as connection_id,
          coalesce(c.organization, u.organization) as organization,
          day,
          day between ${query.from}::date and ${query.to}::date as in_range
        from ${cost.after} c full join ${usage.after} u using (connection_id, day)
      ) days
    )`,
    sql`added as materialized (
      select place, unit_id, currency, currency = 'USD' as in_dollars, counted, other,
        ${ofEachKind((kind) => `sum(a${kind}) as a${kind}`)},
        ${ofEachKind((kind) => `nullif(sum(t${kind}) filter (where t${kind} <> 0), 0) as t${kind}`)},
        min(cost_series) as cost_series, min(usage_series) as usage_series
      from (
        select d.day_no as place, s.unit_id, s.currency, (${counted}) as counted,
          case when s.token_kind is null and s.token_type is not null then ':' || s.token_type else '' end as other,
          ${amounts}, null::numeric as t0, ${noTokens},
          s.series_no as cost_series, null::integer as usage_series
        from ${cost.after} d
        join cost_cells l on l.day_no = d.day_no
        join cost_series s on s.series_no = l.series_no
        union all
        select d.place, s.unit_id, ${currencyOfTokens}, (${counted}), '', ${noAmounts}, null, ${list(tokens)}, null, s.series_no
        from (${usageDays}) d
        join usage_lines l on l.day_no = d.day_no
        join usage_series s on s.series_no = l.series_no
        union all
        select d.place, s.unit_id, ${currencyOfTokens}, (${counted}), ':' || more.key, ${noAmounts}, more.value::numeric,
          ${noTokens}, null, s.series_no
        from (${usageDays}) d
        join usage_lines l on l.day_no = d.day_no and l.extra_counts is not null
        join usage_series s on s.series_no = l.series_no
        cross join lateral jsonb_each_text(l.extra_counts) more
        where more.key like '%tokens'
      ) lines
      group by place, unit_id, currency, counted, other
    )`,
  ];
}

/**
 * The parts `dated`, `added` and `cells`, which join costs and tokens. `cells` has the amounts as `a` and the tokens as `t`,
 * null where there are none. With `allCurrencies`, tokens are in the row of the currency that billed them, US dollars before
 * others; tokens that no currency billed have none. Without, all rows are in US dollars.
 */
export function cellParts(query: SpendQuery, allCurrencies: boolean): SQL[] {
  return allCurrencies
    ? [...addedParts(query, sql`null`), sql`cells as (${inTheirCurrency()})`]
    : [...addedParts(query, sql`'USD'`), sql`cells as (select * from added where in_dollars)`];
}

function inTheirCurrency(): SQL {
  const cell = 'c.place, c.unit_id, c.other';
  const earlier = "order by c.currency <> 'USD', c.currency rows between unbounded preceding and 1 preceding";
  return sql`
    select c.place, c.unit_id, c.other, c.counted, c.currency, c.cost_series, u.usage_series,
      ${ofEachKind((kind) => `c.a${kind}`)},
      ${ofEachKind(
        (kind) =>
          `case when c.a${kind} is not null and count(c.a${kind}) over (partition by ${cell} ${earlier}) = 0 then u.t${kind} end as t${kind}`,
      )}
    from (select * from added where currency is not null) c
    left join (select * from added where currency is null) u
      on u.place = c.place and u.unit_id = c.unit_id and u.other = c.other
    union all
    select u.place, u.unit_id, u.other, u.counted, null, null, u.usage_series,
      ${ofEachKind(() => 'null::numeric')},
      ${ofEachKind((kind) => `case when b.b${kind} > 0 then null else u.t${kind} end`)}
    from (select * from added where currency is null) u
    left join (
      select c.place, c.unit_id, c.other, ${ofEachKind((kind) => `count(c.a${kind}) as b${kind}`)}
      from added c where c.currency is not null group by c.place, c.unit_id, c.other
    ) b on b.place = u.place and b.unit_id = u.unit_id and b.other = u.other
  `;
}

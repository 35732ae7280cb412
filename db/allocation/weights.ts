import { sql, type SQL } from 'drizzle-orm';
import { z } from 'zod';
import { needsTokens, type Allocation } from '../../domain/allocation/document.ts';
import { sharesOf, type Direct, type PoolShares } from '../../domain/allocation/shares.ts';
import type { Day } from '../../domain/days.ts';
import { TOKEN_COUNTS, TOKEN_TYPES } from '../../domain/lines.ts';
import { ZERO, type Decimal } from '../../domain/money.ts';
import type { Month } from '../../domain/months.ts';
import { USAGE_DIMENSIONS, type Dimension, type NamedDimension } from '../../domain/spend/query.ts';
import { list, rows, type Db } from '../core/database.ts';
import { decimalText } from '../core/json.ts';
import { WORKSPACES_NOW, hasTag, keyElements, rawColumns, rawNames, withTags } from '../spend/groups.ts';
import { asked, dayParts } from '../spend/scope.ts';
import { ledgerParts, monthQuery } from './source.ts';
import { valueIn } from './series.ts';
import { centerOf, dimensionsOf, namedValue, poolOf, ruleOf } from './targets.ts';

/** What the rules of a document give in a month, in US dollars, and how it shares its pools. */
export interface Weighed {
  readonly direct: Direct;
  /** What no rule takes. */
  readonly unmatched: Decimal;
  readonly shares: readonly PoolShares[];
}

/** What rules give to a cost center or a pool; to neither, what no rule takes. */
export interface Given {
  readonly center: string | null;
  readonly pool: string | null;
  readonly amount: Decimal;
}

const given = z.object({ center: z.string().nullable(), pool: z.string().nullable(), amount: decimalText });

/**
 * How a document allocates a month over all connections: sums of the ledger by cost center and pool, and the shares that
 * follow from them. Must run in a snapshot.
 */
export async function weigh(tx: Db, month: Month, today: Day, allocation: Allocation | null): Promise<Weighed> {
  return weighBy(tx, month, today, allocation, await costGiven(tx, month, today, allocation));
}

/** As {@link weigh}, from what the rules of the document give, where that is known. */
export async function weighBy(
  tx: Db,
  month: Month,
  today: Day,
  allocation: Allocation | null,
  cost: readonly Given[],
): Promise<Weighed> {
  const direct = directOf(cost);
  const unmatched = cost.find(({ center, pool }) => center === null && pool === null)?.amount ?? ZERO;
  if (allocation === null) return { direct, unmatched, shares: [] };
  return { direct, unmatched, shares: sharesOf(allocation, direct, await weighTokens(tx, month, today, allocation)) };
}

/** What the rules of a document give of the tokens of a month; null if it shares no pool by tokens. Must run in a snapshot. */
export async function weighTokens(
  tx: Db,
  month: Month,
  today: Day,
  allocation: Allocation | null,
): Promise<Direct | null> {
  if (allocation === null || !needsTokens(allocation)) return null;
  return directOf(await tokensGiven(tx, month, today, allocation));
}

function directOf(all: readonly Given[]): Direct {
  return {
    centers: new Map(all.flatMap(({ center, amount }) => (center === null ? [] : [[center, amount] as const]))),
    pools: new Map(all.flatMap(({ pool, amount }) => (pool === null ? [] : [[pool, amount] as const]))),
  };
}

function costGiven(tx: Db, month: Month, today: Day, allocation: Allocation | null): Promise<Given[]> {
  return rows(
    tx,
    given,
    sql`
      with ${list(ledgerParts({ month, today, allocation }, []))}
      -- A condition on rows would make Postgres guess so few of them that it looks up the workspace of each.
      select center, pool, trim_scale(sum(amount) filter (where currency = 'USD'))::text as amount
      from own
      group by center, pool
      having bool_or(currency = 'USD')
    `,
  );
}

/** A model without a choice of geography reports `not_available` in usage and nothing in costs, which is the same. */
function unitValue(dimension: NamedDimension): SQL {
  const value = valueIn(dimension, sql`s`);
  return dimension === 'inference_geo' ? sql`nullif(${value}, 'not_available')` : value;
}

/** What tokens have in the dimensions of costs that usage lacks; nothing in the others. */
const OF_TOKENS: Readonly<Partial<Record<Dimension, SQL>>> = {
  token_type: sql`grouped.token_type`,
  cost_type: sql`'tokens'::text`,
  currency: sql`'USD'::text`,
};

/** Tokens by the same rules. They have no currency and no description of their own, and are of the cost type `tokens`. */
function tokensGiven(tx: Db, month: Month, today: Day, { rules }: Allocation): Promise<Given[]> {
  const query = monthQuery(month, today, dimensionsOf(rules).filter(hasTag));
  const elements = keyElements(query.groupBy);
  const ofUsage = USAGE_DIMENSIONS.filter((dimension) => dimensionsOf(rules).includes(dimension));
  const columns = ofUsage.map((dimension, index) => ({
    name: sql.raw(`r${index}`),
    from: namedValue(rules, dimension, unitValue(dimension)),
  }));
  const valueOf = (dimension: Dimension): SQL => {
    const place = ofUsage.findIndex((known) => known === dimension);
    return (
      elements[query.groupBy.indexOf(dimension)] ?? columns[place]?.name ?? OF_TOKENS[dimension] ?? sql`null::text`
    );
  };
  const groups = [...rawNames(query), ...columns.map(({ name }) => name)];
  const counts = TOKEN_COUNTS.map((name) => sql`sum(l.${sql.identifier(name)}) as ${sql.identifier(name)}`);
  return rows(
    tx,
    given,
    sql`
      with ${list([asked(query), WORKSPACES_NOW, ...dayParts(query, ['usage'])])},
      -- What the rules ask for is made once for each series, and each count is added up before it becomes a row.
      counted as (
        select ${list([...rawColumns(query), ...columns.map(({ name }) => name), ...counts])},
          jsonb_agg(l.extra_counts) filter (where l.extra_counts is not null) as others
        from usage_days d
        join usage_lines l on l.day_no = d.day_no
        join (
          select ${list([sql`s.*`, ...columns.map(({ name, from }) => sql`${from} as ${name}`)])}
          from usage_series s offset 0
        ) s on s.series_no = l.series_no
        ${groups.length === 0 ? sql`` : sql`group by ${list(groups)}`}
      ),
      grouped as materialized (
        select ${list([...groups, sql`t.token_type`, sql`t.tokens as amount`])}
        from counted l
        cross join lateral (
          values ${list(TOKEN_COUNTS.map((name) => sql`(${sql.raw(`'${TOKEN_TYPES[name]}'`)}, l.${sql.identifier(name)})`))}
          union all
          select other.key, other.value::numeric
          from jsonb_array_elements(l.others) line cross join lateral jsonb_each_text(line) other
          where other.key like '%tokens'
        ) t(token_type, tokens)
        where t.tokens <> 0
      )
      select center, pool, trim_scale(sum(amount))::text as amount
      from (
        select ${centerOf(rules, sql`matched.rule`, valueOf)} as center, ${poolOf(rules, sql`matched.rule`)} as pool, amount
        from ${withTags(query, sql`grouped`)}
        cross join lateral (select ${ruleOf(rules, valueOf)} as rule offset 0) matched
      ) matching
      group by center, pool
    `,
  );
}

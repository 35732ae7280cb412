import { sql, type SQL } from 'drizzle-orm';
import { z } from 'zod';
import { TOKEN_COUNTS, TOKEN_TYPES } from '../../domain/lines.ts';
import type { Decimal } from '../../domain/money.ts';
import { USAGE_DIMENSIONS, type SpendQuery } from '../../domain/spend/query.ts';
import { list, type Db } from '../core/database.ts';
import { decimalText } from '../core/json.ts';
import { certainty, certaintyFields, type Certainty } from './completeness.ts';
import { ofCurrency } from './costs.ts';
import { WORKSPACES_NOW, groupRowFields, rawNames, type GroupRow } from './groups.ts';
import { CURRENCY, USAGE_LINES, addedUp, costLinesFor, keyed, placedLines, type Column } from './lines.ts';
import { quotient } from './quotient.ts';
import { readPage, type Compiled, type Page } from './rows.ts';
import { asked, dayParts, placedDays } from './scope.ts';

/** By how much costs changed, in major units. `volume`, `mix`, `price` and `unmatched` add up to `change` exactly. */
const PARTS_OF_CHANGE = ['before', 'after', 'change', 'volume', 'mix', 'price', 'unmatched'] as const;
/** The costs of both ranges, and why they differ. */
export type Change = Readonly<Record<(typeof PARTS_OF_CHANGE)[number], Decimal>>;

/** A row of changes. In US dollars, unless the rows are grouped by currency. */
export type ChangeRow = GroupRow & Change;

/** What belongs to all rows of changes, whatever the page. */
export interface ChangeTotals extends Certainty {
  /** The sums of all rows in US dollars. */
  readonly total: Change;
  readonly otherCurrencies: readonly (Pick<Change, 'before' | 'after' | 'change'> & { readonly currency: string })[];
}

/** The rows that are not on the page: how many they are, and their sums in US dollars. */
export type OtherChanges = Change & { readonly rows: number };

const change = {
  before: decimalText,
  after: decimalText,
  change: decimalText,
  volume: decimalText,
  mix: decimalText,
  price: decimalText,
  unmatched: decimalText,
} satisfies Record<(typeof PARTS_OF_CHANGE)[number], z.ZodType>;

/** Explains by how much costs changed. The query must have a comparison and no grain. */
export function explainChanges(db: Db, query: SpendQuery): Promise<Page<ChangeRow, ChangeTotals, OtherChanges>> {
  return readPage(db, compileChanges(query), z.object({ rows: z.int(), ...change }));
}

/** What is added up of each cell, so that the rows can be explained from it. */
const SUMS = ['before', 'after', 'matched_before', 'tokens', 'tokens_before', 'price', 'unmatched'];

/** Compiles a query of changes. */
export function compileChanges(query: SpendQuery): Compiled<ChangeRow, ChangeTotals> {
  const sumOf = (part: string): SQL => sql`coalesce(sum(${sql.raw(part)}) filter (where currency = 'USD'), 0)`;
  const total = (table: string) => (part: string) => sql`(select ${sumOf(part)} from ${sql.raw(table)})`;
  const left = (sum: SQL): SQL => sql`(select ${sum} from keyed) - (select ${sum} from page)`;
  return {
    query,
    parts: [
      asked(query),
      WORKSPACES_NOW,
      ...dayParts(query, ['cost', 'usage']),
      sql`cells as (${addedUp(query, costLinesFor(query, [...USAGE_DIMENSIONS, 'token_type']), ['amount'], [CURRENCY, ...CELL])})`,
      sql`cell_tokens as materialized (${cellTokens(query)})`,
      sql`grouped as materialized (${explainedCells(query)})`,
      keyed(query, SUMS, [CURRENCY.name], ofCurrency(query), 'unexplained'),
      sql`keyed as materialized (
        select *, change - price - unmatched - volume as mix
        from (
          select *, after - before as change, coalesce(
            ${quotient(sql`matched_before * (tokens - tokens_before)`, sql`tokens_before`)}, 0
          ) as volume
          from unexplained
        ) almost
      )`,
    ],
    joins: sql``,
    fields: jsonFieldsOfChange(PARTS_OF_CHANGE, (part) => sql.raw(`p.${part}`)),
    order: query.order === 'key' ? sql`p.key` : sql`abs(p.change) desc, p.key`,
    row: z.object({ ...groupRowFields, ...change }),
    totals: sql`jsonb_build_object(
      'total', jsonb_build_object(${jsonFieldsOfChange(PARTS_OF_CHANGE, total('keyed'))}),
      'otherCurrencies', (
        select coalesce(jsonb_agg(jsonb_build_object(
          'currency', currency, ${jsonFieldsOfChange(['before', 'after', 'change'], (part) => sql.raw(part))}
        ) order by currency collate "C"), '[]')
        from (
          select currency, sum(before) as before, sum(after) as after, sum(after) - sum(before) as change
          from grouped where currency <> 'USD' group by currency
        ) by_currency
      )
    ) || ${certainty(query, ['cost', 'usage'])}`,
    totalsSchema: z.object({
      total: z.object(change),
      otherCurrencies: z.array(
        z.object({ currency: z.string(), before: decimalText, after: decimalText, change: decimalText }),
      ),
      ...certaintyFields,
    }),
    other: sql`jsonb_build_object(
      'rows', ${left(sql`count(*)`)}, ${jsonFieldsOfChange(PARTS_OF_CHANGE, (part) => left(sumOf(part)))}
    )`,
  };
}

function jsonFieldsOfChange(parts: readonly string[], column: (part: string) => SQL): SQL {
  return list(parts.map((part) => sql`${sql.raw(`'${part}'`)}, trim_scale(${column(part)})::text`));
}

/** Workspace, model, context window, tier and geography in one, as costs and usage share it. */
const UNIT: Column = { name: sql`unit`, from: sql`s.unit_id` };

/** What costs and tokens have in common: the key of a cell. */
const CELL: readonly Column[] = [
  { name: sql`cell_connection`, from: sql`s.connection_id` },
  UNIT,
  { name: sql`token_type`, from: sql`s.token_type` },
];

/** The tokens of each cell in both ranges. */
function cellTokens(query: SpendQuery): SQL {
  const everyLine = { ...query, filters: query.filters.filter(({ dimension }) => dimension === 'connection') };
  const kinds = TOKEN_COUNTS.map((name) => {
    const [now, before] = [sql.raw(`l.${name}`), sql.raw(`l.${name}_before`)];
    return sql`(${sql.raw(`'${TOKEN_TYPES[name]}'`)}, ${now}, ${before})`;
  });
  return sql`
    select cell_connection, unit, token_type, sum(tokens) as tokens, sum(tokens_before) as tokens_before
    from (
      select s.connection_id as cell_connection, ${UNIT.from} as unit, kind.*
      from (${placedLines(everyLine, USAGE_LINES, TOKEN_COUNTS)}) l
      join usage_series s on s.series_no = l.series_no
      cross join lateral (values ${list(kinds)}) kind(token_type, tokens, tokens_before)
      where kind.tokens <> 0 or kind.tokens_before <> 0
      union all
      select
        s.connection_id, ${UNIT.from}, other.key,
        case when not d.is_before then other.value::numeric end,
        case when d.is_before then other.value::numeric end
      from (${placedDays(everyLine, 'usage')}) d
      join usage_lines l on l.day_no = d.day_no and l.extra_counts is not null
      join usage_series s on s.series_no = l.series_no
      cross join lateral jsonb_each_text(l.extra_counts) other
    ) each_kind
    group by cell_connection, unit, token_type
  `;
}

/** The rows of {@link addedUp}, with the sums that explain them. Prices are rounded per cell. */
function explainedCells(query: SpendQuery): SQL {
  const price = quotient(sql`after * tokens_before - before * tokens`, sql`tokens_before`);
  const groups = list([...rawNames(query), CURRENCY.name]);
  return sql`
    select
      ${groups},
      sum(before) as before,
      sum(after) as after,
      coalesce(sum(before) filter (where tokens_before > 0), 0) as matched_before,
      sum(tokens) as tokens,
      sum(tokens_before) as tokens_before,
      coalesce(sum(${price}) filter (where tokens > 0 and tokens_before > 0), 0) as price,
      coalesce(sum(after) filter (where tokens = 0), 0)
        - coalesce(sum(before) filter (where tokens_before = 0), 0) as unmatched
    from (
      select
        ${groups},
        coalesce(c.amount, 0) as after,
        coalesce(c.amount_before, 0) as before,
        greatest(coalesce(t.tokens, 0), 0) as tokens,
        greatest(coalesce(t.tokens_before, 0), 0) as tokens_before
      from cells c
      left join cell_tokens t on t.cell_connection = c.cell_connection and t.unit = c.unit and t.token_type = c.token_type
    ) cell
    group by ${groups}
  `;
}

import { sql, type SQL } from 'drizzle-orm';
import { z } from 'zod';
import { TOKEN_COUNTS, TOKEN_TYPES } from '../../domain/lines.ts';
import type { Decimal } from '../../domain/money.ts';
import { addMonths } from '../../domain/spend/compare.ts';
import { addDays, toDay } from '../../domain/days.ts';
import { tagOf, type SpendQuery } from '../../domain/spend/query.ts';
import { list, type Db } from '../core/database.ts';
import { decimalText } from '../core/json.ts';
import { certainty, certaintyFields, type Certainty } from './completeness.ts';
import { WORKSPACES_NOW, groupRowFields, isCounted, rawColumns, rawNames, type GroupRow } from './groups.ts';
import { CURRENCY, keyed, sumsOf } from './lines.ts';
import { quotient } from './quotient.ts';
import { readPage, type Compiled, type Page } from './rows.ts';
import { asked, dayParts } from './scope.ts';
import { KINDS, cellParts, ofEachKind, withOneGeo } from './unit-cells.ts';

/** What tokens cost, in exact decimals. */
export interface UnitCost {
  readonly amount: Decimal;
  /** Of it, what no counted tokens belong to. */
  readonly unmatched: Decimal;
  readonly tokens: Decimal;
  /** Of them, those that were not billed. */
  readonly unpriced: Decimal;
  /** Of a million of the billed tokens, rounded half-even to 12 decimals; null where none was billed in US dollars. */
  readonly usdPerMillion: Decimal | null;
  /** The share of input tokens that the cache gave, rounded in the same way; null where there were none, and by token type. */
  readonly cacheHitRate: Decimal | null;
  /** In US dollars; null where a price that it is compared with was not billed, and by token type. */
  readonly cacheSavings: Decimal | null;
  readonly batchSavings: Decimal | null;
}

/** A row of unit costs. In US dollars, unless the rows are grouped by currency. */
export type UnitCostRow = GroupRow & UnitCost;

/** What belongs to all rows of unit costs, whatever the page. */
export interface UnitCostTotals extends Certainty {
  /** In US dollars. */
  readonly total: UnitCost;
  readonly otherCurrencies: readonly { readonly currency: string; readonly amount: Decimal }[];
}

/** The rows that are not on the page: how many they are, and their sums in US dollars. */
export type OtherUnitCosts = UnitCost & { readonly rows: number };

const unitCost = {
  amount: decimalText,
  unmatched: decimalText,
  tokens: decimalText,
  unpriced: decimalText,
  usdPerMillion: decimalText.nullable(),
  cacheHitRate: decimalText.nullable(),
  cacheSavings: decimalText.nullable(),
  batchSavings: decimalText.nullable(),
};

/** What is added up of each row. `no_…` counts the parts that have no price to be compared with. */
const SUMS = [
  'amount',
  'unmatched',
  'tokens',
  'unpriced',
  'uncached',
  'read',
  'written',
  'cache_savings',
  'no_cache_savings',
  'batch_savings',
  'no_batch_savings',
] as const;
type Sum = (typeof SUMS)[number];

/** The sums that a query answers with. A single type of tokens has no savings, and no share of the cache. */
function sumsFor({ groupBy }: SpendQuery): readonly Sum[] {
  return groupBy.includes('token_type') ? ['amount', 'unmatched', 'tokens', 'unpriced'] : SUMS;
}

/** Adds up what tokens cost. */
export function sumUnitCosts(db: Db, query: SpendQuery): Promise<Page<UnitCostRow, UnitCostTotals, OtherUnitCosts>> {
  return readPage(db, compileUnitCosts(query), z.object({ rows: z.int(), ...unitCost }));
}

/** Compiles a query of unit costs. It must have no comparison, and no filter on the cost type or the description. */
export function compileUnitCosts(given: SpendQuery): Compiled<UnitCostRow, UnitCostTotals> {
  const query = withOneGeo(given);
  const allCurrencies =
    query.groupBy.includes('currency') || query.filters.some(({ dimension }) => dimension === 'currency');
  const allOf = (table: string) => (sum: Sum) => sql`(select ${inUsd(sum)} from ${sql.raw(table)})`;
  const left = (sum: SQL): SQL => sql`(select ${sum} from keyed) - (select ${sum} from page)`;
  return {
    query,
    parts: [
      asked(query),
      WORKSPACES_NOW,
      ...dayParts(inWholeMonths(query), ['cost', 'usage']),
      ...cellParts(query, allCurrencies),
      byPrice(query),
      PRICES,
      sql`grouped as materialized (${groupedUnits(query)})`,
      keyed(query, sumsFor(query), [CURRENCY.name]),
    ],
    joins: sql``,
    fields: jsonFieldsOf(query, (sum) => sql.raw(`coalesce(p.${sum}, 0)`), sql`p.currency`),
    order: query.order === 'key' ? sql`p.key` : sql`p.amount desc, p.key`,
    row: z.object({ ...groupRowFields, ...unitCost }),
    totals: sql`jsonb_build_object(
      'total', jsonb_build_object(${jsonFieldsOf(query, allOf('keyed'), sql`'USD'`)}),
      'otherCurrencies', ${otherCurrencies(query)}
    ) || ${certainty(query, ['cost', 'usage'])}`,
    totalsSchema: z.object({
      total: z.object(unitCost),
      otherCurrencies: z.array(z.object({ currency: z.string(), amount: decimalText })),
      ...certaintyFields,
    }),
    other: sql`jsonb_build_object(
      'rows', ${left(sql`count(*)`)}, ${jsonFieldsOf(query, (sum) => left(inUsd(sum)), sql`'USD'`)}
    )`,
  };
}

/** The sums of tokens, which count in every currency. */
const TOKEN_SUMS: readonly Sum[] = ['tokens', 'uncached', 'read', 'written'];

/** A sum in US dollars over rows of any currency. Tokens that another one billed have no price. */
function inUsd(sum: Sum, currency = sql`currency`): SQL {
  if (TOKEN_SUMS.includes(sum)) return sql`coalesce(sum(${sql.raw(sum)}), 0)`;
  if (sum === 'unpriced') return sql`coalesce(sum(case when ${currency} <> 'USD' then tokens else unpriced end), 0)`;
  return sql`coalesce(sum(${sql.raw(sum)}) filter (where ${currency} = 'USD'), 0)`;
}

/** Prices are those of whole months, so that they do not depend on the range. */
function inWholeMonths(query: SpendQuery): SpendQuery {
  // Rows by token type have no savings, but their days are the same, so that all replies speak of the same ones.
  const first = (day: string): string => `${day.slice(0, 8)}01`;
  return {
    ...query,
    from: toDay(first(query.from)),
    to: addDays(addMonths(toDay(first(query.to)), 1), -1),
  };
}

/** The dimensions of a unit that a price belongs to. */
const PRICED_BY = ['model', 'service_tier', 'context_window', 'inference_geo'] as const;

/**
 * The part `by_price`: cells added up by what has a price of its own and by what the rows are grouped by, so that a price is
 * looked up for few rows. `m` has the amounts of tokens that were counted, `p` the tokens that were billed.
 */
function byPrice({ groupBy }: SpendQuery): SQL {
  const hasTags = groupBy.some((group) => tagOf(group) !== null);
  const nameOf = (name: string): string => `case when u.series_no is null then c.${name} else u.${name} end`;
  const columns = [
    ...['organization', 'month', 'bucket', 'in_range'].map((name) => [name, `d.${name}`]),
    ...['other', 'counted', 'currency'].map((name) => [name, `l.${name}`]),
    ['connection_id', hasTags || groupBy.includes('connection') ? 'd.connection_id' : 'null::uuid'],
    ['workspace_id', hasTags || groupBy.includes('workspace') ? nameOf('workspace_id') : 'null::text'],
    ...PRICED_BY.map((name) => [
      name,
      name === 'inference_geo' ? `nullif(${nameOf(name)}, 'not_available')` : nameOf(name),
    ]),
  ];
  return sql`by_price as materialized (
    select ${sql.raw(columns.map(([name, from]) => `${from} as ${name}`).join(', '))},
      ${ofEachKind((kind) =>
        [
          `sum(a${kind}) as a${kind}`,
          `sum(t${kind}) as t${kind}`,
          `sum(a${kind}) filter (where t${kind} > 0) as m${kind}`,
          `sum(t${kind}) filter (where a${kind} is not null) as p${kind}`,
        ].join(', '),
      )}
    from cells l
    join dated d using (place)
    left join cost_series c on c.series_no = l.cost_series
    left join usage_series u on u.series_no = l.usage_series
    group by ${sql.raw(columns.map((_, index) => String(index + 1)).join(', '))}
  )`;
}

/** What a price belongs to, beside the kind of token. Nulls are values of their own. */
const PRICE_KEY = ['organization', 'month', ...PRICED_BY, 'other'];

/** The part `prices`: US dollars for a million tokens, of what was billed in the month. */
const PRICES = sql`prices as materialized (
  select array[organization, month::text, model, context_window, inference_geo, other] as of, service_tier,
    ${list(KINDS.map((kind) => sql`${quotient(sql.raw(`m${kind} * 1000000`), sql.raw(`p${kind}`))} as price${sql.raw(String(kind))}`))}
  from (
    select ${sql.raw(PRICE_KEY.join(', '))}, ${ofEachKind((kind) => `sum(m${kind}) as m${kind}, coalesce(sum(p${kind}), 0) as p${kind}`)}
    from by_price where currency = 'USD' group by ${sql.raw(PRICE_KEY.join(', '))}
  ) billed
)`;

const kindOf = (type: (typeof TOKEN_COUNTS)[number]): number => TOKEN_COUNTS.indexOf(type) + 1;
const UNCACHED = kindOf('uncached_input_tokens');
const READ = kindOf('cache_read_input_tokens');
const WRITTEN = [kindOf('cache_creation_5m'), kindOf('cache_creation_1h')];

/** The token type of a kind, for cells of the table `l`. */
function typeOf(kind: number): string {
  return kind === 0 ? "nullif(substr(l.other, 2), '')" : `'${TOKEN_TYPES[TOKEN_COUNTS[kind - 1] ?? 'output_tokens']}'`;
}

/** The filters that choose among the parts of a cell. */
function ofParts(query: SpendQuery): SpendQuery {
  const filters = query.filters.filter(({ dimension }) => dimension === 'token_type' || dimension === 'currency');
  return { ...query, filters };
}

/** What a kind of token adds to each sum of a row `l`, with its prices `own` and those of the standard tier. */
function partsOf(kind: number): Readonly<Record<Sum, string>> {
  const [amount, matched, tokens, billed] = ['a', 'm', 't', 'p'].map((name) => `coalesce(l.${name}${kind}, 0)`);
  const isBilled = `l.p${kind} > 0`;
  const isCached = kind === READ || WRITTEN.includes(kind);
  // Writing to the cache costs more than no cache would have, which is a negative saving.
  const saved = `${billed} * (own.price${UNCACHED} - own.price${kind}) * 0.000001`;
  const inBatch = `${billed} * (standard.price${kind} - own.price${kind}) * 0.000001`;
  const isBatch = "l.service_tier = 'batch'";
  const isForeign = "l.currency <> 'USD'";
  return {
    amount: amount ?? '',
    unmatched: `${amount} - ${matched}`,
    tokens: tokens ?? '',
    unpriced: `${tokens} - ${billed}`,
    uncached: kind === UNCACHED ? (tokens ?? '') : '0',
    read: kind === READ ? (tokens ?? '') : '0',
    written: WRITTEN.includes(kind) ? (tokens ?? '') : '0',
    cache_savings: isCached ? `case when ${isBilled} then coalesce(${saved}, 0) else 0 end` : '0',
    no_cache_savings: isCached
      ? `case when ${isBilled} and (${isForeign} or own.price${UNCACHED} is null) then 1 else 0 end`
      : '0',
    batch_savings: `case when ${isBatch} and ${isBilled} then coalesce(${inBatch}, 0) else 0 end`,
    no_batch_savings: `case when ${isBatch} and ${isBilled} and (${isForeign} or standard.price${kind} is null) then 1 else 0 end`,
  };
}

/** The rest of a `from` that begins with rows `l` of `by_price`: what they pay, and what they would pay without batch. */
const WITH_PRICES = sql`
  left join prices own
    on own.of = array[l.organization, l.month::text, l.model, l.context_window, l.inference_geo, l.other]
    and own.service_tier is not distinct from l.service_tier
  left join prices standard on l.service_tier = 'batch' and standard.of = own.of and standard.service_tier = 'standard'
`;

/**
 * The units of the range that pass the filters, added up by the groups and the currency. Rows that do not say their currency
 * are in US dollars. A row is there if a line of costs or a token belongs to it.
 */
function groupedUnits(query: SpendQuery): SQL {
  const all = sumsFor(query);
  const byCurrency = query.groupBy.includes('currency');
  const byType =
    query.groupBy.includes('token_type') || query.filters.some(({ dimension }) => dimension === 'token_type');
  const each = KINDS.map((kind) => ({
    type: typeOf(kind),
    isThere: byCurrency
      ? `l.a${kind} is not null or l.t${kind} is not null`
      : `(l.currency = 'USD' and l.a${kind} is not null) or l.t${kind} is not null`,
    parts: partsOf(kind),
  }));
  const rows = byType
    ? `(values ${each.map(({ type, isThere, parts }) => `(${[type, isThere, ...all.map((sum) => parts[sum])].join(', ')})`).join(', ')})`
    : `(values (null::text, ${each.map(({ isThere }) => isThere).join(' or ')}, ${all.map((sum) => each.map(({ parts }) => `(${parts[sum]})`).join(' + ')).join(', ')}))`;
  const sums = byCurrency
    ? sumsOf(all)
    : list(all.map((sum) => sql`${inUsd(sum, sql`s.currency`)} as ${sql.raw(sum)}`));
  const groups = [...rawNames(query), ...(byCurrency ? [sql`s.currency`] : [])];
  return sql`
    select ${list([...rawColumns(query), byCurrency ? sql`s.currency as currency` : sql`'USD' as currency`, sums])}
    from (select * from by_price where in_range and counted) l
    ${all === SUMS ? WITH_PRICES : sql``}
    cross join lateral ${sql.raw(rows)} parts(token_type, is_there, ${sql.raw(all.join(', '))})
    cross join lateral (
      select l.connection_id, l.workspace_id, l.currency, parts.token_type,
        ${sql.raw(PRICED_BY.map((name) => `l.${name}`).join(', '))}
    ) s
    where parts.is_there and ${isCounted(ofParts(query))}
    group by ${list(groups)}
  `;
}

function otherCurrencies(query: SpendQuery): SQL {
  const parts = sql.raw(KINDS.map((kind) => `(${typeOf(kind)}, l.a${kind})`).join(', '));
  return sql`(
    select coalesce(jsonb_agg(
      jsonb_build_object('currency', currency, 'amount', trim_scale(amount)::text) order by currency collate "C"
    ), '[]')
    from (
      select l.currency, sum(s.amount) as amount
      from added l join dated d using (place)
      cross join lateral (select l.currency, token_type, amount from (values ${parts}) parts(token_type, amount)) s
      where l.currency <> 'USD' and l.counted and d.in_range and s.amount is not null and ${isCounted(ofParts(query))}
      group by l.currency
    ) by_currency
  )`;
}

function jsonFieldsOf(query: SpendQuery, sum: (name: Sum) => SQL, currency: SQL): SQL {
  const text = (value: SQL): SQL => sql`trim_scale(${value})::text`;
  const [amount, unmatched, tokens, unpriced] = [sum('amount'), sum('unmatched'), sum('tokens'), sum('unpriced')];
  const price = quotient(sql`((${amount}) - (${unmatched})) * 1000000`, sql`((${tokens}) - (${unpriced}))`);
  const plain = sql`
    'amount', ${text(amount)}, 'unmatched', ${text(unmatched)}, 'tokens', ${text(tokens)}, 'unpriced', ${text(unpriced)},
    'usdPerMillion', case when ${currency} = 'USD' then ${text(price)} end
  `;
  if (sumsFor(query) !== SUMS) {
    return sql`${plain}, 'cacheHitRate', null, 'cacheSavings', null, 'batchSavings', null`;
  }
  const input = sql`((${sum('read')}) + (${sum('written')}) + (${sum('uncached')}))`;
  const savings = (name: Sum, without: Sum): SQL => sql`case when (${sum(without)}) = 0 then ${text(sum(name))} end`;
  return sql`${plain},
    'cacheHitRate', ${text(quotient(sum('read'), input))},
    'cacheSavings', ${savings('cache_savings', 'no_cache_savings')},
    'batchSavings', ${savings('batch_savings', 'no_batch_savings')}
  `;
}

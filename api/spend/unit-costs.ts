import { readRows, readTotals } from '../../db/spend/rows.ts';
import {
  compileUnitCosts,
  sumUnitCosts,
  type UnitCost,
  type UnitCostRow,
  type UnitCostTotals,
} from '../../db/spend/unit-costs.ts';
import { MAX_QUERY_DAYS } from '../../domain/days.ts';
import { ZERO, type Decimal } from '../../domain/money.ts';
import type { SpendQuery } from '../../domain/spend/query.ts';
import { headerText } from '../http/csv.ts';
import { endpoint } from '../http/endpoint.ts';
import { DEFAULT_DAYS } from '../http/range.ts';
import { nothing } from '../http/schemas.ts';
import {
  FILE_HEADERS,
  OTHER_CURRENCIES_HEADER,
  inFile,
  groupColumns,
  groupFields,
  pageOf,
  reportFields,
  withOneMore,
  writeCsv,
  type Column,
} from './documents.ts';
import { UNIT_COSTS, unitCostsQuery } from './parameters.ts';
import { csvQueryOf, spendQueryOf } from './request.ts';
import { unitCosts as unitCostsOut, type NoPrice, type NoSavings } from './schemas.ts';

const unitCosts = endpoint({
  method: 'get',
  path: '/v1/unit-costs',
  tag: 'Costs and usage',
  operation: 'getUnitCosts',
  summary: `Says what a million tokens cost in a range of days: the last ${DEFAULT_DAYS} days, or up to ${MAX_QUERY_DAYS}`,
  description: [
    'Costs and tokens meet where connection, day, workspace, model, token type, context window, service tier and geography are the same. A geography that is absent, null or `not_available` is one value.',
    'Prices are only those that were billed: `usd_per_million` is (`amount` − `unmatched_amount`) / (`tokens` − `unpriced_tokens`) × 10⁶, rounded half-even to 12 decimals, or null with a `reason`. The amounts of all rows add up to those of `/v1/costs`, and the tokens to those of `/v1/usage`.',
    'With `token_type` in `group_by`, the rows have no `cache_hit_rate`, `cache_savings` and `batch_savings`. Each of these that is null has a reason. Savings compare with the price that the same organization paid in the same month for the same model, tier, context window and geography; it is rounded like `usd_per_million`.',
    'With `currency` in `group_by`, tokens are in the row of the currency that billed them, and those that were not billed in the row whose currency is null. A query parameter `tag.<key>` or `not.tag.<key>` filters by a tag of workspaces.',
  ].join('\n'),
  query: unitCostsQuery,
  takesTags: true,
  body: nothing,
  out: unitCostsOut,
  statuses: { 200: 'A page of rows, with the total of the whole range.' },
  problems: ['not_found', 'conflict'],
  inTurn: true,
  handle: async ({ query: request, tags }, deps) => {
    const query = await spendQueryOf(deps, UNIT_COSTS, request, tags);
    const { data, totals, other } = await sumUnitCosts(deps.db, withOneMore(query));
    const { page, next } = pageOf(UNIT_COSTS, query, data);
    return {
      status: 200,
      body: {
        ...reportFields(query, totals),
        data: page.map((row) => ({
          ...groupFields(query, row),
          ...unitCostFields(query, row, currencyOf(query, row)),
        })),
        ...(other === null ? {} : { other: { rows: other.rows, ...unitCostFields(query, other, 'USD') } }),
        total: unitCostFields(query, totals.total, 'USD'),
        other_currencies: [...totals.otherCurrencies],
        next,
      },
    };
  },
  csv: {
    headers: { ...FILE_HEADERS, ...OTHER_CURRENCIES_HEADER, 'Meterline-Total': inFile('`total` as JSON') },
    format: ({ format }) => format,
    write: async ({ query: request, tags }, deps, reply) => {
      const query = await csvQueryOf(deps, UNIT_COSTS, request, tags);
      const compiled = compileUnitCosts(query);
      const totals = await readTotals(deps.tx, compiled);
      await writeCsv(reply, {
        name: 'unit-costs',
        query,
        certainty: totals,
        totals: totalHeaders(query, totals),
        columns: [...groupColumns(query), ...unitCostColumns(query)],
        rows: readRows(deps.tx, compiled),
      });
    },
  },
});

interface UnitCostFields {
  readonly amount: string;
  readonly tokens: string;
  readonly usd_per_million: string | null;
  readonly reason: NoPrice | null;
  readonly unmatched_amount: string;
  readonly unpriced_tokens: string;
  readonly cache_hit_rate?: string | null;
  readonly cache_hit_rate_reason?: 'no_input_tokens' | null;
  readonly cache_savings?: string | null;
  readonly cache_savings_reason?: NoSavings | null;
  readonly batch_savings?: string | null;
  readonly batch_savings_reason?: NoSavings | null;
}

/** The currency of a row. Rows that do not say which are in US dollars. */
function currencyOf({ groupBy }: SpendQuery, { key }: UnitCostRow): string | null {
  const at = groupBy.indexOf('currency');
  return at < 0 ? 'USD' : (key[at] ?? null);
}

function unitCostFields({ groupBy }: SpendQuery, cost: UnitCost, currency: string | null): UnitCostFields {
  const { amount, tokens, usdPerMillion, unmatched, unpriced } = cost;
  return {
    amount,
    tokens,
    usd_per_million: usdPerMillion,
    reason: usdPerMillion === null ? reasonOf(tokens, currency) : null,
    unmatched_amount: unmatched,
    unpriced_tokens: unpriced,
    ...(groupBy.includes('token_type') ? {} : savingsFields(cost, currency)),
  };
}

function savingsFields(
  { cacheHitRate, cacheSavings, batchSavings }: UnitCost,
  currency: string | null,
): Pick<UnitCostFields, (typeof COLUMNS_OF_SAVINGS)[number]> {
  const reason: NoSavings = currency === 'USD' ? 'no_price' : 'other_currency';
  return {
    cache_hit_rate: cacheHitRate,
    cache_hit_rate_reason: cacheHitRate === null ? 'no_input_tokens' : null,
    cache_savings: cacheSavings,
    cache_savings_reason: cacheSavings === null ? reason : null,
    batch_savings: batchSavings,
    batch_savings_reason: batchSavings === null ? reason : null,
  };
}

function reasonOf(tokens: Decimal, currency: string | null): NoPrice {
  if (tokens === ZERO) return 'no_tokens';
  return currency === null || currency === 'USD' ? 'not_billed' : 'other_currency';
}

const COLUMNS = ['amount', 'tokens', 'usd_per_million', 'reason', 'unmatched_amount', 'unpriced_tokens'] as const;
const COLUMNS_OF_SAVINGS = [
  'cache_hit_rate',
  'cache_hit_rate_reason',
  'cache_savings',
  'cache_savings_reason',
  'batch_savings',
  'batch_savings_reason',
] as const;

function unitCostColumns(query: SpendQuery): Column<UnitCostRow>[] {
  const names = query.groupBy.includes('token_type') ? COLUMNS : [...COLUMNS, ...COLUMNS_OF_SAVINGS];
  return names.map((name) => ({
    name,
    isNumber: !name.endsWith('reason'),
    of: (row) => unitCostFields(query, row, currencyOf(query, row))[name] ?? null,
  }));
}

function totalHeaders(query: SpendQuery, { total, otherCurrencies }: UnitCostTotals): Record<string, string> {
  return {
    'Meterline-Total': headerText(unitCostFields(query, total, 'USD')),
    ...(otherCurrencies.length === 0 ? {} : { 'Meterline-Other-Currencies': headerText(otherCurrencies) }),
  };
}

export const unitCostRoutes = [unitCosts];

import { compileCosts, sumCosts, type Cost, type CostRow } from '../../db/spend/costs.ts';
import { readRowsByDays, readUngroupedTotals } from '../../db/spend/stretches.ts';
import { MAX_QUERY_DAYS } from '../../domain/days.ts';
import { subtractDecimals } from '../../domain/money.ts';
import type { SpendQuery } from '../../domain/spend/query.ts';
import { headerText } from '../http/csv.ts';
import { endpoint } from '../http/endpoint.ts';
import { DEFAULT_DAYS } from '../http/range.ts';
import { nothing } from '../http/schemas.ts';
import {
  COMPARED_FILE_HEADERS,
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
import { COSTS, costsQuery } from './parameters.ts';
import { csvQueryOf, spendQueryOf } from './request.ts';
import { costs as costsOut } from './schemas.ts';

const costs = endpoint({
  method: 'get',
  path: '/v1/costs',
  tag: 'Costs and usage',
  operation: 'getCosts',
  summary: `Adds up the costs of a range of days: the last ${DEFAULT_DAYS} days, or up to ${MAX_QUERY_DAYS}`,
  description:
    'Amounts are exact decimals in USD; other currencies are listed apart. The total is that of the whole range and not only of the page. `provisional_days`, `missing_days` and `uncovered_days` count the days for which the sums are not certain. A query parameter `tag.<key>` or `not.tag.<key>` filters by a tag of workspaces.',
  query: costsQuery,
  takesTags: true,
  body: nothing,
  out: costsOut,
  statuses: { 200: 'A page of rows, with the total of the whole range.' },
  problems: ['not_found', 'conflict'],
  inTurn: true,
  handle: async ({ query: request, tags }, deps) => {
    const query = await spendQueryOf(deps, COSTS, request, tags);
    const { data, totals, other } = await sumCosts(deps.db, withOneMore(query));
    const { page, next } = pageOf(COSTS, query, data);
    return {
      status: 200,
      body: {
        ...reportFields(query, totals),
        data: page.map((row) => ({ ...groupFields(query, row), ...costFields(row) })),
        ...(other === null ? {} : { other: { rows: other.rows, ...costFields(other) } }),
        total: totals.total.amount,
        ...(totals.total.before === null ? {} : { total_previous: totals.total.before }),
        other_currencies: totals.otherCurrencies.map((one) => ({ currency: one.currency, ...costFields(one) })),
        next,
      },
    };
  },
  csv: {
    headers: {
      ...FILE_HEADERS,
      ...COMPARED_FILE_HEADERS,
      ...OTHER_CURRENCIES_HEADER,
      'Meterline-Total': inFile('`total` of JSON'),
      'Meterline-Total-Previous': inFile('`total_previous` of JSON; absent without `compare`'),
    },
    format: ({ format }) => format,
    write: async ({ query: request, tags }, deps, reply) => {
      const query = await csvQueryOf(deps, COSTS, request, tags);
      const totals = await readUngroupedTotals(deps.tx, compileCosts, query);
      await writeCsv(reply, {
        name: 'costs',
        query,
        certainty: totals,
        totals: totalHeaders(totals.total, totals.otherCurrencies),
        columns: [...groupColumns(query), ...costColumns(query)],
        rows: readRowsByDays(deps.tx, compileCosts, query, 'cost'),
      });
    },
  },
});

function costFields({ amount, before }: Cost): { amount: string; previous?: string; change?: string } {
  return before === null ? { amount } : { amount, previous: before, change: subtractDecimals(amount, before) };
}

function costColumns({ comparison }: SpendQuery): Column<CostRow>[] {
  const names = comparison === null ? (['amount'] as const) : (['amount', 'previous', 'change'] as const);
  return names.map((name) => ({ name, isNumber: true, of: (row) => costFields(row)[name] ?? null }));
}

function totalHeaders(total: Cost, others: readonly (Cost & { readonly currency: string })[]): Record<string, string> {
  return {
    'Meterline-Total': total.amount,
    ...(total.before === null ? {} : { 'Meterline-Total-Previous': total.before }),
    ...(others.length === 0
      ? {}
      : {
          'Meterline-Other-Currencies': headerText(
            others.map((one) => ({ currency: one.currency, ...costFields(one) })),
          ),
        }),
  };
}

export const costRoutes = [costs];

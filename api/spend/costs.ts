import { sumCosts } from '../../db/spend/costs.ts';
import { MAX_DAYS, groupFields, nextCursor, spendQueryOf, valueOf } from './aggregation.ts';
import { endpoint } from '../http/endpoint.ts';
import { DEFAULT_DAYS } from '../http/range.ts';
import { nothing } from '../http/schemas.ts';
import { costs as costsOut, costsQuery } from './schemas.ts';

const costs = endpoint({
  method: 'get',
  path: '/v1/costs',
  tag: 'Costs and usage',
  operation: 'getCosts',
  summary: `Adds up the costs of a range of days: the last ${DEFAULT_DAYS} days, or up to ${MAX_DAYS}`,
  description:
    'Amounts are exact decimals in USD; other currencies are listed apart. The total is that of the whole range and not only of the page. `provisional_days`, `missing_days` and `uncovered_days` count the days for which the sums are not certain.',
  query: costsQuery,
  body: nothing,
  out: costsOut,
  statuses: { 200: 'A page of rows, with the total of the whole range.' },
  problems: ['not_found', 'conflict'],
  inTurn: true,
  handle: async ({ query: request }, deps) => {
    const query = await spendQueryOf(deps, request);
    const report = await sumCosts(deps.db, query);
    const page = report.data.slice(0, request.limit);
    const last = report.data.length > request.limit ? page.at(-1) : undefined;
    const { groupBy, from, to } = query;
    return {
      status: 200,
      body: {
        from,
        to,
        group_by: [...groupBy],
        data: page.map((row) => ({
          ...groupFields(groupBy, row),
          token_type: valueOf(groupBy, row.key, 'token_type'),
          cost_type: valueOf(groupBy, row.key, 'cost_type'),
          description: valueOf(groupBy, row.key, 'description'),
          currency: valueOf(groupBy, row.key, 'currency') ?? undefined,
          amount: row.amount,
        })),
        total: report.total,
        other_currencies: [...report.otherCurrencies],
        provisional_days: report.provisionalDays,
        missing_days: report.missingDays,
        uncovered_days: report.uncoveredDays,
        next: last === undefined ? null : nextCursor(query, last.key),
      },
    };
  },
});

export const costRoutes = [costs];

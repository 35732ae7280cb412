import { reportCosts } from '../../db/reports.ts';
import { groupFields, nextOf, reportQueryOf, valueOf } from '../aggregation.ts';
import { endpoint } from '../endpoint.ts';
import { costs as costsOut, costsQuery, nothing } from '../schemas.ts';

const costs = endpoint({
  method: 'get',
  path: '/v1/costs',
  tag: 'Costs and usage',
  summary: 'Adds up costs of a range of days: the last 31, or up to 1100',
  query: costsQuery,
  body: nothing,
  out: costsOut,
  statuses: { 200: 'A page of rows, with the total of the whole range.' },
  refusals: [],
  inTurn: true,
  handle: async ({ query: asked }, deps) => {
    const query = await reportQueryOf(deps, asked);
    const report = await reportCosts(deps.db, query);
    const page = report.data.slice(0, asked.limit);
    const last = report.data.length > asked.limit ? page.at(-1) : undefined;
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
        next: last === undefined ? null : nextOf(query, last.key),
      },
    };
  },
});

/** Costs. */
export const costRoutes = [costs];

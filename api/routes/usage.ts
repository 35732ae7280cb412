import { reportUsage } from '../../db/reports.ts';
import type { UsageCount } from '../../domain/lines.ts';
import { groupFields, nextOf, reportQueryOf } from '../aggregation.ts';
import { endpoint } from '../endpoint.ts';
import { nothing, usage as usageOut, usageQuery } from '../schemas.ts';

const usage = endpoint({
  method: 'get',
  path: '/v1/usage',
  tag: 'Costs and usage',
  summary: 'Adds up tokens and requests of a range of days: the last 31, or up to 1100',
  query: usageQuery,
  body: nothing,
  out: usageOut,
  statuses: { 200: 'A page of rows, with the totals of the whole range.' },
  refusals: [],
  inTurn: true,
  handle: async ({ query: asked }, deps) => {
    const query = await reportQueryOf(deps, asked);
    const report = await reportUsage(deps.db, query);
    const page = report.data.slice(0, asked.limit);
    const last = report.data.length > asked.limit ? page.at(-1) : undefined;
    const { groupBy, from, to } = query;
    return {
      status: 200,
      body: {
        from,
        to,
        group_by: [...groupBy],
        data: page.map((row) => ({ ...groupFields(groupBy, row), ...numbers(row.counts) })),
        totals: numbers(report.totals),
        provisional_days: report.provisionalDays,
        missing_days: report.missingDays,
        next: last === undefined ? null : nextOf(query, last.key),
      },
    };
  },
});

function numbers(counts: Readonly<Record<UsageCount, string>>): Record<UsageCount, number | bigint> {
  // Rather another type within here than a rounded sum: JSON's whole numbers have no bounds, and a float's have.
  const number = (count: UsageCount): number | bigint => {
    const value = Number(counts[count]);
    return Number.isSafeInteger(value) ? value : BigInt(counts[count]);
  };
  return {
    uncached_input_tokens: number('uncached_input_tokens'),
    output_tokens: number('output_tokens'),
    cache_read_input_tokens: number('cache_read_input_tokens'),
    cache_creation_5m: number('cache_creation_5m'),
    cache_creation_1h: number('cache_creation_1h'),
    web_search_requests: number('web_search_requests'),
  };
}

/** Usage. */
export const usageRoutes = [usage];

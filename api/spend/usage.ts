import type { z } from 'zod';
import { sumUsage, type UsageCounts } from '../../db/spend/usage.ts';
import { MAX_DAYS, groupFields, nextCursor, spendQueryOf } from './aggregation.ts';
import { endpoint } from '../http/endpoint.ts';
import { DEFAULT_DAYS } from '../http/range.ts';
import { nothing } from '../http/schemas.ts';
import { usage as usageOut, usageQuery, type usageSums } from './schemas.ts';

const usage = endpoint({
  method: 'get',
  path: '/v1/usage',
  tag: 'Costs and usage',
  operation: 'getUsage',
  summary: `Adds up the tokens and requests of a range of days: the last ${DEFAULT_DAYS} days, or up to ${MAX_DAYS}`,
  description: 'Counts are exact whole numbers. The totals are those of the whole range and not only of the page.',
  query: usageQuery,
  body: nothing,
  out: usageOut,
  statuses: { 200: 'A page of rows, with the totals of the whole range.' },
  problems: ['not_found', 'conflict'],
  inTurn: true,
  handle: async ({ query: request }, deps) => {
    const query = await spendQueryOf(deps, request);
    const report = await sumUsage(deps.db, query);
    const page = report.data.slice(0, request.limit);
    const last = report.data.length > request.limit ? page.at(-1) : undefined;
    const { groupBy, from, to } = query;
    return {
      status: 200,
      body: {
        from,
        to,
        group_by: [...groupBy],
        data: page.map((row) => ({ ...groupFields(groupBy, row), ...sumsOf(row) })),
        totals: sumsOf(report.totals),
        provisional_days: report.provisionalDays,
        missing_days: report.missingDays,
        uncovered_days: report.uncoveredDays,
        next: last === undefined ? null : nextCursor(query, last.key),
      },
    };
  },
});

function sumsOf({ counts, otherCounts }: UsageCounts): SumsOut {
  return {
    uncached_input_tokens: numberOf(counts.uncached_input_tokens),
    output_tokens: numberOf(counts.output_tokens),
    cache_read_input_tokens: numberOf(counts.cache_read_input_tokens),
    cache_creation_5m: numberOf(counts.cache_creation_5m),
    cache_creation_1h: numberOf(counts.cache_creation_1h),
    web_search_requests: numberOf(counts.web_search_requests),
    other_counts: Object.fromEntries(Object.entries(otherCounts).map(([path, sum]) => [path, exactNumber(sum)])),
  };
}

type SumsOut = z.input<z.ZodObject<typeof usageSums>>;

/** A bigint where a number would round the sum. Whole numbers of JSON have no bounds. */
function numberOf(sum: string): number | bigint {
  const value = Number(sum);
  return Number.isSafeInteger(value) ? value : BigInt(sum);
}

/** A whole number as it is; a decimal as a number if that is exact, and as text if not. */
function exactNumber(sum: string): number | bigint | string {
  if (!sum.includes('.')) return numberOf(sum);
  return String(Number(sum)) === sum ? Number(sum) : sum;
}

export const usageRoutes = [usage];

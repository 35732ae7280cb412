import { compileUsage, sumUsage, type Usage, type UsageCounts, type UsageRow } from '../../db/spend/usage.ts';
import { readRowsByDays, readUngroupedTotals } from '../../db/spend/stretches.ts';
import { MAX_QUERY_DAYS } from '../../domain/days.ts';
import { USAGE_COUNTS } from '../../domain/lines.ts';
import { ZERO, subtractDecimals, type Decimal } from '../../domain/money.ts';
import type { SpendQuery } from '../../domain/spend/query.ts';
import { headerText } from '../http/csv.ts';
import { endpoint } from '../http/endpoint.ts';
import { DEFAULT_DAYS } from '../http/range.ts';
import { nothing } from '../http/schemas.ts';
import {
  COMPARED_FILE_HEADERS,
  FILE_HEADERS,
  inFile,
  groupColumns,
  groupFields,
  pageOf,
  reportFields,
  withOneMore,
  writeCsv,
  type Column,
} from './documents.ts';
import { USAGE, usageQuery } from './parameters.ts';
import { csvQueryOf, spendQueryOf } from './request.ts';
import { usage as usageOut } from './schemas.ts';

const usage = endpoint({
  method: 'get',
  path: '/v1/usage',
  tag: 'Costs and usage',
  operation: 'getUsage',
  summary: `Adds up the tokens and requests of a range of days: the last ${DEFAULT_DAYS} days, or up to ${MAX_QUERY_DAYS}`,
  description:
    'Counts are exact whole numbers. The totals are those of the whole range and not only of the page. A query parameter `tag.<key>` or `not.tag.<key>` filters by a tag of workspaces.',
  query: usageQuery,
  takesTags: true,
  body: nothing,
  out: usageOut,
  statuses: { 200: 'A page of rows, with the totals of the whole range.' },
  problems: ['not_found', 'conflict'],
  inTurn: true,
  handle: async ({ query: request, tags }, deps) => {
    const query = await spendQueryOf(deps, USAGE, request, tags);
    const { data, totals } = await sumUsage(deps.db, withOneMore(query));
    const { page, next } = pageOf(USAGE, query, data);
    const { before } = totals.totals;
    return {
      status: 200,
      body: {
        ...reportFields(query, totals),
        data: page.map((row) => ({ ...groupFields(query, row), ...sumsOf(row), ...comparedSumsOf(row) })),
        totals: sumsOf(totals.totals),
        ...(before === null ? {} : { totals_previous: sumsOf(before) }),
        next,
      },
    };
  },
  csv: {
    headers: {
      ...FILE_HEADERS,
      ...COMPARED_FILE_HEADERS,
      'Meterline-Totals': inFile('`totals` as JSON, with numbers beyond 2^53 as texts'),
      'Meterline-Totals-Previous': inFile('`totals_previous`, likewise; absent without `compare`'),
    },
    format: ({ format }) => format,
    write: async ({ query: request, tags }, deps, reply) => {
      const query = await csvQueryOf(deps, USAGE, request, tags);
      const totals = await readUngroupedTotals(deps.tx, compileUsage, query);
      const { before } = totals.totals;
      await writeCsv(reply, {
        name: 'usage',
        query,
        certainty: totals,
        totals: {
          'Meterline-Totals': headerText(sumsOf(totals.totals)),
          ...(before === null ? {} : { 'Meterline-Totals-Previous': headerText(sumsOf(before)) }),
        },
        columns: [...groupColumns(query), ...usageColumns(query)],
        rows: readRowsByDays(deps.tx, compileUsage, query, 'usage'),
      });
    },
  },
});

/** The sums of a row as JSON has them. */
type SumsOut = Record<(typeof USAGE_COUNTS)[number], number | bigint> & {
  other_counts: Record<string, number | bigint | string>;
};

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

function comparedSumsOf({ before, ...now }: Usage): { previous?: SumsOut; change?: SumsOut } {
  return before === null ? {} : { previous: sumsOf(before), change: sumsOf(changeOf(now, before)) };
}

/** Counts that did not change are zero, or left out of the other ones. */
function changeOf(now: UsageCounts, before: UsageCounts): UsageCounts {
  const names = new Set([...Object.keys(now.otherCounts), ...Object.keys(before.otherCounts)]);
  const changes = [...names].map((name): [string, Decimal] => [
    name,
    subtractDecimals(now.otherCounts[name] ?? ZERO, before.otherCounts[name] ?? ZERO),
  ]);
  const counts = { ...now.counts };
  for (const name of USAGE_COUNTS) counts[name] = subtractDecimals(now.counts[name], before.counts[name]);
  return { counts, otherCounts: Object.fromEntries(changes.filter(([, change]) => change !== ZERO)) };
}

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

function usageColumns({ comparison }: SpendQuery): Column<UsageRow>[] {
  const now = columnsOf('', (row) => row);
  if (comparison === null) return now;
  const previous = columnsOf('previous_', ({ before }) => before);
  const change = columnsOf('change_', (row) => (row.before === null ? null : changeOf(row, row.before)));
  return [...now, ...previous, ...change];
}

/** Other counts have no names that the header could list, so they are JSON. */
function columnsOf(prefix: string, sums: (row: UsageRow) => UsageCounts | null): Column<UsageRow>[] {
  const counts = USAGE_COUNTS.map((count): Column<UsageRow> => ({
    name: prefix + count,
    isNumber: true,
    of: (row) => sums(row)?.counts[count] ?? null,
  }));
  const others = (row: UsageRow): string => headerText(sums(row)?.otherCounts ?? {});
  return [...counts, { name: `${prefix}other_counts`, isNumber: false, of: others }];
}

export const usageRoutes = [usage];

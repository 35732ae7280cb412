import { MAX_QUERY_DAYS } from '../../domain/days.ts';
import { readCoverage } from '../../db/spend/coverage.ts';
import { endpoint } from '../http/endpoint.ts';
import { DEFAULT_DAYS } from '../http/range.ts';
import { nothing } from '../http/schemas.ts';
import { daysOf } from './documents.ts';
import { COSTS, coverageQuery } from './parameters.ts';
import { spendQueryOf } from './request.ts';
import { coverage as coverageOut } from './schemas.ts';

const coverage = endpoint({
  method: 'get',
  path: '/v1/coverage',
  tag: 'Costs and usage',
  operation: 'getDayStates',
  summary: `Shows how far the costs of each day can be relied on: the last ${DEFAULT_DAYS} days, or up to ${MAX_QUERY_DAYS}`,
  description:
    '`provisional_days`, `missing_days` and `uncovered_days` are those of `GET /v1/costs` for the same range and connections. With several connections, a day may count as more than one of them, while `state` names the first.',
  query: coverageQuery,
  body: nothing,
  out: coverageOut,
  statuses: { 200: 'Every day of the range, oldest first.' },
  problems: ['not_found'],
  inTurn: true,
  handle: async ({ query: request }, deps) => {
    const query = await spendQueryOf(deps, COSTS, { ...request, group_by: ['day'], order: 'key', limit: 1 }, []);
    const { days, ...counts } = await readCoverage(deps.db, query);
    return { status: 200, body: { from: query.from, to: query.to, data: [...days], ...daysOf(counts) } };
  },
});

export const dayStateRoutes = [coverage];

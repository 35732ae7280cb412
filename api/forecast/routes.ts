import { TooManyGroupsError, readPast } from '../../db/budgets/ahead.ts';
import { addDays, type Day, type DayRange } from '../../domain/days.ts';
import { daysOfMonth, monthOf } from '../../domain/months.ts';
import { todayOf } from '../connections/lookups.ts';
import { endpoint } from '../http/endpoint.ts';
import { contradiction } from '../http/problems.ts';
import { nothing } from '../http/schemas.ts';
import { COSTS } from '../spend/parameters.ts';
import { filtersOf } from '../spend/request.ts';
import { forecastDocument } from './documents.ts';
import { forecast as forecastOut, forecastQuery } from './schemas.ts';

const MAX_GROUPS = 10_000;
const DAYS_AHEAD = 366;

const read = endpoint({
  method: 'get',
  path: '/v1/forecast',
  tag: 'Budgets',
  operation: 'getForecast',
  summary: 'Says what this month, or the time through a day, is expected to come to',
  description:
    'It is made of settled days alone, by the method that would have done best on the past of this very series; `backtest` says how well. Fewer than 14 settled days give none, and `reason` says so. Nothing is stored. A query parameter `tag.<key>` or `not.tag.<key>` filters by a tag of workspaces.',
  query: forecastQuery,
  takesTags: true,
  body: nothing,
  out: forecastOut,
  statuses: { 200: 'What is expected, or why nothing is.' },
  problems: ['not_found', 'conflict'],
  inTurn: true,
  handle: async ({ query: request, tags }, deps) => {
    const today = todayOf(deps);
    const { group_by: groupBy, limit, through } = request;
    const period = periodOf(today, through);
    const filters = await filtersOf(deps, COSTS, request, tags);
    const past = await readPast(deps.db, { filters, groupBy }, period, today, MAX_GROUPS).catch(throwProblem);
    const groups = past.groups.map(({ spent, recent }) => ({ spent, recent }));
    const ahead = await deps.forecasting.ahead({ days: past.days, period, groups, most: limit });
    return { status: 200, body: forecastDocument(past, ahead, { period, today, groupBy }) };
  },
});

function periodOf(today: Day, through: Day | 'month_end'): DayRange {
  const { from, to } = daysOfMonth(monthOf(today));
  if (through === 'month_end') return { from, to };
  const last = addDays(today, DAYS_AHEAD);
  if (through < today || through > last) {
    throw contradiction('query.through', `must be month_end, or a day from ${today} to ${last}`);
  }
  return { from, to: through };
}

function throwProblem(error: unknown): never {
  if (!(error instanceof TooManyGroupsError)) throw error;
  const advice = 'group by fewer dimensions, or filter';
  throw contradiction(
    'query.group_by',
    `gives more than ${MAX_GROUPS} groups, which is too many to share a forecast: ${advice}`,
  );
}

/** What is expected. */
export const forecastRoutes = [read];

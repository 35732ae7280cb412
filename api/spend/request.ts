import { z } from 'zod';
import { MAX_QUERY_DAYS, type Day, type DayRange } from '../../domain/days.ts';
import { begins, comparisonOf, ends, type Compare, type Comparison } from '../../domain/spend/compare.ts';
import { ParameterError, filtersIn, parameterOf } from '../../domain/spend/parameters.ts';
import {
  grainOf,
  type Filter,
  type Group,
  type GroupKey,
  type Order,
  type SpendQuery,
} from '../../domain/spend/query.ts';
import { findConnection, todayOf } from '../connections/lookups.ts';
import { cursorOfAnotherQuery, decodeCursor, encodeCursor, positionText, queryDigest } from '../http/cursor.ts';
import type { Deps, QueryPair } from '../http/endpoint.ts';
import { Problem, invalid } from '../http/problems.ts';
import { rangeOf } from '../http/range.ts';
import { dayIn } from '../http/schemas.ts';
import type { Report } from './parameters.ts';

/** The query parameters that every report on spend has. The filters are beside them, by their names. */
export interface SpendRequest {
  readonly from?: Day | undefined;
  readonly to?: Day | undefined;
  readonly group_by: readonly Group[];
  readonly order: Order;
  readonly compare?: Compare | undefined;
  readonly limit: number;
  readonly after?: string | undefined;
  readonly [filter: string]: unknown;
}

const position = z.strictObject({
  from: dayIn,
  to: dayIn,
  query: z.string(),
  key: z.array(positionText.nullable()),
});

/**
 * The spend query of a request. Throws `invalid_request` for one that contradicts itself, `not_found` for an unknown
 * connection, and `conflict` for the cursor of another query. A cursor carries the range of its first page, so that a
 * client that pages past midnight stays in the same days.
 */
export async function spendQueryOf(
  deps: Deps,
  report: Report,
  request: SpendRequest,
  tags: readonly QueryPair[],
): Promise<SpendQuery> {
  if (request.after !== undefined && request.order !== 'key') {
    throw invalid('query.after', 'belongs to order=key: other orders have no further pages');
  }
  const today = todayOf(deps);
  const filters = await filtersOf(deps, report, request, tags);
  const cursor = request.after === undefined ? null : decodeCursor(request.after, position);
  const range = rangeOf(
    { from: request.from ?? cursor?.from, to: request.to ?? cursor?.to },
    today,
    MAX_QUERY_DAYS,
    invalid,
  );
  const comparison = request.compare === undefined ? null : comparisonWith(range, request.compare, request.group_by);
  const { group_by: groupBy, order, limit } = request;
  const query = { ...range, today, filters, groupBy, order, comparison, after: cursor?.key ?? null, limit };
  const isOfAnotherQuery =
    cursor !== null &&
    (cursor.from !== range.from ||
      cursor.to !== range.to ||
      cursor.query !== digestOf(report, query) ||
      cursor.key.length !== groupBy.length);
  if (isOfAnotherQuery) throw cursorOfAnotherQuery();
  return query;
}

/** As {@link spendQueryOf}, for every row at once. Throws `invalid_request` for a cursor. */
export async function csvQueryOf(
  deps: Deps,
  report: Report,
  request: SpendRequest,
  tags: readonly QueryPair[],
): Promise<SpendQuery> {
  if (request.after !== undefined) throw invalid('query.after', 'must be absent for CSV, which has all rows');
  return { ...(await spendQueryOf(deps, report, request, tags)), limit: null };
}

/** The cursor of the page that begins after the row with this key. */
export function nextCursor(report: Report, query: SpendQuery, key: GroupKey): string {
  return encodeCursor({ from: query.from, to: query.to, query: digestOf(report, query), key });
}

/** What tells a query from others beside its range. */
function digestOf({ name }: Report, { groupBy, filters, comparison }: SpendQuery): string {
  return queryDigest([name, groupBy, filters, comparison?.with ?? null]);
}

function comparisonWith(range: DayRange, compare: Compare, groupBy: readonly Group[]): Comparison {
  const grain = grainOf({ groupBy });
  const comparison = comparisonOf(range, compare, grain);
  if (grain === null) return comparison;
  const { from, to } = comparison.range;
  if (!begins(range.from, grain)) throw invalid('query.from', `must begin a ${grain}: only whole ones are compared`);
  if (!ends(range.to, grain)) throw invalid('query.to', `must end a ${grain}: only whole ones are compared`);
  if (!begins(from, grain) || !ends(to, grain)) {
    const fitting = grain === 'week' ? 'previous' : 'month';
    const leads = `leads to ${from} to ${to}, which does not begin and end with a whole ${grain}`;
    throw invalid('query.compare', `${leads}; ${fitting} always does`);
  }
  return comparison;
}

/**
 * The filters of a request. Several values of one parameter are alternatives; different parameters are conditions. Throws
 * `invalid_request`, and `not_found` for an unknown connection.
 */
export async function filtersOf(
  deps: Deps,
  { dimensions }: Report,
  request: Readonly<Record<string, unknown>>,
  tags: readonly QueryPair[],
): Promise<Filter[]> {
  const named = dimensions.flatMap((dimension) => {
    const name = parameterOf(dimension);
    return [name, `not.${name}`].flatMap((own) => pairsOf(own, values.parse(request[own])));
  });
  return Promise.all(
    filtersOrProblem(dimensions, [...named, ...tags]).map(async (filter) =>
      filter.dimension === 'connection' ? await ofKnownConnections(deps, filter) : filter,
    ),
  );
}

const values = z.array(z.string()).optional();

function pairsOf(name: string, texts: readonly string[] | undefined): QueryPair[] {
  return (texts ?? []).map((text) => [name, text]);
}

function filtersOrProblem(dimensions: Report['dimensions'], pairs: readonly QueryPair[]): Filter[] {
  const byName = new Map<string, string[]>();
  for (const [name, value] of pairs) byName.set(name, [...(byName.get(name) ?? []), value]);
  try {
    return filtersIn(dimensions, byName);
  } catch (error) {
    if (!(error instanceof ParameterError)) throw error;
    const errors = error.faults.map(({ parameter, message }) => ({ path: `query.${parameter ?? ''}`, message }));
    throw new Problem('invalid_request', { errors });
  }
}

/** The connections that a parameter names, each once; null without the parameter. Throws `not_found` for an unknown one. */
export async function connectionsOf(
  deps: Deps,
  given: readonly string[] | undefined,
): Promise<readonly string[] | null> {
  if (given === undefined) return null;
  const { values: ids } = await ofKnownConnections(deps, { dimension: 'connection', excludes: false, values: given });
  return ids.filter((id) => id !== null);
}

async function ofKnownConnections(deps: Deps, filter: Filter): Promise<Filter> {
  const name = `${filter.excludes ? 'not.' : ''}${parameterOf(filter.dimension)}`;
  const unknown = new Problem('not_found', {
    detail: `"${name}" is not the id of a connection.`,
    errors: [{ path: `query.${name}`, message: 'must be the id of a connection; GET /v1/connections lists them' }],
  });
  const ids = new Set<string>();
  for (const value of new Set(filter.values)) ids.add((await findConnection(deps, value ?? '', unknown)).id);
  return { ...filter, values: [...ids] };
}

import { z } from 'zod';
import type { Day, DayRange } from '../../domain/days.ts';
import { begins, comparisonOf, ends, type Compare, type Comparison } from '../../domain/spend/compare.ts';
import {
  grainOf,
  tagOf,
  type Dimension,
  type Filter,
  type Group,
  type GroupKey,
  type Order,
  type SpendQuery,
} from '../../domain/spend/query.ts';
import { findConnection, todayOf } from '../connections/lookups.ts';
import { cursorOfAnotherQuery, decodeCursor, encodeCursor, positionText, queryDigest } from '../http/cursor.ts';
import { MAX_TAGS, type Deps, type QueryPair } from '../http/endpoint.ts';
import { Problem, invalid } from '../http/problems.ts';
import { rangeOf } from '../http/range.ts';
import { dayIn } from '../http/schemas.ts';
import { NO_NUL, filterValue, parameterOf, type Report } from './parameters.ts';

/** The longest range of days that a query may sum up. */
export const MAX_DAYS = 1100;
const DEFAULT_WORKSPACE = 'default';

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
  const range = rangeOf({ from: request.from ?? cursor?.from, to: request.to ?? cursor?.to }, today, MAX_DAYS, invalid);
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

/** The filters of a request. Several values of one parameter are alternatives; different parameters are conditions. */
async function filtersOf(
  deps: Deps,
  { dimensions }: Report,
  request: SpendRequest,
  tags: readonly QueryPair[],
): Promise<Filter[]> {
  const named = dimensions.flatMap((dimension) => {
    const name = parameterOf(dimension);
    return [filterOf(dimension, false, request[name]), filterOf(dimension, true, request[`not.${name}`])];
  });
  const filters = [...named, ...tagFilters(tags)].filter((filter) => filter !== null);
  return Promise.all(
    filters.map(async (filter) =>
      filter.dimension === 'connection' ? await ofKnownConnections(deps, filter) : filter,
    ),
  );
}

const values = z.array(z.string()).optional();

function filterOf(dimension: Dimension, excludes: boolean, given: unknown): Filter | null {
  const texts = values.parse(given);
  if (texts === undefined) return null;
  return { dimension, excludes, values: texts.map((text) => valueOf(dimension, text)) };
}

function valueOf(dimension: Dimension, text: string): string | null {
  if (dimension === 'connection') return text;
  return text === '' || (dimension === 'workspace' && text === DEFAULT_WORKSPACE) ? null : text;
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

function tagFilters(pairs: readonly QueryPair[]): Filter[] {
  const byName = new Map<string, string[]>();
  for (const [name, value] of pairs) byName.set(name, [...(byName.get(name) ?? []), value]);
  if (byName.size > MAX_TAGS) throw invalid('query.tag', `must not name more than ${MAX_TAGS} tags`);
  return [...byName].map(([name, texts]) => {
    const excludes = name.startsWith('not.');
    const dimension = tagDimension(excludes ? name.slice('not.'.length) : name);
    const key = dimension === null ? null : tagOf(dimension);
    const path = `query.${excludes ? 'not.' : ''}tag`;
    if (dimension === null || key === '') throw invalid(path, 'must be followed by the key of a tag: tag.<key>');
    if (!filterValue.safeParse(key).success) throw invalid(path, NO_NUL);
    // Somebody may have put a secret where the key of a tag belongs.
    const own = /^[a-z_]{1,30}$/.test(key ?? '') ? `${path}.${key}` : path;
    if (!texts.every((text) => filterValue.safeParse(text).success)) throw invalid(own, NO_NUL);
    return { dimension, excludes, values: texts.map((text) => valueOf(dimension, text)) };
  });
}

function tagDimension(name: string): `tag.${string}` | null {
  return name.startsWith('tag.') ? `tag.${name.slice('tag.'.length)}` : null;
}

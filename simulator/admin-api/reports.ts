import type { Clock } from '../clock.ts';
import { DAY_MS, HOUR_MS, dayOf } from '../days.ts';
import type { Ledger } from '../organization/ledger.ts';
import { mix, shuffled } from '../random.ts';
import { ApiError } from './api-error.ts';
import { makePageToken, readPageToken, type Position } from './page-token.ts';
import { Query } from './query.ts';
import type { Spelling } from './spelling.ts';
import { COST_GROUPS, USAGE_GROUPS, costRows, usageRows, type Slice, type UsageGroup } from './rows.ts';

export interface Bucket {
  readonly startMs: number;
  readonly endMs: number;
  readonly rows: readonly string[];
}

export interface ReportPage {
  readonly buckets: readonly Bucket[];
  readonly hasMore: boolean;
  readonly nextPage: string | null;
  /** The token of this page itself. The fault `cyclic_page` serves it as the next one. */
  readonly ownToken: string;
}

/** Limits that only the simulator has, to force small pages. Null means no limit. */
export interface Paging {
  maxBucketsPerPage: number | null;
  maxRowsPerPage: number | null;
  /** The usage report refuses a higher `limit` if the query groups by three or more dimensions. */
  maxWideUsageLimit: number | null;
}

export type PagingChange = { [Limit in keyof Paging]?: Paging[Limit] | undefined };

export interface ReportContext {
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly paging: Paging;
  readonly spelling: Spelling;
  /** Decides the order of rows. It differs from request to request. */
  readonly shuffleSeed: number;
}

/** The width of a bucket, and how many of them a page may have. */
interface Width {
  readonly ms: number;
  readonly defaultLimit: number;
  readonly maxLimit: number;
}

interface Read {
  readonly identity: string;
  readonly token: string | undefined;
  readonly width: Width;
  readonly limit: number;
  readonly rowsOf: (startMs: number) => readonly string[];
}

const DAILY: Width = { ms: DAY_MS, defaultLimit: 7, maxLimit: 31 };
const USAGE_WIDTHS = {
  '1d': DAILY,
  '1h': { ms: HOUR_MS, defaultLimit: 24, maxLimit: 168 },
  '1m': { ms: 60_000, defaultLimit: 60, maxLimit: 1_440 },
} as const;
const WIDE_GROUPING = 3;
const COST_PARAMETERS = new Set(['starting_at', 'ending_at', 'bucket_width', 'limit', 'page', 'group_by[]']);
const USAGE_FILTERS: ReadonlyMap<string, UsageGroup> = new Map([
  ['workspace_ids[]', 'workspace_id'],
  ['models[]', 'model'],
  ['api_key_ids[]', 'api_key_id'],
  ['service_tiers[]', 'service_tier'],
  ['context_window[]', 'context_window'],
  ['inference_geos[]', 'inference_geo'],
  ['account_ids[]', 'account_id'],
  ['service_account_ids[]', 'service_account_id'],
]);
const USAGE_PARAMETERS = new Set([...COST_PARAMETERS, ...USAGE_FILTERS.keys()]);

/** A page of `GET /v1/organizations/cost_report`. */
export function costReport(parameters: URLSearchParams, context: ReportContext): ReportPage {
  const query = new Query(parameters, COST_PARAMETERS);
  query.choice('bucket_width', ['1d'], '1d');
  const groups = query.groupBy(COST_GROUPS);
  return readPage(query, context, {
    identity: `cost ${context.ledger.organization.id} ${query.identity()}`,
    token: query.one('page'),
    width: DAILY,
    limit: query.limit(DAILY.defaultLimit, DAILY.maxLimit),
    rowsOf: (startMs) => costRows(context.ledger.day(dayOf(startMs)), groups, context.spelling),
  });
}

/** A page of `GET /v1/organizations/usage_report/messages`. */
export function usageReport(parameters: URLSearchParams, context: ReportContext): ReportPage {
  const query = new Query(parameters, USAGE_PARAMETERS);
  const width = USAGE_WIDTHS[query.choice('bucket_width', ['1d', '1h', '1m'], '1d')];
  const groups = query.groupBy(USAGE_GROUPS);
  const limit = query.limit(width.defaultLimit, width.maxLimit);
  const { maxWideUsageLimit } = context.paging;
  if (maxWideUsageLimit !== null && groups.size >= WIDE_GROUPING && limit > maxWideUsageLimit) {
    throw new ApiError(400, `limit: At most ${maxWideUsageLimit} buckets with this many group_by[] dimensions`);
  }
  const filter = filterOf(query);
  return readPage(query, context, {
    identity: `usage ${context.ledger.organization.id} ${query.identity()}`,
    token: query.one('page'),
    width,
    limit,
    rowsOf: (startMs) => {
      const slice = sliceOf(startMs, width, context.clock);
      const view = { filter, spelling: context.spelling };
      return slice === null ? [] : usageRows(context.ledger.day(dayOf(startMs)), groups, { ...view, slice });
    },
  });
}

function filterOf(query: Query): Map<UsageGroup, readonly string[]> {
  const given = [...USAGE_FILTERS].map(([name, group]) => [group, query.all(name)] as const);
  return new Map(given.filter(([, values]) => values.length > 0));
}

/** The part of its day that a bucket covers. Null for a bucket after the hours of today that have begun. */
function sliceOf(startMs: number, width: Width, clock: Clock): Slice | null {
  if (width.ms === DAY_MS) return { index: 0, parts: 1 };
  const day = dayOf(startMs);
  const hours = day === clock.today() ? clock.hoursBegun() : 24;
  const parts = (hours * HOUR_MS) / width.ms;
  const index = (startMs - day * DAY_MS) / width.ms;
  return index < parts ? { index, parts } : null;
}

function readPage(query: Query, context: ReportContext, read: Read): ReportPage {
  const { startMs, endMs } = range(query, context.clock, read.width);
  const position =
    read.token === undefined
      ? { atMs: startMs, offset: 0, endMs, shuffleSeed: context.shuffleSeed, page: 1 }
      : readPageToken(read.token, read.identity);
  const ownToken = makePageToken(position, read.identity);
  const { buckets, next } = fill(position, read, context);
  return {
    buckets,
    hasMore: next !== null,
    nextPage: next === null ? null : makePageToken(next, read.identity),
    ownToken,
  };
}

/** Fills a page with buckets. The next page continues the last one if not all of its rows fit. */
function fill(
  position: Position,
  read: Read,
  { paging, spelling }: ReportContext,
): { buckets: Bucket[]; next: Position | null } {
  const maxBuckets = Math.min(read.limit, paging.maxBucketsPerPage ?? read.limit);
  let rowsLeft = paging.maxRowsPerPage ?? Number.POSITIVE_INFINITY;
  let { atMs, offset } = position;
  const buckets: Bucket[] = [];
  while (atMs < position.endMs && buckets.length < maxBuckets && rowsLeft > 0) {
    const served = read.rowsOf(atMs);
    const all = spelling.rows === 'sorted' ? served : shuffled(served, mix(position.shuffleSeed, atMs / read.width.ms));
    const rows = all.slice(offset, offset + rowsLeft);
    buckets.push({ startMs: atMs, endMs: atMs + read.width.ms, rows });
    rowsLeft -= rows.length;
    offset += rows.length;
    if (offset >= all.length) {
      atMs += read.width.ms;
      offset = 0;
    }
  }
  const done = atMs >= position.endMs;
  return { buckets, next: done ? null : { ...position, atMs, offset, page: position.page + 1 } };
}

function range(query: Query, clock: Clock, width: Width): { startMs: number; endMs: number } {
  const startingAt = query.instant('starting_at');
  if (startingAt === undefined) throw new ApiError(400, 'starting_at: Field required');
  const snap = (ms: number): number => Math.floor(ms / width.ms) * width.ms;
  const startMs = snap(startingAt);
  const endMs = snap(query.instant('ending_at') ?? clock.nowMs());
  if (endMs <= startMs) throw new ApiError(400, 'Invalid date range: ending date must be after starting date');
  // No bucket lies after the present one.
  return { startMs, endMs: Math.min(endMs, snap(clock.nowMs()) + width.ms) };
}

import type { Book } from '../organization/ledger.ts';
import { NO_COUNTS, type Counts, type UsageRow } from '../organization/day.ts';
import { formatServedCents } from '../organization/money.ts';
import { makeId } from '../organization/organization.ts';
import { hashText, mix } from '../random.ts';
import type { CostSeries } from '../organization/series.ts';

export const COST_GROUPS = ['workspace_id', 'description'] as const;
export type CostGroup = (typeof COST_GROUPS)[number];

export const USAGE_GROUPS = [
  'account_id',
  'api_key_id',
  'context_window',
  'inference_geo',
  'model',
  'service_account_id',
  'service_tier',
  'workspace_id',
] as const;
export type UsageGroup = (typeof USAGE_GROUPS)[number];

/** Which part of a day a bucket is: the `index`th of `parts` equal ones. */
export interface Slice {
  readonly index: number;
  readonly parts: number;
}

type UsageDimensions = Readonly<Record<UsageGroup, string | null>>;
type UsageFilter = ReadonlyMap<UsageGroup, readonly string[]>;

const KEPT_ROWS = 5_000;
const WHOLE_DAY: Slice = { index: 0, parts: 1 };
const UNGROUPED_TAIL =
  '"description":null,"cost_type":null,"model":null,"token_type":null,"context_window":null,"service_tier":null,"inference_geo":null';
const tails = new WeakMap<CostSeries, string>();

/** A day's cost rows as JSON, added up over the dimensions that are not grouped by. */
export function costResults(book: Book, groups: ReadonlySet<CostGroup>): readonly string[] {
  const byWorkspace = groups.has('workspace_id');
  const byDescription = groups.has('description');
  const cacheKey = costKey(groups);
  const kept = book.texts.get(cacheKey);
  if (kept !== undefined) return kept;
  const texts =
    byWorkspace && byDescription
      ? book.cost.map(({ series, units }) => costText(units, series.currency, series.workspaceId, tailOf(series)))
      : summedCost(book, byWorkspace, byDescription);
  if (texts.length <= KEPT_ROWS) book.texts.set(cacheKey, texts);
  return texts;
}

function summedCost(book: Book, byWorkspace: boolean, byDescription: boolean): string[] {
  const sums = new Map<string, { series: CostSeries; units: bigint }>();
  for (const { series, units } of book.cost) {
    const key = `${series.currency}|${byWorkspace ? (series.workspaceId ?? '') : ''}|${byDescription ? tailOf(series) : ''}`;
    const sum = sums.get(key);
    if (sum === undefined) {
      sums.set(key, { series, units });
    } else {
      sum.units += units;
    }
  }
  return [...sums.values()].map(({ series, units }) =>
    costText(
      units,
      series.currency,
      byWorkspace ? series.workspaceId : null,
      byDescription ? tailOf(series) : UNGROUPED_TAIL,
    ),
  );
}

function costText(units: bigint, currency: string, workspaceId: string | null, tail: string): string {
  return `{"currency":${JSON.stringify(currency)},"amount":"${formatServedCents(units)}","workspace_id":${JSON.stringify(workspaceId)},${tail}}`;
}

/** The dimension fields of a series as JSON, without the braces. */
function tailOf(series: CostSeries): string {
  const known = tails.get(series);
  if (known !== undefined) return known;
  const tail = JSON.stringify({
    description: series.description,
    cost_type: series.costType,
    model: series.model,
    token_type: series.tokenType,
    context_window: series.contextWindow,
    service_tier: series.serviceTier,
    ...(series.geoAbsent ? {} : { inference_geo: series.inferenceGeo }),
    ...series.extra,
  }).slice(1, -1);
  tails.set(series, tail);
  return tail;
}

function costKey(groups: ReadonlySet<CostGroup>): string {
  return `cost:${groups.has('workspace_id')}:${groups.has('description')}`;
}

function usageKey(groups: ReadonlySet<UsageGroup>, filter: UsageFilter, slice: Slice): string {
  return `usage:${JSON.stringify([[...groups].sort(), [...filter], slice])}`;
}

/** A day's results for what a ledger asks for (every line, and the totals), by the key under which they are kept. */
export function renderDay(
  book: Book,
  groupings: { cost: readonly ReadonlySet<CostGroup>[]; usage: readonly ReadonlySet<UsageGroup>[] },
): Map<string, readonly string[]> {
  const unfiltered: UsageFilter = new Map();
  return new Map([
    ...groupings.cost.map((groups) => [costKey(groups), costResults(book, groups)] as const),
    ...groupings.usage.map(
      (groups) => [usageKey(groups, unfiltered, WHOLE_DAY), usageResults(book, groups, unfiltered, WHOLE_DAY)] as const,
    ),
  ]);
}

/** A bucket's token counts as JSON, filtered and added up over the dimensions that are not grouped by. */
export function usageResults(
  book: Book,
  groups: ReadonlySet<UsageGroup>,
  filter: UsageFilter,
  slice: Slice,
): readonly string[] {
  const cacheKey = usageKey(groups, filter, slice);
  const kept = book.texts.get(cacheKey);
  if (kept !== undefined) return kept;
  const sums = new Map<string, { dimensions: UsageDimensions; counts: Record<keyof Counts, number> }>();
  for (const row of book.usage) {
    for (const { dimensions, counts } of usersOf(row)) {
      if (!passes(dimensions, filter)) continue;
      const key = USAGE_GROUPS.map((group) => (groups.has(group) ? (dimensions[group] ?? '') : '')).join('|');
      let sum = sums.get(key);
      if (sum === undefined) {
        sum = { dimensions, counts: { ...NO_COUNTS } };
        sums.set(key, sum);
      }
      for (const name of COUNT_NAMES) sum.counts[name] += part(counts[name], slice);
    }
  }
  const texts = [...sums.values()]
    .filter(({ counts }) => COUNT_NAMES.some((name) => counts[name] > 0))
    .map(({ dimensions, counts }) => usageText(dimensions, counts, groups));
  if (texts.length <= KEPT_ROWS && slice.parts === 1) book.texts.set(cacheKey, texts);
  return texts;
}

const COUNT_NAMES = ['uncached', 'output', 'cacheRead', 'cache5m', 'cache1h', 'searches'] as const;

function usageText(dimensions: UsageDimensions, counts: Counts, groups: ReadonlySet<UsageGroup>): string {
  const value = (group: UsageGroup): string | null => (groups.has(group) ? dimensions[group] : null);
  return JSON.stringify({
    uncached_input_tokens: counts.uncached,
    cache_creation: { ephemeral_1h_input_tokens: counts.cache1h, ephemeral_5m_input_tokens: counts.cache5m },
    cache_read_input_tokens: counts.cacheRead,
    output_tokens: counts.output,
    server_tool_use: { web_search_requests: counts.searches },
    account_id: value('account_id'),
    api_key_id: value('api_key_id'),
    context_window: value('context_window'),
    inference_geo: value('inference_geo'),
    model: value('model'),
    service_account_id: value('service_account_id'),
    service_tier: value('service_tier'),
    workspace_id: value('workspace_id'),
  });
}

/** Who used it: API keys, at times a service account or a person in the Console; together exactly the row. */
function usersOf(row: UsageRow): { dimensions: UsageDimensions; counts: Counts }[] {
  const { cell, counts } = row;
  const place = mix(cell.hash, 60);
  const make = (percent: number, rest: boolean, user: Partial<UsageDimensions>): UserShare => ({
    counts: mapCounts(counts, (count) =>
      rest ? count - Math.floor((count * (100 - percent)) / 100) : Math.floor((count * percent) / 100),
    ),
    dimensions: {
      account_id: null,
      api_key_id: null,
      context_window: cell.contextWindow,
      inference_geo: cell.inferenceGeo,
      model: cell.model,
      service_account_id: null,
      service_tier: cell.serviceTier,
      workspace_id: cell.workspaceId,
      ...user,
    },
  });
  const firstKey = { api_key_id: makeKeyId(cell.workspaceId, 1) };
  switch (place % 4) {
    case 0:
      return [make(70, false, firstKey), make(30, true, { api_key_id: makeKeyId(cell.workspaceId, 2) })];
    case 1:
      return [make(90, false, firstKey), make(10, true, { account_id: makeId('user', mix(1, place % 3)) })];
    case 2:
      return [make(60, false, firstKey), make(40, true, { service_account_id: makeId('svac', mix(2, place % 3)) })];
    default:
      return [make(100, false, firstKey)];
  }
}

interface UserShare {
  dimensions: UsageDimensions;
  counts: Counts;
}

const keyIds = new Map<string, string>();

function makeKeyId(workspaceId: string | null, index: number): string {
  const name = `${workspaceId ?? ''}:${index}`;
  let id = keyIds.get(name);
  if (id === undefined) {
    id = makeId('apikey', hashText(name));
    keyIds.set(name, id);
  }
  return id;
}

function passes(dimensions: UsageDimensions, filter: UsageFilter): boolean {
  for (const [group, values] of filter) {
    const value = dimensions[group];
    if (value === null || !values.includes(value)) return false;
  }
  return true;
}

/** The `index`th of `parts` even parts; all parts together are exactly the whole. */
function part(count: number, { index, parts }: Slice): number {
  return parts === 1 ? count : Math.floor((count * (index + 1)) / parts) - Math.floor((count * index) / parts);
}

function mapCounts(counts: Counts, map: (count: number) => number): Counts {
  return {
    uncached: map(counts.uncached),
    output: map(counts.output),
    cacheRead: map(counts.cacheRead),
    cache5m: map(counts.cache5m),
    cache1h: map(counts.cache1h),
    searches: map(counts.searches),
  };
}

import { COUNT_NAMES, NO_COUNTS, mapCounts, type CostRow, type Counts, type UsageRow } from '../organization/day.ts';
import { makeId } from '../organization/ids.ts';
import type { LedgerDay } from '../organization/ledger.ts';
import { formatServedCents } from '../organization/money.ts';
import type { CostSeries } from '../organization/series.ts';
import { mix } from '../random.ts';
import { spell, type Spelling } from './spelling.ts';

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

/** The part of a day that a bucket covers: part `index` of `parts` equal ones. */
export interface Slice {
  readonly index: number;
  readonly parts: number;
}

type UsageDimensions = Readonly<Record<UsageGroup, string | null>>;
type UsageFilter = ReadonlyMap<UsageGroup, readonly string[]>;

/** Which usage of a day a query asks for, and how the page spells it. */
interface UsageView {
  readonly filter: UsageFilter;
  readonly slice: Slice;
  readonly spelling: Spelling;
}

/** Serialized rows of larger days are not cached: together they would fill the memory. */
const MAX_CACHED_ROWS = 5_000;
const WHOLE_DAY: Slice = { index: 0, parts: 1 };
const NO_FILTER: UsageFilter = new Map();
const UNGROUPED_FIELDS =
  '"description":null,"cost_type":null,"model":null,"token_type":null,"context_window":null,"service_tier":null,"inference_geo":null';

/** A day's cost rows as JSON. Rows that differ only in dimensions outside of `groups` are added up. */
export function costRows(day: LedgerDay, groups: ReadonlySet<CostGroup>, spelling: Spelling): readonly string[] {
  const cacheKey = costCacheKey(groups, spelling);
  const cached = day.rows.get(cacheKey);
  if (cached !== undefined) return cached;
  const isGroupedByAll = COST_GROUPS.every((group) => groups.has(group));
  const sums = isGroupedByAll ? day.cost : summedCost(day.cost, groups);
  const inOrder =
    spelling.rows === 'sorted'
      ? sortedBy(sums, ({ series }) => `${series.workspaceId ?? ''}\n${series.servedFields}`)
      : sums;
  const rows = inOrder.map(({ series, units }, index) =>
    spell(costRow(units, series, groups), spelling, orderSeed(day, index, spelling)),
  );
  if (rows.length <= MAX_CACHED_ROWS) day.rows.set(cacheKey, rows);
  return rows;
}

function summedCost(cost: readonly CostRow[], groups: ReadonlySet<CostGroup>): CostRow[] {
  const sums = new Map<string, { series: CostSeries; units: bigint }>();
  for (const { series, units } of cost) {
    const workspace = groups.has('workspace_id') ? (series.workspaceId ?? '') : '';
    const fields = groups.has('description') ? series.servedFields : '';
    const key = `${series.currency}|${workspace}|${fields}`;
    const sum = sums.get(key);
    if (sum === undefined) sums.set(key, { series, units });
    else sum.units += units;
  }
  return [...sums.values()];
}

function sortedBy<T>(items: readonly T[], keyOf: (item: T) => string): T[] {
  const keyed = items.map((item) => ({ item, key: keyOf(item) }));
  // Not by locale, which takes long.
  return keyed.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)).map(({ item }) => item);
}

/** Decides the order of a row's fields. */
function orderSeed(day: LedgerDay, index: number, { keys }: Spelling): number {
  return keys === 'by-row' ? mix(day.day, index) : mix(day.day);
}

function costRow(units: bigint, series: CostSeries, groups: ReadonlySet<CostGroup>): string {
  const currency = JSON.stringify(series.currency);
  const workspaceId = JSON.stringify(groups.has('workspace_id') ? series.workspaceId : null);
  const fields = groups.has('description') ? series.servedFields : UNGROUPED_FIELDS;
  return `{"currency":${currency},"amount":"${formatServedCents(units)}","workspace_id":${workspaceId},${fields}}`;
}

function costCacheKey(groups: ReadonlySet<CostGroup>, spelling: Spelling): string {
  return `cost:${groups.has('workspace_id')}:${groups.has('description')}:${JSON.stringify(spelling)}`;
}

/** A bucket's token counts as JSON, filtered. Rows that differ only in dimensions outside of `groups` are added up. */
export function usageRows(
  day: LedgerDay,
  groups: ReadonlySet<UsageGroup>,
  { filter, slice, spelling }: UsageView,
): readonly string[] {
  const cacheKey = usageCacheKey(groups, { filter, slice, spelling });
  const cached = day.rows.get(cacheKey);
  if (cached !== undefined) return cached;
  const sums = new Map<string, { dimensions: UsageDimensions; counts: Record<keyof Counts, number> }>();
  for (const row of day.usage) {
    for (const { dimensions, counts } of usersOf(row)) {
      if (!passes(dimensions, filter)) continue;
      const key = USAGE_GROUPS.map((group) => (groups.has(group) ? (dimensions[group] ?? '') : '')).join('|');
      const sum = sums.get(key) ?? { dimensions, counts: { ...NO_COUNTS } };
      sums.set(key, sum);
      for (const name of COUNT_NAMES) sum.counts[name] += partOf(counts[name], slice);
    }
  }
  const inOrder =
    spelling.rows === 'sorted' ? sortedBy([...sums], ([key]) => key).map(([, sum]) => sum) : [...sums.values()];
  const rows = inOrder
    .filter(({ counts }) => COUNT_NAMES.some((name) => counts[name] > 0))
    .map(({ dimensions, counts }, index) =>
      spell(usageRow(dimensions, counts, groups), spelling, orderSeed(day, index, spelling)),
    );
  if (rows.length <= MAX_CACHED_ROWS && slice.parts === 1) day.rows.set(cacheKey, rows);
  return rows;
}

function usageRow(dimensions: UsageDimensions, counts: Counts, groups: ReadonlySet<UsageGroup>): string {
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

function usageCacheKey(groups: ReadonlySet<UsageGroup>, { filter, slice, spelling }: UsageView): string {
  return `usage:${JSON.stringify([[...groups].sort(), [...filter], slice, spelling])}`;
}

/** A day's rows for each grouping, by the key under which `costRows` and `usageRows` look for them. */
export function rowsByGrouping(
  day: LedgerDay,
  groupings: { cost: readonly ReadonlySet<CostGroup>[]; usage: readonly ReadonlySet<UsageGroup>[] },
  spelling: Spelling,
): Map<string, readonly string[]> {
  const view = { filter: NO_FILTER, slice: WHOLE_DAY, spelling };
  return new Map([
    ...groupings.cost.map((groups) => [costCacheKey(groups, spelling), costRows(day, groups, spelling)] as const),
    ...groupings.usage.map((groups) => [usageCacheKey(groups, view), usageRows(day, groups, view)] as const),
  ]);
}

interface UserShare {
  readonly dimensions: UsageDimensions;
  readonly counts: Counts;
}

/** Splits a row among its users: API keys, at times a service account or a person. Together they are exactly the row. */
function usersOf(row: UsageRow): UserShare[] {
  const draw = mix(row.series.hash, 60);
  const [firstKey, secondKey] = row.series.apiKeyIds;
  switch (draw % 4) {
    case 0:
      return split(row, 70, firstKey, { api_key_id: secondKey });
    case 1:
      return split(row, 90, firstKey, { account_id: makeId('user', mix(1, draw % 3)) });
    case 2:
      return split(row, 60, firstKey, { service_account_id: makeId('svac', mix(2, draw % 3)) });
    default:
      return [{ dimensions: dimensionsOf(row, { api_key_id: firstKey }), counts: row.counts }];
  }
}

/** Gives a percentage of a row to an API key, and the rest to another user. */
function split(row: UsageRow, percent: number, apiKeyId: string, other: Partial<UsageDimensions>): UserShare[] {
  const first = mapCounts(row.counts, (count) => Math.floor((count * percent) / 100));
  const rest = mapCounts(row.counts, (count, name) => count - first[name]);
  return [
    { dimensions: dimensionsOf(row, { api_key_id: apiKeyId }), counts: first },
    { dimensions: dimensionsOf(row, other), counts: rest },
  ];
}

function dimensionsOf({ series }: UsageRow, user: Partial<UsageDimensions>): UsageDimensions {
  return {
    account_id: null,
    api_key_id: null,
    service_account_id: null,
    context_window: series.contextWindow,
    inference_geo: series.inferenceGeo,
    model: series.model,
    service_tier: series.serviceTier,
    workspace_id: series.workspaceId,
    ...user,
  };
}

function passes(dimensions: UsageDimensions, filter: UsageFilter): boolean {
  return [...filter].every(([group, values]) => {
    const value = dimensions[group];
    return value !== null && values.includes(value);
  });
}

/** The count that falls into a part of the day. All parts together are exactly the whole. */
function partOf(count: number, { index, parts }: Slice): number {
  return parts === 1 ? count : Math.floor((count * (index + 1)) / parts) - Math.floor((count * index) / parts);
}

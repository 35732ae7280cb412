import type { Day, DayRange } from '../days.ts';
import type { Comparison } from './compare.ts';

/** How days are put together: each for itself, by the Monday of their week, or by their month. */
export const GRAINS = ['day', 'week', 'month'] as const;
/** One of {@link GRAINS}. */
export type Grain = (typeof GRAINS)[number];

/** What the lines of costs can be split by, beside the tags of their workspaces. */
export const COST_DIMENSIONS = [
  'connection',
  'workspace',
  'model',
  'token_type',
  'context_window',
  'service_tier',
  'inference_geo',
  'cost_type',
  'description',
  'currency',
] as const;
/** One of {@link COST_DIMENSIONS}. */
export type NamedDimension = (typeof COST_DIMENSIONS)[number];

/** What the lines of usage can be split by, beside the tags of their workspaces. */
export const USAGE_DIMENSIONS = [
  'connection',
  'workspace',
  'model',
  'service_tier',
  'context_window',
  'inference_geo',
] as const satisfies readonly NamedDimension[];

/** What costs and the tokens that they pay for can be split by, beside the tags of their workspaces. */
export const UNIT_COST_DIMENSIONS = [
  ...USAGE_DIMENSIONS,
  'token_type',
  'currency',
] as const satisfies readonly NamedDimension[];

/** A tag of workspaces, by its key. */
export type TagDimension = `tag.${string}`;
/** What a line is split by. */
export type Dimension = NamedDimension | TagDimension;
/** What rows are grouped by. */
export type Group = Grain | Dimension;

/** Which lines count: those whose value in the dimension is one of these, or, if it excludes, those whose value is none. */
export interface Filter {
  readonly dimension: Dimension;
  readonly excludes: boolean;
  /** Null stands for lines without a value: the default workspace, a workspace without the tag. Ids for connections. */
  readonly values: readonly (string | null)[];
}

/** The values of the columns that a row is grouped by, in their order, as text. */
export type GroupKey = readonly (string | null)[];

/** By key, in pages; or the largest amount first, without further pages. */
export const ORDERS = ['key', '-amount'] as const;
/** One of {@link ORDERS}. */
export type Order = (typeof ORDERS)[number];

/** What to add up, by what to split it, and which of the rows to give. */
export interface SpendQuery extends DayRange {
  /** Later days are not missing yet. */
  readonly today: Day;
  /**
   * A line counts if all of them let it through. Without a filter on connections, all of them count together, but refused
   * ones. Whichever connections count, each day of an organization counts once, from the newest of them that has it.
   */
  readonly filters: readonly Filter[];
  /** At most one of them is a grain. */
  readonly groupBy: readonly Group[];
  readonly order: Order;
  readonly comparison: Comparison | null;
  /** The key of the last row seen, for the order by key. */
  readonly after: GroupKey | null;
  /** The largest number of rows; null for all. */
  readonly limit: number | null;
}

/** The key of a tag; null for any other group. */
export function tagOf(group: Group): string | null {
  return group.startsWith('tag.') ? group.slice('tag.'.length) : null;
}

/** Whether a group puts days together. */
export function isGrain(group: Group): group is Grain {
  return GRAINS.some((grain) => grain === group);
}

/** The grain of a query; null if it puts all days together. */
export function grainOf({ groupBy }: Pick<SpendQuery, 'groupBy'>): Grain | null {
  return groupBy.find(isGrain) ?? null;
}

import { DAY_MS } from '../days.ts';
import { hashText, mix } from '../random.ts';
import type { Model, TokenKind } from './catalog.ts';
import { makeId } from './ids.ts';

export interface Workspace {
  readonly id: string;
  readonly name: string;
  readonly createdAt: string;
  readonly archivedAt: string | null;
  readonly tags: Readonly<Record<string, string>>;
  readonly displayColor: string;
  readonly isDefault: boolean;
}

/** The dimensions of a cost line. */
interface CostDimensions {
  readonly workspaceId: string | null;
  readonly description: string;
  readonly costType: string;
  readonly model: string | null;
  readonly tokenType: string | null;
  readonly contextWindow: string | null;
  readonly serviceTier: string | null;
  readonly inferenceGeo: string | null;
  /** The reply has no field `inference_geo`, instead of a null one. */
  readonly geoAbsent: boolean;
  readonly currency: string;
  /** Fields that no published reference names. */
  readonly extra: Readonly<Record<string, string>> | null;
}

/** Everything in a cost line except its day and its amount. */
export interface CostSeries extends CostDimensions {
  readonly hash: number;
  /** The fields that `group_by[]=description` adds to a row, as JSON without braces. Serialized once for all days. */
  readonly servedFields: string;
}

export interface Rate {
  readonly kind: TokenKind;
  /** Tokens on a usual weekday. */
  readonly usual: number;
  readonly unitsPerToken: bigint;
  /** Null if only the usage report has these tokens, as with the priority tier. */
  readonly series: CostSeries | null;
}

/** One combination of the dimensions by which Anthropic counts usage. */
export interface UsageSeries {
  readonly workspaceId: string | null;
  readonly model: string;
  readonly serviceTier: string;
  readonly contextWindow: string;
  readonly inferenceGeo: string;
  readonly apiKeyIds: readonly [string, string];
  readonly hash: number;
  /** The first day without use; infinite unless the workspace is archived. */
  readonly endDay: number;
  /** The chance that a day has any use, 0 to 1. */
  readonly dailyChance: number;
  readonly rates: readonly Rate[];
  /** Web searches on a usual weekday. */
  readonly searchesUsual: number;
}

/** A cost that is billed by the second and not by the token. */
export interface Meter {
  readonly series: CostSeries;
  readonly dailyChance: number;
  readonly usualSeconds: number;
  readonly unitsPerSecond: bigint;
  readonly endDay: number;
}

export interface UsageSeriesOptions {
  seed: number;
  workspace: Workspace;
  model: Model;
  serviceTier: string;
  contextWindow: string;
  inferenceGeo: string;
  kinds: readonly TokenKind[];
  weight: number;
  dailyChance: number;
}

/** A cost series with the given dimensions. The others get a default, mostly null. */
export function makeCostSeries(given: Partial<CostDimensions>): CostSeries {
  const dimensions: CostDimensions = {
    workspaceId: null,
    description: 'Usage',
    costType: 'tokens',
    model: null,
    tokenType: null,
    contextWindow: null,
    serviceTier: null,
    inferenceGeo: null,
    geoAbsent: false,
    currency: 'USD',
    extra: null,
    ...given,
  };
  return { ...dimensions, hash: hashText(JSON.stringify(dimensions)), servedFields: servedFieldsOf(dimensions) };
}

function servedFieldsOf(dimensions: CostDimensions): string {
  return JSON.stringify({
    description: dimensions.description,
    cost_type: dimensions.costType,
    model: dimensions.model,
    token_type: dimensions.tokenType,
    context_window: dimensions.contextWindow,
    service_tier: dimensions.serviceTier,
    ...(dimensions.geoAbsent ? {} : { inference_geo: dimensions.inferenceGeo }),
    ...dimensions.extra,
  }).slice(1, -1);
}

/** A usage series with its prices and its cost series. */
export function makeUsageSeries(options: UsageSeriesOptions): UsageSeries {
  const { model, serviceTier, contextWindow, inferenceGeo } = options;
  const workspaceId = costWorkspaceId(options.workspace);
  const hash = hashText(
    [options.seed, workspaceId ?? '', model.id, serviceTier, contextWindow, inferenceGeo].map(String).join('|'),
  );
  return {
    workspaceId,
    model: model.id,
    serviceTier,
    contextWindow,
    inferenceGeo,
    apiKeyIds: apiKeyIdsOf(workspaceId),
    hash,
    endDay: endDay(options.workspace),
    dailyChance: options.dailyChance,
    searchesUsual: options.kinds.length > 3 && hash % 4 === 0 ? 60 : 0,
    rates: options.kinds.map((kind) => ({
      kind,
      usual: kind.usual * options.weight,
      unitsPerToken: priceOf(options, kind),
      series: isBilled(serviceTier) ? tokenSeries(options, kind) : null,
    })),
  };
}

function isBilled(serviceTier: string): boolean {
  return serviceTier === 'standard' || serviceTier === 'batch';
}

function tokenSeries(options: UsageSeriesOptions, kind: TokenKind): CostSeries {
  const { workspace, model, contextWindow, serviceTier, inferenceGeo } = options;
  return makeCostSeries({
    workspaceId: costWorkspaceId(workspace),
    description: `${model.label} Usage - ${kind.label}`,
    model: model.id,
    tokenType: kind.type,
    contextWindow,
    serviceTier,
    inferenceGeo: model.isLegacy ? null : inferenceGeo,
    geoAbsent: model.isLegacy,
  });
}

/** The ids of the two workspace keys that share a workspace's use. */
export function apiKeyIdsOf(workspaceId: string | null): readonly [string, string] {
  const idOf = (index: number): string => makeId('apikey', hashText(`${workspaceId ?? ''}:${index}`));
  return [idOf(1), idOf(2)];
}

/** The workspace id in the reports, which is null for the default workspace. */
export function costWorkspaceId(workspace: Workspace): string | null {
  return workspace.isDefault ? null : workspace.id;
}

/** The first day on which a workspace is no longer used. */
export function endDay(workspace: Workspace): number {
  return workspace.archivedAt === null ? Number.POSITIVE_INFINITY : Date.parse(workspace.archivedAt) / DAY_MS;
}

/** List price, surcharges and discounts. The organization's own discount gives amounts their many decimals. */
function priceOf(options: UsageSeriesOptions, kind: TokenKind): bigint {
  const discountPpm = 870_001n + BigInt(mix(options.seed, 30) % 100_000);
  const tierPercent = options.serviceTier === 'batch' ? 50n : 100n;
  const windowPercent = options.contextWindow === '200k-1M' ? 200n : 100n;
  const geoPercent = options.inferenceGeo === 'us' ? 110n : 100n;
  return (
    (kind.unitsPerToken(options.model) * discountPpm * tierPercent * windowPercent * geoPercent) /
    (1_000_000n * 100n * 100n * 100n)
  );
}

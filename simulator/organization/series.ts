import type { Model, TokenKind } from './catalog.ts';
import { DAY_MS } from '../days.ts';
import { hashText, mix } from '../random.ts';

export interface Workspace {
  readonly id: string;
  readonly name: string;
  readonly createdAt: string;
  readonly archivedAt: string | null;
  readonly displayColor: string;
  readonly isDefault: boolean;
}

/** What a cost line is about: everything in it except its day and its amount. */
export interface CostSeries {
  readonly workspaceId: string | null;
  readonly description: string;
  readonly costType: string;
  readonly model: string | null;
  readonly tokenType: string | null;
  readonly contextWindow: string | null;
  readonly serviceTier: string | null;
  /** Left out of the reply, not null in it, where `geoAbsent`. */
  readonly inferenceGeo: string | null;
  readonly geoAbsent: boolean;
  readonly currency: string;
  /** Fields that no published reference names. */
  readonly extra: Readonly<Record<string, string>> | null;
  readonly hash: number;
}

export interface Rate {
  readonly kind: TokenKind;
  readonly usual: number;
  readonly unitsPerToken: bigint;
  /** Null where the use is counted but not in the cost report, as with the priority tier. */
  readonly series: CostSeries | null;
}

/** One combination of the dimensions by which usage is counted. */
export interface Cell {
  readonly workspaceId: string | null;
  readonly model: string;
  readonly serviceTier: string;
  readonly contextWindow: string;
  readonly inferenceGeo: string;
  readonly hash: number;
  /** Exclusive; infinite for a workspace that is not archived. */
  readonly endDay: number;
  /** How likely it is used on a day. */
  readonly presence: number;
  readonly rates: readonly Rate[];
  readonly searchesUsual: number;
}

/** Costs other than tokens: counted in seconds. */
export interface Meter {
  readonly series: CostSeries;
  readonly presence: number;
  readonly usualSeconds: number;
  readonly unitsPerSecond: bigint;
  readonly endDay: number;
}

export interface CellOptions {
  seed: number;
  workspace: Workspace;
  model: Model;
  serviceTier: string;
  contextWindow: string;
  inferenceGeo: string;
  kinds: readonly TokenKind[];
  weight: number;
  presence: number;
}

/** A series from the fields that matter to it; the others are null. */
export function makeSeries(fields: Partial<Omit<CostSeries, 'hash'>>): CostSeries {
  const series = {
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
    ...fields,
  };
  return { ...series, hash: hashText(JSON.stringify(series)) };
}

/** A combination of dimensions, priced and with its cost series. */
export function makeCell(options: CellOptions): Cell {
  const { model, serviceTier, contextWindow, inferenceGeo } = options;
  const workspaceId = costWorkspaceId(options.workspace);
  const billed = serviceTier === 'standard' || serviceTier === 'batch';
  const hash = hashText(
    [options.seed, workspaceId ?? '', model.id, serviceTier, contextWindow, inferenceGeo].map(String).join('|'),
  );
  return {
    workspaceId,
    model: model.id,
    serviceTier,
    contextWindow,
    inferenceGeo,
    hash,
    endDay: endDay(options.workspace),
    presence: options.presence,
    searchesUsual: options.kinds.length > 3 && hash % 4 === 0 ? 60 : 0,
    rates: options.kinds.map((kind) => ({
      kind,
      usual: kind.usual * options.weight,
      unitsPerToken: priceOf(options, kind),
      series: billed
        ? makeSeries({
            workspaceId,
            description: `${model.label} Usage - ${kind.label}`,
            model: model.id,
            tokenType: kind.type,
            contextWindow,
            serviceTier,
            inferenceGeo: model.legacy ? null : inferenceGeo,
            geoAbsent: model.legacy,
          })
        : null,
    })),
  };
}

/** Where a workspace's costs are booked: the default workspace's under null. */
export function costWorkspaceId(workspace: Workspace): string | null {
  return workspace.isDefault ? null : workspace.id;
}

/** The first day on which a workspace is no longer used. */
export function endDay(workspace: Workspace): number {
  return workspace.archivedAt === null ? Number.POSITIVE_INFINITY : Date.parse(workspace.archivedAt) / DAY_MS;
}

/** List price times the surcharges and discounts, the organization's own discount among them (hence the many decimals). */
function priceOf(options: CellOptions, kind: TokenKind): bigint {
  const discountPpm = 870_001n + BigInt(mix(options.seed, 30) % 100_000);
  const tierPercent = options.serviceTier === 'batch' ? 50n : 100n;
  const windowPercent = options.contextWindow === '200k-1M' ? 200n : 100n;
  const geoPercent = options.inferenceGeo === 'us' ? 110n : 100n;
  return (
    (kind.unitsPerToken(options.model) * discountPpm * tierPercent * windowPercent * geoPercent) /
    (1_000_000n * 100n * 100n * 100n)
  );
}

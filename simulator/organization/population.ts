import { TOKEN_KINDS, snapshot, type Model, type TokenKind } from './catalog.ts';
import { UNITS_PER_CENT } from './money.ts';
import type { Scale } from './organization.ts';
import { fraction, mix, pick } from '../random.ts';
import {
  costWorkspaceId,
  endDay,
  makeUsageSeries,
  makeCostSeries,
  type UsageSeries,
  type CostSeries,
  type Meter,
  type Workspace,
} from './series.ts';

/** The share of all pairs of a workspace and a model that the organization uses. */
const USED_PAIRS = 0.15;
/** Gives the largest series well over 2³¹ tokens on a weekday. */
const HUGE_WEIGHT = 1_100;

const MODEL_VARIANTS = [
  ['standard', '0-200k'],
  ['batch', '0-200k'],
  ['standard', '200k-1M'],
  ['batch', '200k-1M'],
] as const;

/** The usage series that an organization has throughout its history. */
export function makeStandingSeries(
  seed: number,
  scale: Scale,
  workspaces: readonly Workspace[],
  modelList: readonly Model[],
): UsageSeries[] {
  const archived = workspaces.filter((workspace) => workspace.archivedAt !== null);
  const unbilled = usageOnlySeries(seed, workspaces, modelList);
  if (scale.linesPerDay === null) return [...sparseSeries(seed, scale, workspaces, modelList), ...unbilled];
  const open = workspaces.filter((workspace) => workspace.archivedAt === null);
  const wanted = Math.max(1, Math.ceil(scale.linesPerDay / TOKEN_KINDS.length));
  return [
    ...denseSeries(seed, open, modelList, wanted),
    ...sparseSeries(seed, scale, archived, modelList.slice(0, 1)),
    ...unbilled,
  ];
}

/** The series of an organization of ordinary size. It uses a few combinations every day, and most of them never. */
function sparseSeries(
  seed: number,
  scale: Scale,
  workspaces: readonly Workspace[],
  modelList: readonly Model[],
): UsageSeries[] {
  const pairs = workspaces.flatMap((workspace, w) =>
    modelList
      .map((model, m) => ({ workspace, w, model, m }))
      .filter(({ m }) => m === 0 || w === m % workspaces.length || fraction(seed, 20, w, m) < USED_PAIRS),
  );
  return pairs.flatMap(({ workspace, w, model, m }) => {
    const pair = mix(w, m);
    // Some combinations do not depend on the seed, so that every organization has batch and long-context use.
    const isMain = w <= 1 && m === 0;
    const variants = MODEL_VARIANTS.flatMap(([serviceTier, contextWindow], v) =>
      geosOf(model, scale.unknowns && w === 2 && m === 0).map((inferenceGeo, g) => ({
        serviceTier,
        contextWindow,
        inferenceGeo,
        v,
        g,
        isCertain: isMain && v <= 2,
      })),
    );
    return variants
      .filter(({ v, g, isCertain }) => isCertain || fraction(seed, pair, 21, v, g) < variantChance(v, g))
      .map(({ v, g, isCertain, ...dimensions }) => {
        const spread = fraction(seed, pair, 22, v, g);
        const isLargest = isMain && w === 1 && v + g === 0;
        return makeUsageSeries({
          seed,
          workspace,
          model,
          ...dimensions,
          kinds: TOKEN_KINDS.filter(
            (kind, k) => isCertain || k < 2 || fraction(seed, mix(pair, v, g), 23, k) < kindChance(kind),
          ),
          weight: isLargest ? HUGE_WEIGHT : 0.05 + 12 * spread * spread * spread,
          dailyChance: isCertain ? 1 : 0.9,
        });
      });
  });
}

/** The first variant is certain. Variants that differ from it in one dimension are rare, all others are rarer. */
function variantChance(variant: number, geo: number): number {
  if (variant + geo === 0) return 1;
  return variant === 0 || geo === 0 ? 0.15 : 0.03;
}

function kindChance(kind: TokenKind): number {
  return kind.key === 'cache1h' ? 0.25 : 0.6;
}

function geosOf(model: Model, hasUnknown: boolean): string[] {
  if (!model.hasGeo) return ['not_available'];
  return ['global', hasUnknown ? 'eu' : 'us'];
}

/** `wanted` series, each used every day. Snapshots of models make more series once the combinations run out. */
function denseSeries(
  seed: number,
  workspaces: readonly Workspace[],
  modelList: readonly Model[],
  wanted: number,
): UsageSeries[] {
  const usageSeries: UsageSeries[] = [];
  for (let generation = 0; usageSeries.length < wanted; generation += 1) {
    const generationModels = generation === 0 ? modelList : modelList.map((model) => snapshot(model, `r${generation}`));
    const combinations = MODEL_VARIANTS.flatMap(([serviceTier, contextWindow]) =>
      generationModels.flatMap((model) =>
        geosOf(model, false).flatMap((inferenceGeo) =>
          workspaces.map((workspace) => ({ workspace, model, serviceTier, contextWindow, inferenceGeo })),
        ),
      ),
    );
    for (const combination of combinations.slice(0, wanted - usageSeries.length)) {
      const weight = usageSeries.length === 0 ? HUGE_WEIGHT : 0.05 + 2 * fraction(seed, 24, usageSeries.length);
      usageSeries.push(makeUsageSeries({ seed, ...combination, kinds: TOKEN_KINDS, weight, dailyChance: 1 }));
    }
  }
  return usageSeries;
}

/** Series of service tiers that the usage report counts and the cost report leaves out. */
function usageOnlySeries(seed: number, workspaces: readonly Workspace[], modelList: readonly Model[]): UsageSeries[] {
  const workspace = pick(workspaces, 1);
  return ['priority', 'flex'].map((serviceTier) =>
    makeUsageSeries({
      seed,
      workspace,
      model: pick(modelList, 0),
      serviceTier,
      contextWindow: '0-200k',
      inferenceGeo: 'global',
      kinds: TOKEN_KINDS.slice(0, 3),
      weight: 0.5,
      dailyChance: 0.9,
    }),
  );
}

/** Costs that are billed by the second: code execution, sessions, and one type that no reference names. */
export function makeMeters(seed: number, scale: Scale, workspaces: readonly Workspace[]): Meter[] {
  const meters: Meter[] = [];
  const add = (workspace: Workspace, dailyChance: number, centsPerHour: bigint, fields: Partial<CostSeries>): void => {
    meters.push({
      series: makeCostSeries({ ...fields, workspaceId: costWorkspaceId(workspace) }),
      dailyChance,
      usualSeconds: 20_000 + (mix(seed, 40, meters.length) % 60_000),
      unitsPerSecond: (centsPerHour * UNITS_PER_CENT) / 3_600n,
      endDay: endDay(workspace),
    });
  };
  for (const [w, workspace] of workspaces.entries()) {
    if (w % 2 === 1) add(workspace, 0.9, 5n, { description: 'Code Execution Usage', costType: 'code_execution' });
    if (w % 3 === 1) {
      add(workspace, 0.7, 8n, { description: 'Managed Agents Session Usage', costType: 'session_usage' });
    }
    if (w === 1 && scale.unknowns) {
      add(workspace, 0.25, 3n, {
        description: 'Agent Runtime Usage',
        costType: 'agent_runtime',
        extra: { runtime_class: 'large' },
      });
    }
  }
  return meters;
}

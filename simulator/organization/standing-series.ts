import { fraction, mix, pick } from '../random.ts';
import { TOKEN_KINDS, snapshot, type Model, type TokenKind } from './catalog.ts';
import { UNITS_PER_CENT } from './money.ts';
import type { Organization } from './organization.ts';
import {
  costWorkspaceId,
  endDay,
  makeCostSeries,
  makeUsageSeries,
  type CostSeries,
  type Meter,
  type UsageSeries,
  type Workspace,
} from './series.ts';

/** The part of an organization that its series follow from. */
type Base = Pick<Organization, 'seed' | 'scale' | 'workspaces' | 'models'>;

/** The share of all pairs of a workspace and a model that the organization uses. */
const USED_PAIRS = 0.15;
/** Gives the largest series well over 2³¹ tokens on a weekday. */
const HUGE_WEIGHT = 1_100;

/** The first one is the usual one. */
const VARIANTS = [
  { serviceTier: 'standard', contextWindow: '0-200k' },
  { serviceTier: 'batch', contextWindow: '0-200k' },
  { serviceTier: 'standard', contextWindow: '200k-1M' },
  { serviceTier: 'batch', contextWindow: '200k-1M' },
] as const;

/** The usage series that an organization has throughout its history. */
export function makeStandingSeries(base: Base): UsageSeries[] {
  const { scale, workspaces, models } = base;
  if (scale.linesPerDay === null) return [...sparseSeries(base), ...unbilledSeries(base)];
  const archived = workspaces.filter(({ archivedAt }) => archivedAt !== null);
  const open = workspaces.filter(({ archivedAt }) => archivedAt === null);
  return [
    ...(scale.seriesLifeDays === null ? denseSeries({ ...base, workspaces: open }, scale.linesPerDay) : []),
    ...sparseSeries({ ...base, workspaces: archived, models: models.slice(0, 1) }),
    ...unbilledSeries(base),
  ];
}

/** The series of an organization of ordinary size. It uses a few combinations every day, and most of them never. */
function sparseSeries(base: Base): UsageSeries[] {
  const { seed, workspaces, models } = base;
  return workspaces.flatMap((workspace, workspaceIndex) =>
    models.flatMap((model, modelIndex) => {
      const isUsed =
        modelIndex === 0 ||
        workspaceIndex === modelIndex % workspaces.length ||
        fraction(seed, 20, workspaceIndex, modelIndex) < USED_PAIRS;
      return isUsed ? pairSeries(base, { workspace, workspaceIndex, model, modelIndex }) : [];
    }),
  );
}

interface Pair {
  readonly workspace: Workspace;
  readonly workspaceIndex: number;
  readonly model: Model;
  readonly modelIndex: number;
}

/** The series of one workspace and model: the usual variant, and others by chance. */
function pairSeries({ seed, scale }: Base, pair: Pair): UsageSeries[] {
  const { workspace, workspaceIndex, model, modelIndex } = pair;
  const draw = mix(workspaceIndex, modelIndex);
  // Two pairs do not depend on the seed, so that every organization has batch and long-context use.
  const isMain = workspaceIndex <= 1 && modelIndex === 0;
  const hasUnknownGeo = scale.unknowns && workspaceIndex === 2 && modelIndex === 0;
  return VARIANTS.flatMap((variant, variantIndex) =>
    geosOf(model, hasUnknownGeo).flatMap((inferenceGeo, geoIndex) => {
      const isCertain = isMain && variantIndex <= 2;
      const isUsed = isCertain || fraction(seed, draw, 21, variantIndex, geoIndex) < chanceOf(variantIndex, geoIndex);
      if (!isUsed) return [];
      const kindDraw = mix(draw, variantIndex, geoIndex);
      const spread = fraction(seed, draw, 22, variantIndex, geoIndex);
      const isLargest = isMain && workspaceIndex === 1 && variantIndex + geoIndex === 0;
      const series = makeUsageSeries({
        seed,
        workspace,
        model,
        ...variant,
        inferenceGeo,
        kinds: TOKEN_KINDS.filter(
          (kind, index) => isCertain || index < 2 || fraction(seed, kindDraw, 23, index) < chanceOfKind(kind),
        ),
        weight: isLargest ? HUGE_WEIGHT : 0.05 + 12 * spread * spread * spread,
        dailyChance: isCertain ? 1 : 0.9,
      });
      return [series];
    }),
  );
}

/** The usual variant and geography are certain. Those that differ in one of both are rare, all others are rarer. */
function chanceOf(variantIndex: number, geoIndex: number): number {
  if (variantIndex + geoIndex === 0) return 1;
  return variantIndex === 0 || geoIndex === 0 ? 0.15 : 0.03;
}

function chanceOfKind(kind: TokenKind): number {
  return kind.key === 'cache1h' ? 0.25 : 0.6;
}

function geosOf(model: Model, hasUnknown: boolean): string[] {
  if (!model.hasGeo) return ['not_available'];
  return ['global', hasUnknown ? 'eu' : 'us'];
}

/**
 * Series that have `lines` cost lines together on a day, each used every day. Snapshots of models make more series once
 * the combinations run out.
 */
export function denseSeries({ seed, workspaces, models }: Omit<Base, 'scale'>, lines: number): UsageSeries[] {
  const wanted = Math.max(1, Math.ceil(lines / TOKEN_KINDS.length));
  const series: UsageSeries[] = [];
  for (let generation = 0; series.length < wanted; generation += 1) {
    const generationModels = generation === 0 ? models : models.map((model) => snapshot(model, `r${generation}`));
    const combinations = VARIANTS.flatMap((variant) =>
      generationModels.flatMap((model) =>
        geosOf(model, false).flatMap((inferenceGeo) =>
          workspaces.map((workspace) => ({ workspace, model, ...variant, inferenceGeo })),
        ),
      ),
    );
    for (const combination of combinations.slice(0, wanted - series.length)) {
      const weight = series.length === 0 ? HUGE_WEIGHT : 0.05 + 2 * fraction(seed, 24, series.length);
      series.push(makeUsageSeries({ seed, ...combination, kinds: TOKEN_KINDS, weight, dailyChance: 1 }));
    }
  }
  return series;
}

/** Series of service tiers that the usage report counts and the cost report leaves out. */
function unbilledSeries({ seed, workspaces, models }: Base): UsageSeries[] {
  return ['priority', 'flex'].map((serviceTier) =>
    makeUsageSeries({
      seed,
      workspace: pick(workspaces, 1),
      model: pick(models, 0),
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
export function makeMeters({ seed, scale, workspaces }: Base): Meter[] {
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
  for (const [index, workspace] of workspaces.entries()) {
    if (index % 2 === 1) add(workspace, 0.9, 5n, { description: 'Code Execution Usage', costType: 'code_execution' });
    if (index % 3 === 1) {
      add(workspace, 0.7, 8n, { description: 'Managed Agents Session Usage', costType: 'session_usage' });
    }
    if (index === 1 && scale.unknowns) {
      add(workspace, 0.25, 3n, {
        description: 'Agent Runtime Usage',
        costType: 'agent_runtime',
        extra: { runtime_class: 'large' },
      });
    }
  }
  return meters;
}

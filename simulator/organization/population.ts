import { TOKEN_KINDS, snapshot, type Model, type TokenKind } from './catalog.ts';
import { UNITS_PER_CENT } from './money.ts';
import type { Scale } from './organization.ts';
import { fraction, mix, pick } from '../random.ts';
import {
  costWorkspaceId,
  endDay,
  makeCell,
  makeSeries,
  type Cell,
  type CostSeries,
  type Meter,
  type Workspace,
} from './series.ts';

/** The part of all workspaces and models that go together. */
const USED_PAIRS = 0.15;
/** Use of the largest cell on a weekday is well past 2³¹ tokens. */
const HUGE_WEIGHT = 1_100;

const MODEL_VARIANTS = [
  ['standard', '0-200k'],
  ['batch', '0-200k'],
  ['standard', '200k-1M'],
  ['batch', '200k-1M'],
] as const;

/** Every standing combination of dimensions that the organization uses. */
export function makeCells(
  seed: number,
  scale: Scale,
  workspaces: readonly Workspace[],
  modelList: readonly Model[],
): Cell[] {
  const archived = workspaces.filter((workspace) => workspace.archivedAt !== null);
  const unbilled = usageOnlyCells(seed, workspaces, modelList);
  if (scale.linesPerDay === null) return [...sparseCells(seed, scale, workspaces, modelList), ...unbilled];
  const open = workspaces.filter((workspace) => workspace.archivedAt === null);
  const wanted = Math.max(1, Math.ceil(scale.linesPerDay / TOKEN_KINDS.length));
  return [
    ...denseCells(seed, open, modelList, wanted),
    ...sparseCells(seed, scale, archived, modelList.slice(0, 1)),
    ...unbilled,
  ];
}

/** What an organization of ordinary size uses: most combinations never, a few every day. */
function sparseCells(
  seed: number,
  scale: Scale,
  workspaces: readonly Workspace[],
  modelList: readonly Model[],
): Cell[] {
  const pairs = workspaces.flatMap((workspace, w) =>
    modelList
      .map((model, m) => ({ workspace, w, model, m }))
      .filter(({ m }) => m === 0 || w === m % workspaces.length || fraction(seed, 20, w, m) < USED_PAIRS),
  );
  return pairs.flatMap(({ workspace, w, model, m }) => {
    const pair = mix(w, m);
    // Some combinations are there whatever the seed, so that every organization has batch and long-context use.
    const main = w <= 1 && m === 0;
    const variants = MODEL_VARIANTS.flatMap(([serviceTier, contextWindow], v) =>
      geosOf(model, scale.unknowns && w === 2 && m === 0).map((inferenceGeo, g) => ({
        serviceTier,
        contextWindow,
        inferenceGeo,
        v,
        g,
        certain: main && v <= 2,
      })),
    );
    return variants
      .filter(({ v, g, certain }) => certain || fraction(seed, pair, 21, v, g) < variantChance(v, g))
      .map(({ v, g, certain, ...dimensions }) => {
        const spread = fraction(seed, pair, 22, v, g);
        const largest = main && w === 1 && v + g === 0;
        return makeCell({
          seed,
          workspace,
          model,
          ...dimensions,
          kinds: TOKEN_KINDS.filter(
            (kind, k) => certain || k < 2 || fraction(seed, mix(pair, v, g), 23, k) < kindChance(kind),
          ),
          weight: largest ? HUGE_WEIGHT : 0.05 + 12 * spread * spread * spread,
          presence: certain ? 1 : 0.9,
        });
      });
  });
}

/** The first variant is always used, those that differ from it in one thing now and then, the others rarely. */
function variantChance(variant: number, geo: number): number {
  if (variant + geo === 0) return 1;
  return variant === 0 || geo === 0 ? 0.15 : 0.03;
}

function kindChance(kind: TokenKind): number {
  return kind.key === 'cache1h' ? 0.25 : 0.6;
}

function geosOf(model: Model, unknown: boolean): string[] {
  if (!model.hasGeo) return ['not_available'];
  return ['global', unknown ? 'eu' : 'us'];
}

/** As many combinations as asked for, each used every day; snapshots of models where the dimensions run out. */
function denseCells(
  seed: number,
  workspaces: readonly Workspace[],
  modelList: readonly Model[],
  wanted: number,
): Cell[] {
  const cells: Cell[] = [];
  for (let generation = 0; cells.length < wanted; generation += 1) {
    const generationModels = generation === 0 ? modelList : modelList.map((model) => snapshot(model, `r${generation}`));
    const combinations = MODEL_VARIANTS.flatMap(([serviceTier, contextWindow]) =>
      generationModels.flatMap((model) =>
        geosOf(model, false).flatMap((inferenceGeo) =>
          workspaces.map((workspace) => ({ workspace, model, serviceTier, contextWindow, inferenceGeo })),
        ),
      ),
    );
    for (const combination of combinations.slice(0, wanted - cells.length)) {
      const weight = cells.length === 0 ? HUGE_WEIGHT : 0.05 + 2 * fraction(seed, 24, cells.length);
      cells.push(makeCell({ seed, ...combination, kinds: TOKEN_KINDS, weight, presence: 1 }));
    }
  }
  return cells;
}

/** Tiers that the usage report counts and the cost report leaves out. */
function usageOnlyCells(seed: number, workspaces: readonly Workspace[], modelList: readonly Model[]): Cell[] {
  const workspace = pick(workspaces, 1);
  return ['priority', 'flex'].map((serviceTier) =>
    makeCell({
      seed,
      workspace,
      model: pick(modelList, 0),
      serviceTier,
      contextWindow: '0-200k',
      inferenceGeo: 'global',
      kinds: TOKEN_KINDS.slice(0, 3),
      weight: 0.5,
      presence: 0.9,
    }),
  );
}

/** What is billed by the second: code execution, sessions, and something that no reference names. */
export function makeMeters(seed: number, scale: Scale, workspaces: readonly Workspace[]): Meter[] {
  const meters: Meter[] = [];
  const add = (workspace: Workspace, presence: number, centsPerHour: bigint, fields: Partial<CostSeries>): void => {
    meters.push({
      series: makeSeries({ ...fields, workspaceId: costWorkspaceId(workspace) }),
      presence,
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

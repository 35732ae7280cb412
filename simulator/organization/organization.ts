import { models, snapshot, TOKEN_KINDS, workspaceName, type Model } from './catalog.ts';
import { DAY_MS, formatDay, formatTime } from '../days.ts';
import { UNITS_PER_CENT } from './money.ts';
import { makeMeters, makeStandingSeries } from './population.ts';
import { makeId, makeKey } from './ids.ts';
import { mix, pick, randomText, randomUuid } from '../random.ts';
import {
  costWorkspaceId,
  makeUsageSeries,
  makeCostSeries,
  type UsageSeries,
  type CostSeries,
  type Meter,
  type Workspace,
} from './series.ts';

export type KeyState = 'active' | 'revoked' | 'forbidden';

export interface Key {
  readonly key: string;
  state: KeyState;
}

export interface NewSeries {
  readonly usageSeries: readonly UsageSeries[];
  readonly meters: readonly Meter[];
}

export interface OrganizationOptions {
  id?: string | undefined;
  name?: string | undefined;
  individual?: boolean | undefined;
  keys?: readonly { key?: string | undefined; state?: KeyState | undefined }[] | undefined;
}

/** How much data an organization has. */
export interface Scale {
  readonly workspaces: number;
  readonly models: number;
  readonly linesPerDay: number | null;
  readonly newSeriesPerDay: number;
  readonly unknowns: boolean;
  /** The first day with data. */
  readonly firstDay: number;
  /** Today when the simulator started. */
  readonly startDay: number;
}

export interface Organization {
  readonly id: string;
  readonly name: string;
  readonly individual: boolean;
  readonly seed: number;
  readonly scale: Scale;
  readonly keys: Key[];
  readonly workspaces: readonly Workspace[];
  readonly models: readonly Model[];
  readonly usageSeries: readonly UsageSeries[];
  readonly meters: readonly Meter[];
  readonly searchSeries: ReadonlyMap<string | null, CostSeries>;
  /** A cache, see newSeriesOf. */
  readonly newSeriesByDay: Map<number, NewSeries>;
}

const SNAPSHOT_EVERY_DAYS = 9;
const ARCHIVED_DAYS_BEFORE_START = 20;
const NEW_SERIES_CHANCE = 0.6;
const AGENT_CENTS_PER_HOUR = 8n;

/** An organization and everything about it that does not depend on a day. */
export function makeOrganization(options: OrganizationOptions, seed: number, scale: Scale): Organization {
  const keys = options.keys ?? [{}];
  const workspaces = makeWorkspaces(seed, scale);
  const modelList = models(scale.models);
  return {
    id: options.id ?? randomUuid(mix(seed, 1)),
    name: options.name ?? 'Sample Organization',
    individual: options.individual ?? false,
    seed,
    scale,
    keys: keys.map((key, index) => ({
      key: key.key ?? makeKey(mix(seed, 2, index)),
      state: key.state ?? 'active',
    })),
    workspaces,
    models: modelList,
    usageSeries: makeStandingSeries(seed, scale, workspaces, modelList),
    meters: makeMeters(seed, scale, workspaces),
    searchSeries: new Map(
      workspaces.map((workspace) => {
        const workspaceId = costWorkspaceId(workspace);
        return [workspaceId, makeCostSeries({ workspaceId, description: 'Web Search Usage', costType: 'web_search' })];
      }),
    ),
    newSeriesByDay: new Map(),
  };
}

/** The series that begin on `birthDay`: agents with a cost line each, and at times a new snapshot of a model. */
export function newSeriesOf(organization: Organization, birthDay: number): NewSeries {
  const known = organization.newSeriesByDay.get(birthDay);
  if (known !== undefined) return known;
  const { scale, seed, workspaces } = organization;
  const open = workspaces.filter((workspace) => workspace.archivedAt === null);
  const usageSeries: UsageSeries[] = [];
  const meters: Meter[] = [];
  for (let index = 0; index < scale.newSeriesPerDay; index += 1) {
    const draw = mix(seed, 10, birthDay, index);
    const workspace = pick(open, draw);
    const isSnapshot = index === 0 && birthDay % SNAPSHOT_EVERY_DAYS === 0;
    if (isSnapshot) usageSeries.push(snapshotSeries(organization, workspace, birthDay, draw));
    else meters.push(agentMeter(workspace, draw));
  }
  const made = { usageSeries, meters };
  organization.newSeriesByDay.set(birthDay, made);
  return made;
}

function snapshotSeries(organization: Organization, workspace: Workspace, day: number, draw: number): UsageSeries {
  const base = pick(organization.models, draw >>> 8);
  return makeUsageSeries({
    seed: organization.seed,
    workspace,
    model: snapshot(base, `preview-${formatDay(day).replaceAll('-', '')}`),
    serviceTier: 'standard',
    contextWindow: '0-200k',
    inferenceGeo: base.hasGeo ? 'global' : 'not_available',
    kinds: [pick(TOKEN_KINDS, draw >>> 16)],
    weight: 0.1,
    dailyChance: NEW_SERIES_CHANCE,
  });
}

function agentMeter(workspace: Workspace, draw: number): Meter {
  const agent = randomText('0123456789abcdef', 10, draw);
  return {
    series: makeCostSeries({
      workspaceId: costWorkspaceId(workspace),
      description: `Managed Agents Session Usage - agent ${agent}`,
      costType: 'session_usage',
    }),
    dailyChance: NEW_SERIES_CHANCE,
    usualSeconds: 600 + (draw % 7_000),
    unitsPerSecond: (AGENT_CENTS_PER_HOUR * UNITS_PER_CENT) / 3_600n,
    endDay: Number.POSITIVE_INFINITY,
  };
}

function makeWorkspaces(seed: number, scale: Scale): Workspace[] {
  const firstMs = scale.firstDay * DAY_MS;
  const make = (index: number, isDefault: boolean, isArchived: boolean): Workspace => ({
    id: makeId('wrkspc', mix(seed, 3, index)),
    name: isDefault ? 'Default' : isArchived ? 'Legacy Prototype' : workspaceName(index),
    createdAt: formatTime(firstMs - (400 - index) * DAY_MS + (mix(seed, 4, index) % DAY_MS)),
    archivedAt: isArchived ? formatTime((scale.startDay - ARCHIVED_DAYS_BEFORE_START) * DAY_MS) : null,
    displayColor: `#${randomText('0123456789ABCDEF', 6, mix(seed, 5, index))}`,
    isDefault,
  });
  const listed = Array.from({ length: scale.workspaces }, (_, index) =>
    make(index, false, scale.workspaces > 1 && index === scale.workspaces - 1),
  );
  return [make(-1, true, false), ...listed];
}

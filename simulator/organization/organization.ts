import { DAY_MS, formatDay, formatTime } from '../days.ts';
import { fraction, mix, pick, randomText, randomUuid } from '../random.ts';
import {
  TOKEN_KINDS,
  models,
  snapshot,
  worded,
  workspaceName,
  workspaceTags,
  type Descriptions,
  type Model,
} from './catalog.ts';
import { eventSchema, type EventInput, type SpendEvent } from './events.ts';
import { makeId, makeKey } from './ids.ts';
import { UNITS_PER_CENT } from './money.ts';
import {
  costWorkspaceId,
  makeUsageSeries,
  makeCostSeries,
  type UsageSeries,
  type CostSeries,
  type Meter,
  type Workspace,
} from './series.ts';
import { denseSeries, makeMeters, makeStandingSeries } from './standing-series.ts';
import { WorkspaceDirectory } from './workspace-directory.ts';

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
  /** Whether nobody works on some Sundays and holidays, so that these days are empty. True unless said otherwise. */
  daysOff?: boolean | undefined;
  /** What happens to its use and its prices. Nothing unless said otherwise. */
  events?: readonly EventInput[] | undefined;
  keys?: readonly { key?: string | undefined; state?: KeyState | undefined }[] | undefined;
}

/** How much data an organization has. */
export interface Scale {
  readonly workspaces: number;
  readonly models: number;
  readonly linesPerDay: number | null;
  readonly newSeriesPerDay: number;
  readonly descriptions: Descriptions;
  /** Each series is in use for so many days in a row, or for one day less. Null: most series are in use every day. */
  readonly seriesLifeDays: number | null;
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
  readonly daysOff: boolean;
  readonly seed: number;
  readonly scale: Scale;
  readonly keys: Key[];
  readonly events: SpendEvent[];
  /** The workspaces that data is made for, as they were at the start. */
  readonly workspaces: readonly Workspace[];
  readonly directory: WorkspaceDirectory;
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
/** The share of short-lived series that live one day less than the others. */
const SHORTER_LIVES = 0.3;

/** An organization and everything about it that does not depend on a day. */
export function makeOrganization(options: OrganizationOptions, seed: number, scale: Scale): Organization {
  const keys = options.keys ?? [{}];
  const base = {
    seed,
    scale,
    workspaces: makeWorkspaces(seed, scale),
    models: models(scale.models, scale.descriptions),
  };
  return {
    ...base,
    directory: new WorkspaceDirectory(base.workspaces),
    id: options.id ?? randomUuid(mix(seed, 1)),
    name: options.name ?? 'Sample Organization',
    individual: options.individual ?? false,
    daysOff: options.daysOff ?? true,
    keys: keys.map((key, index) => ({
      key: key.key ?? makeKey(mix(seed, 2, index)),
      state: key.state ?? 'active',
    })),
    events: (options.events ?? []).map((event) => eventSchema.parse(event)),
    usageSeries: makeStandingSeries(base),
    meters: makeMeters(base),
    searchSeries: new Map(
      base.workspaces.map((workspace) => {
        const workspaceId = costWorkspaceId(workspace);
        return [workspaceId, makeCostSeries({ workspaceId, description: 'Web Search Usage', costType: 'web_search' })];
      }),
    ),
    newSeriesByDay: new Map(),
  };
}

/**
 * The series that begin on `birthDay`: agents with a cost line each, and at times a new snapshot of a model. If series
 * are short-lived, all of them begin here.
 */
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
    else meters.push(agentMeter(workspace, draw, scale.descriptions));
  }
  const made = scale.seriesLifeDays === null ? { usageSeries, meters } : shortLived(organization, birthDay, meters);
  organization.newSeriesByDay.set(birthDay, made);
  return made;
}

/** Snapshots of models that serve for a few days only, as many as `linesPerDay` needs, and the agents of the day. */
function shortLived(organization: Organization, birthDay: number, meters: readonly Meter[]): NewSeries {
  const { scale, seed } = organization;
  const lifeDays = scale.seriesLifeDays ?? 1;
  const meanDays = lifeDays === 1 ? 1 : lifeDays - SHORTER_LIVES;
  const suffix = `preview-${formatDay(birthDay).replaceAll('-', '')}`;
  const usageSeries = denseSeries(
    {
      seed,
      workspaces: organization.workspaces.filter(({ archivedAt }) => archivedAt === null),
      models: organization.models.map((model) => snapshot(model, suffix)),
    },
    (scale.linesPerDay ?? 0) / meanDays,
  );
  const endDay = (index: number): number =>
    birthDay + (lifeDays > 1 && fraction(seed, 60, birthDay, index) < SHORTER_LIVES ? lifeDays - 1 : lifeDays);
  return {
    usageSeries: usageSeries.map((series, index) => ({ ...series, endDay: endDay(index) })),
    meters: meters.map((meter, index) => ({ ...meter, dailyChance: 1, endDay: endDay(usageSeries.length + index) })),
  };
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

function agentMeter(workspace: Workspace, draw: number, descriptions: Descriptions): Meter {
  const agent = worded(randomText('0123456789abcdef', 10, draw), descriptions);
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
    tags: workspaceTags(index),
    displayColor: `#${randomText('0123456789ABCDEF', 6, mix(seed, 5, index))}`,
    isDefault,
  });
  const listed = Array.from({ length: scale.workspaces }, (_, index) =>
    make(index, false, scale.workspaces > 1 && index === scale.workspaces - 1),
  );
  return [make(-1, true, false), ...listed];
}

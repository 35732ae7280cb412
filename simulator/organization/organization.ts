import { models, snapshot, TOKEN_KINDS, workspaceName, type Model } from './catalog.ts';
import { DAY_MS, formatDay, formatTime } from '../days.ts';
import { UNITS_PER_CENT } from './money.ts';
import { makeCells, makeMeters } from './population.ts';
import { mix, pick, randomText, randomUuid } from '../random.ts';
import {
  costWorkspaceId,
  makeCell,
  makeSeries,
  type Cell,
  type CostSeries,
  type Meter,
  type Workspace,
} from './series.ts';

export type KeyState = 'active' | 'revoked' | 'forbidden';

export interface Key {
  readonly key: string;
  state: KeyState;
}

export interface Newcomers {
  readonly cells: readonly Cell[];
  readonly meters: readonly Meter[];
}

export interface OrganizationOptions {
  id?: string | undefined;
  name?: string | undefined;
  individual?: boolean | undefined;
  keys?: readonly { key?: string | undefined; state?: KeyState | undefined }[] | undefined;
}

export interface Scale {
  readonly workspaces: number;
  readonly models: number;
  readonly linesPerDay: number | null;
  readonly newSeriesPerDay: number;
  readonly unknowns: boolean;
  /** The first day with data. */
  readonly firstDay: number;
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
  readonly cells: readonly Cell[];
  readonly meters: readonly Meter[];
  readonly searchSeries: ReadonlyMap<string | null, CostSeries>;
  /** Made when first asked for. */
  readonly newcomersByDay: Map<number, Newcomers>;
}

const BASE58 = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';
const KEY_CHARACTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-';
const SNAPSHOT_EVERY_DAYS = 9;
const ARCHIVED_DAYS_BEFORE_START = 20;

/** An Admin API key as it looks from outside; `sk-ant-api03-…` for a workspace key. */
export function makeKey(seed: number, prefix = 'sk-ant-admin01-'): string {
  return `${prefix}${randomText(KEY_CHARACTERS, 93, seed)}AA`;
}

/** An id such as `wrkspc_01…`. */
export function makeId(prefix: string, seed: number): string {
  return `${prefix}_01${randomText(BASE58, 22, seed)}`;
}

/** An organization with everything about it that does not depend on a day. */
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
    cells: makeCells(seed, scale, workspaces, modelList),
    meters: makeMeters(seed, scale, workspaces),
    searchSeries: new Map(
      workspaces.map((workspace) => {
        const workspaceId = costWorkspaceId(workspace);
        return [workspaceId, makeSeries({ workspaceId, description: 'Web Search Usage', costType: 'web_search' })];
      }),
    ),
    newcomersByDay: new Map(),
  };
}

/** What is first seen on `birthDay`: agents of their own, each with a cost line, and now and then a model's new snapshot. */
export function newcomers(organization: Organization, birthDay: number): Newcomers {
  const known = organization.newcomersByDay.get(birthDay);
  if (known !== undefined) return known;
  const { scale, seed, workspaces } = organization;
  const open = workspaces.filter((workspace) => workspace.archivedAt === null);
  const cells: Cell[] = [];
  const meters: Meter[] = [];
  for (let index = 0; index < scale.newSeriesPerDay; index += 1) {
    const draw = mix(seed, 10, birthDay, index);
    const workspace = pick(open, draw);
    if (index === 0 && birthDay % SNAPSHOT_EVERY_DAYS === 0) {
      const base = pick(organization.models, draw >>> 8);
      const model = snapshot(base, `preview-${formatDay(birthDay).replaceAll('-', '')}`);
      const inferenceGeo = base.hasGeo ? 'global' : 'not_available';
      const dimensions = { serviceTier: 'standard', contextWindow: '0-200k', inferenceGeo };
      cells.push(
        makeCell({
          seed,
          workspace,
          model,
          ...dimensions,
          kinds: [pick(TOKEN_KINDS, draw >>> 16)],
          weight: 0.1,
          presence: 0.6,
        }),
      );
    } else {
      const agent = randomText('0123456789abcdef', 10, draw);
      meters.push({
        series: makeSeries({
          workspaceId: costWorkspaceId(workspace),
          description: `Managed Agents Session Usage - agent ${agent}`,
          costType: 'session_usage',
        }),
        presence: 0.6,
        usualSeconds: 600 + (draw % 7_000),
        unitsPerSecond: (8n * UNITS_PER_CENT) / 3_600n,
        endDay: Number.POSITIVE_INFINITY,
      });
    }
  }
  const made = { cells, meters };
  organization.newcomersByDay.set(birthDay, made);
  return made;
}

function makeWorkspaces(seed: number, scale: Scale): Workspace[] {
  const firstMs = scale.firstDay * DAY_MS;
  const make = (index: number, isDefault: boolean, archived: boolean): Workspace => ({
    id: makeId('wrkspc', mix(seed, 3, index)),
    name: isDefault ? 'Default' : archived ? 'Legacy Prototype' : workspaceName(index),
    createdAt: formatTime(firstMs - (400 - index) * DAY_MS + (mix(seed, 4, index) % DAY_MS)),
    archivedAt: archived ? formatTime((scale.startDay - ARCHIVED_DAYS_BEFORE_START) * DAY_MS) : null,
    displayColor: `#${randomText('0123456789ABCDEF', 6, mix(seed, 5, index))}`,
    isDefault,
  });
  const listed = Array.from({ length: scale.workspaces }, (_, index) =>
    make(index, false, scale.workspaces > 1 && index === scale.workspaces - 1),
  );
  return [make(-1, true, false), ...listed];
}

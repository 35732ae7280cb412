import { searchOf } from '../../client/client.ts';
import { addDays, monthEnd, monthStart } from '../../format/days.ts';
import {
  dimensionOf,
  dimensionsOf,
  isGrain,
  knows,
  parameterOf,
  REPORTS,
  tagOf,
  type Grain,
  type Report,
} from './dimensions.ts';

/**
 * A spend query as the address of the page has it: `report`, `view` and `count` are the page's own, everything else is
 * the API's, so that whoever edits an address by hand gets the API's own answer.
 */
export interface SpendQuery {
  readonly report: Report;
  readonly from: string | null;
  readonly to: string | null;
  readonly groupBy: readonly string[];
  readonly filters: readonly Filter[];
  readonly compare: string | null;
  readonly order: string | null;
  /** What the chart of usage counts; null for all tokens. */
  readonly count: Count | null;
  /** Null for the first table that fits. */
  readonly view: View | null;
  /** What this page does not know. */
  readonly rest: readonly Pair[];
}

/** Which lines count: those with one of the values, or with none of them. An empty value is "not reported". */
export interface Filter {
  /** As the API spells the parameter, without `not.`. */
  readonly parameter: string;
  readonly excludes: boolean;
  readonly values: readonly string[];
}

type Pair = readonly [name: string, value: string];

/** The tables of the page. */
const VIEWS = ['groups', 'days', 'lines'] as const;
/** One of the tables of the page. */
export type View = (typeof VIEWS)[number];

/** What a chart of usage can count, beside all tokens. */
export const COUNTS = [
  'uncached_input_tokens',
  'output_tokens',
  'cache_read_input_tokens',
  'cache_creation_5m',
  'cache_creation_1h',
  'web_search_requests',
] as const;
/** One of {@link COUNTS}. */
export type Count = (typeof COUNTS)[number];

const PATHS = {
  costs: '/v1/costs',
  changes: '/v1/costs/changes',
  'unit-costs': '/v1/unit-costs',
  usage: '/v1/usage',
} as const satisfies Record<Report, string>;

/** The page decides these itself: how many rows, from where on, and in what format. */
const OWN = ['limit', 'after', 'format'];

/** The query of an address. What the address leaves open is this month, by day and model, as costs. */
export function parseQuery(search: URLSearchParams, today: string): SpendQuery {
  const rest: Pair[] = [];
  const found = new Map<string, string>();
  const filters = new Map<string, Filter>();
  for (const [name, value] of search) {
    const excludes = name.startsWith('not.');
    const parameter = excludes ? name.slice('not.'.length) : name;
    if (OWN.includes(name)) continue;
    if (dimensionOf(parameter) !== null) {
      const { values } = filters.get(name) ?? { values: [] };
      filters.set(name, { parameter, excludes, values: [...values, value] });
    } else if (!found.has(name) && isOwn(name, value)) found.set(name, value);
    else rest.push([name, value]);
  }
  const report = oneOf(REPORTS, found.get('report')) ?? 'costs';
  const [from, to] = [found.get('from') ?? null, found.get('to') ?? null];
  const isOpen = from === null && to === null;
  return {
    report,
    from: isOpen ? monthStart(today) : from,
    to: isOpen ? today : to,
    groupBy: found.get('group_by')?.split(',') ?? (report === 'changes' ? ['model'] : ['day', 'model']),
    filters: [...filters.values()],
    compare: found.get('compare') ?? null,
    order: found.get('order') ?? null,
    count: oneOf(COUNTS, found.get('count')),
    view: oneOf(VIEWS, found.get('view')),
    rest,
  };
}

function isOwn(name: string, value: string): boolean {
  switch (name) {
    case 'report':
      return oneOf(REPORTS, value) !== null;
    case 'view':
      return oneOf(VIEWS, value) !== null;
    case 'count':
      return oneOf(COUNTS, value) !== null;
    default:
      return ['from', 'to', 'group_by', 'compare', 'order'].includes(name);
  }
}

function oneOf<T extends string>(known: readonly T[], text: string | undefined): T | null {
  return known.find((each) => each === text) ?? null;
}

/** The search part of the address of a query. {@link parseQuery} makes the same query of it again. */
export function printQuery(query: SpendQuery): string {
  return searchText([
    ['report', query.report],
    ...parametersOf({ ...query, rest: [] }),
    ...given('count', query.count),
    ...given('view', query.view),
    ...query.rest,
  ]);
}

/** The parameters of the request to the API, in order. */
export function parametersOf(query: SpendQuery): Pair[] {
  return [
    ...given('from', query.from),
    ...given('to', query.to),
    ['group_by', query.groupBy.join(',')],
    ...query.filters.flatMap(({ parameter, excludes, values }) =>
      values.map((value): Pair => [excludes ? `not.${parameter}` : parameter, value]),
    ),
    ...given('compare', query.compare),
    ...given('order', query.order),
    ...query.rest,
  ];
}

/** The parameters of a request, with the values of repeated ones together, as the client takes them. */
export function recordOf(query: SpendQuery): Record<string, string[]> {
  return together(parametersOf(query));
}

function together(pairs: readonly Pair[]): Record<string, string[]> {
  const values = new Map<string, string[]>();
  for (const [name, value] of pairs) values.set(name, [...(values.get(name) ?? []), value]);
  return Object.fromEntries(values);
}

function given(name: string, value: string | null): Pair[] {
  return value === null ? [] : [[name, value]];
}

function searchText(pairs: readonly Pair[]): string {
  return searchOf(together(pairs));
}

/** The path and query of the request to the API. */
export function requestOf(query: SpendQuery): string {
  return `${PATHS[query.report]}?${searchText(parametersOf(query))}`;
}

/** The path and query of the same as CSV. */
export function csvOf(query: SpendQuery): string {
  return `${PATHS[query.report]}?${searchText([...parametersOf(query), ['format', 'csv']])}`;
}

/**
 * A command for bash or zsh that asks the same. The shell hands the token to curl through a pipe, since everybody on the machine
 * can read the words of a command. Nothing in a query can end the quotes: its encoding leaves no quote, dollar, backtick,
 * backslash or bracket as it is.
 */
export function curlOf(query: SpendQuery, origin: string): string {
  const header = `@<(printf 'authorization: Bearer %s' "$METERLINE_TOKEN")`;
  return `curl -H ${header} "${origin}${requestOf(query)}"`;
}

/** The dimensions of a query without its grain, in order. */
export function dimensionsIn({ groupBy }: Pick<SpendQuery, 'groupBy'>): string[] {
  return groupBy.filter((group) => !isGrain(group));
}

/** The grain of a query; null if it has none. */
export function grainIn({ groupBy }: Pick<SpendQuery, 'groupBy'>): Grain | null {
  return groupBy.find(isGrain) ?? null;
}

/** The tables that a query can be shown as, the first one by default. */
export function viewsOf(query: SpendQuery): View[] {
  return [
    ...(dimensionsIn(query).length > 0 ? (['groups'] as const) : []),
    ...(grainIn(query) === null ? [] : (['days'] as const)),
    'lines',
  ];
}

/** The table that a query is shown as. */
export function viewOf(query: SpendQuery): View {
  const views = viewsOf(query);
  return views.find((view) => view === query.view) ?? views[0] ?? 'lines';
}

/** The same question to another report, without what that report lacks. */
export function withReport(query: SpendQuery, report: Report): SpendQuery {
  const groups = query.groupBy.filter((group) => knows(report, group));
  return {
    ...query,
    report,
    groupBy: groups.length > 0 ? groups : ['model'],
    filters: query.filters.filter(({ parameter }) => knows(report, dimensionOf(parameter) ?? parameter)),
    compare: report === 'unit-costs' ? null : report === 'changes' ? (query.compare ?? 'month') : query.compare,
    order: null,
    count: null,
    view: null,
    rest: [],
  };
}

/** The query with a filter in the place of the one with the same parameter and direction; without values, without it. */
export function withFilter(query: SpendQuery, filter: Filter): SpendQuery {
  const isSame = (other: Filter): boolean => other.parameter === filter.parameter && other.excludes === filter.excludes;
  const next = filter.values.length === 0 ? [] : [filter];
  const at = query.filters.findIndex(isSame);
  const filters = at < 0 ? [...query.filters, ...next] : query.filters.flatMap((one, i) => (i === at ? next : [one]));
  return { ...query, filters };
}

/** A part of a picture: some days, and the values of a group. */
export interface Part {
  readonly days: { readonly from: string; readonly to: string } | null;
  /** The values of dimensions; null is "not reported". */
  readonly values: readonly (readonly [dimension: string, value: string | null])[];
  /** Values of one dimension that are not part of it. */
  readonly without?: { readonly dimension: string; readonly values: readonly (string | null)[] };
}

/** The query for the lines of a part, split by everything that is still open. */
export function drill(query: SpendQuery, { days, values, without }: Part): SpendQuery {
  let narrowed: SpendQuery = query;
  for (const [dimension, value] of values) {
    const parameter = parameterOf(dimension);
    narrowed = withFilter(narrowed, { parameter, excludes: false, values: [value ?? ''] });
  }
  if (without !== undefined) {
    const parameter = parameterOf(without.dimension);
    const before = query.filters.find((filter) => filter.parameter === parameter && filter.excludes)?.values ?? [];
    const all = [...new Set([...before, ...without.values.map((value) => value ?? '')])];
    narrowed = withFilter(narrowed, { parameter, excludes: true, values: all });
  }
  const fixed = narrowed.filters.flatMap(({ parameter, excludes, values: kept }) =>
    excludes || kept.length > 1 ? [] : [dimensionOf(parameter)],
  );
  const { report } = query;
  const asked = dimensionsIn(query);
  // Costs in other currencies appear only where somebody groups by them.
  const isForeign = hasForeign(narrowed);
  const others = dimensionsOf(report).filter((each) => !asked.includes(each) && (isForeign || each !== 'currency'));
  const open = [...asked, ...others].filter(
    (dimension) => !fixed.includes(dimension) || (isForeign && dimension === 'currency'),
  );
  return {
    ...narrowed,
    from: days === null || (query.from !== null && query.from > days.from) ? query.from : days.from,
    to: days === null || (query.to !== null && query.to < days.to) ? query.to : days.to,
    groupBy: open.length > 0 ? open : report === 'changes' ? asked : ['day'],
    order: null,
    view: report === 'changes' ? 'groups' : 'lines',
  };
}

/** Whether a filter lets through amounts in another currency than dollars. */
function hasForeign({ filters }: SpendQuery): boolean {
  return filters.some(
    ({ parameter, excludes, values }) =>
      parameter === 'currency' && !excludes && values.some((value) => value !== 'USD'),
  );
}

/** The query for the same groups of some of the values, for the largest groups of a chart. */
export function narrowedTo(query: SpendQuery, groups: readonly (readonly (string | null)[])[]): SpendQuery {
  return dimensionsIn(query).reduce((narrowed, dimension, index) => {
    // Whichever connections are asked for, each day counts once: fewer of them could count other lines.
    if (dimension === 'connection') return narrowed;
    const values = [...new Set(groups.map((group) => group[index] ?? ''))];
    return withFilter(narrowed, { parameter: dimension, excludes: false, values });
  }, query);
}

/** Ranges that people ask for often. */
export function presets(today: string): { readonly name: string; readonly from: string; readonly to: string }[] {
  const lastMonth = addDays(monthStart(today), -1);
  const last = (days: number): { name: string; from: string; to: string } => ({
    name: `Last ${days} days`,
    from: addDays(today, 1 - days),
    to: today,
  });
  return [
    { name: 'This month', from: monthStart(today), to: today },
    { name: 'Last month', from: monthStart(lastMonth), to: monthEnd(lastMonth) },
    last(7),
    last(31),
    last(90),
    { name: 'A year', from: addDays(today, -364), to: today },
  ];
}

/** The keys of tags that a query names. */
export function tagsIn({ groupBy, filters }: SpendQuery): string[] {
  return [...groupBy, ...filters.map(({ parameter }) => parameter)].flatMap((name) => tagOf(name) ?? []);
}

import fc from 'fast-check';
import { isWhole, earlier, mondayOf, plus, type Range } from './days.ts';
import { VALUES, type Value } from './ledger.ts';

/** Random spend queries, and how to ask the API for them. */

export type Report = 'costs' | 'usage' | 'changes';
export const PATHS: Readonly<Record<Report, string>> = {
  costs: '/v1/costs',
  usage: '/v1/usage',
  changes: '/v1/costs/changes',
};

export interface Filter {
  /** `connection`, a column or `tag.<key>`. */
  readonly dimension: string;
  readonly excludes: boolean;
  /** Places in the ledger for connections. */
  readonly values: readonly (Value | number)[];
}

export interface Query extends Range {
  readonly report: Report;
  readonly filters: readonly Filter[];
  readonly groupBy: readonly string[];
  readonly order: 'key' | '-amount';
  readonly compare: 'previous' | 'month' | 'year' | null;
  /** The rows of a page. */
  readonly limit: number;
}

const OF_USAGE = ['model', 'context_window', 'service_tier', 'inference_geo'] as const;
const OF_COSTS = [...OF_USAGE, 'token_type', 'cost_type', 'description', 'currency'] as const;
/** What the ledger keeps sums of: these may be added up in another way. */
const OF_ROLLUP = ['model', 'cost_type', 'currency'] as const;
const TAGS = ['team', 'env', 'cost center'] as const;
const GRAINS = ['day', 'week', 'month'] as const;

/** Ranges around the days of the ledger, some of whole weeks or months, some of the future. */
const range: fc.Arbitrary<Range> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.tuple(fc.integer({ min: -12, max: 3 }), fc.integer({ min: 0, max: 14 })).map(([start, days]) => {
      const from = plus('2026-03-31', start);
      return { from, to: plus(from, days) };
    }),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.integer({ min: -45, max: 0 }), fc.integer({ min: 0, max: 45 })).map(([start, days]) => {
      const from = plus('2026-03-31', start);
      return { from, to: plus(from, days) };
    }),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.integer({ min: -6, max: 0 }), fc.integer({ min: 1, max: 4 })).map(([start, weeks]) => {
      const from = plus(mondayOf('2026-03-31'), start * 7);
      return { from, to: plus(from, weeks * 7 - 1) };
    }),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      { from: '2026-03-01', to: '2026-03-31' },
      { from: '2026-02-01', to: '2026-03-31' },
      { from: '2026-02-01', to: '2026-02-28' },
      { from: '2026-04-01', to: '2026-04-30' },
      { from: '2025-03-01', to: '2026-03-31' },
    ),
  },
);

type Column = (typeof OF_COSTS)[number];

const filter = (columns: readonly Column[]): fc.Arbitrary<Filter> => {
  const among = (dimension: string, values: readonly (Value | number)[]): fc.Arbitrary<Filter> =>
    fc
      .record({
        excludes: fc.boolean(),
        values: fc.array(fc.constantFrom(...values), { minLength: 1, maxLength: 3 }),
      })
      .map((drawn) => ({ dimension, ...drawn }));
  return fc.oneof(
    { weight: 3, arbitrary: among('connection', [0, 0, 4, 4, 4, 5, 5, 1, 2, 3]) },
    { weight: 2, arbitrary: among('workspace', VALUES.workspace) },
    {
      weight: 5,
      arbitrary: fc.constantFrom(...columns).chain((column) => among(column, [...VALUES[column], 'nowhere'])),
    },
    { weight: 3, arbitrary: fc.constantFrom(...TAGS).chain((key) => among(`tag.${key}`, VALUES.tags[key])) },
  );
};

/** One filter of a kind at most: the API takes the values of a parameter together. */
function withoutTwins(filters: readonly Filter[]): Filter[] {
  const byName = new Map(filters.map((one) => [`${one.excludes ? 'not.' : ''}${one.dimension}`, one]));
  return [...byName.values()];
}

function groups(columns: readonly Column[], grains: readonly string[]): fc.Arbitrary<string[]> {
  const dimensions = ['connection', 'workspace', ...columns, ...TAGS.map((key) => `tag.${key}`)];
  return fc
    .tuple(
      fc.subarray(dimensions, { minLength: 0, maxLength: 4 }),
      grains.length === 0 ? fc.constant(null) : fc.option(fc.constantFrom(...grains), { freq: 2 }),
      fc.constantFrom(...dimensions),
      fc.nat(),
    )
    .map(([drawn, grain, fallback, turn]) => {
      const named = grain === null ? drawn : [...drawn, grain];
      const all = named.length === 0 ? [fallback] : named;
      return [...all.slice(turn % all.length), ...all.slice(0, turn % all.length)];
    });
}

const compare = fc.constantFrom('previous' as const, 'month' as const, 'year' as const);
const order = fc.constantFrom('key' as const, 'key' as const, '-amount' as const);

/** A query of a report that knows these columns. */
function queryOf(report: Report, columns: readonly Column[]): fc.Arbitrary<Query> {
  return fc
    .record({
      range,
      filters: fc.constantFrom(0, 1, 1, 1, 2, 3).chain((length) => {
        return fc.array(filter(columns), { minLength: length, maxLength: length });
      }),
      groupBy: groups(columns, report === 'changes' ? [] : GRAINS),
      order: report === 'usage' ? fc.constant('key' as const) : order,
      compare: report === 'changes' ? compare : fc.option(compare, { freq: 2 }),
      limit: fc.oneof(fc.constant(10_000), fc.integer({ min: 1, max: 5 }), fc.integer({ min: 6, max: 30 })),
    })
    .map(({ range: days, filters, ...rest }) => ({ report, ...days, filters: withoutTwins(filters), ...rest }));
}

/** Any query that the API takes. */
export const query: fc.Arbitrary<Query> = fc.oneof(
  { weight: 3, arbitrary: queryOf('costs', OF_COSTS) },
  { weight: 2, arbitrary: queryOf('costs', OF_ROLLUP) },
  { weight: 2, arbitrary: queryOf('usage', OF_USAGE) },
  { weight: 2, arbitrary: queryOf('changes', OF_COSTS) },
);

/** Any query that costs and unit costs take. Most have several pages. */
export const unitQuery: fc.Arbitrary<Query> = fc
  .record({
    asked: fc.oneof(
      queryOf('costs', [...OF_USAGE, 'token_type', 'currency']),
      queryOf('costs', [...OF_USAGE, 'currency']),
    ),
    limit: fc.constantFrom(1, 2, 5, 10_000),
  })
  .map(({ asked, limit }) => ({ ...asked, compare: null, limit }));

/** Whether both ranges of a comparison are whole, where the grain demands it. */
export function isComparable({ groupBy, compare, ...asked }: Query): boolean {
  const grain = groupBy.includes('week') ? 'week' : groupBy.includes('month') ? 'month' : null;
  if (compare === null || grain === null) return true;
  return isWhole(asked, grain) && isWhole(earlier(asked, compare).range, grain);
}

/** The address of a query. `ids` are those of the connections in the ledger. */
export function addressOf(
  { report, ...asked }: Query,
  ids: readonly string[],
  more: Readonly<Record<string, string>> = {},
): string {
  const { from, to, filters, groupBy, order, compare, limit } = asked;
  const parameters = new URLSearchParams({ from, to, group_by: groupBy.join(), limit: String(limit) });
  if (order !== 'key') parameters.set('order', order);
  if (compare !== null) parameters.set('compare', compare);
  for (const { dimension, excludes, values } of filters) {
    const name = `${excludes ? 'not.' : ''}${dimension === 'connection' ? 'connection_id' : dimension}`;
    for (const [place, value] of values.entries()) parameters.append(name, textOfValue(dimension, value, place, ids));
  }
  for (const [name, value] of Object.entries(more)) parameters.set(name, value);
  return `${PATHS[report]}?${parameters.toString()}`;
}

function textOfValue(dimension: string, value: Value | number, place: number, ids: readonly string[]): string {
  if (typeof value === 'number') return ids[value] ?? '';
  // The default workspace has two names in queries.
  if (value === null) return dimension === 'workspace' && place % 2 === 0 ? 'default' : '';
  return value;
}

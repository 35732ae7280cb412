import { sql, type SQL } from 'drizzle-orm';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApi, type Api } from '../api/support.ts';
import { rows as found } from '../support/rows.ts';
import { expectAnswer } from './checks.ts';
import { rounded, textOf, unitsOf } from './decimal.ts';
import { NOW, TODAY, VALUES, drawCosts, storeCost, storeLedger } from './ledger.ts';
import { exactJson } from './replies.ts';
import { storeUnitLedger } from './unit-ledger.ts';

/** Random questions to the views, which must say what the API says. The API is compared with an oracle elsewhere. */

type Row = Readonly<Record<string, unknown>>;

interface Question {
  readonly from: string;
  readonly to: string;
  readonly groupBy: readonly string[];
  readonly where: readonly [dimension: string, value: string | null] | null;
}

const UNIT = ['model', 'context_window', 'service_tier', 'inference_geo'] as const;
const WITH_TYPE = [...UNIT, 'token_type'] as const;
const OF_COSTS = [...WITH_TYPE, 'cost_type', 'description'] as const;
const OF_DAILY = ['model', 'cost_type'] as const;

type Dimension = (typeof OF_COSTS)[number];

function question(dimensions: readonly Dimension[], always: readonly string[] = []): fc.Arbitrary<Question> {
  return fc
    .record({
      range: fc.constantFrom(
        { from: '2025-03-01', to: '2026-03-31' },
        { from: '2026-03-24', to: '2026-03-29' },
        { from: '2026-02-27', to: '2026-03-25' },
        { from: '2026-03-31', to: '2026-03-31' },
        { from: '2025-04-01', to: '2025-04-02' },
      ),
      groups: fc.subarray([...dimensions, 'connection', 'workspace'], { minLength: 0 }),
      grain: fc.constantFrom('day', 'month', null),
      where: fc.option(
        fc
          .constantFrom(...dimensions)
          .chain((dimension) =>
            fc.tuple(fc.constant(dimension), fc.constantFrom<string | null>(...given(dimension), 'nowhere')),
          ),
        { freq: 2 },
      ),
    })
    .map(({ range, groups, grain, where }) => {
      const drawn = [...groups, ...(grain === null ? [] : [grain]), ...always];
      return { ...range, groupBy: drawn.length === 0 ? ['model'] : drawn, where };
    });
}

/** An empty value of a parameter stands for null. */
function given(dimension: Dimension): (string | null)[] {
  return VALUES[dimension].filter((value) => value !== '');
}

/** The rows of a reply: their keys in the order of the groups, and these measures. */
async function replied(api: Api, path: string, asked: Question, measures: readonly string[]): Promise<string[]> {
  const { from, to, groupBy, where } = asked;
  const query = new URLSearchParams({ from, to, group_by: groupBy.join(), limit: '10000' });
  if (where !== null) query.set(where[0], where[1] ?? '');
  const { data } = exactJson(expectAnswer(await api.get(`${path}?${query.toString()}`)).text);
  return (data as Row[]).map((row) => {
    const key = groupBy.map((group) => {
      const value = row[group];
      return typeof value === 'object' && value !== null && 'id' in value ? value.id : value;
    });
    return JSON.stringify([...key, ...measures.map((name) => row[name])]);
  });
}

const COLUMNS: Readonly<Record<string, string>> = {
  connection: 'connection_id::text',
  workspace: 'workspace_id',
  day: 'day::text',
  month: "to_char(day, 'YYYY-MM')",
};

/** The same of a view. */
async function viewed(
  api: Api,
  view: string,
  { from, to, groupBy, where }: Question,
  { measures, having }: { measures: readonly string[]; having?: string },
): Promise<Row[]> {
  const columns = groupBy.map((group) => COLUMNS[group] ?? group);
  const condition: SQL =
    where === null ? sql`true` : sql`${sql.identifier(where[0])} is not distinct from ${where[1]}::text`;
  return found<Record<string, unknown>>(
    api.db,
    sql`
      select jsonb_build_array(${sql.raw(columns.join(', '))}) as key, ${sql.raw(measures.join(', '))}
      from ${sql.identifier(view)}
      where day between ${from}::date and ${to}::date and ${condition}
      group by ${sql.raw(columns.join(', '))}
      having ${sql.raw(having ?? 'true')}
    `,
  );
}

const lines = (all: readonly Row[], measuresOf: (row: Row) => unknown[]): string[] =>
  all.map((row) => JSON.stringify([...(row['key'] as unknown[]), ...measuresOf(row)]));

const same = (a: readonly string[], b: readonly string[]): void => {
  expect([...a].sort()).toEqual([...b].sort());
};

const inUsd = (sum: string): string =>
  `trim_scale(coalesce(sum(${sum}) filter (where currency = 'USD'), 0))::text as ${sum}`;

describe('whatever the views are asked', () => {
  let api: Api;
  beforeAll(async () => {
    api = await startApi({ now: () => NOW });
    const ledger = await storeLedger(api.db);
    // A day with costs that both connections of an organization have.
    const [before, after] = ['Old', 'New'].map((name) => ledger.find((connection) => connection.name === name));
    const [day = ''] = [...(before?.cost ?? [])].filter(([, { lines }]) => lines.length > 0).at(-1) ?? [];
    await storeCost(api.db, after?.id ?? '', day, drawCosts(3));
  });
  afterAll(() => api.close());

  it('costs and daily_costs add up to /v1/costs, by any dimensions, filter and grain', async () => {
    let seen = 0;
    const check = async (view: string, asked: Question): Promise<void> => {
      const byCurrency = asked.groupBy.includes('currency');
      const amount = byCurrency ? 'trim_scale(sum(amount))::text as amount' : inUsd('amount');
      const having = byCurrency ? 'true' : "bool_or(currency = 'USD')";
      const rows = await viewed(api, view, asked, { measures: [amount], having });
      same(
        lines(rows, (row) => [row['amount']]),
        await replied(api, '/v1/costs', asked, ['amount']),
      );
      seen += rows.length;
    };
    const both = fc.tuple(question(OF_COSTS), question(OF_DAILY), question(OF_DAILY, ['currency']));
    await fc.assert(
      fc.asyncProperty(both, async ([any, daily, byCurrency]) => {
        await check('costs', any);
        await check('costs', byCurrency);
        await check('daily_costs', daily);
        await check('daily_costs', byCurrency);
      }),
      { numRuns: 25, seed: 7, endOnFailure: true },
    );
    expect(seen).toBeGreaterThan(1_000);
  });

  it('coverage has each day in the state of /v1/coverage, once for each organization that is to read it', async () => {
    // Flagged in one report alone, of an organization that was connected twice and of another one.
    await api.db.execute(sql`
      update days set state = 'provisional', reconciled = false, disagrees_with = 1
      where report = 'cost' and day in ('2026-03-25', '2026-02-27')
    `);
    const { data } = exactJson(expectAnswer(await api.get(`/v1/coverage?from=2025-03-01&to=${TODAY}`)).text);
    const said = (data as Row[])
      .filter((row) => row['state'] !== 'uncovered')
      .map(({ day, state, flagged }) => [day, state, flagged]);
    const states = await found<{ day: string; state: string; flagged: boolean }>(
      api.db,
      sql`
        select day::text, flagged, case
          when missing then 'missing' when provisional then 'provisional' else 'final' end as state
        from (
          select day, bool_or(flagged) as flagged, bool_or(state = 'missing') as missing, bool_or(state = 'provisional') as provisional
          from coverage where report = 'cost' and day <= ${TODAY}::date group by day
        ) by_day
        order by day
      `,
    );
    const days = new Map(states.map(({ day, state, flagged }) => [day, [day, state, flagged]]));
    expect(said.length).toBeGreaterThan(5);
    for (const one of said) expect(days.get(String(one[0]))).toEqual(one);
    expect(said.some(([, , flagged]) => flagged === true)).toBe(true);

    const twice = await found(
      api.db,
      sql`select organization_id, report, day from coverage group by 1, 2, 3 having count(*) > 1`,
    );
    expect(twice).toEqual([]);
  });

  it('every stored day that counts is in coverage as it is stored, and a missing one has no numbers', async () => {
    const differing = await found(
      api.db,
      sql`
        select d.day, d.report, v.* from counted_days d
        join connections c on c.id = d.connection_id
        left join coverage v on v.connection_id = d.connection_id and v.report = d.report and v.day = d.day
        where d.day >= c.began and (
          v.state is distinct from d.state or v.lines is distinct from d.lines or v.total is distinct from d.total
          or v.reconciled is distinct from d.reconciled or v.read_at is distinct from d.read_at
        )
      `,
    );
    expect(differing).toEqual([]);
    const [missing] = await found<{ rows: number; numbers: number }>(
      api.db,
      sql`
        select count(*)::int as rows, count(coalesce(lines::text, total::text, read_at::text, nullif(reconciled or flagged, false)::text))::int as numbers
        from coverage where state = 'missing'
      `,
    );
    expect(missing?.rows).toBeGreaterThan(10);
    expect(missing?.numbers).toBe(0);
  });
});

describe('whatever unit_costs is asked', () => {
  let api: Api;
  beforeAll(async () => {
    api = await startApi({ now: () => NOW });
    await storeUnitLedger(api.db);
  });
  afterAll(() => api.close());

  const measures = [
    inUsd('amount'),
    inUsd('unmatched_amount'),
    'sum(tokens)::text as tokens',
    // Tokens that another currency billed have no price in US dollars.
    "sum(case when currency <> 'USD' then tokens else unpriced_tokens end)::text as unpriced_tokens",
  ];
  const priceOf = (row: Row): string | null => {
    const [amount = 0n, unmatched = 0n, tokens = 0n, unpriced = 0n] = [
      'amount',
      'unmatched_amount',
      'tokens',
      'unpriced_tokens',
    ].map((name) => unitsOf(String(row[name])));
    const billed = tokens - unpriced;
    return billed === 0n ? null : textOf(rounded(amount - unmatched, unitsOf('1000000'), billed));
  };

  it('amounts, tokens and the quotient of their sums are those of /v1/unit-costs, to the last digit', async () => {
    const seen = { rows: 0, prices: 0, unmatched: 0, unpriced: 0 };
    const having = "bool_or(currency = 'USD' or tokens > 0)";
    await fc.assert(
      fc.asyncProperty(question(WITH_TYPE), async (asked) => {
        const rows = await viewed(api, 'unit_costs', oneGeo(asked), { measures, having });
        const names = ['amount', 'unmatched_amount', 'tokens', 'unpriced_tokens'];
        same(
          lines(rows, (row) => [...names.map((name) => row[name]), priceOf(row)]),
          await replied(api, '/v1/unit-costs', asked, [...names, 'usd_per_million']),
        );
        seen.rows += rows.length;
        seen.prices += rows.filter((row) => priceOf(row) !== null).length;
        seen.unmatched += rows.filter((row) => row['unmatched_amount'] !== '0').length;
        seen.unpriced += rows.filter((row) => row['unpriced_tokens'] !== '0').length;
      }),
      { numRuns: 40, seed: 3, endOnFailure: true },
    );
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(50);
  });

  it.each(CLAIMS)('what the documents say of its rows is so: %s (%s)', async (_, view, spokenOf, isUntrue) => {
    const [counts] = await found<{ rows: number; untrue: number }>(
      api.db,
      sql`
        select count(*)::int as rows, count(*) filter (where ${sql.raw(isUntrue)})::int as untrue
        from ${sql.identifier(view)} where ${sql.raw(spokenOf)}
      `,
    );
    expect(counts?.rows).toBeGreaterThan(0);
    expect(counts?.untrue).toBe(0);
  });

  it('each row is a row of /v1/unit-costs by every dimension, day and currency, with its price and its day', async () => {
    const groupBy = ['connection', 'workspace', ...WITH_TYPE, 'currency', 'day'];
    const asked: Question = { from: '2025-03-01', to: TODAY, groupBy, where: null };
    const fields = ['amount', 'unmatched_amount', 'tokens', 'unpriced_tokens', 'usd_per_million'];
    const rows = await viewed(api, 'unit_costs', asked, {
      measures: [...fields.map((name) => `trim_scale(min(${name}))::text as ${name}`), 'count(*)::int as copies'],
    });
    same(
      lines(rows, (row) => fields.map((name) => row[name])),
      await replied(api, '/v1/unit-costs', asked, fields),
    );
    expect(rows.length).toBeGreaterThan(500);
    expect(rows.filter(({ copies }) => copies !== 1)).toEqual([]);
    const [states] = await found<{ wrong: number; provisional: number; final: number }>(
      api.db,
      sql`
        select
          count(*) filter (where u.day_state <> d.state)::int as wrong,
          count(*) filter (where u.day_state = 'provisional')::int as provisional,
          count(*) filter (where u.day_state = 'final')::int as final
        from unit_costs u
        join (
          select connection_id, day, max(state) as state from counted_days group by connection_id, day
        ) d using (connection_id, day)
      `,
    );
    expect(states?.wrong).toBe(0);
    expect(Math.min(states?.provisional ?? 0, states?.final ?? 0)).toBeGreaterThan(50);
  });
});

/** What docs/sql.md says of columns. Each is a query for the rows that it is untrue of, among those that it speaks of. */
const CLAIMS: readonly (readonly [claim: string, view: string, spokenOf: string, isUntrue: string])[] = [
  ['currency is never null', 'costs', 'true', 'currency is null'],
  ['a null workspace is the default one', 'costs', 'workspace_id is null', `workspace_name <> 'Default workspace'`],
  [
    'a workspace that was never listed has its id',
    'costs',
    `organization_id = 'b' and workspace_id = 'w2'`,
    'workspace_name <> workspace_id',
  ],
  ['a null workspace is the default one', 'usage', 'workspace_id is null', `workspace_name <> 'Default workspace'`],
  [
    'a null workspace is the default one',
    'daily_costs',
    'workspace_id is null',
    `workspace_name <> 'Default workspace'`,
  ],
  [
    'a null workspace is the default one',
    'unit_costs',
    'workspace_id is null',
    `workspace_name <> 'Default workspace'`,
  ],
  ['an unavailable geography is null', 'unit_costs', 'inference_geo is not null', `inference_geo = 'not_available'`],
  [
    'what nothing billed has no currency',
    'unit_costs',
    'currency is null',
    'amount <> 0 or tokens = 0 or unpriced_tokens <> tokens',
  ],
  ['what was billed is not unpriced', 'unit_costs', 'currency is not null', 'unpriced_tokens <> 0'],
  ['costs without tokens are unmatched', 'unit_costs', 'tokens = 0', 'unmatched_amount <> amount'],
  ['costs with tokens are matched', 'unit_costs', 'tokens > 0', 'unmatched_amount <> 0'],
  ['billed tokens in USD have a price', 'unit_costs', `currency = 'USD' and tokens > 0`, 'usd_per_million is null'],
  ['another currency has no price', 'unit_costs', `currency <> 'USD' and tokens > 0`, 'usd_per_million is not null'],
  ['without tokens there is no price', 'unit_costs', 'tokens = 0', 'usd_per_million is not null'],
  ['tokens are whole', 'unit_costs', 'tokens > 0', 'tokens <> trunc(tokens)'],
  ['a price has at most 12 decimals', 'unit_costs', 'usd_per_million is not null', 'scale(usd_per_million) > 12'],
  ['a day is provisional or final', 'unit_costs', 'true', `day_state not in ('provisional', 'final')`],
  [
    'a missing day has no numbers',
    'coverage',
    `state = 'missing'`,
    'num_nonnulls(lines, total, read_at) > 0 or reconciled or flagged',
  ],
  ['a day that is read has numbers', 'coverage', `state <> 'missing'`, 'num_nulls(lines, total, read_at) > 0'],
  ['amounts are products', 'allocated_costs', 'true', 'amount <> line_amount * share'],
  [
    'nobody has a share of 1',
    'allocated_costs',
    'cost_center is null',
    `share <> 1 or kind <> 'direct' or rule is not null`,
  ],
];

/** A geography that is not available is null in the view. */
function oneGeo(asked: Question): Question {
  const [dimension, value] = asked.where ?? [];
  if (dimension !== 'inference_geo' || value !== 'not_available') return asked;
  return { ...asked, where: [dimension, null] };
}

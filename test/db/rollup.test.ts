import { sql } from 'drizzle-orm';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { disconnect } from '../../db/connections/disconnect.ts';
import { deleteDaysAfter } from '../../db/ledger/deletion.ts';
import { reconcileDays } from '../../db/ledger/reconcile.ts';
import { addDays } from '../../domain/days.ts';
import type { CostLine } from '../support/lines.ts';
import { testDatabase, type TestDatabase } from '../support/postgres.ts';
import { rows } from '../support/rows.ts';
import { DAY, TODAY, commitCost, commitUsage, connect, cost, count, dayRow, totalsOf, usage } from './support.ts';
import { costLines } from './ledger-support.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.close());

const GROUP = ['day', 'workspace_id', 'model', 'cost_type', 'currency'];
const CELL = [...GROUP, 'service_tier', 'context_window', 'inference_geo', 'token_type'];

/** The cells, each amount as a line of its token type. */
const CELL_LINES = `(
  select c.day_no, c.series_no, a.token_type, a.amount
  from cost_cells c join cost_series s using (series_no) cross join lateral (values
    (case when s.token_kind is null then s.token_type end, c.other),
    ('uncached_input_tokens', c.uncached_input_tokens),
    ('output_tokens', c.output_tokens),
    ('cache_read_input_tokens', c.cache_read_input_tokens),
    ('cache_creation.ephemeral_5m_input_tokens', c.cache_creation_5m),
    ('cache_creation.ephemeral_1h_input_tokens', c.cache_creation_1h)
  ) a(token_type, amount)
  where a.amount is not null
)`;

/** What the rollup and the cells of a connection have that its lines have not, and the other way round. */
async function differences(connectionId: string): Promise<unknown[]> {
  const added = (table: string, groups: readonly string[]) => sql`
    select ${sql.raw(groups.join(', '))}, trim_scale(sum(l.amount)) as amount
    from days d join ${sql.raw(table)} l using (day_no)
      join (select series_no, ${sql.raw(CELL.slice(1, -1).join(', '))} from cost_series) s using (series_no)
    where d.connection_id = ${connectionId} group by ${sql.raw(groups.join(', '))}
  `;
  const lines = '(select l.*, s.token_type from cost_lines l join cost_series s using (series_no))';
  const pairs = [
    [added(lines, GROUP), added('cost_rollup', GROUP)],
    [added(lines, CELL), added(CELL_LINES, CELL)],
  ] as const;
  const found = await Promise.all(
    pairs.map(([a, b]) => rows(database.db, sql`((${a}) except (${b})) union all ((${b}) except (${a}))`)),
  );
  return found.flat();
}

/** How many rows a group of a day has in the rollup, and how many a cell has, at most. */
async function mostRows(): Promise<number[]> {
  const most = (table: string, groups: readonly string[]) => sql`
    select coalesce(max(count), 0)::int as most from (
      select count(*) from ${sql.identifier(table)} join cost_series s using (series_no)
      group by day_no, ${sql.raw(groups.join(', '))}
    ) counts
  `;
  const ofCell = [...CELL.slice(1, -1), 'case when token_kind is null then token_type end'];
  const found = await rows<{ most: number }>(
    database.db,
    sql`${most('cost_rollup', GROUP.slice(1))} union all ${most('cost_cells', ofCell)}`,
  );
  return found.map((one) => one.most);
}

describe('the rollup of a day, and its cells,', () => {
  it('add up to its lines by whatever they are kept by, whatever is committed over it', async () => {
    const days = [DAY, addDays(DAY, 1)];
    const commits = fc.array(fc.tuple(fc.constantFrom(...days), costLines), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(commits, async (given) => {
        const { id } = await connect(database.db);
        for (const [day, lines] of given) {
          await commitCost(database.db, id, lines, { day });
          expect(await differences(id)).toEqual([]);
        }
      }),
      { numRuns: 40 },
    );
    expect(await mostRows()).toEqual([1, 1]);
  });

  it('have one row for many lines that differ in nothing else', async () => {
    const { id } = await connect(database.db);
    const lines = Array.from({ length: 50 }, (_, index) =>
      cost('0.1', {
        model: 'a',
        description: `d${index}`,
        service_tier: index % 2 === 0 ? 'batch' : null,
        token_type: index % 10 < 4 ? 'output_tokens' : null,
      }),
    );
    await commitCost(database.db, id, lines);
    const ofDay = (table: string) => sql`${sql.raw(table)} join days using (day_no) where connection_id = ${id}`;
    expect(
      await rows(database.db, sql`select trim_scale(amount)::text as amount from ${ofDay('cost_rollup')}`),
    ).toEqual([{ amount: '5' }]);
    const ofCells = sql`select trim_scale(other)::text as other, trim_scale(output_tokens)::text as output,
      uncached_input_tokens as input from ${ofDay('cost_cells')}`;
    expect(await rows(database.db, ofCells)).toEqual([
      { other: '1.5', output: '1', input: null },
      { other: '1.5', output: '1', input: null },
    ]);
  });

  it('have costs of a token type that usage has no count for in a cell of its own', async () => {
    const { id } = await connect(database.db);
    const types = ['output_tokens', 'a_new_type', null, 'another', 'a_new_type'];
    await commitCost(
      database.db,
      id,
      types.map((token_type, index) => cost('1', { model: 'a', token_type, description: `d${index}` })),
    );
    const cells = sql`
      select case when s.token_kind is null then s.token_type end as type, trim_scale(c.other)::text as other,
        trim_scale(c.output_tokens)::text as output
      from cost_cells c join days using (day_no) join cost_series s using (series_no) where days.connection_id = ${id}
      order by 1
    `;
    const found = await rows<{ type: string | null; other: string; output: string | null }>(database.db, cells);
    expect(found.map(({ other, output }) => [other, output]).sort()).toEqual([
      ['1', null],
      ['1', '1'],
      ['2', null],
    ]);
    expect(await differences(id)).toEqual([]);
  });

  it.each(['cost_rollup', 'cost_cells'])('write nothing where nothing changed, as %s shows', async (table) => {
    const { id } = await connect(database.db);
    const places = () =>
      rows(
        database.db,
        sql`select r.series_no, r.xmin, r.ctid from ${sql.identifier(table)} r join days using (day_no) where connection_id = ${id} order by 1`,
      );
    const kept: CostLine[] = [cost('1', { model: 'a' }), cost('2', { model: 'b' })];
    await commitCost(database.db, id, [...kept, cost('3', { model: 'c' })]);
    const before = await places();
    await commitCost(database.db, id, [...kept, cost('4', { model: 'c' })]);
    const after = await places();
    expect(after.slice(0, 2)).toEqual(before.slice(0, 2));
    expect(after.slice(2)).not.toEqual(before.slice(2));
  });

  it.each(['cost_rollup', 'cost_cells'])('go with their day, as %s shows', async (table) => {
    const { id } = await connect(database.db);
    for (const day of [DAY, TODAY]) {
      await commitCost(database.db, id, [cost('1')], { day });
      await commitUsage(database.db, id, [usage({ output_tokens: 1 })], { day });
    }
    const numbers = await rows<{ no: number }>(
      database.db,
      sql`select day_no as no from days where connection_id = ${id}`,
    );
    const left = () => count(database.db, sql`${sql.identifier(table)} where day_no in ${numbers.map(({ no }) => no)}`);
    expect(await left()).toBe(2);
    await deleteDaysAfter(database.db, id, addDays(TODAY, -1));
    expect(await left()).toBe(1);
    await disconnect(database.db, id, true);
    expect(await left()).toBe(0);
  });
});

describe.each([
  ['cost_rollup', 'amount'],
  ['cost_cells', 'other'],
])('a day whose %s does not add up', (name, column) => {
  const [table, amount] = [sql.identifier(name), sql.identifier(column)];
  const window = { from: DAY, to: DAY };
  const totals = totalsOf({ [DAY]: '3' });
  const comparison = { report: 'cost', window, totals, restatementDays: 3 } as const;
  const lines = [cost('1', { model: 'a' }), cost('2', { model: 'b' }), cost('5', { currency: 'EUR' })];

  it('is suspect, and is mended when it is read again unchanged', async () => {
    const { id } = await connect(database.db);
    await commitCost(database.db, id, lines);
    expect(await reconcileDays(database.db, { connectionId: id, ...comparison })).toEqual([]);
    expect(await dayRow(database.db, id, 'cost')).toMatchObject({ reconciled: true, state: 'final' });
    await database.db.execute(sql`
      update ${table} set ${amount} = 7 where day_no = (select day_no from days where connection_id = ${id}) and ${amount} = 2
    `);
    expect(await reconcileDays(database.db, { connectionId: id, ...comparison })).toEqual([DAY]);
    expect(await dayRow(database.db, id, 'cost')).toMatchObject({ reconciled: false, state: 'provisional' });
    expect(await commitCost(database.db, id, lines)).toBe('unchanged');
    expect(await differences(id)).toEqual([]);
    expect(await reconcileDays(database.db, { connectionId: id, ...comparison })).toEqual([]);
    expect(await dayRow(database.db, id, 'cost')).toMatchObject({ reconciled: true, state: 'final' });
  });

  it('is mended when it is read again with a change, too', async () => {
    const { id } = await connect(database.db);
    await commitCost(database.db, id, lines);
    await database.db.execute(sql`
      delete from ${table} where day_no = (select day_no from days where connection_id = ${id}) and ${amount} = 2
    `);
    expect(await commitCost(database.db, id, [...lines, cost('1', { model: 'c' })])).toBe('changed');
    expect(await differences(id)).toEqual([]);
  });
});

describe('the unit of a series', () => {
  const unitsOf = async (connectionId: string, table: 'cost_series' | 'usage_series'): Promise<string[]> => {
    const found = await rows<{ unit: string }>(
      database.db,
      sql`select unit_id::text as unit from ${sql.identifier(table)} where connection_id = ${connectionId}`,
    );
    return found.map(({ unit }) => unit);
  };
  const full = { workspace_id: 'w', model: 'm', context_window: 'c', service_tier: 's', inference_geo: 'g' };

  it('is the same for cost and usage of the same workspace, model, window, tier and geography', async () => {
    const { id } = await connect(database.db);
    const types = ['output_tokens', 'uncached_input_tokens'].map((token_type) =>
      cost('1', { ...full, token_type, cost_type: 'tokens', description: token_type }),
    );
    await commitCost(database.db, id, types);
    await commitUsage(database.db, id, [usage({ output_tokens: 1 }, full)]);
    const [unit] = await unitsOf(id, 'usage_series');
    expect(await unitsOf(id, 'cost_series')).toEqual([unit, unit]);
  });

  it('takes a geography that is absent, null or not available for the same', async () => {
    const { id } = await connect(database.db);
    const geos = [{}, { inference_geo: null }, { inference_geo: 'not_available' }];
    await commitCost(
      database.db,
      id,
      geos.map((geo, index) => cost('1', { model: 'm', description: `d${index}`, ...geo })),
    );
    await commitUsage(database.db, id, [usage({}, { model: 'm', inference_geo: 'not_available' })]);
    expect(new Set([...(await unitsOf(id, 'cost_series')), ...(await unitsOf(id, 'usage_series'))]).size).toBe(1);
  });

  it('differs in everything else, also in which dimension has a text', async () => {
    const { id } = await connect(database.db);
    const keys = [
      {},
      full,
      ...Object.keys(full).flatMap((name) => [{ [name]: 'x' }, { ...full, [name]: 'y' }, { [name]: '' }]),
      { workspace_id: 'a,b' },
      { workspace_id: 'a', model: 'b' },
      { workspace_id: 'a"', model: '"b' },
      { workspace_id: 'not_available' },
    ];
    await commitUsage(
      database.db,
      id,
      keys.map((key) => usage({ output_tokens: 1 }, key)),
    );
    expect(new Set(await unitsOf(id, 'usage_series')).size).toBe(keys.length);
  });
});

it('the kind of a token type is its place among the counts of usage', async () => {
  const { id } = await connect(database.db);
  const types = [
    'uncached_input_tokens',
    'output_tokens',
    'cache_read_input_tokens',
    'cache_creation.ephemeral_5m_input_tokens',
    'cache_creation.ephemeral_1h_input_tokens',
    'something_new',
    null,
  ];
  await commitCost(
    database.db,
    id,
    types.map((token_type) => cost('1', { token_type })),
  );
  const kinds = await rows<{ token_type: string | null; token_kind: number | null }>(
    database.db,
    sql`select token_type, token_kind from cost_series where connection_id = ${id}`,
  );
  const kindOf = new Map(kinds.map(({ token_type, token_kind }) => [token_type, token_kind]));
  expect(types.map((type) => kindOf.get(type))).toEqual([1, 2, 3, 4, 5, null, null]);
});

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

/** The groups in which the rollup of a connection and its lines differ. */
async function differences(connectionId: string): Promise<unknown[]> {
  const groups = sql.raw(GROUP.join(', '));
  const added = (table: string) => sql`
    select ${groups}, trim_scale(sum(l.amount)) as amount
    from days d join ${sql.identifier(table)} l using (day_no) join cost_series s using (series_no)
    where d.connection_id = ${connectionId} group by ${groups}
  `;
  const [lines, rollup] = [added('cost_lines'), added('cost_rollup')];
  return rows(database.db, sql`((${lines}) except (${rollup})) union all ((${rollup}) except (${lines}))`);
}

/** How many rows a group of a day has in the rollup, at most. */
async function mostRows(): Promise<number> {
  const [found] = await rows<{ most: number }>(
    database.db,
    sql`
      select coalesce(max(count), 0)::int as most from (
        select count(*) from cost_rollup join cost_series s using (series_no)
        group by day_no, workspace_id, model, cost_type, currency
      ) counts
    `,
  );
  return found?.most ?? -1;
}

describe('the rollup of a day', () => {
  it('adds up to its lines by workspace, model, cost type and currency, whatever is committed over it', async () => {
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
    expect(await mostRows()).toBe(1);
  });

  it('has one row for many lines that differ in nothing else', async () => {
    const { id } = await connect(database.db);
    const lines = Array.from({ length: 50 }, (_, index) =>
      cost('0.1', { model: 'a', description: `d${index}`, service_tier: index % 2 === 0 ? 'batch' : null }),
    );
    await commitCost(database.db, id, lines);
    const ofDay = sql`cost_rollup join days using (day_no) where connection_id = ${id}`;
    expect(await rows(database.db, sql`select trim_scale(amount)::text as amount from ${ofDay}`)).toEqual([
      { amount: '5' },
    ]);
  });

  it('writes nothing where nothing changed', async () => {
    const { id } = await connect(database.db);
    const places = () =>
      rows(
        database.db,
        sql`select r.series_no, r.xmin, r.ctid from cost_rollup r join days using (day_no) where connection_id = ${id} order by 1`,
      );
    const kept: CostLine[] = [cost('1', { model: 'a' }), cost('2', { model: 'b' })];
    await commitCost(database.db, id, [...kept, cost('3', { model: 'c' })]);
    const before = await places();
    await commitCost(database.db, id, [...kept, cost('4', { model: 'c' })]);
    const after = await places();
    expect(after.slice(0, 2)).toEqual(before.slice(0, 2));
    expect(after.slice(2)).not.toEqual(before.slice(2));
  });

  it('goes with its day', async () => {
    const { id } = await connect(database.db);
    for (const day of [DAY, TODAY]) {
      await commitCost(database.db, id, [cost('1')], { day });
      await commitUsage(database.db, id, [usage({ output_tokens: 1 })], { day });
    }
    const numbers = await rows<{ no: number }>(
      database.db,
      sql`select day_no as no from days where connection_id = ${id}`,
    );
    const left = () => count(database.db, sql`cost_rollup where day_no in ${numbers.map(({ no }) => no)}`);
    expect(await left()).toBe(2);
    await deleteDaysAfter(database.db, id, addDays(TODAY, -1));
    expect(await left()).toBe(1);
    await disconnect(database.db, id, true);
    expect(await left()).toBe(0);
  });
});

describe('a rollup that does not add up', () => {
  const window = { from: DAY, to: DAY };
  const totals = totalsOf({ [DAY]: '3' });
  const comparison = { report: 'cost', window, totals, restatementDays: 3 } as const;
  const lines = [cost('1', { model: 'a' }), cost('2', { model: 'b' }), cost('5', { currency: 'EUR' })];

  it('makes its day suspect, and is mended when the unchanged day is read again', async () => {
    const { id } = await connect(database.db);
    await commitCost(database.db, id, lines);
    expect(await reconcileDays(database.db, { connectionId: id, ...comparison })).toEqual([]);
    expect(await dayRow(database.db, id, 'cost')).toMatchObject({ reconciled: true, state: 'final' });
    await database.db.execute(sql`
      update cost_rollup set amount = 7 where day_no = (select day_no from days where connection_id = ${id}) and amount = 2
    `);
    expect(await reconcileDays(database.db, { connectionId: id, ...comparison })).toEqual([DAY]);
    expect(await dayRow(database.db, id, 'cost')).toMatchObject({ reconciled: false, state: 'provisional' });
    expect(await commitCost(database.db, id, lines)).toBe('unchanged');
    expect(await differences(id)).toEqual([]);
    expect(await reconcileDays(database.db, { connectionId: id, ...comparison })).toEqual([]);
    expect(await dayRow(database.db, id, 'cost')).toMatchObject({ reconciled: true, state: 'final' });
  });

  it('is mended by a changed day, too', async () => {
    const { id } = await connect(database.db);
    await commitCost(database.db, id, lines);
    await database.db.execute(sql`
      delete from cost_rollup where day_no = (select day_no from days where connection_id = ${id}) and amount = 2
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

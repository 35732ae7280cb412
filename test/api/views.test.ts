import { randomUUID } from 'node:crypto';
import { eq, sql, type SQL } from 'drizzle-orm';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { disconnect } from '../../db/connections/disconnect.ts';
import { connections, workspaces } from '../../db/schema.ts';
import { addDays, daysIn, type Day } from '../../domain/days.ts';
import {
  NOW,
  TODAY,
  seedConnection,
  seedCostDay,
  seedDay,
  seedUsageDay,
  seedWorkspace,
  startApi,
  type Api,
} from './support.ts';
import { rows } from '../support/rows.ts';

let api: Api;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.close());

const on = (offset: number): Day => addDays(TODAY, offset);
const FROM = on(-9);
const RANGE = `from=${FROM}&to=${TODAY}&limit=10000`;

let made = 0;

/** A connection that is newer than those before it, with costs and usage from `first` to `last`, each line `amount`. */
async function connect(
  amount: string,
  { organization, first, last }: { organization: string; first: number; last: number },
): Promise<string> {
  made += 1;
  const id = await seedConnection(api.db, {
    ...{ name: `Connection ${made}`, organization, began: on(first), backfillTo: TODAY },
    createdAt: new Date(NOW + made),
  });
  await seedWorkspace(api.db, id, `wrkspc_${organization}`, `As connection ${made} knows it`);
  await api.db
    .update(workspaces)
    .set({ readAt: new Date(NOW + made) })
    .where(eq(workspaces.connectionId, id));
  for (const day of daysIn({ from: on(first), to: on(last) })) await read(id, organization, day, amount);
  return id;
}

async function read(id: string, organization: string, day: Day, amount: string): Promise<void> {
  const workspace_id = `wrkspc_${organization}`;
  await seedCostDay(api.db, id, day, [
    { amount, model: 'a', workspace_id },
    { amount, model: 'b', workspace_id },
    { amount: `${amount}.5`, model: 'a' },
    { amount, currency: 'EUR', model: 'a' },
  ]);
  const count = BigInt(amount);
  await seedUsageDay(api.db, id, day, [
    { model: 'a', workspace_id, counts: [count, count, 1n, 0n, 0n, 0n], extraCounts: { odd_tokens: 7 } },
    { model: 'a', counts: [count, 0n, 0n, 0n, 2n, 3n] },
  ]);
}

/** Rows of a reply as the view has them, in no order. */
async function replied(report: 'costs' | 'usage', groupBy: string): Promise<unknown[]> {
  const { status, body } = await api.get(`/v1/${report}?${RANGE}&group_by=${groupBy}`);
  expect(status).toBe(200);
  return body.data.map(({ workspace, connection, ...row }) => ({
    ...row,
    ...(groupBy.includes('workspace') ? { workspace } : {}),
    ...(groupBy.includes('connection') ? { connection } : {}),
  }));
}

const WORKSPACE = sql`jsonb_build_object('id', workspace_id, 'name', workspace_name) as workspace`;
const CONNECTION = sql`jsonb_build_object('id', connection_id, 'name', connection_name) as connection`;
const COUNTS = sql.raw(
  [
    'uncached_input_tokens',
    'output_tokens',
    'cache_read_input_tokens',
    'cache_creation_5m',
    'cache_creation_1h',
    'web_search_requests',
  ]
    .map((count) => `sum(${count})::int as ${count}`)
    // One line of each group has such counts.
    .concat("coalesce((array_agg(extra_counts) filter (where extra_counts is not null))[1], '{}') as other_counts")
    .join(', '),
);

/** Both reports by every dimension that tells connections, days and workspaces apart, over HTTP and over SQL. */
async function expectSame(): Promise<number> {
  const amount = sql`trim_scale(sum(amount))::text as amount`;
  const costs = [
    [
      'day,workspace,model',
      sql`select day::text, ${WORKSPACE}, model, ${amount} from costs
        where currency = 'USD' and day >= ${FROM} group by day, workspace_id, workspace_name, model`,
    ],
    [
      'day,connection,currency',
      sql`select day::text, ${CONNECTION}, currency, ${amount} from costs
        where day >= ${FROM} group by day, connection_id, connection_name, currency`,
    ],
  ] as const;
  const usage = [
    [
      'day,workspace,model',
      sql`select day::text, ${WORKSPACE}, model, ${COUNTS} from usage
        where day >= ${FROM} group by day, workspace_id, workspace_name, model`,
    ],
    [
      'day,connection',
      sql`select day::text, ${CONNECTION}, ${COUNTS} from usage
        where day >= ${FROM} group by day, connection_id, connection_name`,
    ],
  ] as const;
  const spelled = (all: readonly unknown[]): string[] => all.map((row) => JSON.stringify(sorted(row))).sort();
  for (const [report, queries] of [['costs', costs] as const, ['usage', usage] as const]) {
    for (const [groupBy, query] of queries) {
      expect(spelled(await rows(api.db, query))).toEqual(spelled(await replied(report, groupBy)));
    }
  }
  const daily = costs.map(([groupBy]) => groupBy);
  for (const groupBy of daily) {
    const columns = groupBy.includes('connection')
      ? sql`day::text, ${CONNECTION}, currency, ${amount} from daily_costs where day >= ${FROM}
          group by day, connection_id, connection_name, currency`
      : sql`day::text, ${WORKSPACE}, model, ${amount} from daily_costs where currency = 'USD' and day >= ${FROM}
          group by day, workspace_id, workspace_name, model`;
    expect(spelled(await rows(api.db, sql`select ${columns}`))).toEqual(spelled(await replied('costs', groupBy)));
  }
  await expectSameUnits(spelled);
  await expectSameCoverage();
  const { body } = await api.get(`/v1/costs?${RANGE}`);
  return Number(body.total);
}

async function expectSameUnits(spelled: (all: readonly unknown[]) => string[]): Promise<void> {
  const { body } = await api.get(`/v1/unit-costs?${RANGE}&group_by=day,connection,model`);
  const said = body.data.map((row) => ({
    ...{ day: row.day, connection: row.connection, model: row['model'] },
    ...{ amount: row.amount, unmatched: row['unmatched_amount'], tokens: row['tokens'] },
  }));
  const inUsd = (sum: SQL): SQL => sql`trim_scale(coalesce(sum(${sum}) filter (where currency = 'USD'), 0))::text`;
  const found = await rows(
    api.db,
    sql`
      select day::text, ${CONNECTION}, model, ${inUsd(sql`amount`)} as amount, ${inUsd(sql`unmatched_amount`)} as unmatched,
        sum(tokens)::text as tokens
      from unit_costs where day >= ${FROM}
      group by day, connection_id, connection_name, model
      having bool_or(currency = 'USD' or tokens > 0)
    `,
  );
  expect(spelled(found)).toEqual(spelled(said));
}

/** Each day's state, and what was restated of it, over all organizations. */
async function expectSameCoverage(): Promise<void> {
  const { body } = await api.get(`/v1/coverage?from=${FROM}&to=${TODAY}`);
  const said = body.data.map(({ day, restated, ...row }) => [day, row['state'], row['flagged'], restated]);
  const found = await rows<{ day: string; state: string; flagged: boolean; restated: unknown }>(
    api.db,
    sql`
      select c.day::text, c.flagged, r.restated, case
        when c.missing then 'missing' when c.provisional then 'provisional' else 'final' end as state
      from (
        select day, bool_or(flagged) as flagged, bool_or(state = 'missing') as missing, bool_or(state = 'provisional') as provisional
        from coverage where report = 'cost' group by day
      ) c
      left join (
        select day, jsonb_build_object(
          'before', trim_scale(sum(before))::text, 'after', trim_scale(sum(after))::text,
          'changed', trim_scale(sum(changed))::text, 'times', sum(times),
          'at', to_char(max(restated_at) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
        ) as restated
        from restated_days where report = 'cost' group by day
      ) r using (day)
    `,
  );
  const byDay = new Map(found.map(({ day, state, flagged, restated }) => [day, [day, state, flagged, restated]]));
  // A day before the first one of an organization is uncovered in the API, and is not to be read for the view.
  for (const one of said) {
    if (one[1] !== 'uncovered') expect(byDay.get(String(one[0]))).toEqual(one);
  }
}

/** Stores that a day was restated, from `before` to `after`. */
async function restate(id: string, day: Day, before: string, after: string): Promise<void> {
  await api.db.execute(sql`
    insert into restatements (connection_id, report, day, before, after, lines_added, lines_removed, lines_changed, sync)
    values (${id}, 'cost', ${day}, ${before}, ${after}, 0, 0, 1, 1)
  `);
}

const restatedDays = (): Promise<{ day: string }[]> =>
  rows(
    api.db,
    sql`select day::text, before::int, after::int, changed::int, times from restated_days order by day, before`,
  );

function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, inner]) => [name, sorted(inner)]),
  );
}

/** What the USD lines of a day add up to. */
const dollars = (amount: number, days: number): number => days * (3 * amount + 0.5);

it('the views and the API count the same days, each day of an organization once, through a life of connections', async () => {
  expect(await expectSame()).toBe(0);
  const first = await connect('1', { organization: 'one', first: -9, last: -4 });
  await restate(first, on(-9), '5', '7');
  await restate(first, on(-9), '7', '4');
  await restate(first, on(-6), '1', '2');
  const twice = { day: on(-9), before: 5, after: 4, changed: -1, times: 2 };
  const once = { day: on(-6), before: 1, after: 2, changed: 1, times: 1 };
  expect(await restatedDays()).toEqual([twice, once]);
  expect(await expectSame()).toBe(dollars(1, 6));

  await connect('100', { organization: 'two', first: -9, last: 0 });
  const two = dollars(100, 10);
  expect(await expectSame()).toBe(dollars(1, 6) + two);

  await disconnect(api.db, first, false);
  expect(await expectSame()).toBe(dollars(1, 6) + two);

  // The newer connection covers the days of the older one, and did not read one yet: it hides none.
  const second = await connect('10', { organization: 'one', first: -6, last: -7 });
  expect(await expectSame()).toBe(dollars(1, 6) + two);

  // It reads two days of four that the older one has, and one that it has not.
  for (const offset of [-6, -4, -2]) await read(second, 'one', on(offset), '10');
  // The day counts from the newer connection now, for which nothing was restated.
  expect(await restatedDays()).toEqual([twice]);
  expect(await expectSame()).toBe(dollars(1, 4) + dollars(10, 3) + two);

  // Of one report alone: the other one counts from the older connection still.
  await seedDay(api.db, second, 'cost', on(-5));
  expect(await expectSame()).toBe(dollars(1, 3) + dollars(10, 3) + two);

  // More history is asked for, and not read yet.
  await api.db
    .update(connections)
    .set({ began: on(-9) })
    .where(eq(connections.id, second));
  expect(await expectSame()).toBe(dollars(1, 3) + dollars(10, 3) + two);

  // Three in a row: each day from the newest that has it.
  await disconnect(api.db, second, false);
  const third = await connect('1000', { organization: 'one', first: -4, last: -4 });
  expect(await expectSame()).toBe(dollars(1, 3) + dollars(10, 2) + dollars(1000, 1) + two);

  // A refused one counts nowhere, and hides nothing, whatever it has.
  const refused = await connect('9', { organization: randomUUID(), first: -9, last: -8 });
  await api.db
    .update(connections)
    .set({ status: 'refused', organizationId: 'one', endedAt: new Date(NOW) })
    .where(eq(connections.id, refused));
  expect(await expectSame()).toBe(dollars(1, 3) + dollars(10, 2) + dollars(1000, 1) + two);

  // What a purge deletes of a newer one counts from the older one again.
  await disconnect(api.db, second, true);
  expect(await expectSame()).toBe(dollars(1, 5) + dollars(1000, 1) + two);
  await disconnect(api.db, third, true);
  expect(await expectSame()).toBe(dollars(1, 6) + two);
  await disconnect(api.db, first, true);
  expect(await expectSame()).toBe(two);
  expect(await restatedDays()).toEqual([]);
  expect(await rows(api.db, sql`select from coverage where organization_id = 'one'`)).toEqual([]);
  expect(await rows(api.db, sql`select from unit_costs where organization_id = 'one'`)).toEqual([]);
});

it('coverage asks for a day once, of the newest connection that covers it, up to today or the end', async () => {
  const first = await connect('1', { organization: 'covered', first: -4, last: -4 });
  await disconnect(api.db, first, false);
  await api.db
    .update(connections)
    .set({ endedAt: new Date(`${on(-2)}T10:00:00Z`) })
    .where(eq(connections.id, first));
  const second = await connect('1', { organization: 'covered', first: -2, last: -2 });
  await seedDay(api.db, second, 'usage', on(-1), { state: 'provisional', total: '12', lines: 1 });
  const found = await rows<{ day: string }>(
    api.db,
    sql`
      select connection_id, report, day::text, state, lines, total::text from coverage
      where organization_id = 'covered' and day <= ${on(-1)}::date order by report, day
    `,
  );
  const missing = { state: 'missing', lines: null, total: null };
  const read = (state: string, lines: number, total: string) => ({ state, lines, total });
  expect(found).toEqual([
    { connection_id: first, report: 'cost', day: on(-4), ...read('final', 4, '1') },
    { connection_id: first, report: 'cost', day: on(-3), ...missing },
    { connection_id: second, report: 'cost', day: on(-2), ...read('final', 4, '1') },
    { connection_id: second, report: 'cost', day: on(-1), ...missing },
    { connection_id: first, report: 'usage', day: on(-4), ...read('final', 2, '1') },
    { connection_id: first, report: 'usage', day: on(-3), ...missing },
    { connection_id: second, report: 'usage', day: on(-2), ...read('final', 2, '1') },
    { connection_id: second, report: 'usage', day: on(-1), ...read('provisional', 1, '12') },
  ]);
  const [end] = await rows<{ last: string; today: string }>(
    api.db,
    sql`
      select max(day)::text as last, (now() at time zone 'UTC')::date::text as today from coverage
      where organization_id = 'covered'
    `,
  );
  expect(end?.last).toBe(end?.today);
});

it('a row of a view has the name and the status of its connection', async () => {
  const id = await connect('7', { organization: 'named', first: 0, last: 0 });
  await api.send('PATCH', `/v1/connections/${id}`, { name: 'Renamed' });
  await disconnect(api.db, id, false);
  for (const view of ['costs', 'usage']) {
    const found = await rows(
      api.db,
      sql`select distinct connection_name, connection_status from ${sql.identifier(view)} where connection_id = ${id}`,
    );
    expect(found).toEqual([{ connection_name: 'Renamed', connection_status: 'disconnected' }]);
  }
  for (const view of ['daily_costs', 'unit_costs', 'coverage']) {
    const found = await rows(
      api.db,
      sql`select distinct connection_name, organization_name from ${sql.identifier(view)} where connection_id = ${id}`,
    );
    expect(found).toEqual([{ connection_name: 'Renamed', organization_name: 'Acme Inc.' }]);
  }
});

it('a workspace has one name in the views, though an earlier connection had another name for it', async () => {
  const first = await connect('1', { organization: 'names', first: -2, last: -2 });
  await disconnect(api.db, first, false);
  await connect('1', { organization: 'names', first: -1, last: -1 });
  for (const view of ['costs', 'usage', 'daily_costs', 'unit_costs']) {
    const found = await rows(
      api.db,
      sql`select distinct workspace_name as name from ${sql.identifier(view)} where workspace_id = 'wrkspc_names'`,
    );
    expect(found).toEqual([{ name: `As connection ${made} knows it` }]);
  }
});

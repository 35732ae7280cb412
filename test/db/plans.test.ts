import { sql, type Query } from 'drizzle-orm';
import type { PgDialect, PgSession } from 'drizzle-orm/pg-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listEvents } from '../../db/connections/events.ts';
import { listOverdue } from '../../db/connections/overdue.ts';
import type { Db } from '../../db/core/database.ts';
import { listRestatements, listSyncs } from '../../db/ledger/history.ts';
import { sumCosts } from '../../db/spend/costs.ts';
import { addDays } from '../../domain/days.ts';
import type { SpendQuery } from '../../domain/spend/query.ts';
import type { CostLine } from '../support/lines.ts';
import { costContent } from '../support/pages.ts';
import { testDatabase, type TestDatabase } from '../support/postgres.ts';
import { TODAY, commitCost, connect, cost } from './support.ts';

const DAYS = 12;
const LINES = 1_500;

interface Internals {
  readonly session: PgSession;
  readonly dialect: PgDialect;
}

let database: TestDatabase;
let id: string;
beforeAll(async () => {
  database = await testDatabase();
  // As it is right after a backfill: nothing has analyzed the tables, and others' data lie beside.
  await database.db.execute(sql`alter table cost_lines set (autovacuum_enabled = off)`);
  await database.db.execute(sql`alter table cost_rollup set (autovacuum_enabled = off)`);
  await database.db.execute(sql`alter table cost_cells set (autovacuum_enabled = off)`);
  await database.db.execute(sql`alter table cost_series set (autovacuum_enabled = off)`);
  for (let connection = 0; connection < 3; connection += 1) {
    id = (await connect(database.db)).id;
    for (let day = 0; day < DAYS; day += 1) {
      await commitCost(database.db, id, linesOf(day), { day: addDays(TODAY, -1 - day) });
    }
  }
});
afterAll(() => database.close());

function linesOf(day: number): CostLine[] {
  return Array.from({ length: LINES }, (_, index) =>
    cost('1', { model: `m${index + day * 75}`, workspace_id: `w${index % 9}` }),
  );
}

/** The plans of all statements of their own text that the work makes, as Postgres explains them. */
async function plansOf(work: (db: Db) => Promise<unknown>, on = database): Promise<string[]> {
  const { session, dialect } = on.db as unknown as Internals;
  const made: Query[] = [];
  const recording = new Proxy(session, {
    get: (target, name): unknown =>
      name === 'prepareQuery'
        ? (query: Query, ...others: [undefined, string, boolean]) => {
            made.push(query);
            return target.prepareQuery(query, ...others);
          }
        : Reflect.get(target, name),
  });
  const recorded: Db = new Proxy(on.db, {
    get: (target, name): unknown => {
      if (name === 'session') return recording;
      // What a transaction says beside its statements cannot be explained.
      if (name === 'transaction') return (inside: (tx: Db) => Promise<unknown>) => inside(recorded);
      if (name !== 'execute') return Reflect.get(target, name);
      return (query: Parameters<PgDialect['sqlToQuery']>[0]) => {
        made.push(dialect.sqlToQuery(query));
        return target.execute(query);
      };
    },
  });
  await work(recorded);
  const plans: string[] = [];
  for (const query of made.filter((one) => !one.sql.startsWith('set local'))) {
    const explained = await session
      .prepareQuery({ ...query, sql: `explain ${query.sql}` }, undefined, undefined, false)
      .execute();
    plans.push((explained as { 'QUERY PLAN': string }[]).map((line) => line['QUERY PLAN']).join('\n'));
  }
  return plans;
}

describe('right after a backfill, before anything was analyzed,', () => {
  const TABLES = [
    ['cost_lines', 'description'],
    ['cost_cells', 'token_type'],
    ['cost_rollup', 'model'],
  ] as const;

  it.each(TABLES)('%s are added up by way of the days, their rows and the numbers of series', async (table, group) => {
    const query: SpendQuery = {
      filters: [{ dimension: 'connection', excludes: false, values: [id] }],
      from: addDays(TODAY, -3),
      to: addDays(TODAY, -2),
      today: TODAY,
      groupBy: [group],
      order: 'key',
      comparison: null,
      after: null,
      limit: 100,
    };
    const [plan = ''] = await plansOf((db) => sumCosts(db, query));
    expect(plan).toMatch(new RegExp(`(Index|Bitmap Index) Scan (using|on) ${table}_day_no_series_no_pk`));
    expect(plan).toMatch(/(Index|Bitmap Index) Scan (using|on) days_connection_id_report_day_pk/);
    expect(plan).not.toMatch(/Seq Scan on (cost_lines|cost_cells|cost_rollup|days)/);
    // A loop that compares every line with every series took three seconds.
    expect(plan).not.toMatch(/Join Filter: .*series_no/);
  });

  it.each(TABLES)('%s of all connections are, too, whichever of them a day counts from', async (table, group) => {
    const query: SpendQuery = {
      filters: [],
      from: addDays(TODAY, -3),
      to: addDays(TODAY, -2),
      today: TODAY,
      groupBy: [group],
      order: 'key',
      comparison: null,
      after: null,
      limit: 100,
    };
    const [plan = ''] = await plansOf((db) => sumCosts(db, query));
    expect(plan).toMatch(new RegExp(`(Index|Bitmap Index) Scan (using|on) ${table}_day_no_series_no_pk`));
    expect(plan).not.toMatch(/Seq Scan on (cost_lines|cost_cells|cost_rollup)/);
    expect(plan).not.toMatch(/Join Filter: .*series_no/);
    // Only days of a connection that has a newer one are looked for there, each by its key.
    expect(plan).toMatch(/Index (Only )?Scan using days_connection_id_report_day_pk on days n/);
  });

  it('the numbers of known series are found by their index', async () => {
    const { content, numbers } = costContent(linesOf(3));
    const [plan = '', ...others] = await plansOf((db) => numbers.number(db, 'cost', id));
    expect(others).toEqual([]);
    expect(plan).toMatch(/Index Scan using cost_series_connection_id_series_id_pk|Hash (Left|Right) Join/);
    expect(plan).not.toMatch(/Join Filter/);
    expect(content.series.every((place) => numbers.of(place) > 0)).toBe(true);
  });

  it('the writes of a new day look up only that day', async () => {
    const { db } = database;
    const before = await scans();
    await commitCost(db, id, linesOf(DAYS), { day: addDays(TODAY, -1 - DAYS) });
    expect(await scans()).toEqual(before);
  });
});

describe('after years', () => {
  const CONNECTIONS = 40;
  const RUNS = 1_000;
  let own: TestDatabase;
  let one: string;
  beforeAll(async () => {
    own = await testDatabase();
    one = (await connect(own.db)).id;
    await own.db.execute(sql`
      insert into connections (id, name, status, began, backfill_to, synced_at)
      select gen_random_uuid(), 'x', 'active', ${TODAY}, ${TODAY}, now() - interval '30 hours' from generate_series(2, ${CONNECTIONS})
    `);
    await own.db.execute(sql`
      insert into syncs (connection_id, n, run_id, kind, state, from_day, to_day, ended_at)
      select c.id, n, gen_random_uuid(), 'daily', 'succeeded', ${TODAY}, ${TODAY}, now()
      from connections c, generate_series(1, ${RUNS}) n order by n
    `);
    await own.db.execute(sql`
      insert into events (connection_id, type, actor, message)
      select c.id, 'status', 'meterline', 'x' from connections c, generate_series(1, ${RUNS}) n order by n
    `);
    await own.db.execute(sql`
      insert into restatements (connection_id, report, day, before, after, lines_added, lines_removed, lines_changed, sync)
      select c.id, 'cost', ${TODAY}, 1, 2, 1, 1, 1, n from connections c, generate_series(1, ${RUNS}) n order by n
    `);
    await own.db.execute(sql`analyze`);
  });
  afterAll(() => own.close());

  it.each<[string, string, (db: Db) => Promise<unknown>]>([
    ['events', 'events', (db) => listEvents(db, one, { type: null, after: 20_000, limit: 100 })],
    ['events of a type', 'events', (db) => listEvents(db, one, { type: 'purged', after: null, limit: 100 })],
    [
      'syncs',
      'syncs',
      (db) => listSyncs(db, one, { kind: null, state: null, after: { n: 500, runId: 'x' }, limit: 100 }),
    ],
    ['syncs of a state', 'syncs', (db) => listSyncs(db, one, { kind: null, state: 'failed', after: null, limit: 100 })],
    [
      'restatements of days',
      'restatements',
      (db) => listRestatements(db, one, { report: 'cost', from: TODAY, to: TODAY, after: null, limit: 100 }),
    ],
  ])('a page of %s is read by way of the connection, and no other is looked at', async (_, name, list) => {
    const [plan = '', ...others] = await plansOf(list, own);
    expect(others).toEqual([]);
    expect(plan).toMatch(new RegExp(`Index (Only )?Scan (Backward )?(using|on) ${name}_connection_id_\\w+_pk`));
    // No day is stored here, and Postgres reads an empty table from its beginning.
    expect(plan).not.toMatch(/Seq Scan on (?!days )/);
  });

  it('connections that are overdue are told without reading all syncs', async () => {
    const [plan = ''] = await plansOf((db) => listOverdue(db), own);
    expect(plan).toMatch(/using syncs_running on syncs/);
    expect(plan).not.toMatch(/Seq Scan on syncs/);
    expect(await listOverdue(own.db)).toHaveLength(CONNECTIONS - 1);
  });
});

/** How often the big tables were read from their beginning to their end. */
async function scans(): Promise<unknown[]> {
  await database.db.execute(sql`select pg_stat_force_next_flush()`);
  return [
    ...(await database.db.execute(sql`
      select relname, seq_scan::int from pg_stat_user_tables
      where relname in ('cost_lines', 'cost_series', 'days') order by relname
    `)),
  ];
}

describe('a view that is asked for a range of days', () => {
  it.each([
    ['costs', 'amount', 1],
    ['daily_costs', 'amount', 1],
    ['usage', 'output_tokens', 1],
    ['unit_costs', 'amount', 3],
  ])('looks up the days of the range first: %s', async (view, measure, scans) => {
    const found = await database.db.execute(sql`
      explain select model, sum(${sql.identifier(measure)}) from ${sql.identifier(view)}
      where day >= ${addDays(TODAY, -2)}::date group by model
    `);
    const plan = (found as unknown as { 'QUERY PLAN': string }[]).map((line) => line['QUERY PLAN']).join('\n');
    // The node of each scan, with its conditions.
    const ofDays = plan.split('->').filter((node) => / on days d(?:_\d+)? /.test(node));
    expect(ofDays).toHaveLength(scans);
    for (const node of ofDays) expect(node).toMatch(/day >= /);
  });
});

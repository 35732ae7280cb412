import { randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { databaseFailure, openDatabase, type Database } from '../../db/core/database.ts';
import { endFrozenSessions } from '../../db/core/sessions.ts';
import { migrateDatabase } from '../../db/core/migrate.ts';
import { addDays, dayOf } from '../../domain/days.ts';
import { databaseUrl, onServer } from '../support/databases.ts';
import { storedCost, storedUsage, trueCost, trueUsage } from '../support/ledger.ts';
import { bouncers, startBouncer, stopBouncers, type RunningBouncer } from '../support/pgbouncer.ts';
import { testDatabase, type TestDatabase } from '../support/postgres.ts';
import { stateOf } from '../support/state.ts';
import { until } from '../support/wait.ts';
import { createWorld } from '../support/world.ts';
import { DAY, commitCost, connect, cost, count, dayRow, promised } from './support.ts';
import { row } from '../support/rows.ts';

const found = bouncers();
if (found.length === 0)
  process.stderr.write('pgbouncer is not installed, and could not be: what is behind a pooler is not tried.\n');

/** What it is told to pass over at the start of a connection, as people do who met its refusal. */
const PASSED_OVER = 'extra_float_digits, statement_timeout, lock_timeout, idle_in_transaction_session_timeout';
const KINDS = found.flatMap((bouncer) =>
  ['session', 'transaction'].flatMap((mode) =>
    ['', PASSED_OVER].map((ignored) => ({
      bouncer,
      settings: { pool_mode: mode, ...(ignored === '' ? {} : { ignore_startup_parameters: ignored }) },
      called: `PgBouncer ${bouncer.version} in ${mode} mode that ${ignored === '' ? 'refuses' : 'drops'} time limits`,
    })),
  ),
);
const LIMITS = ['idle_in_transaction_session_timeout', 'lock_timeout', 'statement_timeout'];
const SHORT = { idle_in_transaction_session_timeout: 500, lock_timeout: 200, statement_timeout: 1_000 };

let direct: TestDatabase;
let name: string;
beforeAll(async () => {
  direct = await testDatabase();
  name = new URL(direct.url).pathname.slice(1);
});
afterAll(async () => {
  await stopBouncers();
  await direct.close();
});

async function codeOf(work: Promise<unknown>): Promise<string | undefined> {
  const error: unknown = await work.then(
    () => null,
    (reason: unknown) => reason,
  );
  return databaseFailure(error)?.code;
}

describe.each(KINDS)('behind a $called', ({ bouncer, settings }) => {
  let running: RunningBouncer;
  let first: Database;
  let second: Database;
  beforeAll(async () => {
    // Fewer sessions than clients, so that they are handed around.
    const few = settings.pool_mode === 'transaction' ? 2 : 40;
    running = await startBouncer(bouncer, inject('postgresUrl'), { default_pool_size: few, ...settings });
    first = openDatabase(running.url(name), { max: 5, name: 'meterline worker' });
    second = openDatabase(running.url(name), { max: 5, name: 'meterline-api' });
  });
  afterAll(async () => {
    await Promise.all([first.close(), second.close()]);
    await running.stop();
  });

  it('the time limits hold in every statement and transaction, and for no other client', async () => {
    const held = async ({ db }: Pick<Database, 'db'>): Promise<unknown[]> =>
      Promise.all(LIMITS.map(async (limit) => (await row(db, sql`select current_setting(${limit}) as is`))['is']));
    expect(await held(first)).toEqual(['20s', '10s', '25s']);
    expect(await first.db.transaction((tx) => held({ db: tx }))).toEqual(['20s', '10s', '25s']);
    const zone = sql`select current_setting('TimeZone') || ' ' || current_setting('application_name') as is`;
    expect(await row(first.db, zone)).toEqual({ is: 'UTC meterline worker' });
    expect(await row(second.db, zone)).toEqual({ is: 'UTC meterline-api' });
    const { client, end } = await bare(running.url(name));
    expect(await client(LIMITS.map((limit) => `current_setting('${limit}')`).join(" || ' ' || "))).toBe('0 0 0');
    await end();
  });

  it('a statement, a wait for a lock and an idle transaction are ended after their limits', async () => {
    const short = openDatabase(running.url(name), { max: 2, name: 'meterline test', limits: SHORT });
    expect(await codeOf(Promise.resolve(short.db.execute(sql`select pg_sleep(20)`)))).toBe('57014');
    const { done, keep } = promised();
    const holding = direct.db.transaction(async (tx) => {
      await tx.execute(sql`select pg_advisory_xact_lock(4711)`);
      await done;
    });
    await until(
      'the lock',
      async () => (await count(direct.db, sql`pg_locks where locktype = 'advisory' and objid = 4711`)) > 0,
    );
    expect(await codeOf(short.db.transaction((tx) => tx.execute(sql`select pg_advisory_xact_lock(4711)`)))).toBe(
      '55P03',
    );
    keep();
    await holding;
    const frozen = short.db.transaction(async (tx) => {
      await tx.execute(sql`select pg_advisory_xact_lock(4712)`);
      const held = sql`pg_locks where locktype = 'advisory' and objid = 4712`;
      await until('the lock', async () => (await count(direct.db, held)) > 0);
      await until('Postgres to end it', async () => (await count(direct.db, held)) === 0);
      await tx.execute(sql`select 1`);
    });
    expect(databaseFailure(await frozen.catch((error: unknown) => error))).toMatchObject({ unavailable: true });
    expect(await until('a new session', () => row(short.db, sql`select 1 as one`).catch(() => null))).toEqual({
      one: 1,
    });
    await short.close();
  });

  it('many at once store days by the same statements, and each finds its own', async () => {
    const stored = await Promise.all(
      Array.from({ length: 12 }, async (_, index) => {
        const { db } = index % 2 === 0 ? first : second;
        const { id } = await connect(db);
        for (let again = 1; again <= 3; again += 1) await commitCost(db, id, [cost(`${index}.${again}`)]);
        return { id, total: `${index}.3` };
      }),
    );
    for (const { id, total } of stored) {
      expect((await dayRow(second.db, id, 'cost', DAY))?.total).toMatch(new RegExp(`^${total}0*$`));
    }
  });

  it('a session that is frozen is ended by another process', async () => {
    const { done, keep } = promised();
    const frozen = first.db.transaction(async (tx) => {
      await tx.execute(sql`select pg_advisory_xact_lock(4713)`);
      await done;
      await tx.execute(sql`select 1`);
    });
    const outcome = frozen.then(
      () => 'committed',
      () => 'ended',
    );
    await until('it to be ended', async () => (await endFrozenSessions(second.db, 0)) > 0);
    keep();
    expect(await outcome).toBe('ended');
    expect(await until('a new session', () => row(first.db, sql`select 1 as one`).catch(() => null))).toEqual({
      one: 1,
    });
  });

  it('migrations of five at once take turns, and leave no lock behind', async () => {
    const empty = `${name}_m_${KINDS.findIndex((kind) => kind.settings === settings)}`;
    await onServer(inject('postgresUrl'), `create database ${empty}`);
    await Promise.all(Array.from({ length: 5 }, () => migrateDatabase(running.url(empty))));
    const made = openDatabase(databaseUrl(inject('postgresUrl'), empty), { max: 1, name: 'meterline test' });
    expect(await count(made.db, sql`connections`)).toBe(0);
    const locks = sql`pg_locks l join pg_database d on d.oid = l.database
      where l.locktype = 'advisory' and d.datname = current_database()`;
    expect(await count(made.db, locks)).toBe(0);
    await made.close();
    await onServer(inject('postgresUrl'), `drop database ${empty} with (force)`);
  });

  it.each(['a statement', 'a transaction'])('the loss of it in the middle of %s is outlived', async (kind) => {
    const { done, keep } = promised();
    // Those of the tests before may be at it still.
    const token = randomUUID();
    const asked = sql.raw(`select pg_sleep(20), '${token}' as who`);
    const lost =
      kind === 'a statement'
        ? Promise.resolve(first.db.execute(asked))
        : first.db.transaction(async (tx) => {
            await tx.execute(sql`select 1`);
            keep();
            await tx.execute(asked);
          });
    if (kind === 'a statement') keep();
    await done;
    const outcome = codeOf(lost);
    await until(
      'it to be under way',
      async () =>
        (await count(
          direct.db,
          sql`pg_stat_activity where query like ${`%${token}%`} and pid <> pg_backend_pid() and state = 'active'`,
        )) > 0,
    );
    await running.kill();
    expect(await outcome).toMatch(/^(CONNECTION_CLOSED|ECONNRESET|ECONNREFUSED)$/);
    expect(
      databaseFailure(await row(first.db, sql`select 1 as one`).catch((error: unknown) => error))?.unavailable,
    ).toBe(true);
    await running.start();
    expect(await row(first.db, sql`select 1 as one`)).toEqual({ one: 1 });
  });
});

/** A client of the driver alone, as another program would use it. */
async function bare(url: string): Promise<{ client: (what: string) => Promise<unknown>; end: () => Promise<void> }> {
  const { default: postgres } = await import('postgres');
  const client = postgres(url, { max: 1, prepare: false, fetch_types: false });
  return {
    client: async (what) => {
      const [found] = await client.unsafe<{ is: unknown }[]>(`select ${what} as is`);
      return found?.is;
    },
    end: () => client.end({ timeout: 1 }),
  };
}

describe.each(found)('PgBouncer $version', (bouncer) => {
  it('in transaction mode lets a connection be read from its key to 31 exact days', async () => {
    const running = await startBouncer(bouncer, inject('postgresUrl'), {
      pool_mode: 'transaction',
      default_pool_size: 4,
    });
    const own = await testDatabase();
    const url = running.url(new URL(own.url).pathname.slice(1));
    const through = openDatabase(url, { max: 10, name: 'meterline worker' });
    const world = await createWorld({
      timeSkipping: false,
      database: { ...through, url },
      // The day that is going on grows with each hour.
      simulator: { now: Date.now(), ticking: false },
    });
    const id = await world.connect();
    await until('active', async () => (await stateOf(own.db, id)).status === 'active', 60_000);
    const today = dayOf(Date.now());
    const from = addDays(today, -30);
    expect(await storedCost(own.db, id, from, today)).toEqual(trueCost(world.simulator, from, today));
    expect(await storedUsage(own.db, id, from, today)).toEqual(trueUsage(world.simulator, from, today));
    expect(await stateOf(own.db, id)).toMatchObject({ failure: null });
    await world.close();
    await running.stop();
    await own.close();
  });

  it('is known by more than its limits, which the database may have for everybody', async () => {
    const own = await testDatabase();
    const called = new URL(own.url).pathname.slice(1);
    for (const [limit, value] of [
      ['idle_in_transaction_session_timeout', '20s'],
      ['lock_timeout', '10s'],
      ['statement_timeout', '25s'],
    ] as const)
      await own.db.execute(sql.raw(`alter database ${called} set ${limit} = '${value}'`));
    const settings = { pool_mode: 'transaction', default_pool_size: 2, ignore_startup_parameters: PASSED_OVER };
    const running = await startBouncer(bouncer, inject('postgresUrl'), settings);
    const pools = Array.from({ length: 3 }, () =>
      openDatabase(running.url(called), { max: 3, name: 'meterline worker' }),
    );
    await Promise.all(
      pools.flatMap(({ db }) =>
        Array.from({ length: 3 }, async (_, index) => {
          const { id } = await connect(db);
          await commitCost(db, id, [cost(String(index))]);
        }),
      ),
    );
    for (const { db } of pools) expect(await count(db, sql`pg_prepared_statements`)).toBe(0);
    await Promise.all(pools.map((pool) => pool.close()));
    await running.stop();
    await own.close();
  });

  it('is reached through its Unix socket with any sslmode', async () => {
    const running = await startBouncer(bouncer, inject('postgresUrl'), { pool_mode: 'session' });
    const database = openDatabase(`${running.socketUrl(name)}&sslmode=require`, { max: 1, name: 'meterline test' });
    expect(await row(database.db, sql`select 1 as one`)).toEqual({ one: 1 });
    expect(running.log()).toContain('@unix');
    await database.close();
    await running.stop();
  });

  it('in statement mode is refused in words, since it has no transactions', async () => {
    const running = await startBouncer(bouncer, inject('postgresUrl'), { pool_mode: 'statement' });
    const database = openDatabase(running.url(name), { max: 1, name: 'meterline test' });
    const error: unknown = await row(database.db, sql`select 1 as one`).catch((reason: unknown) => reason);
    expect(databaseFailure(error)?.message).toMatch(/statement mode.*set its pool_mode to transaction or session/);
    await database.close();
    await running.stop();
  });

  it('is asked nothing that it refuses where the address says pgbouncer=true', async () => {
    const running = await startBouncer(bouncer, inject('postgresUrl'), { pool_mode: 'transaction' });
    const read = async (url: string): Promise<void> => {
      const database = openDatabase(url, { max: 1, name: 'meterline test' });
      expect(await row(database.db, sql`select 1 as one`)).toEqual({ one: 1 });
      await database.close();
    };
    await read(`${running.url(name)}?pgbouncer=true`);
    expect(running.log()).not.toContain('unsupported startup parameter');
    await read(running.url(name));
    expect(running.log()).toContain('unsupported startup parameter');
    await running.stop();
  });

  it.each<[string, (url: URL) => void, RegExp]>([
    ['options', (url) => (url.search = '?options=-c%20work_mem%3D8MB'), /does not take options of DATABASE_URL/],
    ['a password', (url) => (url.password = 'hunter2'), /password|refuses the user or the password/],
    ['a user', (url) => (url.username = 'hunter2'), /refuses the user or the password|refuses the password/],
    ['a database', (url) => (url.pathname = '/hunter2'), /database that DATABASE_URL names/],
  ])('that does not accept %s of the address gets a message that names the cause', async (_, spoil, words) => {
    const running = await startBouncer(bouncer, inject('postgresUrl'), { pool_mode: 'transaction' });
    const url = new URL(running.url(name));
    spoil(url);
    const database = openDatabase(url.href, { max: 1, name: 'meterline test' });
    const failure = databaseFailure(await row(database.db, sql`select 1`).catch((reason: unknown) => reason));
    expect(failure).toMatchObject({ unavailable: true, message: expect.stringMatching(words) as unknown });
    expect(failure?.message).not.toContain('hunter2');
    await database.close();
    await running.stop();
  });

  it('with too many clients says so', async () => {
    const running = await startBouncer(bouncer, inject('postgresUrl'), { pool_mode: 'session', max_client_conn: 1 });
    const taken = await bare(running.url(name));
    await until('the one place', () => taken.client('1').catch(() => null));
    const database = openDatabase(running.url(name), { max: 1, name: 'meterline test' });
    const failure = databaseFailure(await row(database.db, sql`select 1`).catch((reason: unknown) => reason));
    expect(failure?.message).toContain('raise its max_client_conn');
    await Promise.all([taken.end(), database.close()]);
    await running.stop();
  });
});

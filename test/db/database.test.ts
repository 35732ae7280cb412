import { randomUUID } from 'node:crypto';
import { eq, sql } from 'drizzle-orm';
import { z } from 'zod';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createConnection } from '../../db/connections/connections.ts';
import {
  databaseFailure,
  openDatabase,
  preparedRows,
  row as parsedRow,
  rows as parsedRows,
  textArray,
  type DatabaseFailure,
  type Db,
} from '../../db/core/database.ts';
import { connections } from '../../db/schema.ts';
import { EXPORTS_SESSION, endFrozenSessions } from '../../db/core/sessions.ts';
import { row, rows } from '../support/rows.ts';
import { testDatabase, type TestDatabase } from '../support/postgres.ts';
import { until } from '../support/wait.ts';
import { RING, SECRET, TODAY, connect } from './support.ts';
import { adminKey } from '../support/admin-key.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.close());

/** What is told of a failure, which never holds what was sent. */
async function failureOf(work: Promise<unknown>): Promise<DatabaseFailure | null> {
  const error: unknown = await work.then(
    () => 'nothing failed',
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(Error);
  const failure = databaseFailure(error);
  expect(JSON.stringify(failure)).not.toContain(SECRET.slice(0, 20));
  return failure;
}

describe('a failure of the database', () => {
  it('of a unique constraint names it, and not the values', async () => {
    const { id } = await connect(database.db);
    const connection = {
      id,
      name: SECRET,
      began: TODAY,
      backfillTo: TODAY,
      keyId: id,
      adminKey: adminKey(SECRET),
      actor: SECRET,
    };
    expect(await failureOf(createConnection(database.db, RING, connection))).toEqual({
      code: '23505',
      constraint: 'connections_pkey',
      unavailable: false,
      isOfContent: true,
      message: 'Postgres refused a statement: SQLSTATE 23505 (connections_pkey)',
    });
  });

  it('of a check names it, and not the row', async () => {
    const { id } = await connect(database.db);
    const statement = sql`update connections set name = ${SECRET}, last_sync = -1 where id = ${id}`;
    expect(await failureOf(database.db.execute(statement))).toMatchObject({
      code: '23514',
      constraint: 'connections_counts',
    });
  });

  it.each([
    ['22P02', sql`select ${SECRET}::int`],
    ['42703', sql`select no_such_column, ${SECRET}::text`],
    ['22021', sql`select ${`${SECRET}\0`}::text`],
    ['22012', sql`select 1 / length(replace(${SECRET}::text, ${SECRET}::text, ''))`],
  ])('of a statement (%s) shows only its code', async (code, statement) => {
    expect(await failureOf(database.db.execute(statement))).toEqual({
      code,
      constraint: null,
      unavailable: false,
      // A column that is not there is the schema's failure, and no row's.
      isOfContent: code !== '42703',
      message: `Postgres refused a statement: SQLSTATE ${code}`,
    });
    expect(await failureOf(database.db.transaction((tx) => tx.execute(statement)))).toMatchObject({ code });
  });

  it('to connect counts as unavailable', async () => {
    for (const host of ['127.0.0.1', 'localhost', 'postgres.invalid']) {
      const gone = openDatabase(`postgres://user:${SECRET}@${host}:1/x`, { max: 1, name: 'test' });
      const work = gone.db.execute(sql`select ${SECRET}::text`);
      expect(await failureOf(work), host).toMatchObject({ constraint: null, unavailable: true });
      expect(await failureOf(gone.db.transaction((tx) => tx.execute(sql`select 1`)))).toMatchObject({
        unavailable: true,
      });
      await gone.close();
    }
  });

  it('of a lost connection counts as unavailable, and later statements connect again', async () => {
    const other = openDatabase(database.url, { max: 1, name: 'doomed' });
    const { pid } = await row<{ pid: number }>(other.db, sql`select pg_backend_pid() as pid`);
    const work = other.db.execute(sql`select ${SECRET}::text, pg_sleep(30)`);
    const ended = failureOf(work);
    await database.db.execute(sql`select pg_terminate_backend(${pid})`);
    expect(await ended).toMatchObject({ unavailable: true });
    const again = (): Promise<unknown> => row(other.db, sql`select 1 as one`).catch(() => null);
    expect(await until('a new connection', again)).toEqual({ one: 1 });
    await other.close();
  });

  it.each([
    ['a transaction', (tx: Db, work: (inner: Db) => Promise<unknown>) => work(tx)],
    ['a transaction within one', (tx: Db, work: (inner: Db) => Promise<unknown>) => tx.transaction(work)],
  ])(
    'to keep the connection of %s is unavailability, and neither ends the process nor spoils the pool',
    async (_, nest) => {
      const other = openDatabase(database.url, { max: 1, name: 'doomed' });
      const doomed = other.db.transaction(async (tx) => {
        const { pid } = await row<{ pid: number }>(tx, sql`select pg_backend_pid() as pid`);
        await nest(tx, async (inner) => {
          const ended = database.db.execute(sql`select pg_terminate_backend(${pid})`);
          await Promise.all([inner.execute(sql`select pg_sleep(30)`), ended]);
        });
      });
      expect(await failureOf(doomed)).toMatchObject({ unavailable: true });
      const again = (): Promise<unknown> =>
        other.db.transaction((tx) => row(tx, sql`select 1 as one`)).catch(() => null);
      expect(await until('a new connection', again, 5_000)).toEqual({ one: 1 });
      await other.close();
    },
  );

  it('is not confused with other errors', () => {
    expect(databaseFailure(new Error('x'))).toBeNull();
    expect(databaseFailure(Object.assign(new Error('x'), { code: 'ENOENT' }))).toBeNull();
    expect(databaseFailure('x')).toBeNull();
    expect(databaseFailure(null)).toBeNull();
  });
});

describe('a query', () => {
  it('may have an array as one parameter, whatever its texts are', async () => {
    const texts = ['', 'NULL', null, '{a,b}', '"', '\\', 'é😀', "'", '\n', randomUUID()];
    const found = await rows(
      database.db,
      sql`select t from unnest(${textArray(texts)}) with ordinality as u(t, n) order by n`,
    );
    expect(found.map(({ t }) => t)).toEqual(texts);
    expect(await rows(database.db, sql`select t from unnest(${textArray([])}) as u(t)`)).toEqual([]);
  });

  it('that must return a row fails if it returns no row', async () => {
    await expect(parsedRow(database.db, z.object({}), sql`select 1 where false`)).rejects.toThrow('returned none');
  });

  it('fails if a row does not match its schema, and names the field without its value', async () => {
    const schema = z.object({ n: z.int(), text: z.enum(['a', 'b']) });
    const good = sql`select 1 as n, 'a' as text`;
    const bad = sql`${good} union all select 2, ${SECRET}::text`;
    for (const read of [parsedRows, preparedRows]) {
      expect(await read(database.db, schema, good)).toEqual([{ n: 1, text: 'a' }]);
      const error: unknown = await read(database.db, schema, bad).catch((reason: unknown) => reason);
      expect(error).toHaveProperty('name', 'UnexpectedAnswerError');
      expect(String(error)).toContain('1.text');
      expect(String(error)).not.toContain(SECRET.slice(0, 20));
    }
  });

  it('fails if the JSON in a jsonb column does not match the schema of the column', async () => {
    const { id } = await connect(database.db);
    const broken = sql`update connections set failure = '{"code": "no_such_code"}', failed_at = now() where id = ${id}`;
    await database.db.execute(broken);
    const read = database.db.select({ failure: connections.failure }).from(connections).where(eq(connections.id, id));
    await expect(read).rejects.toMatchObject({ name: 'UnexpectedAnswerError' });
  });

  it('runs in UTC, under the name of its process', async () => {
    const found = await row(
      database.db,
      sql`select current_setting('TimeZone') as zone, current_setting('application_name') as name`,
    );
    expect(found).toEqual({ zone: 'UTC', name: 'meterline test' });
  });
});

describe('a prepared statement', () => {
  it('is parsed once for a session, also in a transaction', async () => {
    const one = openDatabase(database.url, { max: 1, name: 'meterline test' });
    const statement = sql`select ${1}::int as prepared_once`;
    const schema = z.object({ prepared_once: z.int() });
    for (let time = 0; time < 3; time += 1) {
      expect(await preparedRows(one.db, schema, statement)).toEqual([{ prepared_once: 1 }]);
      expect(await one.db.transaction((tx) => preparedRows(tx, schema, statement))).toEqual([{ prepared_once: 1 }]);
    }
    const held = sql`
      select generic_plans + custom_plans as uses from pg_prepared_statements
      where statement like '%prepared_once%' and statement not like '%pg_prepared_statements%'
    `;
    expect(await rows(one.db, held)).toEqual([{ uses: '6' }]);
    await one.close();
  });
});

describe('a pool', () => {
  it('stops waiting for a lock or a frozen transaction before an activity times out', async () => {
    for (const name of ['idle_in_transaction_session_timeout', 'lock_timeout', 'statement_timeout']) {
      const { ms } = await row<{ ms: number }>(
        database.db,
        sql`select (extract(epoch from current_setting(${name})::interval) * 1000)::int as ms`,
      );
      expect(ms).toBeGreaterThan(0);
      expect(ms).toBeLessThan(30_000);
    }
  });

  it('accepts shorter timeouts from its address, and no longer ones', async () => {
    const url = `${database.url}?lock_timeout=50&statement_timeout=10min&idle_in_transaction_session_timeout=0`;
    const other = openDatabase(url, { max: 1, name: 'meterline test' });
    const names = ['lock_timeout', 'statement_timeout', 'idle_in_transaction_session_timeout'];
    const held = names.map(async (name) => (await row(other.db, sql`select current_setting(${name}) as is`))['is']);
    expect(await Promise.all(held)).toEqual(['50ms', '25s', '20s']);
    await other.close();
  });

  it('of a process that is frozen in the middle of a transaction is ended by another, and its locks are free', async () => {
    const frozen = openDatabase(database.url, { max: 1, name: 'meterline worker' });
    const lock = sql`select pg_advisory_xact_lock(77)`;
    const { promise: held, resolve: isHeld } = withResolvers();
    const { promise: thawed, resolve: thaw } = withResolvers();
    const transaction = frozen.db.transaction(async (tx) => {
      await tx.execute(lock);
      isHeld();
      await thawed;
      await tx.execute(sql`select 1`);
    });
    const outcome = transaction.then(
      () => 'committed',
      () => 'ended',
    );
    await held;
    expect(await endFrozenSessions(database.db)).toBe(0);
    await until('it to count as frozen', async () => (await endFrozenSessions(database.db, 0)) > 0);
    await database.db.transaction((tx) => tx.execute(lock));
    thaw();
    expect(await outcome).toBe('ended');
    await frozen.close();
  });

  it('are left alone while they write a file as slowly as its client takes it', async () => {
    const slow = openDatabase(database.url, { max: 1, name: EXPORTS_SESSION });
    const { promise: held, resolve: isHeld } = withResolvers();
    const { promise: taken, resolve: take } = withResolvers();
    const file = slow.db.transaction(async (tx) => {
      await tx.execute(sql`select 1`);
      isHeld();
      await taken;
      return tx.execute(sql`select 1`);
    });
    await held;
    expect(await endFrozenSessions(database.db, 0)).toBe(0);
    take();
    await file;
    await slow.close();
  });
});

function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

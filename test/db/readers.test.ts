import { randomBytes } from 'node:crypto';
import { sql } from 'drizzle-orm';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { openDatabase } from '../../db/core/database.ts';
import { migrateDatabase } from '../../db/core/migrate.ts';
import { mintPassword, scramVerifier } from '../../db/readers/password.ts';
import { makeReader, removeReader, type Reader } from '../../db/readers/readers.ts';
import { PUBLIC_VIEWS } from '../../domain/readers.ts';
import { databaseUrl, onServer } from '../support/databases.ts';
import { testDatabase, type TestDatabase } from '../support/postgres.ts';
import { rows } from '../support/rows.ts';

// Roles belong to the server, which other tests use meanwhile.
const suffix = randomBytes(5).toString('hex');
const own = (role: string): string => `${role}_${suffix}`;
const READER = own('reader');

let database: TestDatabase;
let made: Reader;
let reader: postgres.Sql;
const roles = new Set<string>();

const connected = (url: string, name: string, password: string | null): postgres.Sql => {
  const address = new URL(url);
  address.username = name;
  address.password = password ?? '';
  return postgres(address.href, { max: 1, onnotice: () => undefined });
};

/** Makes a role that the end of the file drops. */
async function role(name: string, options = 'login'): Promise<string> {
  roles.add(name);
  await onServer(inject('postgresUrl'), `create role ${name} ${options}`);
  return name;
}

beforeAll(async () => {
  database = await testDatabase();
  made = await makeReader(database.db, READER, false);
  reader = connected(database.url, READER, made.password);
});

afterAll(async () => {
  await reader.end({ timeout: 5 });
  await database.close();
  const left = [READER, ...roles];
  for (const name of left) await onServer(inject('postgresUrl'), `drop role if exists ${name}`);
});

const codeOf = async (statement: Promise<unknown>): Promise<unknown> =>
  statement.then(
    () => null,
    (error: unknown) => (error instanceof postgres.PostgresError ? error.code : error),
  );

describe('the role of a reader', () => {
  it('reads each public view, and is told its password once', async () => {
    expect(made).toMatchObject({ isNew: true, isSetUp: true, writesByFunctions: false });
    for (const view of PUBLIC_VIEWS) {
      expect([view, await codeOf(reader.unsafe(`select * from ${view} limit 1`))]).toEqual([view, null]);
    }
    expect(made.password).toMatch(/^[\w-]{32}$/);
  });

  const DENIED = [
    // Each kind of table, and what the views are made of.
    ...['keys', 'tokens', 'sessions', 'links', 'channels', 'channel_addresses', 'connections', 'days', 'cost_lines'],
    ...[
      'usage_lines',
      'cost_rollup',
      'cost_cells',
      'cost_series',
      'workspaces',
      'restatements',
      'events',
      'deployment_events',
    ],
    ...['budgets', 'forecasts', 'notices', 'deliveries', 'statements', 'allocation_versions', 'assess_state', 'syncs'],
    ...['counted_days', 'counting_connections', 'current_workspaces', 'charged_months', 'applied_migrations'],
    ...['drizzle.__drizzle_migrations', 'pg_authid', 'pg_shadow', 'pg_statistic', 'pg_largeobject'],
  ].map((table) => `select * from ${table}`);

  it.each([
    ...DENIED,
    'insert into cost_lines select 1, 1, 1',
    'update connections set name = name',
    'delete from costs',
    `update coverage set state = 'final'`,
    'truncate cost_lines',
    'select * from costs for update',
    'do $$ begin lock table costs in exclusive mode; end $$',
    'do $$ begin lock table days in access share mode; end $$',
    'create table more (id int)',
    'create temporary table more (id int)',
    'create schema more',
    'create view more as select 1',
    'create sequence more',
    `create function more() returns int language sql as 'select 1'`,
    'create role more',
    'create database more',
    'create extension pgcrypto',
    'create publication more for all tables',
    'create event trigger more on ddl_command_start execute function more()',
    'alter view costs rename to more',
    'create or replace view costs as select 1',
    'drop view costs',
    `comment on view costs is ''`,
    'grant select on keys to public',
    'analyze cost_lines',
    `copy costs to program 'true'`,
    `copy (select 1) to '/tmp/meterline-reader'`,
    `select pg_read_file('/etc/passwd')`,
    `select pg_ls_dir('.')`,
    `select lo_import('/etc/passwd')`,
    'select lo_create(0)',
    `select lo_from_bytea(0, 'x')`,
    `select pg_logical_emit_message(true, 'x', 'y')`,
    `select pg_logical_emit_message(false, 'x', 'y'::bytea)`,
    `select nextval('read_attempts')`,
    `select setval('read_attempts', 1)`,
    `select nextval('days_day_no_seq')`,
    'select pg_reload_conf()',
    'select pg_stat_reset()',
    'checkpoint',
    'alter system set work_mem = 1',
    `alter role ${READER} createrole`,
    `alter role ${READER} superuser`,
    `alter role ${READER} connection limit 1000`,
    `set session_replication_role = 'replica'`,
    'set temp_file_limit = -1',
  ])('may not: %s', async (statement) => {
    // Without this, statements would be refused for the transaction being read-only.
    await reader.unsafe('set default_transaction_read_only = off');
    const code = await codeOf(reader.unsafe(statement));
    // "analyze" only warns, and does nothing.
    if (statement.startsWith('analyze')) {
      expect(await rows(database.db, sql`select from pg_stats where tablename = 'cost_lines'`)).toEqual([]);
      return;
    }
    // Views that cannot be written at all say so first.
    expect(['42501', '42809', '55000']).toContain(code);
  });

  it('sees no samples of tables, no statements of others, and can neither become nor end anybody', async () => {
    await database.db.execute(sql`insert into connections (id, name, status, began, backfill_to)
      values (gen_random_uuid(), 'Sample', 'validating', '2026-01-01', '2026-01-02')`);
    await database.db.execute(sql`analyze connections`);
    expect(await rows(database.db, sql`select from pg_stats where tablename = 'connections'`)).not.toEqual([]);
    expect(await reader`select * from pg_stats where schemaname = 'public'`).toHaveLength(0);
    expect(await reader`select * from pg_stats_ext`).toHaveLength(0);
    const me = await rows<{ name: string; pid: number }>(
      database.db,
      sql`select current_user::text as name, pg_backend_pid() as pid`,
    );
    expect(await codeOf(reader.unsafe(`set role "${me[0]?.name ?? ''}"`))).toBe('42501');
    expect(await codeOf(reader.unsafe(`set session authorization "${me[0]?.name ?? ''}"`))).toBe('42501');
    expect(
      await codeOf(
        reader`select pg_terminate_backend(pid) from pg_stat_activity where usename <> current_user and usename is not null`,
      ),
    ).toBe('42501');
    expect(
      await codeOf(
        reader`select pg_cancel_backend(pid) from pg_stat_activity where usename <> current_user and usename is not null`,
      ),
    ).toBe('42501');
    const seen = await reader`select distinct query from pg_stat_activity where usename <> current_user`;
    expect(seen.map(({ query }) => String(query))).toEqual(['<insufficient privilege>']);
  });

  it('begins each session read-only, in UTC, with limits, and can change these for itself alone', async () => {
    const fresh = connected(database.url, READER, made.password);
    const setting = async (name: string): Promise<unknown> =>
      (await fresh`select current_setting(${name}) as value`)[0]?.['value'];
    expect(await setting('default_transaction_read_only')).toBe('on');
    expect(await setting('statement_timeout')).toBe('1min');
    expect(await setting('idle_in_transaction_session_timeout')).toBe('1min');
    expect(await setting('TimeZone')).toBe('UTC');
    expect(await setting('temp_file_limit')).toBe('4GB');
    // It is no fence: a reader may lift it. The rights above are.
    await fresh`set statement_timeout = 0`;
    expect(await setting('statement_timeout')).toBe('0');
    await fresh.end({ timeout: 5 });
    const [limit] = await rows(database.db, sql`select rolconnlimit from pg_roles where rolname = ${READER}`);
    expect(limit).toEqual({ rolconnlimit: 10 });
  });

  it('has a password that Postgres got as a verifier', async () => {
    const [stored] = await rows<{ text: string }>(
      database.db,
      sql`select rolpassword as text from pg_authid where rolname = ${READER}`,
    );
    expect(stored?.text).toMatch(/^SCRAM-SHA-256\$4096:[\w+/]{22}==\$[\w+/]{43}=:[\w+/]{43}=$/);
    // From RFC 7677, section 3: the proof that its client sends.
    expect(scramVerifier('pencil', Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64'))).toBe(
      'SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=',
    );
    expect(new Set(Array.from({ length: 50 }, mintPassword)).size).toBe(50);
  });

  it('is repaired when it is made again, and keeps its password; a new one ends the old one', async () => {
    for (const change of [
      `grant select, insert on keys to ${READER}`,
      `grant select (hint) on keys to public`,
      `grant usage on sequence read_attempts to public`,
      `grant temporary on database ${new URL(database.url).pathname.slice(1)} to public`,
      `grant create on schema public to ${READER}`,
      `revoke select on costs from ${READER}`,
    ]) {
      await database.db.execute(sql.raw(change));
    }
    const again = await makeReader(database.db, READER, false);
    expect(again).toMatchObject({ isNew: false, password: null });
    for (const statement of ['select hint from keys', 'create temporary table more ()', 'create table more ()']) {
      await reader.unsafe('set default_transaction_read_only = off');
      expect([statement, await codeOf(reader.unsafe(statement))]).toEqual([statement, '42501']);
    }
    expect(await codeOf(reader`select from costs`)).toBeNull();

    const renewed = await makeReader(database.db, READER, true);
    expect(renewed.password).not.toBe(made.password);
    const [former, present] = [made.password, renewed.password].map((password) =>
      connected(database.url, READER, password),
    );
    expect(await codeOf(former?.unsafe('select 1') ?? Promise.resolve())).toBe('28P01');
    expect(await codeOf(present?.unsafe('select 1') ?? Promise.resolve())).toBeNull();
    await Promise.all([former?.end({ timeout: 5 }), present?.end({ timeout: 5 })]);
  });
});

describe('a name', () => {
  it.each([
    ['', 'must begin with a lower-case letter'],
    ['Grafana', 'lower-case'],
    ['a"b', 'lower-case'],
    [`a'b`, 'lower-case'],
    ['a b', 'lower-case'],
    ['a;drop', 'lower-case'],
    ['1a', 'lower-case'],
    ['ä', 'lower-case'],
    ['pg_reader', 'begins with pg_'],
    ['public', 'reserves'],
    ['none', 'reserves'],
    ['current_user', 'reserves'],
    ['select', 'reserves'],
    ['a'.repeat(64), 'longer than 63'],
  ])('%j is refused in words', async (name, words) => {
    await expect(makeReader(database.db, name, false)).rejects.toMatchObject({
      name: 'ReaderError',
      message: expect.stringContaining(words) as string,
    });
  });

  it('of a role that is more than a reader is refused, and the role stays as it is', async () => {
    const [me] = await rows<{ name: string }>(database.db, sql`select current_user::text as name`);
    const service = await role(own('service'));
    await database.db.execute(sql.raw(`grant insert on days to ${service}`));
    const owner = await role(own('owning'));
    await database.db.execute(sql.raw(`create schema theirs authorization ${owner}`));
    const cases = [
      [me?.name ?? '', 'this command works as'],
      [await role(own('super'), 'superuser'), 'has superuser'],
      [await role(own('maker'), 'createrole createdb'), 'has createrole, createdb'],
      [await role(own('member'), 'in role pg_read_all_data'), 'is a member of pg_read_all_data'],
      [owner, 'owns something'],
      [service, 'may write tables'],
    ] as const;
    for (const [name, words] of cases) {
      await expect(makeReader(database.db, name, true)).rejects.toThrow(words);
      await expect(removeReader(database.db, name)).rejects.toThrow(/this command/);
    }
    const kept = await rows(database.db, sql`select from pg_roles where rolname = ${service} and rolconnlimit = -1`);
    expect(kept).toHaveLength(1);
    await database.db.execute(sql.raw(`drop schema theirs; revoke insert on days from ${service}`));
  });
});

describe('whoever runs it', () => {
  const OWNER = own('owner');
  const name = own('owned');
  const reading = own('owned_reader');
  const run = (user: string) => {
    const url = new URL(databaseUrl(inject('postgresUrl'), name));
    url.username = user;
    url.password = 'secret';
    return openDatabase(url.href, { max: 1, name: 'meterline test' });
  };

  beforeAll(async () => {
    await role(OWNER, `login nosuperuser password 'secret'`);
    await onServer(inject('postgresUrl'), `create database ${name} owner ${OWNER}`);
    const url = new URL(databaseUrl(inject('postgresUrl'), name));
    url.username = OWNER;
    url.password = 'secret';
    await migrateDatabase(url.href);
  });
  afterAll(async () => {
    await onServer(inject('postgresUrl'), `drop database ${name} with (force)`);
    await onServer(inject('postgresUrl'), `drop role if exists ${reading}`);
  });

  it('as the owner without the right to create roles is told so, and repairs a role that somebody else made', async () => {
    const opened = run(OWNER);
    const { db } = opened;
    await expect(makeReader(db, reading, false)).rejects.toThrow(
      `The role "${OWNER}" in DATABASE_URL lacks the right to create roles (alter role … createrole). Run this as a superuser`,
    );
    const byHand = await role(own('by_hand'));
    expect(await makeReader(db, byHand, false)).toMatchObject({ isNew: false, isSetUp: false, password: null });
    await expect(makeReader(db, byHand, true)).rejects.toThrow('the right to create roles');
    await db.execute(
      sql.raw(`revoke all on all tables in schema public from ${byHand}; revoke all on schema public from ${byHand}`),
    );
    await db.execute(sql.raw(`revoke all on database ${name} from ${byHand}`));
    await opened.close();
  });

  it('with the right to create roles and without the database is told what is missing', async () => {
    const other = await role(own('creator'), `login createrole password 'secret'`);
    const opened = run(other);
    const { db } = opened;
    await expect(makeReader(db, reading, false)).rejects.toThrow(
      `lacks ownership of the database "${name}", and ownership of the views.`,
    );
    await opened.close();
  });

  it('as the owner with the right to create roles makes it, is told of large objects, and removes it', async () => {
    await onServer(inject('postgresUrl'), `alter role ${OWNER} createrole`);
    const opened = run(OWNER);
    const { db } = opened;
    const one = await makeReader(db, reading, false);
    expect(one).toMatchObject({ isNew: true, isSetUp: true, writesByFunctions: true });
    const again = await makeReader(db, reading, true);
    expect(again).toMatchObject({ isNew: false, isSetUp: true });
    // It can do this much on its own, and nothing comes of it but something that it owns.
    const session = connected(databaseUrl(inject('postgresUrl'), name), reading, again.password);
    await session.unsafe('set default_transaction_read_only = off');
    await session.unsafe('alter default privileges in schema public grant select on tables to public');
    await session.unsafe('select lo_create(0)');
    expect(await makeReader(db, reading, false)).toMatchObject({ isNew: false });
    await expect(makeReader(db, own('nobody'), false)).resolves.toMatchObject({ isNew: true });
    expect(await removeReader(db, own('nobody'))).toBe('dropped');
    expect(await removeReader(db, reading)).toBe('dropped');
    expect(await codeOf(session`select 1`)).not.toBeNull();
    await session.end({ timeout: 5 });
    await expect(removeReader(db, reading)).rejects.toThrow(`There is no role "${reading}".`);
    await opened.close();
  });

  it('cannot log in any more where what it made in another database keeps it from being dropped', async () => {
    const hoarder = own('hoarder');
    const { password } = await makeReader(database.db, hoarder, false);
    const elsewhere = connected(databaseUrl(inject('postgresUrl'), name), hoarder, password);
    await elsewhere.unsafe('select lo_create(0)');
    expect(await removeReader(database.db, hoarder)).toBe('kept');
    await elsewhere.end({ timeout: 5 });
    const again = connected(databaseUrl(inject('postgresUrl'), name), hoarder, password);
    expect(await codeOf(again`select 1`)).not.toBeNull();
    await again.end({ timeout: 5 });
  });

  it('removes a role that reads another database from this one only', async () => {
    const shared = own('shared');
    await makeReader(database.db, shared, false);
    const url = databaseUrl(inject('postgresUrl'), name);
    const there = openDatabase(url, { max: 1, name: 'meterline test' });
    await makeReader(there.db, shared, false);
    expect(await removeReader(database.db, shared)).toBe('kept');
    expect(await removeReader(there.db, shared)).toBe('dropped');
    await there.close();
  });

  it('on a database without the views is told to migrate', async () => {
    const empty = own('empty');
    await onServer(inject('postgresUrl'), `create database ${empty}`);
    const opened = openDatabase(databaseUrl(inject('postgresUrl'), empty), { max: 1, name: 'meterline test' });
    const { db } = opened;
    await expect(makeReader(db, reading, false)).rejects.toThrow('run "npm run migrate" on it first');
    await opened.close();
    await onServer(inject('postgresUrl'), `drop database ${empty} with (force)`);
  });
});

import { sql } from 'drizzle-orm';
import { z } from 'zod';
import { PUBLIC_VIEWS } from '../../domain/readers.ts';
import { list, rows, textArray, type Db } from '../core/database.ts';

/** What a reader's session begins with, in this database. The role may change all but the last for itself. */
const SETTINGS: Readonly<Record<string, string>> = {
  default_transaction_read_only: 'on',
  statement_timeout: '60s',
  lock_timeout: '10s',
  idle_in_transaction_session_timeout: '60s',
  // The day of Anthropic is the UTC day.
  TimeZone: 'UTC',
  // Lines of months are then grouped in memory, and no time goes into compiling what runs once.
  work_mem: '64MB',
  jit: 'off',
};
/** Only a superuser may set it. It bounds what a reader's statements write to disk while they sort. */
const TEMP_FILES = { temp_file_limit: '4GB' };

/** The most sessions that a reader has at once. */
export const READER_SESSIONS = 10;

/** Creates the role, without a password. */
export async function createRole(tx: Db, name: string): Promise<void> {
  const role = sql.identifier(name);
  await tx.execute(sql`create role ${role} login nosuperuser nocreatedb nocreaterole noinherit`);
}

/** Sets what a reader's role is, as of its next session. A null password leaves the one that it has. */
export async function setUpRole(
  tx: Db,
  name: string,
  { database, isSuper, verifier, mark }: { database: string; isSuper: boolean; verifier: string | null; mark: string },
): Promise<void> {
  const role = sql.identifier(name);
  const password = verifier === null ? sql`` : sql`password ${sql.raw(`'${verifier}'`)}`;
  await tx.execute(sql`alter role ${role} login connection limit ${sql.raw(String(READER_SESSIONS))} ${password}`);
  await tx.execute(sql`comment on role ${role} is ${sql.raw(`'${mark}'`)}`);
  for (const [setting, value] of Object.entries({ ...SETTINGS, ...(isSuper ? TEMP_FILES : {}) })) {
    await tx.execute(
      sql`alter role ${role} in database ${sql.identifier(database)} set ${sql.identifier(setting)} = ${sql.raw(`'${value}'`)}`,
    );
  }
}

/** Takes from the role, and from everybody, what would let it do more than read the public views; then grants these. */
export async function setRights(
  tx: Db,
  name: string,
  { database, isSuper }: { database: string; isSuper: boolean },
): Promise<void> {
  const [role, own] = [sql.identifier(name), sql.identifier(database)];
  await revokeRelations(tx, name);
  await tx.execute(sql`revoke all on database ${own} from ${role}`);
  await tx.execute(sql`revoke create, temporary on database ${own} from public`);
  await tx.execute(sql`revoke all on schema public from ${role}`);
  await tx.execute(sql`revoke create on schema public from public`);
  if (isSuper) await revokeWriting(tx);
  await tx.execute(sql`grant connect on database ${own} to ${role}`);
  await tx.execute(sql`grant usage on schema public to ${role}`);
  await tx.execute(sql`grant select on ${list(PUBLIC_VIEWS.map((view) => sql.identifier(view)))} to ${role}`);
}

/**
 * Functions of Postgres by which anybody may write, also in a session that only reads: large objects, which belong to no table,
 * and messages in the write-ahead log, which can fill the disk. Nothing of Meterline uses them.
 */
const WRITING = ['lo_creat', 'lo_create', 'lo_from_bytea', 'pg_logical_emit_message'];

/** The functions of {@link WRITING}, whatever their arguments are in this version of Postgres. */
const WRITING_FUNCTIONS = sql`
  pg_proc p where p.pronamespace = 'pg_catalog'::regnamespace and p.proname = any(${textArray(WRITING)})
`;

/** Takes the right to write by {@link WRITING} from everybody, which only a superuser can. */
async function revokeWriting(tx: Db): Promise<void> {
  const found = await rows(
    tx,
    z.object({ statement: z.string() }),
    sql`select format('revoke execute on function %s from public', p.oid::regprocedure) as statement from ${WRITING_FUNCTIONS}`,
  );
  for (const { statement } of found) await tx.execute(sql.raw(statement));
}

/** Takes every right on tables, views and sequences of this database from the role and from everybody. */
async function revokeRelations(tx: Db, name: string): Promise<void> {
  const found = await rows(
    tx,
    z.object({ statement: z.string() }),
    sql`
      select distinct format(
        'revoke all on %s %I.%I from %s',
        case when c.relkind = 'S' then 'sequence' else 'table' end, n.nspname, c.relname,
        case when a.grantee = 0 then 'public' else quote_ident(${name}) end
      ) as statement
      from pg_class c
      join pg_namespace n on n.oid = c.relnamespace
      cross join lateral (
        select grantee from aclexplode(c.relacl)
        union all
        select e.grantee from pg_attribute t cross join lateral aclexplode(t.attacl) e where t.attrelid = c.oid
      ) a
      where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and c.relkind <> 'i'
        and a.grantee in (0, (select oid from pg_roles where rolname = ${name}))
      order by 1
    `,
  );
  for (const { statement } of found) await tx.execute(sql.raw(statement));
}

/**
 * Takes from the role every right that it has in this database, with what it may have made of its own (default privileges,
 * large objects), and ends its sessions. Whoever is no superuser must be a member of the role meanwhile.
 */
export async function clearRole(tx: Db, name: string): Promise<void> {
  await tx.execute(sql`drop owned by ${sql.identifier(name)}`);
  await tx.execute(sql`
    select pg_terminate_backend(pid) from pg_stat_activity where usename = ${name} and datname = current_database()
  `);
}

/** What a role can do in this database beyond reading the public views, in words; none if it keeps the promise. */
export async function rightsBeyond(tx: Db, name: string): Promise<string[]> {
  const found = await rows(
    tx,
    z.object({ beyond: z.string() }),
    sql`
      with reader as (select oid from pg_roles where rolname = ${name}),
      schemas as (
        select n.oid, n.nspname from pg_namespace n, reader
        where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
      )
      select 'create in database' as beyond from reader where has_database_privilege(oid, current_database(), 'create')
      union all
      select 'temporary tables' from reader where has_database_privilege(oid, current_database(), 'temporary')
      union all
      select 'create in schema ' || s.nspname from schemas s, reader where has_schema_privilege(reader.oid, s.oid, 'create')
      union all
      select case when c.relkind = 'S' then 'sequence ' else 'table or view ' end || s.nspname || '.' || c.relname
      from schemas s join pg_class c on c.relnamespace = s.oid, reader
      where has_schema_privilege(reader.oid, s.oid, 'usage') and case
        when c.relkind = 'S' then has_sequence_privilege(reader.oid, c.oid, 'usage, select, update')
        when c.relkind not in ('r', 'p', 'v', 'm', 'f') then false
        when s.nspname = 'public' and c.relname = any(${textArray(PUBLIC_VIEWS)})
          then has_table_privilege(reader.oid, c.oid, 'insert, update, delete, truncate, references, trigger')
            or has_any_column_privilege(reader.oid, c.oid, 'insert, update, references')
        else has_table_privilege(reader.oid, c.oid, 'select, insert, update, delete, truncate, references, trigger')
          or has_any_column_privilege(reader.oid, c.oid, 'select, insert, update, references')
      end
      order by 1
    `,
  );
  return found.map(({ beyond }) => beyond);
}

/** Whether somebody gave a role rights in another database. What it made there itself is none. */
export async function hasRightsElsewhere(tx: Db, name: string): Promise<boolean> {
  const [found] = await rows(
    tx,
    z.object({ has: z.boolean() }),
    sql`
      select exists (
        select from pg_shdepend d join pg_roles r on r.oid = d.refobjid
        where r.rolname = ${name} and d.refclassid = 'pg_authid'::regclass and d.deptype = 'a'
          and d.dbid not in (0, (select oid from pg_database where datname = current_database()))
      ) as has
    `,
  );
  return found?.has ?? false;
}

/** Whether a role may write by functions that every role has, which only a superuser can prevent. */
export async function mayWriteByFunctions(tx: Db, name: string): Promise<boolean> {
  const [found] = await rows(
    tx,
    z.object({ may: z.boolean() }),
    sql`
      select exists (
        select from ${WRITING_FUNCTIONS} and has_function_privilege((select oid from pg_roles where rolname = ${name}), p.oid, 'execute')
      ) as may
    `,
  );
  return found?.may ?? false;
}

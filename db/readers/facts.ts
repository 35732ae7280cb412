import { sql } from 'drizzle-orm';
import { z } from 'zod';
import { PUBLIC_VIEWS } from '../../domain/readers.ts';
import { row, textArray, type Db } from '../core/database.ts';

/** Marks the roles that the command made. Roles belong to the server, so a mark in a table would not do. */
export const READER_MARK = 'Reads the views of Meterline.';

const role = z.object({
  isMarked: z.boolean(),
  isItself: z.boolean(),
  /** Attributes that no reader has, in the words of `create role`. */
  powers: z.array(z.string()),
  memberOf: z.array(z.string()),
  /** Default privileges and large objects aside: no right can keep a role from its own. */
  ownsSomething: z.boolean(),
  writes: z.boolean(),
  /** Whether the command may change the role itself, and not only its rights. */
  isAlterable: z.boolean(),
});

const facts = z.object({
  me: z.string(),
  database: z.string(),
  isSuper: z.boolean(),
  mayCreate: z.boolean(),
  ownsDatabase: z.boolean(),
  ownsViews: z.boolean(),
  /** Of the public views, those that are not there. */
  missing: z.array(z.string()),
  isKeyword: z.boolean(),
  /** Null if it does not exist. */
  role: role.nullable(),
});

/** What decides whether a role can be made a reader, and by whom. */
export type ReaderFacts = z.output<typeof facts>;

/** Reads what decides whether the role of a name can be made a reader, or be removed. */
export async function readReaderFacts(tx: Db, name: string): Promise<ReaderFacts> {
  const views = textArray(PUBLIC_VIEWS);
  return row(
    tx,
    facts,
    sql`
      select
        current_user::text as me,
        current_database()::text as database,
        me.rolsuper as "isSuper",
        me.rolsuper or me.rolcreaterole as "mayCreate",
        (select pg_has_role(datdba, 'usage') from pg_database where datname = current_database()) as "ownsDatabase",
        not exists (
          select from pg_class c
          where c.relnamespace = 'public'::regnamespace and c.relname = any(${views}) and not pg_has_role(c.relowner, 'usage')
        ) as "ownsViews",
        array(
          select v from unnest(${views}) v
          where not exists (
            select from pg_class c where c.relnamespace = 'public'::regnamespace and c.relname = v and c.relkind = 'v'
          )
        ) as missing,
        exists (select from pg_get_keywords() where word = ${name} and catcode = 'R') as "isKeyword",
        (
          select jsonb_build_object(
            'isMarked', coalesce(shobj_description(r.oid, 'pg_authid') = ${READER_MARK}, false),
            'isItself', r.rolname in (current_user, session_user),
            'powers', array_remove(array[
              case when r.rolsuper then 'superuser' end, case when r.rolcreaterole then 'createrole' end,
              case when r.rolcreatedb then 'createdb' end, case when r.rolreplication then 'replication' end,
              case when r.rolbypassrls then 'bypassrls' end
            ], null),
            'memberOf', array(
              select g.rolname from pg_auth_members m join pg_roles g on g.oid = m.roleid where m.member = r.oid order by 1
            ),
            'ownsSomething', exists (
              select from pg_shdepend d
              where d.refclassid = 'pg_authid'::regclass and d.refobjid = r.oid and d.deptype = 'o'
                and d.classid not in ('pg_default_acl'::regclass, 'pg_largeobject'::regclass)
            ),
            'writes', exists (
              select from pg_class c
              where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v')
                and has_table_privilege(r.oid, c.oid, 'insert, update, delete, truncate')
            ),
            'isAlterable', me.rolsuper or (me.rolcreaterole and (
              current_setting('server_version_num')::int < 160000 or pg_has_role(r.oid, 'member with admin option')
            ))
          )
          from pg_roles r where r.rolname = ${name}
        ) as role
      from pg_roles me
      where me.rolname = current_user
    `,
  );
}

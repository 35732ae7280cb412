import { sql } from 'drizzle-orm';
import { problemWithReaderName } from '../../domain/readers.ts';
import { databaseFailure, type Db } from '../core/database.ts';
import { NO_RIGHT } from '../core/failures.ts';
import { READER_MARK, readReaderFacts, type ReaderFacts } from './facts.ts';
import { mintPassword, scramVerifier } from './password.ts';
import {
  clearRole,
  createRole,
  hasRightsElsewhere,
  mayWriteByFunctions,
  rightsBeyond,
  setRights,
  setUpRole,
} from './rights.ts';

/** A role cannot be made a reader, or be removed. The message says why, and what to do. */
export class ReaderError extends Error {
  override readonly name = 'ReaderError';
}

/** A role that reads the public views, and nothing else. */
export interface Reader {
  readonly database: string;
  readonly isNew: boolean;
  /** Null if it keeps the password that it has. Nothing stores it. */
  readonly password: string | null;
  /** Whether it has the settings of a reader. Without, only its rights were set. */
  readonly isSetUp: boolean;
  /** Whether it may write large objects and the write-ahead log still, since no superuser took that away. */
  readonly writesByFunctions: boolean;
}

/**
 * Makes a role that reads the public views of this database and nothing else, or repairs it, in one transaction. An
 * existing role keeps its password unless asked for a new one. Throws {@link ReaderError}.
 */
export async function makeReader(db: Db, name: string, withNewPassword: boolean): Promise<Reader> {
  return asReaderError(name, () =>
    db.transaction(async (tx) => {
      const facts = await readReaderFacts(tx, name);
      const { database, isSuper, role } = facts;
      refuseName(name, facts);
      refuseRole(name, facts);
      refuseRights(facts, role === null || withNewPassword);
      const isSetUp = role?.isAlterable ?? true;
      const password = role === null || withNewPassword ? mintPassword() : null;
      if (role === null) await createRole(tx, name);
      if (isSetUp) {
        const verifier = password === null ? null : scramVerifier(password);
        await setUpRole(tx, name, { database, isSuper, verifier, mark: READER_MARK });
      }
      await setRights(tx, name, facts);
      const beyond = await rightsBeyond(tx, name);
      if (beyond.length > 0) {
        throw new ReaderError(
          `The role "${name}" would have more rights than to read the views, and "${facts.me}" cannot take them away: ${beyond.join(', ')}. Ask a superuser to revoke them, then run this again. Nothing was changed.`,
        );
      }
      return {
        database,
        isNew: role === null,
        password,
        isSetUp,
        writesByFunctions: await mayWriteByFunctions(tx, name),
      };
    }),
  );
}

/**
 * How a role was removed: `dropped`, or `kept` because it has rights in another database of the server, or owns something there.
 * One that only owns something cannot log in any more.
 */
export type Removal = 'dropped' | 'kept';

/** Takes a reader's rights in this database away, ends its sessions, and drops it. Throws {@link ReaderError}. */
export async function removeReader(db: Db, name: string): Promise<Removal> {
  return asReaderError(name, () =>
    db.transaction(async (tx) => {
      const facts = await readReaderFacts(tx, name);
      const { role, isSuper } = facts;
      if (role === null) throw new ReaderError(`There is no role "${name}".`);
      if (!role.isMarked) throw new ReaderError(`The role "${name}" was not made by this command, so it stays.`);
      refuseRole(name, facts);
      refuseRights(facts, true);
      const quoted = sql.identifier(name);
      if (!isSuper) await tx.execute(sql`grant ${quoted} to current_user`);
      await clearRole(tx, name);
      try {
        await tx.transaction((nested) => nested.execute(sql`drop role ${quoted}`));
        return 'dropped';
      } catch (error) {
        if (databaseFailure(error)?.code !== IN_USE) throw error;
        if (!(await hasRightsElsewhere(tx, name))) await tx.execute(sql`alter role ${quoted} nologin password null`);
        if (!isSuper) await tx.execute(sql`revoke ${quoted} from current_user`);
        return 'kept';
      }
    }),
  );
}

/** Other objects depend on the role. */
const IN_USE = '2BP01';

async function asReaderError<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    const failure = databaseFailure(error);
    if (failure?.code !== NO_RIGHT) throw error;
    throw new ReaderError(
      `A right is missing to change the role "${name}" (${failure.message}). Run this as a superuser. Nothing was changed.`,
    );
  }
}

function refuseName(name: string, { isKeyword }: ReaderFacts): void {
  const problem = problemWithReaderName(name) ?? (isKeyword ? 'is a word that Postgres reserves' : null);
  if (problem !== null) throw new ReaderError(`The name "${name}" ${problem}.`);
}

/** Refuses an existing role that is more than a reader: it would keep what it can do besides. */
function refuseRole(name: string, { role }: ReaderFacts): void {
  if (role === null) return;
  const { isItself, powers, memberOf, ownsSomething, writes, isMarked } = role;
  const why = isItself
    ? 'is the one that this command works as'
    : powers.length > 0
      ? `has ${powers.join(', ')}`
      : memberOf.length > 0
        ? `is a member of ${memberOf.join(', ')}, and so has the rights of these`
        : ownsSomething
          ? 'owns something on this server'
          : writes && !isMarked
            ? 'may write tables, as the role of the service does'
            : null;
  if (why !== null) throw new ReaderError(`The role "${name}" ${why}. Take another name for the reader.`);
}

function refuseRights(
  { me, database, mayCreate, ownsDatabase, ownsViews, missing, role }: ReaderFacts,
  changesRole: boolean,
): void {
  if (missing.length > 0) {
    throw new ReaderError(
      `The database "${database}" has no view ${missing.join(', ')}: run "npm run migrate" on it first.`,
    );
  }
  const lacks = [
    ...(mayCreate || (role !== null && !changesRole) ? [] : ['the right to create roles (alter role … createrole)']),
    ...(mayCreate && changesRole && role?.isAlterable === false ? [`the admin option on the role`] : []),
    ...(ownsDatabase ? [] : [`ownership of the database "${database}"`]),
    ...(ownsViews ? [] : ['ownership of the views']),
  ];
  if (lacks.length === 0) return;
  throw new ReaderError(
    `The role "${me}" in DATABASE_URL lacks ${lacks.join(', and ')}. Run this as a superuser, or as the owner of the database with the right to create roles. Nothing was changed.`,
  );
}

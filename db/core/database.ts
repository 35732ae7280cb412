/**
 * How Meterline queries Postgres.
 *
 * Drizzle's query builder reads and writes rows of one table, with joins by key at most. Statements of our own, in tagged
 * SQL, do the rest: sets, read models that Postgres builds as JSON, and locks in the middle of a statement. Columns
 * (columns.ts) parse the values of the builder. A schema (json.ts) parses the rows of a statement: `rows`, `row` and
 * `preparedRows` take one.
 */
import { sql, type Name, type SQL } from 'drizzle-orm';
import { drizzle, type PostgresJsDatabase } from 'drizzle-orm/postgres-js';
import { PgDialect, PgSession } from 'drizzle-orm/pg-core';
import type postgres from 'postgres';
import { z } from 'zod';
import { Pool } from './pool.ts';
import { parseAnswer } from './json.ts';
import type { Limits } from './servers.ts';

export { databaseFailure, type DatabaseFailure } from './failures.ts';

/** A connection pool, or a transaction in it. Every query function takes it as its first argument. */
export type Db = Pick<PostgresJsDatabase, 'select' | 'insert' | 'update' | 'delete' | 'execute' | 'transaction'>;

/** An open pool of connections to Postgres. */
export interface Database {
  readonly db: Db;
  /** Ends the pool. Queries in progress have up to five seconds. */
  close(): Promise<void>;
}

/**
 * Milliseconds. A process that freezes in the middle of a transaction must not block others for ever. Each limit is below
 * the 30 seconds of an activity, so no statement outlives the attempt that sent it.
 */
const LIMITS: Limits = {
  idle_in_transaction_session_timeout: 20_000,
  lock_timeout: 10_000,
  statement_timeout: 25_000,
};

/** Of exports. A whole ledger takes minutes to add up, and the client reads as slowly as it likes, up to a minute of silence. */
export const EXPORT_LIMITS: Limits = {
  idle_in_transaction_session_timeout: 90_000,
  lock_timeout: 10_000,
  statement_timeout: 600_000,
};

/**
 * Opens a pool on a `postgres://` address. The first query connects, and so does the first one after a loss. `max` is the
 * number of connections, and `name` is the application name that Postgres shows for them. Throws if the address is invalid.
 */
export function openDatabase(url: string, options: { max: number; name: string; limits?: Limits }): Database {
  const pool = new Pool(url, { limits: LIMITS, ...options });
  // drizzle-orm 0.45.4 uses only `options.parsers`, `options.serializers`, `unsafe` and `begin` of its client, and the pool
  // has these. Nearly every test in test/db fails if a later version uses more.
  const db = drizzle(pool as unknown as postgres.Sql);
  return { db, close: () => pool.close() };
}

/** Runs a statement and parses each row with `schema`. Throws UnexpectedAnswerError. */
export async function rows<Row>(db: Db, schema: z.ZodType<Row>, query: SQL): Promise<Row[]> {
  return parseAnswer(z.array(schema), await db.execute(query));
}

/**
 * Like {@link rows}, for statements that run for every day or at every step. Postgres parses and plans them once per
 * session, and each run takes one message instead of two. The text of such a statement must never vary, or statements
 * pile up in the session.
 */
export async function preparedRows<Row>(db: Db, schema: z.ZodType<Row>, query: SQL): Promise<Row[]> {
  const { session, dialect } = insidesOf(db);
  const statement = session.prepareQuery(dialect.sqlToQuery(query), undefined, 'prepared', false);
  return parseAnswer(z.array(schema), await statement.execute());
}

/**
 * Drizzle prepares only the statements of its query builder. For a statement of our own, we call `prepareQuery` on the
 * session, which drizzle-orm 0.45.4 keeps in an undocumented property. test/db/database.test.ts ("a prepared statement")
 * fails when a later version moves it.
 */
function insidesOf(db: Db): { session: PgSession; dialect: PgDialect } {
  if ('session' in db && isSession(db.session) && 'dialect' in db && db.dialect instanceof PgDialect) {
    return { session: db.session, dialect: db.dialect };
  }
  throw new Error('This version of drizzle-orm has no session to prepare statements on');
}

function isSession(value: unknown): value is PgSession {
  return value instanceof PgSession;
}

/** Runs a statement that always returns one row. Throws UnexpectedAnswerError. */
export async function row<Row>(db: Db, schema: z.ZodType<Row>, query: SQL): Promise<Row> {
  const [first] = await rows(db, schema, query);
  if (first === undefined) throw new Error('A statement that always returns a row returned none');
  return first;
}

/** An array as one parameter of type `text[]`. Drizzle itself would turn it into a list of parameters. */
export function textArray(values: readonly (string | null)[]): SQL {
  return elementsArray('text', values.map(elementOf));
}

/** What arrays are sent of. */
export type ArrayType = 'text' | 'jsonb' | 'integer' | 'bigint' | 'numeric' | 'uuid';

/** Elements as one parameter: texts as {@link elementOf} spells them, and numbers and UUIDs as they are. */
export function elementsArray(type: ArrayType, elements: readonly string[]): SQL {
  const [first = '', ...others] = elements;
  // Braces around the whole text would copy it once more, and these texts are large.
  const last = others.pop();
  const text = last === undefined ? `{${first}}` : [`{${first}`, ...others, `${last}}`].join(',');
  return sql`${text}::${sql.raw(type)}[]`;
}

/** A text as an element of an array. */
export function elementOf(value: string | null): string {
  if (value === null) return 'NULL';
  return /["\\]/.test(value) ? `"${value.replace(/["\\]/g, '\\$&')}"` : `"${value}"`;
}

/** An array of numbers or UUIDs as one parameter. They need no quotes. */
export function numberArray(
  type: 'integer' | 'bigint' | 'numeric' | 'uuid',
  values: readonly (string | number | bigint)[] | Int32Array,
): SQL {
  return sql`${`{${values.join(',')}}`}::${sql.raw(type)}[]`;
}

/** An instant as milliseconds since the epoch. */
export function epochMs(instant: SQL): SQL {
  return sql`(extract(epoch from ${instant}) * 1000)::bigint`;
}

/** Parts of a statement, separated by commas. */
export function list(parts: readonly (SQL | Name)[]): SQL {
  return sql.join([...parts], sql`, `);
}

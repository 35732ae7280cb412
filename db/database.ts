import { DrizzleQueryError, sql, type Name, type SQL } from 'drizzle-orm';
import { drizzle, type PostgresJsDatabase } from 'drizzle-orm/postgres-js';
import type { PgDialect, PgSession } from 'drizzle-orm/pg-core';
import postgres from 'postgres';
import * as schema from './schema.ts';
import { readAddress } from './tls.ts';

/** A connection pool, or a transaction in it. Every query takes one as its first argument. */
export type Db = Pick<
  PostgresJsDatabase<typeof schema>,
  'select' | 'insert' | 'update' | 'delete' | 'execute' | 'transaction'
>;

/** An open pool of connections to Postgres. */
export interface Database {
  readonly db: Db;
  /** Ends the pool; queries under way have up to five seconds. */
  close(): Promise<void>;
}

/**
 * Opens a pool on a `postgres://` address; nothing is sent before the first query, and a lost server is connected to
 * again by the next one. `max` is the number of connections, `name` what Postgres shows for them.
 */
export function openDatabase(url: string, options: { max: number; name: string }): Database {
  const client = connectTo(url, {
    max: options.max,
    idle_timeout: 60,
    max_lifetime: 30 * 60,
    connection: {
      application_name: options.name,
      TimeZone: 'UTC',
      // A process that is frozen or cut off in the middle of a transaction must not hold up the others for ever. All
      // lie below the half minute that an activity has, so that a statement never outlives the try that asked for it.
      idle_in_transaction_session_timeout: 20_000,
      lock_timeout: 10_000,
      statement_timeout: 25_000,
    },
  });
  return { db: survivingLoss(drizzle(client, { schema })), close: () => client.end({ timeout: 5 }) };
}

/** A client of a `postgres://` address, over TLS as far as the address asks for it. */
export function connectTo(address: string, options: Options): postgres.Sql {
  const { url, ssl } = readAddress(address);
  return postgres(url, { connect_timeout: 10, onnotice: () => undefined, ...options, ssl });
}

type Options = Omit<postgres.Options<Record<string, never>>, 'ssl'>;

/**
 * The driver answers every failure in a transaction with a rollback, also the loss of its connection, and it lets a
 * transaction that was lost go on. Either writes to no socket, from outside of any promise, which ends the process; or
 * into the next session of that connection. So neither reaches it: Postgres has rolled back, and the driver rejects the
 * transaction by itself as it notices the loss, which is what the caller sees.
 */
function survivingLoss<Session extends Pick<Db, 'transaction'>>(session: Session, isLost = () => false): Session {
  const transaction: Db['transaction'] = async (work, config) => {
    let isOver = false;
    const never = (): Promise<never> => new Promise<never>(() => undefined);
    try {
      return await session.transaction(async (tx) => {
        try {
          const result = await work(survivingLoss(tx, () => isOver));
          return isOver ? await never() : result;
        } catch (error) {
          if (!isOver && lossOf(causeOf(error)) === null) throw error;
          return never();
        }
      }, config);
    } finally {
      isOver = true;
    }
  };
  return new Proxy(session, {
    get: (target, name): unknown => {
      if (isLost()) throw new Error('This transaction is over: its connection was lost');
      return name === 'transaction' ? transaction : Reflect.get(target, name);
    },
  });
}

/**
 * The rows of a query, typed by the caller: the one place where a type is believed and not checked, since what a
 * statement gives is known only beside its text.
 */
export async function rows<Row extends Record<string, unknown>>(db: Db, query: SQL): Promise<Row[]> {
  const result: unknown[] = [...(await db.execute(query))];
  return result as Row[];
}

/**
 * As {@link rows}, for statements that are made for every day: Postgres parses and plans them once for each session, and
 * each takes one message instead of two. Only for statements whose text and plan are always the same.
 */
export async function preparedRows<Row extends Record<string, unknown>>(db: Db, query: SQL): Promise<Row[]> {
  // Drizzle prepares what its builders make, and has no other way to prepare a statement of one's own.
  const { session, dialect } = db as unknown as { session: PgSession; dialect: PgDialect };
  const statement = session.prepareQuery(dialect.sqlToQuery(query), undefined, 'prepared', false);
  const result = await statement.execute();
  return [...(result as Row[])];
}

/** The one row of a query that always gives one. */
export async function row<Row extends Record<string, unknown>>(db: Db, query: SQL): Promise<Row> {
  const [first] = await rows<Row>(db, query);
  if (first === undefined) throw new Error('a query that always gives a row gave none');
  return first;
}

/** An array as one parameter (Drizzle would spread it into a list), sent as `text[]`. */
export function textArray(values: readonly (string | null)[]): SQL {
  return sql`${`{${values.map(elementOf).join(',')}}`}::text[]`;
}

function elementOf(value: string | null): string {
  if (value === null) return 'NULL';
  return /["\\]/.test(value) ? `"${value.replace(/["\\]/g, '\\$&')}"` : `"${value}"`;
}

/** An array of values whose text needs no quoting, such as numbers and UUIDs, as one parameter. */
export function numberArray(
  type: 'integer' | 'bigint' | 'numeric' | 'uuid',
  values: readonly (string | number | bigint)[],
): SQL {
  return sql`${`{${values.join(',')}}`}::${sql.raw(type)}[]`;
}

/** An instant as milliseconds since the epoch. */
export function epochMs(instant: SQL): SQL {
  return sql`(extract(epoch from ${instant}) * 1000)::bigint`;
}

/** Parts of a statement with commas between them. */
export function list(parts: readonly (SQL | Name)[]): SQL {
  return sql.join([...parts], sql`, `);
}

const CONNECTION_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ENOTFOUND',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'CONNECT_TIMEOUT',
  'CONNECTION_CLOSED',
  'CONNECTION_ENDED',
  'CONNECTION_DESTROYED',
  'ERR_STREAM_WRITE_AFTER_END',
  'ERR_STREAM_DESTROYED',
]);

/** That the server's certificate is not the one that `sslmode` asks for. */
const CERTIFICATE_CODE = /^(ERR_TLS_CERT|CERT_|SELF_SIGNED|DEPTH_ZERO_SELF_SIGNED|UNABLE_TO_(GET_ISSUER|VERIFY))/;

/** A database error, told without the values that were sent: those may be keys or somebody's figures. */
export interface DatabaseFault {
  /** The SQLSTATE, or the name of a network failure. */
  readonly code: string;
  readonly constraint: string | null;
  /** Whether Postgres could not be reached, was starting or stopping, or was out of room, rather than refusing the query. */
  readonly unavailable: boolean;
  /** Whether it may be the values that were sent, rather than Postgres, its schema or the rights in it. */
  readonly isOfContent: boolean;
  readonly message: string;
}

/** Postgres is unavailable, busy or out of room: that it was lost, ended, locked, or called a transaction off. */
const UNAVAILABLE = /^(08|53|57|58|55P03|25P03|40)/;
/** The schema or the rights are not those of this release, or files of Postgres are damaged. */
const NOT_AS_SET_UP = /^(0A|25|28|3D|3F|42|55|F0|XX00[12])/;

function causeOf(error: unknown): unknown {
  return error instanceof DrizzleQueryError ? error.cause : error;
}

/** The name of the network failure that a driver's error is, or null when the connection is as it was. */
function lossOf(cause: unknown): string | null {
  const code = codeOf(cause);
  return code !== null && CONNECTION_CODES.has(code) ? code : null;
}

function codeOf(cause: unknown): string | null {
  return cause instanceof Error && 'code' in cause ? String(cause.code) : null;
}

/** What a caught error says of the database, or null when it is of another kind. */
export function databaseFault(error: unknown): DatabaseFault | null {
  const cause = causeOf(error);
  if (cause instanceof postgres.PostgresError) {
    const { code, constraint_name: constraint = null } = cause;
    const unavailable = UNAVAILABLE.test(code);
    const isOfContent = !unavailable && !NOT_AS_SET_UP.test(code);
    const where = constraint === null ? '' : ` (${constraint})`;
    const what = unavailable ? 'Postgres is unavailable, busy or out of room' : 'Postgres refused a statement';
    return { code, constraint, unavailable, isOfContent, message: `${what}: SQLSTATE ${code}${where}` };
  }
  const lost = lossOf(cause);
  if (lost !== null) {
    // The driver asks for TLS and goes on with it whatever it hears, to which a server without TLS hangs up.
    const isWithoutTls = cause instanceof Error && cause.message.includes('before secure TLS connection');
    const what = isWithoutTls ? 'does not speak TLS, which sslmode asks for, or hung up' : 'does not answer';
    return {
      code: lost,
      constraint: null,
      unavailable: true,
      isOfContent: false,
      message: `Postgres ${what}: ${lost}`,
    };
  }
  const code = codeOf(cause);
  if (code !== null && CERTIFICATE_CODE.test(code)) {
    const why =
      code === 'ERR_TLS_CERT_ALTNAME_INVALID'
        ? 'it is made out to another host than the one in DATABASE_URL'
        : 'it has expired, or no authority signed it that is trusted here; sslrootcert in DATABASE_URL names one';
    const message = `The certificate of Postgres is refused (${code}): ${why}`;
    return { code, constraint: null, unavailable: true, isOfContent: false, message };
  }
  if (error instanceof DrizzleQueryError) {
    return {
      code: code ?? 'UNKNOWN',
      constraint: null,
      unavailable: false,
      isOfContent: true,
      message: 'A statement failed before it reached Postgres',
    };
  }
  return null;
}

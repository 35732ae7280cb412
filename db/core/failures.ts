import { DrizzleQueryError } from 'drizzle-orm';
import postgres from 'postgres';

/** A failure of the database without the values that were sent, which may be keys or somebody's figures. */
export interface DatabaseFailure {
  /** The SQLSTATE, or the name of a network failure. */
  readonly code: string;
  readonly constraint: string | null;
  /** Whether Postgres could not serve the query: it was unreachable, read-only, starting, stopping or out of room. */
  readonly unavailable: boolean;
  /** Whether the values that were sent may be the cause, and not Postgres, its schema or its rights. */
  readonly isOfContent: boolean;
  readonly message: string;
}

/** Meterline cannot work with the server or with the pooler in front of it. The message says why, and what to do. */
export class UnfitServerError extends Error {
  override readonly name = 'UnfitServerError';
}

const SCHEMA_ERROR = 'SchemaError';
/** The database does not have the schema of this release. The message says how it differs, and what to do. */
export class SchemaError extends Error {
  override readonly name = SCHEMA_ERROR;
}

const CONNECTION_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'CONNECT_TIMEOUT',
  'CONNECTION_CLOSED',
  'CONNECTION_ENDED',
  'CONNECTION_DESTROYED',
  'ERR_STREAM_WRITE_AFTER_END',
  'ERR_STREAM_DESTROYED',
]);

/** The server's certificate fails the check that `sslmode` asks for. */
const CERTIFICATE_CODE = /^(ERR_TLS_CERT|CERT_|SELF_SIGNED|DEPTH_ZERO_SELF_SIGNED|UNABLE_TO_(GET_ISSUER|VERIFY))/;

/** SQLSTATEs of a Postgres that is unavailable, busy, out of room, read-only, or that gave up a transaction or a lock. */
const UNAVAILABLE = /^(08|53|57|58|55P03|25P03|25006|40)/;
/** SQLSTATEs of a wrong schema, missing rights or damaged files. */
const NOT_AS_SET_UP = /^(0A|25|28|3D|3F|42|55|F0|XX00[12])/;
/** The server is a standby, or is set to read-only. */
export const READ_ONLY = '25006';
/** The role lacks a right. */
export const NO_RIGHT = '42501';
/** A table, column, function or type of this release is missing. */
const SCHEMA_CODE = /^(42P01|42703|42883|42704|3F000)$/;

/** The driver's error, which Drizzle wraps in its own. */
export function causeOf(error: unknown): unknown {
  return error instanceof DrizzleQueryError ? error.cause : error;
}

/** The SQLSTATE of an error or the name of a network failure; null if it has neither. */
export function codeOf(cause: unknown): string | null {
  return cause instanceof Error && 'code' in cause ? String(cause.code) : null;
}

/** The name of the network failure behind a driver's error; null if the connection still works. */
export function lossOf(cause: unknown): string | null {
  const code = codeOf(cause);
  if (code === null) return null;
  // A missing or forbidden Unix socket fails with a code that missing files have, too.
  const isOfSocket = cause instanceof Error && 'syscall' in cause && cause.syscall === 'connect';
  return CONNECTION_CODES.has(code) || isOfSocket ? code : null;
}

/** Whether Postgres, or a pooler before it, ended the connection with this error. */
export function isFatal(cause: unknown): boolean {
  if (!(cause instanceof postgres.PostgresError)) return false;
  // A pooler sets only the field for people, in its own language.
  const said: { readonly severity?: string; readonly severity_local?: string } = cause;
  return /^(?:FATAL|PANIC)$/.test(said.severity ?? said.severity_local ?? '');
}

/** Whether the database may lack a part of the schema of this release. */
export function isOfSchema({ code }: DatabaseFailure): boolean {
  return SCHEMA_CODE.test(code) || code === SCHEMA_ERROR;
}

/** Whether Postgres lets nobody in with this address until somebody corrects the address or the server. */
export function isRefusal({ code, unavailable: isUnavailable }: DatabaseFailure): boolean {
  return isUnavailable && /^(28|3D|42|0A|UnfitServerError)/.test(code);
}

/** What to do about a failure whose message does not say it, as a sentence; empty if the message does. */
export function adviceOn({ code }: DatabaseFailure): string {
  return /^(E(?!RR_)|CONNECT)/.test(code) ? 'Start it, or check DATABASE_URL.' : '';
}

/** The failure of the database behind a caught error; null if the error is no such failure. */
export function databaseFailure(error: unknown): DatabaseFailure | null {
  const cause = causeOf(error);
  if (cause instanceof postgres.PostgresError) return failureOfPostgres(cause);
  if (cause instanceof UnfitServerError || cause instanceof SchemaError) return unavailable(cause.name, cause.message);
  const lost = lossOf(cause);
  if (lost !== null) return unavailable(lost, `Postgres ${whyLost(lost, cause)}`);
  const code = codeOf(cause);
  if (code !== null && CERTIFICATE_CODE.test(code)) {
    const why =
      code === 'ERR_TLS_CERT_ALTNAME_INVALID'
        ? 'it is made out to another host than the one in DATABASE_URL'
        : 'it has expired, or no authority signed it that is trusted here; sslrootcert in DATABASE_URL names one';
    return unavailable(code, `The certificate of Postgres is refused (${code}): ${why}`);
  }
  if (error instanceof DrizzleQueryError) {
    const message = 'A statement failed before it reached Postgres';
    return { code: code ?? 'UNKNOWN', constraint: null, unavailable: false, isOfContent: true, message };
  }
  return null;
}

function unavailable(code: string, message: string): DatabaseFailure {
  return { code, constraint: null, unavailable: true, isOfContent: false, message };
}

function whyLost(code: string, cause: unknown): string {
  // The driver asks for TLS and starts it whatever the answer is, so a server without TLS hangs up.
  if (cause instanceof Error && cause.message.includes('before secure TLS connection')) {
    return `does not speak TLS, which sslmode asks for, or hung up: ${code}`;
  }
  switch (code) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `does not answer: ${code}: the host in DATABASE_URL cannot be resolved here`;
    case 'ENOENT':
    case 'EACCES':
      return `does not answer: ${code}: the Unix socket that DATABASE_URL names is not there, or may not be used`;
    default:
      return `does not answer: ${code}`;
  }
}

function failureOfPostgres(cause: postgres.PostgresError): DatabaseFailure {
  const { code, constraint_name: constraint = null } = cause;
  const told = isFatal(cause) ? whyNoSession(cause) : (EXPLANATIONS[code] ?? null);
  // A failure that has an explanation goes away once somebody follows it, and the values that were sent are not the cause.
  const isUnavailable = UNAVAILABLE.test(code) || isFatal(cause) || told !== null;
  const isOfContent = !isUnavailable && !NOT_AS_SET_UP.test(code);
  const where = constraint === null ? '' : ` (${constraint})`;
  const what = isUnavailable ? 'Postgres is unavailable, busy or out of room' : 'Postgres refused a statement';
  const message = told === null ? `${what}: SQLSTATE ${code}${where}` : `${told} (SQLSTATE ${code})`;
  return { code, constraint, unavailable: isUnavailable, isOfContent, message };
}

/** Why Postgres refused a statement, for causes that lie outside of the statement. */
const EXPLANATIONS: Readonly<Record<string, string>> = {
  [READ_ONLY]:
    'Postgres is read-only: it is a standby, or its default_transaction_read_only is on. ' +
    'Meterline writes what is waiting once DATABASE_URL leads to a writable server',
  [NO_RIGHT]:
    "The user in DATABASE_URL lacks a right in the database: grant it what the documents call the service's rights",
};

/**
 * Why Postgres, or a pooler in front of it, lets nobody in; null if the code says enough. Their own texts quote names and
 * addresses, so only the names of settings are taken from them.
 */
function whyNoSession({ code, message }: postgres.PostgresError): string | null {
  switch (code) {
    case '28P01':
      return (
        'Postgres refuses the password: the user or the password in DATABASE_URL is wrong, or has a character ' +
        'that must be percent-encoded there'
      );
    case '28000':
      return whyNotAuthorized(message);
    case '3D000':
      return 'The database that DATABASE_URL names does not exist: create it, or correct the name';
    case '42704':
      return `Postgres does not know ${settingIn(message) ?? 'a setting'}, which options in DATABASE_URL asks for: remove it there`;
    case NO_RIGHT:
      return 'The user in DATABASE_URL may not connect to this database: grant it CONNECT';
    // Supavisor has no code of its own.
    case 'XX000':
    case '0A000':
    case '08P01':
      return whyRefusedByPooler(message);
    default:
      return null;
  }
}

function whyNotAuthorized(message: string): string {
  if (/no encryption|SSL off|SSL required|SSL\/TLS required|requires? (?:SSL|TLS)/i.test(message)) {
    return 'Postgres lets nobody in without TLS: set sslmode in DATABASE_URL to verify-full, or to require';
  }
  if (message.includes('pg_hba.conf')) {
    return 'No line of pg_hba.conf lets this user into this database from this address: add one';
  }
  if (/certificate/i.test(message)) return 'Postgres wants a client certificate, which Meterline does not send';
  if (message.includes('not permitted to log in')) return 'The user in DATABASE_URL may not log in: give it LOGIN';
  return 'Postgres does not know the user in DATABASE_URL: create it, or correct the name';
}

/** PgBouncer and other poolers answer nearly everything with one code. */
function whyRefusedByPooler(message: string): string | null {
  if (/startup (?:parameter|option)|command-line options/i.test(message)) {
    const name = settingIn(message);
    return name === null || name === 'options' || message.includes('in options')
      ? 'The pooler before Postgres does not take options of DATABASE_URL: remove it, or connect to Postgres directly'
      : `The pooler before Postgres does not take ${name} at the start of a connection: add it to its ignore_startup_parameters`;
  }
  if (/no such database|database .*does not exist/i.test(message)) {
    return 'The pooler before Postgres does not know the database that DATABASE_URL names: add it there, or correct the name';
  }
  if (/no such user|tenant or user|auth(?:entication)? failed|password/i.test(message)) {
    return 'The pooler before Postgres refuses user or password in DATABASE_URL: correct them, or add the user there';
  }
  if (/TLS|SSL/.test(message)) {
    return 'The pooler before Postgres wants TLS: set sslmode in DATABASE_URL to verify-full, or to require';
  }
  if (/max_client_conn|too many clients|no more connections/i.test(message)) {
    return 'The pooler before Postgres takes no more connections: raise its max_client_conn';
  }
  if (message.includes('query_wait_timeout')) {
    return 'No connection of the pooler before Postgres became free in time: raise its pool_size';
  }
  if (/server login|server_login_retry|connect to server|server conn crashed|shut down|shutting down/i.test(message)) {
    return 'The pooler before Postgres does not reach Postgres, or lost it';
  }
  return null;
}

/** The name of a setting, as Postgres and PgBouncer quote it. */
function settingIn(message: string): string | null {
  return (
    /(?:configuration parameter "|startup parameter(?: in options)?: )([a-z][a-z_.]{0,60})/i.exec(message)?.[1] ?? null
  );
}

import { DrizzleQueryError } from 'drizzle-orm';
import postgres from 'postgres';

/** A database error, told without the values that were sent: those may be keys or somebody's figures. */
export interface DatabaseFailure {
  /** The SQLSTATE, or the name of a network failure. */
  readonly code: string;
  readonly constraint: string | null;
  /** Whether Postgres could not be reached, was read-only, starting or stopping, or out of room, rather than refusing the query. */
  readonly unavailable: boolean;
  /** Whether it may be the values that were sent, rather than Postgres, its schema or the rights in it. */
  readonly isOfContent: boolean;
  readonly message: string;
}

/** The server, or what stands before it, cannot be worked with. The message says why, and what to do. */
export class UnfitServerError extends Error {
  override readonly name = 'UnfitServerError';
}

const SCHEMA_ERROR = 'SchemaError';
/** The database has not the schema of this release. The message says how it differs, and what to do. */
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

/** That the server's certificate is not the one that `sslmode` asks for. */
const CERTIFICATE_CODE = /^(ERR_TLS_CERT|CERT_|SELF_SIGNED|DEPTH_ZERO_SELF_SIGNED|UNABLE_TO_(GET_ISSUER|VERIFY))/;

/** Postgres is unavailable, busy or out of room: that it was lost, ended, locked, read-only, or called a transaction off. */
const UNAVAILABLE = /^(08|53|57|58|55P03|25P03|25006|40)/;
/** The schema or the rights are not those of this release, or files of Postgres are damaged. */
const NOT_AS_SET_UP = /^(0A|25|28|3D|3F|42|55|F0|XX00[12])/;
/** A statement was sent to a server that is a standby now, or is not to be written to. */
export const READ_ONLY = '25006';
/** The role may not do this. */
export const NO_RIGHT = '42501';
/** A table, column, function or type is missing that this release has. */
const SCHEMA_CODE = /^(42P01|42703|42883|42704|3F000)$/;

/** What the driver's error is that Drizzle wraps. */
export function causeOf(error: unknown): unknown {
  return error instanceof DrizzleQueryError ? error.cause : error;
}

/** The SQLSTATE of an error, or the name of a network failure; null where it has neither. */
export function codeOf(cause: unknown): string | null {
  return cause instanceof Error && 'code' in cause ? String(cause.code) : null;
}

/** The name of the network failure that a driver's error is, or null when the connection is as it was. */
export function lossOf(cause: unknown): string | null {
  const code = codeOf(cause);
  if (code === null) return null;
  // A Unix socket that is not there, or may not be entered, is told by names that files have, too.
  const isOfSocket = cause instanceof Error && 'syscall' in cause && cause.syscall === 'connect';
  return CONNECTION_CODES.has(code) || isOfSocket ? code : null;
}

/** Whether Postgres, or a pooler before it, ended the connection with this error. */
export function isFatal(cause: unknown): boolean {
  if (!(cause instanceof postgres.PostgresError)) return false;
  // A pooler fills the field for people alone, which the server's language changes.
  const said: { readonly severity?: string; readonly severity_local?: string } = cause;
  return /^(?:FATAL|PANIC)$/.test(said.severity ?? said.severity_local ?? '');
}

/** Whether the database may lack what this release has in its schema. */
export function isOfSchema({ code }: DatabaseFailure): boolean {
  return SCHEMA_CODE.test(code) || code === SCHEMA_ERROR;
}

/** Whether Postgres lets nobody in with this address, until somebody corrects one of them. */
export function isRefusal({ code, unavailable: isUnavailable }: DatabaseFailure): boolean {
  return isUnavailable && /^(28|3D|42|0A|UnfitServerError)/.test(code);
}

/** What to do about a fault that does not say so itself, as a sentence: where Postgres answers, or shows a certificate, it does. */
export function adviceOn({ code }: DatabaseFailure): string {
  return /^(E(?!RR_)|CONNECT)/.test(code) ? 'Start it, or check DATABASE_URL.' : '';
}

/** What a caught error says of the database, or null when it is of another kind. */
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
  // The driver asks for TLS and goes on with it whatever it hears, to which a server without TLS hangs up.
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
  const told = isFatal(cause) ? whyNoSession(cause) : (SAYINGS[code] ?? null);
  // Somebody is about to set it right, and nothing that was sent is to blame.
  const isUnavailable = UNAVAILABLE.test(code) || isFatal(cause) || told !== null;
  const isOfContent = !isUnavailable && !NOT_AS_SET_UP.test(code);
  const where = constraint === null ? '' : ` (${constraint})`;
  const what = isUnavailable ? 'Postgres is unavailable, busy or out of room' : 'Postgres refused a statement';
  const message = told === null ? `${what}: SQLSTATE ${code}${where}` : `${told} (SQLSTATE ${code})`;
  return { code, constraint, unavailable: isUnavailable, isOfContent, message };
}

/** What of a refused statement is not its own fault, and is told in words. */
const SAYINGS: Readonly<Record<string, string>> = {
  [READ_ONLY]:
    'Postgres is read-only: it is a standby, or its default_transaction_read_only is on. ' +
    'What waits to be written is, once DATABASE_URL leads to a server that takes it',
  [NO_RIGHT]:
    "The user in DATABASE_URL lacks a right in the database: grant it what the documents call the service's rights",
};

/**
 * Why Postgres, or a pooler before it, lets nobody in; null where the code alone says enough. Their own texts quote names
 * and addresses, so that of them only names of settings are told.
 */
function whyNoSession({ code, message }: postgres.PostgresError): string | null {
  switch (code) {
    case '28P01':
      return (
        'Postgres refuses the password: user or password in DATABASE_URL are wrong, or have characters in them ' +
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
    return 'Postgres lets this user, from this address, into this database by no line of its pg_hba.conf: add one';
  }
  if (/certificate/i.test(message)) return 'Postgres wants a client certificate, which Meterline does not send';
  if (message.includes('not permitted to log in')) return 'The user in DATABASE_URL may not log in: give it LOGIN';
  return 'Postgres does not know the user in DATABASE_URL: create it, or correct the name';
}

/** PgBouncer and its kin answer nearly everything with one code. */
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

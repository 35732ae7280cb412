import { DrizzleQueryError } from 'drizzle-orm';
import postgres from 'postgres';

/** A database error without the values that were sent, which may be keys. */
export interface DatabaseFailure {
  /** The SQLSTATE, or the name of a network failure. */
  readonly code: string;
  readonly constraint: string | null;
  /** Whether Postgres could not run the statement: it was unreachable, read-only, starting, stopping or out of room. */
  readonly unavailable: boolean;
  /** Whether the cause may be the values that were sent, rather than the server, its schema or the role's rights. */
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

/** TLS errors: the certificate fails the check that `sslmode` asks for. */
const CERTIFICATE_CODE = /^(ERR_TLS_CERT|CERT_|SELF_SIGNED|DEPTH_ZERO_SELF_SIGNED|UNABLE_TO_(GET_ISSUER|VERIFY))/;

/** SQLSTATEs: Postgres is unavailable, busy, out of room or read-only, or it gave up a transaction or a lock. */
const UNAVAILABLE = /^(08|53|57|58|55P03|25P03|25006|40)/;
/** SQLSTATEs: the schema is wrong, a right is missing, or files are damaged. */
const WRONG_SETUP = /^(0A|25|28|3D|3F|42|55|F0|XX00[12])/;
/** The server is a standby, or is set to read-only. */
export const READ_ONLY = '25006';
/** The role lacks a right. */
export const NO_RIGHT = '42501';
/** A table, column, function or type of this release is missing. */
const SCHEMA_CODE = /^(42P01|42703|42883|42704|3F000)$/;

/** The driver's error inside Drizzle's. */
function causeOf(error: unknown): unknown {
  return error instanceof DrizzleQueryError ? error.cause : error;
}

/** The SQLSTATE of an error, or the name of its network failure; null if it has neither. */
export function codeOf(cause: unknown): string | null {
  return cause instanceof Error && 'code' in cause ? String(cause.code) : null;
}

/** The network failure that cost the connection; null if the connection still works. */
export function lossOf(cause: unknown): string | null {
  const code = codeOf(cause);
  if (code === null) return null;
  // A missing or forbidden Unix socket fails with the same code as a missing file.
  const isOfSocket = cause instanceof Error && 'syscall' in cause && cause.syscall === 'connect';
  return CONNECTION_CODES.has(code) || isOfSocket ? code : null;
}

/** Whether Postgres, or a pooler in front of it, ended the connection with this error. */
function isFatal(cause: unknown): boolean {
  if (!(cause instanceof postgres.PostgresError)) return false;
  // A pooler sets only `severity_local`, the field for people.
  const fields: { readonly severity?: string; readonly severity_local?: string } = cause;
  return /^(?:FATAL|PANIC)$/.test(fields.severity ?? fields.severity_local ?? '');
}

/** Whether the database may lack a part of the schema of this release. */
export function isOfSchema({ code }: DatabaseFailure): boolean {
  return SCHEMA_CODE.test(code) || code === SCHEMA_ERROR;
}

/** Whether every connection to this address fails until somebody corrects the address or the server. */
export function isRefusal({ code, unavailable: isUnavailable }: DatabaseFailure): boolean {
  return isUnavailable && /^(28|3D|42|0A|UnfitServerError)/.test(code);
}

/** What to do about a network failure, as a sentence; empty if the message already says it. */
export function adviceOn({ code }: DatabaseFailure): string {
  return /^(E(?!RR_)|CONNECT)/.test(code) ? 'Start it, or check DATABASE_URL.' : '';
}

/** Describes a caught error of the database; null if it is not one. */
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
        ? 'it is not for the host in DATABASE_URL'
        : 'it has expired, or no authority that this machine trusts signed it; sslrootcert in DATABASE_URL adds an authority';
    return unavailable(code, `Meterline refuses the certificate of Postgres (${code}): ${why}`);
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
  // The driver starts TLS whatever the server answers, so a server without TLS hangs up.
  if (cause instanceof Error && cause.message.includes('before secure TLS connection')) {
    return `does not support TLS, which sslmode asks for, or it hung up: ${code}`;
  }
  switch (code) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `does not answer: ${code}: this machine cannot resolve the host in DATABASE_URL`;
    case 'ENOENT':
    case 'EACCES':
      return `does not answer: ${code}: the Unix socket in DATABASE_URL does not exist, or Meterline may not use it`;
    default:
      return `does not answer: ${code}`;
  }
}

function failureOfPostgres(cause: postgres.PostgresError): DatabaseFailure {
  const { code, constraint_name: constraint = null } = cause;
  const explanation = isFatal(cause) ? whyNoSession(cause) : (EXPLANATIONS[code] ?? null);
  // Somebody can remove the cause of a failure that has an explanation, and the values that were sent are not the cause.
  const isUnavailable = UNAVAILABLE.test(code) || isFatal(cause) || explanation !== null;
  const isOfContent = !isUnavailable && !WRONG_SETUP.test(code);
  const where = constraint === null ? '' : ` (${constraint})`;
  const what = isUnavailable ? 'Postgres is unavailable, busy or out of room' : 'Postgres refused a statement';
  const message = explanation === null ? `${what}: SQLSTATE ${code}${where}` : `${explanation} (SQLSTATE ${code})`;
  return { code, constraint, unavailable: isUnavailable, isOfContent, message };
}

/** Failures that the statement did not cause. */
const EXPLANATIONS: Readonly<Record<string, string>> = {
  [READ_ONLY]:
    'Postgres is read-only: it is a standby, or its default_transaction_read_only is on. ' +
    'Changes wait until DATABASE_URL leads to a server that accepts them',
  [NO_RIGHT]:
    'The user in DATABASE_URL lacks a right in the database: grant it the rights that docs/own-servers.md lists',
};

/**
 * Why Postgres, or a pooler in front of it, refused the connection; null if the code says enough. The server's text quotes
 * names and addresses, so only the names of settings are copied from it.
 */
function whyNoSession({ code, message }: postgres.PostgresError): string | null {
  switch (code) {
    case '28P01':
      return (
        'Postgres refuses the password: the user or the password in DATABASE_URL is wrong, or contains a character ' +
        'that must be percent-encoded'
      );
    case '28000':
      return whyNotAuthorized(message);
    case '3D000':
      return 'The database that DATABASE_URL names does not exist: create it, or correct the name';
    case '42704':
      return `Postgres does not know ${settingIn(message) ?? 'a setting'}, which options in DATABASE_URL sets: remove it there`;
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
    return 'Postgres accepts only connections with TLS: set sslmode in DATABASE_URL to verify-full, or to require';
  }
  if (message.includes('pg_hba.conf')) {
    return 'pg_hba.conf has no line that lets this user into this database from this address: add one';
  }
  if (/certificate/i.test(message)) return 'Postgres wants a client certificate, which Meterline does not send';
  if (message.includes('not permitted to log in')) return 'The user in DATABASE_URL may not log in: give it LOGIN';
  return 'Postgres does not know the user in DATABASE_URL: create it, or correct the name';
}

/** PgBouncer and other poolers use one code for nearly every failure. */
function whyRefusedByPooler(message: string): string | null {
  if (/startup (?:parameter|option)|command-line options/i.test(message)) {
    const name = settingIn(message);
    return name === null || name === 'options' || message.includes('in options')
      ? 'The pooler in front of Postgres does not take options of DATABASE_URL: remove them, or connect to Postgres directly'
      : `The pooler in front of Postgres does not take ${name} at the start of a connection: add it to its ignore_startup_parameters`;
  }
  if (/no such database|database .*does not exist/i.test(message)) {
    return 'The pooler in front of Postgres does not know the database that DATABASE_URL names: add it there, or correct the name';
  }
  if (/no such user|tenant or user|auth(?:entication)? failed|password/i.test(message)) {
    return 'The pooler in front of Postgres refuses the user or the password in DATABASE_URL: correct them, or add the user there';
  }
  if (/TLS|SSL/.test(message)) {
    return 'The pooler in front of Postgres accepts only connections with TLS: set sslmode in DATABASE_URL to verify-full, or to require';
  }
  if (/max_client_conn|too many clients|no more connections/i.test(message)) {
    return 'The pooler in front of Postgres has no connection left: raise its max_client_conn';
  }
  if (message.includes('query_wait_timeout')) {
    return 'The pooler in front of Postgres had no free connection in time: raise its pool_size';
  }
  if (/server login|server_login_retry|connect to server|server conn crashed|shut down|shutting down/i.test(message)) {
    return 'The pooler in front of Postgres cannot reach Postgres, or lost its connection to it';
  }
  return null;
}

/** The name of a setting, as Postgres and PgBouncer quote it. */
function settingIn(message: string): string | null {
  return (
    /(?:configuration parameter "|startup parameter(?: in options)?: )([a-z][a-z_.]{0,60})/i.exec(message)?.[1] ?? null
  );
}

import postgres from 'postgres';
import { UnfitServerError, codeOf } from './failures.ts';
import type { DatabaseAddress, Server } from './tls.ts';
import { transactionThatSurvivesLoss, type Session, type Statements } from './transaction.ts';

/** Time limits of a session in milliseconds, so that it cannot block others for ever. 0 means no limit. */
export interface Limits {
  readonly idle_in_transaction_session_timeout: number;
  readonly lock_timeout: number;
  readonly statement_timeout: number;
}

/** Settings of a pool. `max` is the number of connections, `name` the application name that Postgres shows for them. */
export interface PoolOptions {
  readonly max: number;
  readonly name: string;
  readonly limits: Limits;
}

/** A server, and what its sessions allow. */
export interface Found {
  readonly server: Server;
  /** Whether a pooler shares the session. If so, no setting and no prepared statement of ours may outlast a transaction. */
  readonly isShared: boolean;
  readonly isReadOnly: boolean;
}

const CONNECT_TIMEOUT_SECONDS = 10;
/** With several servers, a silent one must not delay the others for long. */
const CONNECT_TIMEOUT_OF_SEVERAL_SECONDS = 3;
/** SQLSTATEs: a pooler or an old server refuses a setting at the start of a connection. */
const SETTING_REFUSED_CODES = new Set(['08P01', '0A000', '42704', '22023', '55P02']);

/** Finds the first writable server, or else the first one that answers. Throws the first failure if no server answers. */
export async function findServer(address: DatabaseAddress, settings: PoolOptions): Promise<Found> {
  const failures: unknown[] = [];
  let readable: Found | null = null;
  for (const server of address.servers) {
    try {
      const found = await inspect(address, server, settings);
      if (!found.isReadOnly) return found;
      readable ??= found;
    } catch (error) {
      failures.push(error);
    }
  }
  if (readable !== null) return readable;
  throw failures[0];
}

/** Asks a server what its sessions allow. Throws if it does not answer, or if Meterline cannot use its sessions. */
async function inspect(address: DatabaseAddress, server: Server, settings: PoolOptions): Promise<Found> {
  if (!address.isPooled) {
    try {
      const session = await sessionAt(address, server, settings, 'session');
      if (session.isWhole) return { server, isShared: false, isReadOnly: session.isReadOnly };
    } catch (error) {
      const code = codeOf(error);
      if (code === null || !SETTING_REFUSED_CODES.has(code)) throw error;
    }
  }
  const session = await sharedSessionAt(address, server, settings);
  if (!session.isLimited) throw unfit('ignores the time limits that a transaction sets');
  return { server, isShared: true, isReadOnly: session.isReadOnly };
}

/** A pooler in statement mode closes the connection at the first transaction, which is the only sign of that mode. */
async function sharedSessionAt(address: DatabaseAddress, server: Server, settings: PoolOptions): Promise<SessionFacts> {
  try {
    return await sessionAt(address, server, settings, 'transaction');
  } catch (error) {
    if (codeOf(error) !== 'CONNECTION_CLOSED') throw error;
    await sessionAt(address, server, settings, 'statement');
    throw unfit('closes the connection at a transaction, as poolers in statement mode do');
  }
}

function unfit(why: string): UnfitServerError {
  return new UnfitServerError(
    `The pooler in front of Postgres ${why}: set its pool_mode to transaction or session, or connect to Postgres directly`,
  );
}

/** What one session of a server allows. */
interface SessionFacts {
  /** Whether the time limits hold. */
  readonly isLimited: boolean;
  /**
   * Whether the limits hold and the session leads to Postgres itself. A pooler gives the client another process id than
   * Postgres does.
   */
  readonly isWhole: boolean;
  readonly isReadOnly: boolean;
}

/** Opens a session to inspect it. Its limits are set at its start, in its one transaction, or not at all. */
async function sessionAt(
  address: DatabaseAddress,
  server: Server,
  settings: PoolOptions,
  limitedFor: 'session' | 'transaction' | 'statement',
): Promise<SessionFacts> {
  const { name, limits } = settings;
  const client = connectTo(address, server, {
    max: 1,
    fetch_types: false,
    prepare: false,
    connection: limitedFor === 'session' ? sessionOf(name, limits) : { application_name: name },
  });
  const hold = Object.entries(limits).map(
    ([setting, ms]) => `current_setting('${setting}')::interval = interval '${ms} ms'`,
  );
  const question = `
    select pg_backend_pid() as pid,
      ${hold.join(' and ')} and current_setting('TimeZone') = 'UTC' as limited,
      pg_is_in_recovery() or current_setting('transaction_read_only')::boolean as read_only`;
  try {
    const ask = async (sql: Statements): Promise<SessionFacts> => {
      const found = await sql.unsafe(question);
      const [row] = found;
      const isLimited = row?.['limited'] === true;
      return {
        isLimited,
        isWhole: isLimited && row['pid'] === found.state.pid,
        isReadOnly: row?.['read_only'] === true,
      };
    };
    if (limitedFor === 'transaction') return await transactionThatSurvivesLoss(client, withLimits(settings, ask));
    return await ask(client);
  } finally {
    await client.end({ timeout: 0 });
  }
}

/** The settings that differ between clients of the driver. */
interface Client {
  readonly max: number;
  readonly prepare: boolean;
  readonly fetch_types?: boolean;
  readonly idle_timeout?: number;
  readonly max_lifetime?: number;
  readonly connection: Readonly<Record<string, string>>;
}

/** Makes a client of the driver for one server. It connects with its first statement. */
export function connectTo(address: DatabaseAddress, server: Server, client: Client): postgres.Sql {
  const { user, password, database, connectTimeoutSeconds, servers } = address;
  // postgres 3.4.9 also accepts lists, which its types omit. It would split a string at the colons of an IPv6 address.
  // test/db/tls.test.ts connects to [::1], and fails if a later version takes no list.
  const hostAndPort = { host: [server.host], port: [server.port] } as unknown as { host: string; port: number };
  return postgres({
    onnotice: () => undefined,
    ...client,
    ...hostAndPort,
    ssl: server.ssl,
    connect_timeout:
      connectTimeoutSeconds ?? (servers.length > 1 ? CONNECT_TIMEOUT_OF_SEVERAL_SECONDS : CONNECT_TIMEOUT_SECONDS),
    connection: { ...client.connection, ...(address.options === null ? {} : { options: address.options }) },
    ...(server.path === undefined ? {} : { path: server.path }),
    ...(user === null ? {} : { user }),
    ...(password === null ? {} : { password }),
    ...(database === null ? {} : { database }),
    ...(address.isTlsDirect ? { sslnegotiation: 'direct' as const } : {}),
  });
}

/** Sets the time limits before the work of a transaction. Sends both together, which saves a round trip. */
export function withLimits<T>(
  settings: PoolOptions,
  work: (sql: Session) => PromiseLike<T>,
): (sql: Session) => Promise<T> {
  return async (sql) => {
    let refusal: unknown = null;
    const setting = sql.unsafe(settingLocally(settings)).execute();
    setting.catch((error: unknown) => {
      refusal = error;
    });
    try {
      return await work(sql);
    } catch (error) {
      throw refusal ?? error;
    }
  };
}

/** The settings at the start of a session, as strings, because the driver leaves out a number that is zero. */
export function sessionOf(name: string, limits: Limits): Record<string, string> {
  const texts = Object.entries(limits).map(([setting, ms]): [string, string] => [setting, String(ms)]);
  return { application_name: name, TimeZone: 'UTC', ...Object.fromEntries(texts) };
}

/** The same settings for one transaction, after which a pooler may give the session to somebody else. */
function settingLocally({ name, limits }: PoolOptions): string {
  return Object.entries(sessionOf(name, limits))
    .map(([setting, value]) => `set local ${setting} = '${value.replaceAll("'", "''")}'`)
    .join('; ');
}

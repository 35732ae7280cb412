import postgres from 'postgres';
import { READ_ONLY, UnfitServerError, codeOf, lossOf } from './faults.ts';
import { readAddress, type DatabaseAddress, type Server } from './tls.ts';

/** How long, in milliseconds, Postgres lets a session of ours do what would hold up the others. 0 is for ever. */
export interface Limits {
  readonly idle_in_transaction_session_timeout: number;
  readonly lock_timeout: number;
  readonly statement_timeout: number;
}

/** What a pool of connections is like. `name` is what Postgres shows for them. */
export interface PoolOptions {
  readonly max: number;
  readonly name: string;
  readonly limits: Limits;
}

/** A server as it was found, and how its sessions are to be used. */
interface Found {
  readonly server: Server;
  /**
   * Whether a pooler is between, or anything else that does not hand on what a session is set up with: then nothing of
   * ours may outlast a transaction, neither settings nor prepared statements.
   */
  readonly isShared: boolean;
  readonly isReadOnly: boolean;
}

/** A driver's pool on one server. */
interface Opened extends Found {
  readonly client: postgres.Sql;
  /** How much of what was sent has no answer yet. */
  underWay: number;
}

type Parsers = postgres.Sql['options']['parsers'];
type Serializers = postgres.Sql['options']['serializers'];
type Parameters = NonNullable<globalThis.Parameters<postgres.Sql['unsafe']>[1]>;
type Session = Pick<postgres.TransactionSql, 'unsafe' | 'savepoint'>;

/** So that a server which is read-only for long is not connected to anew for everything that would be written. */
const LEAVE_READ_ONLY_AFTER_MS = 1_000;
const CONNECT_TIMEOUT_SECONDS = 10;
const CLOSE_AFTER_MS = 5_000;
/** By these a session, or what stands before it, shows that it is not what it was taken for. */
const DOUBTFUL = new Set(['08P01', '26000', '42P05', '57P01', '57P02', '57P03']);
/** What a pooler, or a server that does not know a setting, answers to one at the start of a connection. */
const NOT_AT_START = new Set(['08P01', '0A000', '42704', '22023', '55P02']);

/**
 * A pool of connections to the first server of an address that can be written to, as Drizzle takes a client of the driver.
 * Nothing is sent before the first statement. Before that one, and whenever a connection was lost or answered that it is
 * read-only, the servers are asked which of them serves, whether a pooler is between, and whether the limits hold.
 */
export class Pool {
  /** Drizzle sets here how values travel. */
  readonly options: { readonly parsers: Parsers; readonly serializers: Serializers } = { parsers: {}, serializers: {} };
  readonly #address: DatabaseAddress;
  readonly #settings: PoolOptions;
  #opened: Opened | null = null;
  #opening: Promise<Opened> | null = null;
  #isClosed = false;
  #leftAtMs = -Infinity;
  readonly #left = new Set<Opened>();
  #onEnd: () => void = () => undefined;

  constructor(address: string, settings: PoolOptions) {
    this.#address = readAddress(address);
    this.#settings = settings;
  }

  /** A statement outside of any transaction. It is sent once somebody waits for it. */
  unsafe(text: string, parameters?: Parameters, options?: postgres.UnsafeQueryOptions): Statement {
    return new Statement((read) =>
      this.#use((opened) => {
        const ask = (sql: Session): PromiseLike<unknown> => read(sql.unsafe(text, parameters, options));
        return opened.isShared ? this.#transact(opened, ask) : ask(opened.client as unknown as Session);
      }),
    );
  }

  /** A transaction. It is rolled back where `work` fails. */
  begin<T>(work: (sql: Session) => Promise<T>): Promise<T> {
    return this.#use((opened) => this.#transact(opened, work));
  }

  /** Ends the pool; statements under way have up to five seconds. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const opened = this.#opened ?? (await this.#opening?.catch(() => null));
    const ended = new Promise<void>((resolve) => {
      this.#onEnd = resolve;
    });
    if (opened != null) this.#leave(opened);
    if (this.#left.size === 0) return;
    const late = setTimeout(() => {
      for (const left of this.#left) this.#end(left);
    }, CLOSE_AFTER_MS);
    await ended;
    clearTimeout(late);
  }

  async #use<T>(work: (opened: Opened) => PromiseLike<T>): Promise<T> {
    const opened = await this.#open();
    opened.underWay += 1;
    try {
      return await work(opened);
    } catch (error) {
      this.#heed(opened, error);
      throw error;
    } finally {
      opened.underWay -= 1;
      if (opened.underWay === 0 && this.#left.has(opened)) this.#end(opened);
    }
  }

  #transact<T>({ client, isShared }: Opened, work: (sql: Session) => PromiseLike<T>): Promise<T> {
    return survivingLoss(client, isShared ? limited(this.#settings, work) : work);
  }

  async #open(): Promise<Opened> {
    if (this.#isClosed) throw Object.assign(new Error('The pool is closed'), { code: 'CONNECTION_ENDED' });
    if (this.#opened !== null) return this.#opened;
    this.#opening ??= this.#look().finally(() => {
      this.#opening = null;
    });
    return this.#opening;
  }

  async #look(): Promise<Opened> {
    const found = await findServer(this.#address, this.#settings);
    this.#opened = { ...found, client: this.#connect(found), underWay: 0 };
    return this.#opened;
  }

  #connect({ server, isShared }: Found): postgres.Sql {
    const { max, name, limits } = this.#settings;
    const client = connectTo(this.#address, server, {
      max,
      idle_timeout: 60,
      max_lifetime: 30 * 60,
      prepare: !isShared,
      connection: isShared ? { application_name: name } : sessionOf(name, limits),
    });
    Object.assign(client.options.parsers, this.options.parsers);
    Object.assign(client.options.serializers, this.options.serializers);
    return client;
  }

  /**
   * A client of the driver that lost a connection is not used again: it takes what is left of the lost session, be it an
   * error or half a statement, into the next one. One that was told to be read-only may have connections to a server that
   * was the primary once, and keep them.
   */
  #heed(opened: Opened, error: unknown): void {
    const code = codeOf(error);
    if (code === READ_ONLY && performance.now() - this.#leftAtMs < LEAVE_READ_ONLY_AFTER_MS) return;
    if (code === READ_ONLY || lossOf(error) !== null || (code !== null && DOUBTFUL.has(code))) this.#leave(opened);
  }

  /** Sends no more there. What is under way comes to its end first. */
  #leave(opened: Opened): void {
    if (this.#opened !== opened) return;
    this.#opened = null;
    this.#leftAtMs = performance.now();
    this.#left.add(opened);
    if (opened.underWay === 0) this.#end(opened);
  }

  #end(left: Opened): void {
    this.#left.delete(left);
    // Without a time of its own the driver would wait for statements that it lost itself.
    void left.client.end({ timeout: 0 });
    if (this.#left.size === 0) this.#onEnd();
  }
}

/** What Drizzle makes of a statement: it waits for objects, or for arrays of values. */
class Statement implements PromiseLike<unknown> {
  readonly #send: (read: (query: postgres.PendingQuery<postgres.Row[]>) => PromiseLike<unknown>) => Promise<unknown>;

  constructor(
    send: (read: (query: postgres.PendingQuery<postgres.Row[]>) => PromiseLike<unknown>) => Promise<unknown>,
  ) {
    this.#send = send;
  }

  then<A = unknown, B = never>(
    taken?: ((value: unknown) => A | PromiseLike<A>) | null,
    failed?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#send((query) => query).then(taken, failed);
  }

  values(): Promise<unknown> {
    return this.#send((query) => query.values());
  }
}

/**
 * A transaction that outlives the loss of its connection. The driver answers every failure in a transaction with a
 * rollback, also that loss, and it lets a transaction that was lost go on. Either writes to no socket, from outside of any
 * promise, which ends the process; or into the next session of that connection. So neither reaches it: Postgres has
 * rolled back, and the driver rejects the transaction by itself as it notices the loss, which is what the caller sees.
 */
async function survivingLoss<T>(client: postgres.Sql, work: (sql: Session) => PromiseLike<T>): Promise<T> {
  let isOver = false;
  const scope = async <R>(sql: Session, inner: (sql: Session) => PromiseLike<R>): Promise<R> => {
    try {
      const result = await inner(guarded(sql));
      return isOver ? await never() : result;
    } catch (error) {
      if (!isOver && lossOf(error) === null) throw error;
      return never();
    }
  };
  const guarded = (sql: Session): Session =>
    new Proxy(sql, {
      get: (target, name): unknown => {
        if (isOver) throw new Error('This transaction is over: its connection was lost');
        if (name !== 'savepoint') return Reflect.get(target, name);
        return <R>(inner: (sql: Session) => PromiseLike<R>) => target.savepoint((nested) => scope(nested, inner));
      },
    });
  try {
    return (await client.begin((sql) => scope(sql, work))) as T;
  } finally {
    isOver = true;
  }
}

function never<T>(): Promise<T> {
  return new Promise<T>(() => undefined);
}

/** The server to work with: the first that can be written to, or else the first that can be read from. */
async function findServer(address: DatabaseAddress, settings: PoolOptions): Promise<Found> {
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

/** Asks a server how its sessions can be used. Throws where it does not answer, or its sessions cannot be used. */
async function inspect(address: DatabaseAddress, server: Server, settings: PoolOptions): Promise<Found> {
  if (!address.isPooled) {
    try {
      const session = await sessionAt(address, server, settings, 'session');
      if (session.isWhole) return { server, isShared: false, isReadOnly: session.isReadOnly };
    } catch (error) {
      const code = codeOf(error);
      if (code === null || !NOT_AT_START.has(code)) throw error;
    }
  }
  const session = await sharedSessionAt(address, server, settings);
  if (!session.isLimited) throw unfit('does not keep the time limits that a transaction sets');
  return { server, isShared: true, isReadOnly: session.isReadOnly };
}

/** Whoever serves statements one by one hangs up at the first transaction, and is known by that. */
async function sharedSessionAt(address: DatabaseAddress, server: Server, settings: PoolOptions): Promise<Inspected> {
  try {
    return await sessionAt(address, server, settings, 'transaction');
  } catch (error) {
    if (codeOf(error) !== 'CONNECTION_CLOSED') throw error;
    await sessionAt(address, server, settings, 'statement');
    throw unfit('hangs up at a transaction, as poolers in statement mode do');
  }
}

function unfit(why: string): UnfitServerError {
  return new UnfitServerError(
    `The pooler before Postgres ${why}: set its pool_mode to transaction or session, or connect to Postgres directly`,
  );
}

/** What one session is like. */
interface Inspected {
  /** Whether the limits hold in it. */
  readonly isLimited: boolean;
  /** Whether they do from its start, and it is a session with Postgres itself: poolers hand out process ids of their own. */
  readonly isWhole: boolean;
  readonly isReadOnly: boolean;
}

/** Asks in a session for which the limits are set from its start, in its one transaction, or not at all. */
async function sessionAt(
  address: DatabaseAddress,
  server: Server,
  settings: PoolOptions,
  limitedFor: 'session' | 'transaction' | 'statement',
): Promise<Inspected> {
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
    const ask = async (sql: Session): Promise<Inspected> => {
      const found = await sql.unsafe(question);
      const [row] = found;
      const isLimited = row?.['limited'] === true;
      return {
        isLimited,
        isWhole: isLimited && row['pid'] === found.state.pid,
        isReadOnly: row?.['read_only'] === true,
      };
    };
    if (limitedFor === 'transaction') return await survivingLoss(client, limited(settings, ask));
    return await ask(client as unknown as Session);
  } finally {
    await client.end({ timeout: 0 });
  }
}

/** What differs between the clients that are made here. */
interface Client {
  readonly max: number;
  readonly prepare: boolean;
  readonly fetch_types?: boolean;
  readonly idle_timeout?: number;
  readonly max_lifetime?: number;
  readonly connection: Readonly<Record<string, string>>;
}

function connectTo(address: DatabaseAddress, server: Server, client: Client): postgres.Sql {
  const { user, password, database, connectTimeoutSeconds } = address;
  // The driver takes lists, which its types do not tell; of a text it would split an IPv6 address at its colons.
  const place = { host: [server.host], port: [server.port] } as unknown as { host: string; port: number };
  return postgres({
    onnotice: () => undefined,
    ...client,
    ...place,
    ssl: server.ssl,
    connect_timeout: connectTimeoutSeconds ?? CONNECT_TIMEOUT_SECONDS,
    connection: { ...client.connection, ...(address.options === null ? {} : { options: address.options }) },
    ...(server.path === undefined ? {} : { path: server.path }),
    ...(user === null ? {} : { user }),
    ...(password === null ? {} : { password }),
    ...(database === null ? {} : { database }),
    ...(address.isTlsDirect ? { sslnegotiation: 'direct' as const } : {}),
  });
}

/**
 * What is done in a transaction, with the limits set before it. That is sent along with what comes first, and so takes no
 * round trip of its own.
 */
function limited<T>(settings: PoolOptions, work: (sql: Session) => PromiseLike<T>): (sql: Session) => Promise<T> {
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

/** What a session is set up with as it begins. As texts: the driver leaves a zero out. */
function sessionOf(name: string, limits: Limits): Record<string, string> {
  const texts = Object.entries(limits).map(([setting, ms]) => [setting, String(ms)]);
  return { application_name: name, TimeZone: 'UTC', ...Object.fromEntries(texts) };
}

/** The same for the length of a transaction, after which the session may be somebody else's. */
function settingLocally({ name, limits }: PoolOptions): string {
  return Object.entries(sessionOf(name, limits))
    .map(([setting, value]) => `set local ${setting} = '${value.replaceAll("'", "''")}'`)
    .join('; ');
}

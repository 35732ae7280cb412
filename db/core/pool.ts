import type postgres from 'postgres';
import { READ_ONLY, codeOf, lossOf } from './failures.ts';
import { connectTo, findServer, limited, sessionOf, type Found, type Limits, type PoolOptions } from './servers.ts';
import { readAddress, type DatabaseAddress } from './tls.ts';
import { survivingLoss, type Session, type Statements } from './transaction.ts';

/** A driver's pool on one server. */
interface Opened extends Found {
  readonly client: postgres.Sql;
  /** How many statements and transactions have no answer yet. */
  underWay: number;
}

type Parsers = postgres.Sql['options']['parsers'];
type Serializers = postgres.Sql['options']['serializers'];
type Parameters = NonNullable<globalThis.Parameters<postgres.Sql['unsafe']>[1]>;

/** Without this pause, every write to a server that stays read-only would open new connections. */
const LEAVE_READ_ONLY_AFTER_MS = 1_000;
const CLOSE_AFTER_MS = 5_000;
/** The SQLSTATEs that show that a session, or the pooler in front of it, is not what {@link findServer} found. */
const STALE = new Set(['08P01', '26000', '42P05', '57P01', '57P02', '57P03']);

/**
 * A pool of connections to the first writable server of an address, in the form in which Drizzle takes a client. Nothing is
 * sent before the first statement. Before that one, and after each lost connection or answer that the server is read-only,
 * the pool asks the servers: which of them is writable, is there a pooler, do the time limits hold.
 */
export class Pool {
  /** Drizzle sets here how values are parsed and serialized. */
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
    this.#settings = { ...settings, limits: shorterOf(settings.limits, this.#address.limitsMs) };
  }

  /** A statement outside of any transaction. It is sent when somebody awaits it. */
  unsafe(text: string, parameters?: Parameters, options?: postgres.UnsafeQueryOptions): Statement {
    return new Statement((read) =>
      this.#use((opened) => {
        const ask = (sql: Statements): PromiseLike<unknown> => read(sql.unsafe(text, parameters, options));
        return opened.isShared ? this.#transact(opened, ask) : ask(opened.client);
      }),
    );
  }

  /** A transaction. It is rolled back if `work` fails. */
  begin<T>(work: (sql: Session) => Promise<T>): Promise<T> {
    return this.#use((opened) => this.#transact(opened, work));
  }

  /** Ends the pool. Statements under way have up to five seconds. */
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
      this.#leaveAfter(opened, error);
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
   * Leaves a client that lost a connection, because the driver carries the rest of a lost session, an error or half a
   * statement, into the next one. Leaves a client whose server is read-only, because its other connections may also lead to
   * a former primary.
   */
  #leaveAfter(opened: Opened, error: unknown): void {
    const code = codeOf(error);
    if (code === READ_ONLY && performance.now() - this.#leftAtMs < LEAVE_READ_ONLY_AFTER_MS) return;
    if (code === READ_ONLY || lossOf(error) !== null || (code !== null && STALE.has(code))) this.#leave(opened);
  }

  /** Sends nothing more to a server. What is under way ends first. */
  #leave(opened: Opened): void {
    if (this.#opened !== opened) return;
    this.#opened = null;
    this.#leftAtMs = performance.now();
    this.#left.add(opened);
    if (opened.underWay === 0) this.#end(opened);
  }

  #end(left: Opened): void {
    this.#left.delete(left);
    // Without a timeout, the driver waits for statements that it lost itself.
    void left.client.end({ timeout: 0 });
    if (this.#left.size === 0) this.#onEnd();
  }
}

/** The shorter of each limit and the one in the address. A limit of 0, which a migration has, stays 0: it means none. */
function shorterOf(limits: Limits, ofAddressMs: DatabaseAddress['limitsMs']): Limits {
  const shorter = (name: keyof Limits): number => Math.min(limits[name], ofAddressMs[name] ?? limits[name]);
  return {
    idle_in_transaction_session_timeout: shorter('idle_in_transaction_session_timeout'),
    lock_timeout: shorter('lock_timeout'),
    statement_timeout: shorter('statement_timeout'),
  };
}

/** A statement as Drizzle uses it: awaited for rows as objects, or asked for rows as arrays of values. */
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

import type postgres from 'postgres';
import { READ_ONLY, codeOf, lossOf } from './failures.ts';
import { connectTo, findServer, sessionOf, withLimits, type Found, type Limits, type PoolOptions } from './servers.ts';
import { readAddress, type DatabaseAddress } from './tls.ts';
import { transactionThatSurvivesLoss, type Session, type Statements } from './transaction.ts';

/** A driver's pool on one server. */
interface Opened extends Found {
  readonly client: postgres.Sql;
  /** Statements and transactions without an answer yet. */
  inProgress: number;
}

type Parsers = postgres.Sql['options']['parsers'];
type Serializers = postgres.Sql['options']['serializers'];
type StatementParameters = NonNullable<Parameters<postgres.Sql['unsafe']>[1]>;

/** Without this pause, each write to a server that stays read-only would open new connections. */
const LEAVE_READ_ONLY_AFTER_MS = 1_000;
const CLOSE_AFTER_MS = 5_000;
/** SQLSTATEs: the session is lost, or the pooler in front of it changed after {@link findServer} asked. */
const SESSION_LOST_CODES = new Set(['08P01', '26000', '42P05', '57P01', '57P02', '57P03']);

/**
 * A pool of connections to the first writable server of an address, with the methods that Drizzle needs from a client. It
 * connects with the first statement. It then asks the servers which of them is writable, whether a pooler is in front, and
 * whether the time limits hold. It asks again after a lost connection and after a server refused a write as read-only.
 */
export class Pool {
  /** Drizzle writes its parsers and serializers into these objects. */
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

  /** Returns a statement outside of any transaction. An `await` sends it. */
  unsafe(text: string, parameters?: StatementParameters, options?: postgres.UnsafeQueryOptions): Statement {
    return new Statement((read) =>
      this.#use((opened) => {
        const ask = (sql: Statements): PromiseLike<unknown> => read(sql.unsafe(text, parameters, options));
        return opened.isShared ? this.#transact(opened, ask) : ask(opened.client);
      }),
    );
  }

  /** Runs a transaction. Rolls it back if `work` fails. */
  begin<T>(work: (sql: Session) => Promise<T>): Promise<T> {
    return this.#use((opened) => this.#transact(opened, work));
  }

  /** Ends the pool. Statements in progress have up to five seconds. */
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
    opened.inProgress += 1;
    try {
      return await work(opened);
    } catch (error) {
      this.#leaveIfLost(opened, error);
      throw error;
    } finally {
      opened.inProgress -= 1;
      if (opened.inProgress === 0 && this.#left.has(opened)) this.#end(opened);
    }
  }

  #transact<T>({ client, isShared }: Opened, work: (sql: Session) => PromiseLike<T>): Promise<T> {
    return transactionThatSurvivesLoss(client, isShared ? withLimits(this.#settings, work) : work);
  }

  async #open(): Promise<Opened> {
    if (this.#isClosed) throw Object.assign(new Error('The pool is closed'), { code: 'CONNECTION_ENDED' });
    if (this.#opened !== null) return this.#opened;
    this.#opening ??= this.#findServer().finally(() => {
      this.#opening = null;
    });
    return this.#opening;
  }

  async #findServer(): Promise<Opened> {
    const found = await findServer(this.#address, this.#settings);
    this.#opened = { ...found, client: this.#connect(found), inProgress: 0 };
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
   * Leaves a client that lost a connection, because the driver carries an error or half a statement of a lost session into
   * the next one. Leaves a client with a read-only server too, because its other connections may also lead to a former
   * primary.
   */
  #leaveIfLost(opened: Opened, error: unknown): void {
    const code = codeOf(error);
    if (code === READ_ONLY && performance.now() - this.#leftAtMs < LEAVE_READ_ONLY_AFTER_MS) return;
    if (code === READ_ONLY || lossOf(error) !== null || (code !== null && SESSION_LOST_CODES.has(code)))
      this.#leave(opened);
  }

  /** Sends nothing more to a server, and disconnects once its statements in progress have ended. */
  #leave(opened: Opened): void {
    if (this.#opened !== opened) return;
    this.#opened = null;
    this.#leftAtMs = performance.now();
    this.#left.add(opened);
    if (opened.inProgress === 0) this.#end(opened);
  }

  #end(left: Opened): void {
    this.#left.delete(left);
    // Without a timeout, the driver also waits for statements that it has lost.
    void left.client.end({ timeout: 0 });
    if (this.#left.size === 0) this.#onEnd();
  }
}

/** The shorter of each limit and the one in the address. A migration's limit of 0 stays 0, which means no limit. */
function shorterOf(limits: Limits, ofAddressMs: DatabaseAddress['limitsMs']): Limits {
  const shorter = (name: keyof Limits): number => Math.min(limits[name], ofAddressMs[name] ?? limits[name]);
  return {
    idle_in_transaction_session_timeout: shorter('idle_in_transaction_session_timeout'),
    lock_timeout: shorter('lock_timeout'),
    statement_timeout: shorter('statement_timeout'),
  };
}

/** A statement as Drizzle uses it: `await` gives rows as objects, and `values` gives them as arrays. */
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

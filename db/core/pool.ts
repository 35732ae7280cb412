import type postgres from 'postgres';
import { READ_ONLY, codeOf, lossOf } from './failures.ts';
import { connectTo, findServer, limited, sessionOf, type Found, type Limits, type PoolOptions } from './servers.ts';
import { readAddress, type DatabaseAddress } from './tls.ts';
import { survivingLoss, type Session, type Statements } from './transaction.ts';

/** A driver's pool on one server. */
interface Opened extends Found {
  readonly client: postgres.Sql;
  /** How much of what was sent has no answer yet. */
  underWay: number;
}

type Parsers = postgres.Sql['options']['parsers'];
type Serializers = postgres.Sql['options']['serializers'];
type Parameters = NonNullable<globalThis.Parameters<postgres.Sql['unsafe']>[1]>;

/** So that a server which is read-only for long is not connected to anew for everything that would be written. */
const LEAVE_READ_ONLY_AFTER_MS = 1_000;
const CLOSE_AFTER_MS = 5_000;
/** By these a session, or what stands before it, shows that it is not what it was taken for. */
const DOUBTFUL = new Set(['08P01', '26000', '42P05', '57P01', '57P02', '57P03']);
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
    this.#settings = { ...settings, limits: shorterOf(settings.limits, this.#address.limitsMs) };
  }

  /** A statement outside of any transaction. It is sent once somebody waits for it. */
  unsafe(text: string, parameters?: Parameters, options?: postgres.UnsafeQueryOptions): Statement {
    return new Statement((read) =>
      this.#use((opened) => {
        const ask = (sql: Statements): PromiseLike<unknown> => read(sql.unsafe(text, parameters, options));
        return opened.isShared ? this.#transact(opened, ask) : ask(opened.client);
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

/** Limits, with those of the address where these are shorter. What has no limit, a migration, gets none. */
function shorterOf(limits: Limits, ofAddressMs: DatabaseAddress['limitsMs']): Limits {
  const shorter = (name: keyof Limits): number => Math.min(limits[name], ofAddressMs[name] ?? limits[name]);
  return {
    idle_in_transaction_session_timeout: shorter('idle_in_transaction_session_timeout'),
    lock_timeout: shorter('lock_timeout'),
    statement_timeout: shorter('statement_timeout'),
  };
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

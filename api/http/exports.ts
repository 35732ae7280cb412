import { setTimeout as delay } from 'node:timers/promises';
import type { Request, Response } from 'express';
import { inSnapshot } from '../../db/core/cursor.ts';
import type { Db } from '../../db/core/database.ts';
import { cancelStatement, openTransaction, type OpenTransaction } from '../../db/core/sessions.ts';
import { CSV_TYPE } from './csv.ts';
import { FileReply } from './file.ts';
import { Problem } from './problems.ts';

const AT_ONCE = 2;
const LONGEST_MS = 600_000;
const RETRY_AFTER_S = 10;
const CANCEL_EVERY_MS = 200;

/**
 * Writes replies that are too long for a page: few at once, each from one snapshot of a pool of its own, so that they
 * take no connection from other requests.
 */
export class Exports {
  readonly #db: Db;
  readonly #otherDb: Db;
  #running = 0;

  /** Exports run in `db`. Its connections may all be busy, so `otherDb` cancels what they run. */
  constructor(db: Db, otherDb: Db) {
    this.#db = db;
    this.#otherDb = otherDb;
  }

  /** Answers with the file that `write` writes, as {@link run}. */
  async file(request: Request, response: Response, write: (tx: Db, reply: FileReply) => Promise<void>): Promise<void> {
    const reply = new FileReply(response);
    const written = await this.run(request, response, async (tx) => {
      await write(tx, reply);
      return true;
    });
    if (written === true) reply.end();
  }

  /**
   * Gives what `work` finds in a snapshot; null if the client left. Throws `too_many_requests` if other exports run. Breaks
   * the connection after ten minutes. Ends soon after the client left, also while Postgres adds up.
   */
  async run<T>(request: Request, response: Response, work: (tx: Db) => Promise<T>): Promise<T | null> {
    if (this.#running >= AT_ONCE) {
      const detail = `${AT_ONCE} exports are being written already.`;
      throw new Problem('too_many_requests', { detail, retryAfter: RETRY_AFTER_S });
    }
    this.#running += 1;
    const cutOff = setTimeout(() => response.destroy(), LONGEST_MS);
    // Nothing is sent while Postgres adds up. Node sets the limit again for the next request.
    request.socket.setTimeout(LONGEST_MS);
    let isOver = false;
    try {
      return await inSnapshot(this.#db, async (tx) => {
        const transaction = await openTransaction(tx);
        if (response.closed) return null;
        response.once('close', () => void this.#cancel(transaction, () => isOver));
        return work(tx);
      });
    } catch (error) {
      // Nobody is there to be told that the export was cancelled.
      if (!response.closed) throw error;
      return null;
    } finally {
      isOver = true;
      clearTimeout(cutOff);
      this.#running -= 1;
    }
  }

  /** Cancels again and again, since the next statement may have begun just before the client left. */
  async #cancel(transaction: OpenTransaction, isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      // If Postgres does not answer here, the time limits of the export end it.
      await cancelStatement(this.#otherDb, transaction).catch(() => undefined);
      await delay(CANCEL_EVERY_MS);
    }
  }
}

/** Whether a request asks for CSV: by `format`, or else by what it accepts most. */
export function wantsCsv(request: Request, format: 'csv' | 'json' | undefined): boolean {
  if (format !== undefined) return format === 'csv';
  return request.accepts(['application/json', CSV_TYPE]) === CSV_TYPE;
}

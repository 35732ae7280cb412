import type { Request, Response } from 'express';
import { inSnapshot } from '../../db/core/cursor.ts';
import type { Db } from '../../db/core/database.ts';
import { CSV_TYPE, CsvReply } from './csv.ts';
import { Problem } from './problems.ts';

const AT_ONCE = 2;
const LONGEST_MS = 600_000;
const RETRY_AFTER_S = 10;

/**
 * Writes replies that are too long for a page: few at once, each from one snapshot of a pool of its own, so that they
 * take no connection from other requests.
 */
export class Exports {
  readonly #db: Db;
  #running = 0;

  constructor(db: Db) {
    this.#db = db;
  }

  /**
   * Answers with what `write` writes in CSV. Throws `too_many_requests` if others are being written. Breaks the connection
   * after ten minutes.
   */
  async csv(request: Request, response: Response, write: (tx: Db, reply: CsvReply) => Promise<void>): Promise<void> {
    if (this.#running >= AT_ONCE) {
      const detail = `${AT_ONCE} exports are being written already.`;
      throw new Problem('too_many_requests', { detail, retryAfter: RETRY_AFTER_S });
    }
    this.#running += 1;
    const cutOff = setTimeout(() => response.destroy(), LONGEST_MS);
    // Nothing is sent while Postgres adds up. Node sets the limit again for the next request.
    request.socket.setTimeout(LONGEST_MS);
    try {
      const reply = new CsvReply(response);
      await inSnapshot(this.#db, (tx) => write(tx, reply));
      reply.end();
    } finally {
      clearTimeout(cutOff);
      this.#running -= 1;
    }
  }
}

/** Whether a request asks for CSV: by `format`, or else by what it accepts most. */
export function wantsCsv(request: Request, format: 'csv' | 'json' | undefined): boolean {
  if (format !== undefined) return format === 'csv';
  return request.accepts(['application/json', CSV_TYPE]) === CSV_TYPE;
}

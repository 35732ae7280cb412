import { setImmediate as turn } from 'node:timers/promises';
import { sql, type SQL } from 'drizzle-orm';
import type { z } from 'zod';
import { rows, type Db } from './database.ts';

const BATCH_ROWS = 1_000;
/** How many batches are read ahead: Postgres takes about as long for the first row of a day as Node for so many rows. */
const AHEAD = 5;
/** Fewer than a batch, so that what is ahead grows while these are used. */
const PART_ROWS = 250;

/**
 * The rows of a statement in batches, so that memory does not grow with their number. Must run in a transaction, which has
 * one such statement at a time. A cursor of SQL also works behind a pooler. Nothing is read ahead of whoever takes it; see {@link readAhead}.
 */
export async function* eachRow<Row>(
  tx: Db,
  schema: z.ZodType<Row>,
  statement: SQL,
  batchRows = BATCH_ROWS,
): AsyncGenerator<readonly Row[]> {
  await tx.execute(sql`declare each_row no scroll cursor for ${statement}`);
  for (;;) {
    const batch = await rows(tx, schema, sql`fetch ${sql.raw(String(batchRows))} from each_row`);
    if (batch.length === 0) break;
    yield batch;
  }
  await tx.execute(sql`close each_row`);
}

/**
 * The rows of batches, in smaller batches. While these are used, Postgres makes the next ones: up to five batches wait, so
 * memory does not grow with a client that reads slowly. Whoever stops early waits for the end of those that were asked for.
 */
export async function* readAhead<Row>(batches: AsyncGenerator<readonly Row[]>): AsyncGenerator<readonly Row[]> {
  // A generator answers one after the other, however many are asked for.
  const asked: ReturnType<typeof batches.next>[] = [];
  const ask = (): void => {
    const next = batches.next();
    // It fails where it is awaited.
    next.catch(() => undefined);
    asked.push(next);
  };
  try {
    for (let ahead = 0; ahead < AHEAD; ahead += 1) ask();
    for (let next = asked.shift(); next !== undefined; next = asked.shift()) {
      const result = await next;
      if (result.done === true) return;
      ask();
      for (let from = 0; from < result.value.length; from += PART_ROWS) {
        // The driver reads an answer in one turn of the event loop, and sends what follows at the end of it.
        await turn();
        await turn();
        yield result.value.slice(from, from + PART_ROWS);
      }
    }
  } finally {
    // A transaction must not end in the middle of a statement.
    await Promise.allSettled(asked);
  }
}

/** Runs `work` in a transaction that only reads, and in which every statement sees the same instant. */
export function inSnapshot<T>(db: Db, work: (tx: Db) => Promise<T>): Promise<T> {
  return db.transaction(work, { isolationLevel: 'repeatable read', accessMode: 'read only' });
}

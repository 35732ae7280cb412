import { sql, type SQL } from 'drizzle-orm';
import type { z } from 'zod';
import { rows, type Db } from './database.ts';

const BATCH_ROWS = 1_000;

/**
 * The rows of a statement in batches, so that memory does not grow with their number. Must run in a transaction, which has
 * one such statement at a time. A cursor of SQL also works behind a pooler, and nothing is read ahead of whoever takes it.
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

/** Runs `work` in a transaction that only reads, and in which every statement sees the same instant. */
export function inSnapshot<T>(db: Db, work: (tx: Db) => Promise<T>): Promise<T> {
  return db.transaction(work, { isolationLevel: 'repeatable read', accessMode: 'read only' });
}

import { and, eq, isNull, sql } from 'drizzle-orm';
import type { Db } from '../core/database.ts';
import { connections } from '../schema.ts';
import { addEvent } from './events.ts';
import { setStatus } from './status.ts';

/**
 * Ends a connection and destroys its keys. With `purge`, also deletes everything that was read for it, even if it was
 * disconnected before. Waits for days that are being written; none is written afterwards.
 */
export async function disconnect(db: Db, connectionId: string, purge: boolean): Promise<void> {
  await db.transaction(async (tx) => {
    await setStatus(tx, connectionId, 'disconnected');
    if (purge) await deleteData(tx, connectionId);
  });
}

/** Lines come before these, since they belong to a connection only by their day. */
const PURGED_TABLES = ['cost_series', 'usage_series', 'restatements', 'workspaces', 'syncs', 'days'] as const;

async function deleteData(tx: Db, connectionId: string): Promise<void> {
  // Deleting years of days takes minutes. Nobody waits for the locks of an ended connection.
  await tx.execute(sql`set local statement_timeout = 0`);
  for (const lines of ['cost_lines', 'usage_lines']) {
    await tx.execute(sql`
      delete from ${sql.identifier(lines)} l
      using days d
      where d.connection_id = ${connectionId} and l.day_no = d.day_no
    `);
  }
  for (const table of PURGED_TABLES) {
    await tx.execute(sql`delete from ${sql.identifier(table)} where connection_id = ${connectionId}`);
  }
  const purged = await tx
    .update(connections)
    .set({ purgedAt: sql`now()` })
    .where(and(eq(connections.id, connectionId), isNull(connections.purgedAt)))
    .returning({ id: connections.id });
  if (purged.length === 0) return;
  const message = 'Everything that was read for this connection was deleted.';
  await addEvent(tx, connectionId, { type: 'purged', message });
}

import { and, eq, isNull, sql } from 'drizzle-orm';
import type { Db } from '../core/database.ts';
import { closedMonthsOf } from '../allocation/statements.ts';
import { deleteIncidents } from '../anomalies/incidents.ts';
import { deleteForecasts } from '../budgets/forecasts.ts';
import { deleteLedger } from '../ledger/deletion.ts';
import { deleteNoticesOfLedger } from '../notices/outbox.ts';
import { connections, workspaces } from '../schema.ts';
import { addEvent } from './events.ts';
import { setStatus } from './status.ts';

/**
 * Ends a connection and destroys its keys. With `purge`, also deletes everything that was read for it, even if it was
 * disconnected before. Waits for the syncs that are writing days; no sync writes one afterwards.
 */
export async function disconnect(db: Db, connectionId: string, purge: boolean): Promise<void> {
  await db.transaction(async (tx) => {
    await setStatus(tx, connectionId, 'disconnected');
    if (purge) await deleteData(tx, connectionId);
  });
}

async function deleteData(tx: Db, connectionId: string): Promise<void> {
  // Deleting years of days takes minutes. Nobody waits for the locks of an ended connection.
  await tx.execute(sql`set local statement_timeout = 0`);
  await deleteLedger(tx, connectionId);
  await deleteIncidents(tx, connectionId);
  await deleteForecasts(tx, connectionId);
  await deleteNoticesOfLedger(tx, connectionId);
  await tx.delete(workspaces).where(eq(workspaces.connectionId, connectionId));
  const purged = await tx
    .update(connections)
    .set({ purgedAt: sql`now()` })
    .where(and(eq(connections.id, connectionId), isNull(connections.purgedAt)))
    .returning({ id: connections.id });
  if (purged.length === 0) return;
  const kept = await closedMonthsOf(tx, connectionId);
  const but =
    kept === 0
      ? ''
      : ` The statements of ${kept === 1 ? 'the closed month' : `the ${kept} closed months`} that contain its costs are kept.`;
  const message = `Everything that was read for this connection was deleted.${but}`;
  await addEvent(tx, connectionId, { type: 'purged', message });
}

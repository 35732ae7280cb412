import { sql } from 'drizzle-orm';
import type { Day } from '../../domain/days.ts';
import type { Db } from '../core/database.ts';

/** Their rows know their day by its number. */
const TABLES_OF_DAY = ['cost_lines', 'usage_lines', 'cost_rollup', 'cost_cells'] as const;
const TABLES_OF_CONNECTION = ['cost_series', 'usage_series', 'restatements', 'syncs', 'days'] as const;

/** Deletes everything that was read for a connection, and its syncs. */
export async function deleteLedger(tx: Db, connectionId: string): Promise<void> {
  // Only its day ties a line to a connection, so lines go before days.
  for (const table of TABLES_OF_DAY) {
    await tx.execute(sql`
      delete from ${sql.identifier(table)} l
      using days d
      where d.connection_id = ${connectionId} and l.day_no = d.day_no
    `);
  }
  for (const table of TABLES_OF_CONNECTION) {
    await tx.execute(sql`delete from ${sql.identifier(table)} where connection_id = ${connectionId}`);
  }
}

/** Deletes the days of a connection after `today`, with their lines. */
export async function deleteDaysAfter(tx: Db, connectionId: string, today: Day): Promise<void> {
  const future = sql`connection_id = ${connectionId} and day > ${today}::date`;
  for (const table of TABLES_OF_DAY) {
    await tx.execute(sql`
      delete from ${sql.identifier(table)} where day_no in (select day_no from days where ${future})
    `);
  }
  await tx.execute(sql`delete from days where ${future}`);
}

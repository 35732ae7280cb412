import { fileURLToPath } from 'node:url';
import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/postgres-js';
import { migrate } from 'drizzle-orm/postgres-js/migrator';
import { connectTo } from './database.ts';

/** Any number that nothing else in the same database locks by. */
const MIGRATION_LOCK = 7_303_014;

/**
 * Brings the database to the present schema. Several processes may do so at once: they take turns, and all but the
 * first find nothing left to do. Needs a role that may create tables; the service itself needs no such right.
 */
export async function migrateDatabase(url: string): Promise<void> {
  const client = connectTo(url, { max: 1 });
  try {
    const db = drizzle(client);
    // Drizzle's own migrator takes no lock. A session's lock lasts until the one connection of this pool closes.
    await db.execute(sql`select pg_advisory_lock(${MIGRATION_LOCK})`);
    await migrate(db, { migrationsFolder: fileURLToPath(new URL('./migrations', import.meta.url)) });
  } finally {
    await client.end({ timeout: 5 });
  }
}

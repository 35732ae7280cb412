import { sql } from 'drizzle-orm';
import { z } from 'zod';
import { row, type Db } from './database.ts';
import { SchemaError } from './failures.ts';
import { bigintText } from './json.ts';

/** When the last migration of this release was written, from the journal in db/migrations/meta. */
export const LAST_MIGRATION_MS = 1_796_130_516_435;

/** What a process logs when the schema is newer than the process. */
export const NEWER_SCHEMA =
  'the database has the schema of a newer release than this process; restart it with that release';

/**
 * Tells whether the schema is that of this release or a newer one. A running process may continue with a newer one until
 * its restart. Throws {@link SchemaError} if the database needs a migration. The role only needs to read.
 */
export async function checkSchema(db: Db): Promise<'present' | 'newer'> {
  const found = await row(
    db,
    z.object({ hasTables: z.boolean(), hasMigrations: z.boolean() }),
    sql`
      select to_regclass('connections') is not null as "hasTables",
        to_regclass('applied_migrations') is not null as "hasMigrations"
    `,
  );
  if (!found.hasTables)
    throw new SchemaError('The database has no tables of Meterline yet: run "npm run migrate" on it');
  const lastMs = found.hasMigrations ? await lastMigrationMs(db) : -Infinity;
  if (lastMs < LAST_MIGRATION_MS) {
    throw new SchemaError('The database has the schema of an older release: run "npm run migrate" on it');
  }
  return lastMs === LAST_MIGRATION_MS ? 'present' : 'newer';
}

async function lastMigrationMs(db: Db): Promise<number> {
  const { last } = await row(
    db,
    z.object({ last: bigintText.nullable() }),
    sql`select max(made_at_ms) as last from applied_migrations`,
  );
  return last ?? -Infinity;
}

/** Throws if the server is a standby, or if its settings make it read-only. Writes nothing. */
export async function checkWritable(db: Db): Promise<void> {
  // Postgres treats a row lock as a write, even if there is no row to lock.
  await db.execute(sql`select from connections where false for key share`);
}

import { fileURLToPath } from 'node:url';
import { sql } from 'drizzle-orm';
import { readMigrationFiles } from 'drizzle-orm/migrator';
import { z } from 'zod';
import { openDatabase, row, type Db } from './database.ts';
import { SchemaError } from './failures.ts';
import { bigintText } from './json.ts';

/** The advisory lock of migrations. Nothing else in the same database may use this number. */
const MIGRATION_LOCK = 7_303_014;
/** A statement that moves data may take long. Each migration sets its own lock timeout. */
const UNLIMITED = { idle_in_transaction_session_timeout: 0, lock_timeout: 0, statement_timeout: 0 };
/** Drizzle's table of the migrations that ran. `created_at` is when each was written. */
const RECORD = sql.raw('drizzle.__drizzle_migrations');

/**
 * Brings the database to the schema of this release. Several processes may call it at once: they take turns, and the
 * first one does the work. The role needs the right to create tables, which the service itself does not need. Throws
 * {@link SchemaError} and changes nothing if the schema is newer than this release, or if no release ever had it.
 */
export async function migrateDatabase(url: string): Promise<void> {
  const database = openDatabase(url, { max: 1, name: 'meterline migrate', limits: UNLIMITED });
  try {
    // One transaction holds the lock. Drizzle's own migrator takes no lock, and a session's lock fails behind a pooler.
    await database.db.transaction(async (tx) => {
      await tx.execute(sql`select pg_advisory_xact_lock(${MIGRATION_LOCK})`);
      await runMigrations(tx);
    });
  } finally {
    await database.close();
  }
}

async function runMigrations(tx: Db): Promise<void> {
  const folder = fileURLToPath(new URL('../migrations', import.meta.url));
  const migrations = readMigrationFiles({ migrationsFolder: folder });
  await tx.execute(sql`create schema if not exists drizzle`);
  await tx.execute(
    sql`create table if not exists ${RECORD} (id serial primary key, hash text not null, created_at bigint)`,
  );
  const { first, last } = await row(
    tx,
    z.object({ first: bigintText.nullable(), last: bigintText.nullable() }),
    sql`select min(created_at) as first, max(created_at) as last from ${RECORD}`,
  );
  if (first !== null && first !== migrations[0]?.folderMillis) {
    throw new SchemaError(
      'An unreleased Meterline made this database, and this one cannot use it: set DATABASE_URL to an empty one, ' +
        'or for "npm start" set another METERLINE_DATA_DIR',
    );
  }
  const lastAt = last ?? -Infinity;
  if (lastAt > (migrations.at(-1)?.folderMillis ?? Infinity)) {
    throw new SchemaError(
      'The database has the schema of a newer release than this one: run that release, or restore an older dump',
    );
  }
  for (const { folderMillis, hash, sql: statements } of migrations) {
    if (folderMillis <= lastAt) continue;
    for (const statement of statements) await tx.execute(sql.raw(statement));
    await tx.execute(sql`insert into ${RECORD} (hash, created_at) values (${hash}, ${folderMillis})`);
  }
}

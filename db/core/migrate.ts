import { fileURLToPath } from 'node:url';
import { sql } from 'drizzle-orm';
import { readMigrationFiles } from 'drizzle-orm/migrator';
import { z } from 'zod';
import { openDatabase, row, type Db } from './database.ts';
import { SchemaError } from './failures.ts';
import { bigintText } from './json.ts';

/** Any number that nothing else in the same database uses for an advisory lock. */
const MIGRATION_LOCK = 7_303_014;
/** A statement that moves data may take long. Each migration sets its own limit for locks. */
const UNLIMITED = { idle_in_transaction_session_timeout: 0, lock_timeout: 0, statement_timeout: 0 };
/** Drizzle's record of the migrations that ran, with the time at which each was written. */
const RECORD = sql.raw('drizzle.__drizzle_migrations');

/**
 * Brings the database to the schema of this release. Several processes may call it at once: they take turns, and all but
 * the first have nothing left to do. The role must be allowed to create tables, which the service itself need not. Throws
 * {@link SchemaError} and changes nothing if the schema is newer than this release, or of a state that no release had.
 */
export async function migrateDatabase(url: string): Promise<void> {
  const database = openDatabase(url, { max: 1, name: 'meterline migrate', limits: UNLIMITED });
  try {
    // One transaction holds the lock. Drizzle's own migrator takes none, and a lock of the session fails behind a pooler.
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
      'The database is of a Meterline that was never released, and is not carried over: name an empty one in ' +
        'DATABASE_URL; "npm start" makes one in another METERLINE_DATA_DIR',
    );
  }
  const lastAt = last ?? -Infinity;
  if (lastAt > (migrations.at(-1)?.folderMillis ?? Infinity)) {
    throw new SchemaError(
      'The database has the schema of a newer release than this one: run that release, or go back by a dump',
    );
  }
  for (const { folderMillis, hash, sql: statements } of migrations) {
    if (folderMillis <= lastAt) continue;
    for (const statement of statements) await tx.execute(sql.raw(statement));
    await tx.execute(sql`insert into ${RECORD} (hash, created_at) values (${hash}, ${folderMillis})`);
  }
}

import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { sql } from 'drizzle-orm';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { z } from 'zod';
import { databaseFailure, openDatabase, type Database } from '../../db/core/database.ts';
import { migrateDatabase } from '../../db/core/migrate.ts';
import { LAST_MIGRATION_MS, checkSchema } from '../../db/core/schema-state.ts';
import { startApi } from '../api/support.ts';
import { databaseUrl, onServer } from '../support/databases.ts';

const MIGRATIONS = join(import.meta.dirname, '../../db/migrations');
const journal = z
  .looseObject({ entries: z.array(z.looseObject({ when: z.number() })) })
  .parse(JSON.parse(readFileSync(join(MIGRATIONS, 'meta/_journal.json'), 'utf8')));

let name: string;
let url: string;
let database: Database;
beforeEach(async () => {
  name = `test_${randomBytes(6).toString('hex')}`;
  await onServer(inject('postgresUrl'), `create database ${name}`);
  url = databaseUrl(inject('postgresUrl'), name);
  database = openDatabase(url, { max: 2, name: 'meterline test' });
});
afterEach(async () => {
  await database.close();
  await onServer(inject('postgresUrl'), `drop database ${name} with (force)`);
});

/** Makes what ran of the migrations look earlier, or later again. */
async function shiftMigrations(byMs: number): Promise<void> {
  await database.db.execute(sql`update drizzle.__drizzle_migrations set created_at = created_at + ${byMs}`);
}

async function whatIsSaid(): Promise<string | undefined> {
  const said: unknown = await checkSchema(database.db).catch((error: unknown) => error);
  return typeof said === 'string' ? said : databaseFailure(said)?.message;
}

it('the last migration in the code equals the last one in the journal', () => {
  expect(LAST_MIGRATION_MS).toBe(journal.entries.at(-1)?.when);
});

describe('a database', () => {
  it('without the current migrations gets a message with the command to run, until they ran', async () => {
    expect(await whatIsSaid()).toBe('The database has no tables of Meterline yet: run "npm run migrate" on it');
    await migrateDatabase(url);
    expect(await whatIsSaid()).toBe('present');
    await shiftMigrations(-1);
    expect(await whatIsSaid()).toBe('The database has the schema of an older release: run "npm run migrate" on it');
    await shiftMigrations(1);
    expect(await whatIsSaid()).toBe('present');
    // As it will be for a later release, whose migrations before its last one ran.
    await database.db.execute(sql`delete from drizzle.__drizzle_migrations where created_at = ${LAST_MIGRATION_MS}`);
    expect(await whatIsSaid()).toContain('the schema of an older release');
  });

  it('with the schema of a newer release is used, and not migrated', async () => {
    await migrateDatabase(url);
    await database.db.execute(
      sql`insert into drizzle.__drizzle_migrations (hash, created_at) values ('x', ${LAST_MIGRATION_MS + 1})`,
    );
    expect(await whatIsSaid()).toBe('newer');
    const error: unknown = await migrateDatabase(url).catch((reason: unknown) => reason);
    expect(databaseFailure(error)?.message).toContain('the schema of a newer release than this one');
  });

  it('without migrations makes the API answer 503 with the command to run, also in /readyz, until they ran', async () => {
    const api = await startApi({ db: database.db, waitMs: 0 });
    const older = async (): Promise<void> => {
      await migrateDatabase(url);
      await shiftMigrations(-1);
      await database.db.execute(sql`alter table syncs rename to lacking`);
    };
    for (const prepare of [() => Promise.resolve(), older]) {
      await prepare();
      const listed = await api.get('/v1/connections');
      expect(listed).toMatchObject({
        status: 503,
        body: { code: 'unavailable', detail: expect.stringContaining('run "npm run migrate"') as unknown },
      });
      expect(await api.get('/readyz', null)).toMatchObject({
        status: 503,
        body: { postgres: 'not_migrated', detail: expect.stringContaining('run "npm run migrate"') as unknown },
      });
    }
    await shiftMigrations(1);
    await database.db.execute(sql`alter table lacking rename to syncs`);
    expect((await api.get('/readyz', null)).status).toBe(200);
    expect((await api.get('/v1/connections')).status).toBe(200);
    await api.close();
  });
});

import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { z } from 'zod';
import { openDatabase, type Database } from '../../db/core/database.ts';
import { migrateDatabase } from '../../db/core/migrate.ts';
import { compileRooms, type CompiledRooms } from '../support/compiled.ts';
import { databaseUrl, onServer } from '../support/databases.ts';
import { testDatabase } from '../support/postgres.ts';
import { connect, count } from './support.ts';
import { rows } from '../support/rows.ts';

const journal = z
  .object({ entries: z.array(z.object({ idx: z.number(), when: z.number(), tag: z.string() })) })
  .parse(JSON.parse(readFileSync(new URL('../../db/migrations/meta/_journal.json', import.meta.url), 'utf8')));

/** Every column, constraint and index of a database, as text. */
async function schemaOf({ db }: Pick<Database, 'db'>): Promise<string[]> {
  const found = await rows<{ text: string }>(
    db,
    sql`
      select table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable as text
      from information_schema.columns where table_schema = 'public'
      union all select conname || ' ' || pg_get_constraintdef(oid) from pg_constraint where connamespace = 'public'::regnamespace
      union all select indexdef from pg_indexes where schemaname = 'public'
      order by 1
    `,
  );
  return found.map(({ text }) => text);
}

describe('migrating', () => {
  it('by five at once makes one schema, on which a connection can be made', async () => {
    const server = inject('postgresUrl');
    const name = `test_${randomBytes(6).toString('hex')}`;
    await onServer(server, `create database ${name}`);
    const url = databaseUrl(server, name);
    await Promise.all(Array.from({ length: 5 }, () => migrateDatabase(url)));
    const fresh = openDatabase(url, { max: 2, name: 'test' });
    const template = await testDatabase();
    expect(await schemaOf(fresh)).toEqual(await schemaOf(template));
    expect(await count(fresh.db, sql`drizzle.__drizzle_migrations`)).toBe(journal.entries.length);
    await connect(fresh.db);
    await migrateDatabase(url);
    expect(await count(fresh.db, sql`connections`)).toBe(1);
    await template.close();
    await fresh.close();
    await onServer(server, `drop database ${name} with (force)`);
  });

  it('leaves no lock behind', async () => {
    const database = await testDatabase();
    await migrateDatabase(database.url);
    // Of this database alone: other tests take such locks on the same server.
    const held = sql`pg_locks l join pg_database d on d.oid = l.database
      where l.locktype = 'advisory' and d.datname = current_database()`;
    expect(await count(database.db, held)).toBe(0);
    await database.close();
  });

  it('of a database that no release created is refused with a sentence, and changes nothing', async () => {
    const database = await testDatabase();
    await database.db.execute(sql`update drizzle.__drizzle_migrations set created_at = created_at - 1`);
    await expect(migrateDatabase(database.url)).rejects.toThrow('An unreleased Meterline made this database');
    expect(await count(database.db, sql`drizzle.__drizzle_migrations`)).toBe(journal.entries.length);
    await database.close();
  });

  it('of a missing database fails, and does not show the password', async () => {
    const url = new URL(databaseUrl(inject('postgresUrl'), 'no_such_database'));
    url.password = 'hunter2';
    const error: unknown = await migrateDatabase(url.href).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(Error);
    expect(String(error)).not.toContain('hunter2');
  });
});

describe('the journal of migrations', () => {
  // A migration that is dated before one that ran already is silently left out.
  it('is dated strictly upwards, without a gap', () => {
    journal.entries.forEach(({ idx, when, tag }, place) => {
      expect(idx).toBe(place);
      expect(tag.startsWith(String(idx).padStart(4, '0'))).toBe(true);
      expect(when).toBeGreaterThan(journal.entries[place - 1]?.when ?? 0);
    });
  });
});

describe('npm run migrate', () => {
  let built: CompiledRooms;
  const run = (url: string): SpawnSyncReturns<string> =>
    spawnSync(process.execPath, [join(built.directory, 'db/main.js')], {
      env: { PATH: process.env['PATH'], DATABASE_URL: url },
      encoding: 'utf8',
    });

  beforeAll(async () => {
    built = await compileRooms(['config', 'db', 'domain', 'runtime']);
    cpSync(new URL('../../db/migrations', import.meta.url), join(built.directory, 'db/migrations'), {
      recursive: true,
    });
  });
  afterAll(() => built.remove());

  it('says what it did in a line of the same form as the log of the API and the workers', async () => {
    const database = await testDatabase();
    const { status, stdout, stderr } = run(database.url);
    expect([status, stderr]).toEqual([0, '']);
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line): unknown => JSON.parse(line));
    const iso: unknown = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(lines).toEqual([{ level: 30, time: iso, role: 'migrate', msg: 'the database has the present schema' }]);
    await database.close();
  });

  it('ends with a sentence and status 2 where the database cannot be reached', () => {
    const { status, stdout, stderr } = run('postgres://m:hidden@127.0.0.1:1/m');
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(
      /^The database could not be migrated\. Postgres does not answer: ECONNREFUSED\. Start it, or check /,
    );
    expect(stderr).not.toContain('hidden');
  });
});

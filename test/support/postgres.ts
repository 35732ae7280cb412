import { randomBytes } from 'node:crypto';
import { inject } from 'vitest';
import { openDatabase, type Database } from '../../db/core/database.ts';
import { TEMPLATE, databaseUrl, onServer } from './databases.ts';

/** A database of its own, with the present schema. */
export interface TestDatabase extends Database {
  readonly url: string;
}

/** Makes a database for one test file, cloned from the template. Close it in `afterAll`; that drops it. */
export async function testDatabase(): Promise<TestDatabase> {
  const server = inject('postgresUrl');
  const name = `test_${randomBytes(6).toString('hex')}`;
  await onServer(server, `create database ${name} template ${TEMPLATE} strategy file_copy`);
  const url = databaseUrl(server, name);
  const database = openDatabase(url, { max: 10, name: 'meterline test' });
  return {
    db: database.db,
    url,
    close: async () => {
      await database.close();
      await onServer(server, `drop database ${name} with (force)`);
    },
  };
}

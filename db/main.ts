import { loadConfig } from '../config/config.ts';
import { openLog } from '../config/log.ts';
import { configured, exitWith } from '../config/process.ts';
import { databaseFault } from './database.ts';
import { migrateDatabase } from './migrate.ts';

/** `npm run migrate`: brings the database at DATABASE_URL to the present schema, and ends. */
const { databaseUrl, logLevel } = configured(() => loadConfig(process.env, ['DATABASE_URL']));
const { log, flush } = openLog(logLevel, 'migrate');
try {
  await migrateDatabase(databaseUrl ?? '');
  log.info('the database has the present schema');
} catch (error) {
  const fault = databaseFault(error);
  if (fault === null) throw error;
  exitWith(
    `The database could not be migrated. ${fault.message}. Check DATABASE_URL, and that its role may create tables.`,
  );
}
await flush();

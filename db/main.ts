import { loadDatabaseConfig } from '../config/config.ts';
import { openLog } from '../runtime/log.ts';
import { configured, exitWith } from '../runtime/process.ts';
import { databaseFailure } from './core/database.ts';
import { NO_RIGHT, adviceOn } from './core/failures.ts';
import { migrateDatabase } from './core/migrate.ts';

const OWNER =
  'The user in DATABASE_URL must own the database, or at least be allowed to create schemas and tables in it.';

/** `npm run migrate`: brings the database at DATABASE_URL to the schema of this release, and ends. */
const { databaseUrl, logLevel } = await configured(() => loadDatabaseConfig(process.env));
const { log, flush } = openLog(logLevel, 'migrate');
try {
  await migrateDatabase(databaseUrl);
  log.info('the database has the present schema');
} catch (error) {
  const failure = databaseFailure(error);
  if (failure === null) throw error;
  const said = failure.code === NO_RIGHT ? OWNER : `${failure.message}. ${adviceOn(failure)}`;
  exitWith(`The database could not be migrated. ${said}`.trim());
}
await flush();

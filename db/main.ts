import { ConfigError, loadConfig } from '../config/config.ts';
import { exitWith } from '../config/process.ts';
import { databaseFault } from './database.ts';
import { migrateDatabase } from './migrate.ts';

const NO_RIGHT = '42501';
const OWNER = ' The user in DATABASE_URL must own the database, or may at least create schemas and tables in it.';

/** `npm run migrate`: brings the database at DATABASE_URL to the present schema, and ends. */
try {
  const { databaseUrl } = loadConfig(process.env, ['DATABASE_URL']);
  await migrateDatabase(databaseUrl ?? '');
  console.log('The database has the present schema.');
} catch (error) {
  if (error instanceof ConfigError) exitWith(error.message);
  const fault = databaseFault(error);
  if (fault !== null)
    exitWith(`The database could not be migrated. ${fault.message}.${fault.code === NO_RIGHT ? OWNER : ''}`);
  throw error;
}

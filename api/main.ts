import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';
import { loadApiConfig } from '../config/config.ts';
import { addressOn } from '../config/public-url.ts';
import { serverNames, warningsAbout } from '../config/database-url.ts';
import { openLog } from '../runtime/log.ts';
import { announceReady, configured, exitWith, onStop } from '../runtime/process.ts';
import { EXPORT_LIMITS, databaseFailure, openDatabase, type Db } from '../db/core/database.ts';
import { EXPORTS_SESSION } from '../db/core/sessions.ts';
import { createKeyRing, type KeyRing } from '../db/keys/key-ring.ts';
import { NEWER_SCHEMA, checkSchema } from '../db/core/schema-state.ts';
import { checkStoredKeys, describeStoredKeysCheck } from '../db/keys/stored-keys.ts';
import { createApp } from './app.ts';
import { scrubbed } from './http/problems.ts';
import { ListenError, closeServer, createHttpServer, listen } from './http/server.ts';
import { TemporalUnavailableError } from './http/temporal.ts';
import { forecastingThreads } from '../forecasting/forecasting.ts';
import { openTemporal, type OpenedTemporal } from './temporal.ts';

const POOL_SIZE = 10;
/** As many as are written at once. */
const EXPORT_POOL_SIZE = 2;
const CONSOLE_DIR = fileURLToPath(new URL('../console/', import.meta.url));

await main();

async function main(): Promise<void> {
  const config = await configured(() => loadApiConfig(process.env));
  const { apiToken, databaseUrl } = config;
  const { log, dropped, flush } = openLog(config.logLevel, 'api');
  const database = openDatabase(databaseUrl, { max: POOL_SIZE, name: 'meterline-api' });
  const exporting = openDatabase(databaseUrl, {
    max: EXPORT_POOL_SIZE,
    name: EXPORTS_SESSION,
    limits: EXPORT_LIMITS,
  });
  const temporal = openTemporal({ temporal: config.temporal, taskQueue: config.temporal.taskQueue });
  const ring = createKeyRing(config.encryptionKeys);
  const forecasting = forecastingThreads(new URL('../forecasting/thread.js', import.meta.url));
  const stopping = new AbortController();
  let url = addressOn(config.host, config.port);
  const app = createApp({
    db: database.db,
    exportDb: exporting.db,
    ring,
    temporal,
    forecasting,
    log,
    config: {
      apiToken,
      syncHourUtc: config.syncHourUtc,
      temporalNamespace: temporal.namespace,
      temporalUiUrl: config.temporal.uiUrl,
      trustProxy: config.trustProxy,
    },
    consoleDir: CONSOLE_DIR,
    publicUrl: () => config.publicUrl ?? url,
    notifyAllow: config.notifyAllow,
    stopping: stopping.signal,
    droppedLogLines: dropped,
  });
  const server = createHttpServer(app);
  const stop = async (): Promise<void> => {
    log.info('stopping');
    stopping.abort();
    await closeServer(server);
    await temporal.close();
    await forecasting.close();
    await Promise.all([database.close(), exporting.close()]);
    log.info('stopped');
    await flush();
  };
  onStop(() => void exitAfter(stop, log));
  url = await listen(server, config.host, config.port).catch(explain);
  const place = { postgres: serverNames(databaseUrl), temporal: config.temporal.address };
  log.info({ url, docs: `${url}/docs`, ...place }, 'listening');
  for (const warning of warningsAbout(databaseUrl)) log.warn(warning);
  announceReady(url);
  await Promise.all([logDatabaseState(database.db, ring, log), logTemporalState(temporal, log)]);
}

async function exitAfter(stop: () => Promise<void>, log: Logger): Promise<void> {
  try {
    await stop();
    // The channel to a supervisor would keep the process alive without this.
    process.exit(0);
  } catch (error) {
    log.error(scrubbed(error), 'stopping failed');
    process.exit(1);
  }
}

/**
 * Logs the state of the schema and of the stored keys. The API opens no stored key, but with other encryption keys than
 * the workers it would store keys that they cannot open.
 */
async function logDatabaseState(db: Db, ring: KeyRing, log: Logger): Promise<void> {
  try {
    if ((await checkSchema(db)) === 'newer') log.warn(NEWER_SCHEMA);
    const { level, message } = describeStoredKeysCheck(await checkStoredKeys(db, ring), ring);
    log[level](message);
  } catch (error) {
    // The API still serves, and each request that needs Postgres says what is wrong.
    log.warn(scrubbed(error), databaseFailure(error)?.message ?? 'could not check whether the stored keys open');
  }
}

/** Logs whether Temporal answers. Without it, the API still serves everything that needs no signal. */
async function logTemporalState(temporal: OpenedTemporal, log: Logger): Promise<void> {
  try {
    await temporal.check();
  } catch (error) {
    const reason = error instanceof TemporalUnavailableError ? error.reason : 'unknown';
    log.warn({ reason }, 'Temporal does not answer: start it, or check TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE');
  }
}

function explain(error: unknown): never {
  if (error instanceof ListenError) exitWith(error.message);
  throw error;
}

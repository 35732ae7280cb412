import type { Logger } from 'pino';
import { loadApiConfig } from '../config/config.ts';
import { serverNames, warningsAbout } from '../config/database-url.ts';
import { openLog } from '../runtime/log.ts';
import { announceReady, configured, exitWith, onStop } from '../runtime/process.ts';
import { databaseFailure, openDatabase, type Db } from '../db/core/database.ts';
import { createKeyRing, type KeyRing } from '../db/keys/key-ring.ts';
import { NEWER_SCHEMA, checkSchema } from '../db/core/schema-state.ts';
import { checkStoredKeys, describeStoredKeysCheck } from '../db/keys/stored-keys.ts';
import { createApp } from './http/app.ts';
import { scrubbed } from './http/problems.ts';
import { ListenError, closeServer, createHttpServer, listen } from './http/server.ts';
import { TemporalUnavailableError, openTemporal, type OpenedTemporal } from './temporal.ts';

const POOL_SIZE = 10;

await main();

async function main(): Promise<void> {
  const config = await configured(() => loadApiConfig(process.env));
  const { apiToken, databaseUrl } = config;
  const { log, dropped, flush } = openLog(config.logLevel, 'api');
  const database = openDatabase(databaseUrl, { max: POOL_SIZE, name: 'meterline-api' });
  const temporal = openTemporal({ temporal: config.temporal, taskQueue: config.temporal.taskQueue });
  const ring = createKeyRing(config.encryptionKeys);
  const stopping = new AbortController();
  const app = createApp({
    db: database.db,
    ring,
    temporal,
    log,
    config: {
      apiToken,
      syncHourUtc: config.syncHourUtc,
      temporalNamespace: temporal.namespace,
      temporalUiUrl: config.temporal.uiUrl,
      trustProxy: config.trustProxy,
    },
    stopping: stopping.signal,
    droppedLogLines: dropped,
  });
  const server = createHttpServer(app);
  const stop = async (): Promise<void> => {
    log.info('stopping');
    stopping.abort();
    await closeServer(server);
    await temporal.close();
    await database.close();
    log.info('stopped');
    await flush();
  };
  onStop(() => {
    stop().then(
      () => {
        // The channel to a supervisor would keep the process alive.
        process.exit(0);
      },
      (error: unknown) => {
        log.error(scrubbed(error), 'stopping failed');
        process.exit(1);
      },
    );
  });
  const url = await listen(server, config.host, config.port).catch(explain);
  const place = { postgres: serverNames(databaseUrl), temporal: config.temporal.address };
  log.info({ url, docs: `${url}/docs`, ...place }, 'listening');
  for (const warning of warningsAbout(databaseUrl)) log.warn(warning);
  announceReady(url);
  await Promise.all([tellOfDatabase(database.db, ring, log), tellOfTemporal(temporal, log)]);
}

/**
 * Whether the database is one to work with. The API opens no stored key; but with another ring than the workers' it would
 * store keys that those cannot open.
 */
async function tellOfDatabase(db: Db, ring: KeyRing, log: Logger): Promise<void> {
  try {
    if ((await checkSchema(db)) === 'newer') log.warn(NEWER_SCHEMA);
    const { level, message } = describeStoredKeysCheck(await checkStoredKeys(db, ring), ring);
    log[level](message);
  } catch (error) {
    // It serves all the same, and says of every request what is the matter.
    log.warn(scrubbed(error), databaseFailure(error)?.message ?? 'whether the stored keys open could not be checked');
  }
}

/** Whether Temporal serves. The API goes on without it, with all that needs no signal. */
async function tellOfTemporal(temporal: OpenedTemporal, log: Logger): Promise<void> {
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

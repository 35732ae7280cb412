import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { Client } from '@temporalio/client';
import { NativeConnection, Runtime } from '@temporalio/worker';
import type { Logger } from 'pino';
import { createTransport } from '../anthropic/transport.ts';
import { placesOf, warningsOf } from '../config/database-url.ts';
import { loadEnvironment } from '../config/environment.ts';
import { openLog } from '../config/log.ts';
import { warningOf } from '../domain/base-url.ts';
import { announceReady, configuredSoon, onStop } from '../config/process.ts';
import { databaseFault, openDatabase, type Db } from '../db/database.ts';
import { createKeyRing, type KeyRing } from '../db/key-ring.ts';
import { NEWER_SCHEMA, checkSchema } from '../db/schema-state.ts';
import { checkStoredKeys, saidOfStoredKeys } from '../db/stored-keys.ts';
import { startKeeper } from './keeper.ts';
import { temporalLogger } from './logger.ts';
import { searchAttributeRegistry } from './search-attributes.ts';
import { POOL_SIZE, createWorker } from './worker.ts';

const RETRY_MS = 1_000;
const RETRY_CAP_MS = 15_000;

// A large page leaves as much garbage as the process has memory otherwise; it is collected before it has doubled that.
setFlagsFromString('--heap-growing-percent=30');

/** `npm run worker`: carries workflows and activities until it is asked to stop. */
async function main(): Promise<void> {
  const { config, temporal } = await configuredSoon(
    loadEnvironment(process.env, ['DATABASE_URL', 'TEMPORAL_ADDRESS', 'METERLINE_ENCRYPTION_KEYS'], { listens: false }),
  );
  const { connectionOptions, namespace } = temporal;
  const { log, flush } = openLog(config.logLevel, 'worker');
  Runtime.install({
    logger: temporalLogger(log),
    telemetryOptions: { logging: { filter: { core: 'WARN', other: 'WARN' }, forward: {} } },
    shutdownSignals: [],
  });
  const stop = new AbortController();
  onStop(() => {
    log.info('stopping');
    stop.abort();
  });

  const databaseUrl = config.databaseUrl ?? '';
  for (const warning of warningsOf(databaseUrl)) log.warn(warning);
  const database = openDatabase(databaseUrl, { max: POOL_SIZE, name: 'meterline worker' });
  const ring = createKeyRing(config.encryptionKeys);
  await untilItAnswers(`Postgres (${placesOf(databaseUrl)})`, stop.signal, log, async () => {
    if ((await checkSchema(database.db)) === 'newer') log.warn(NEWER_SCHEMA);
    await tellOfStoredKeys(database.db, ring, log);
  });
  const connection = await untilItAnswers('Temporal', stop.signal, log, () =>
    NativeConnection.connect(connectionOptions),
  );
  const transport = createTransport({ baseUrl: config.anthropicBaseUrl, maxReplyBytes: config.maxReplyBytes });
  const { taskQueue } = config.temporal;
  const attributes = searchAttributeRegistry(connection, namespace, log);
  await attributes.register();
  const worker = await createWorker({
    connection,
    namespace,
    taskQueue,
    dependencies: {
      db: database.db,
      ring,
      transport,
      syncHourUtc: config.syncHourUtc,
      restatementDays: config.restatementDays,
      registeredAttributes: attributes.registered,
    },
  });
  const client = new Client({ connection, namespace });
  const stopKeeper = startKeeper({ db: database.db, client, taskQueue, log, registerAttributes: attributes.register });
  stop.signal.addEventListener('abort', () => {
    worker.shutdown();
  });
  announceReady();
  const warning = warningOf(config.anthropicBaseUrl);
  if (warning !== null) log.warn(warning);
  log.info({ namespace, taskQueue, anthropic: config.anthropicBaseUrl }, 'the worker serves');
  if (stop.signal.aborted) worker.shutdown();
  await worker.run();

  stopKeeper();
  await transport.close();
  await connection.close();
  await database.close();
  await flush();
  // A line that nobody takes would keep the process alive.
  process.exit(0);
}

/** A key that does not open stops its own connection only: whoever lost an encryption key is told before all of them. */
async function tellOfStoredKeys(db: Db, ring: KeyRing, log: Logger): Promise<void> {
  const { level, message } = saidOfStoredKeys(await checkStoredKeys(db, ring), ring);
  log[level](message);
}

/** A server that is down is waited for, with a line that says so: it is not for us to end because of it. */
async function untilItAnswers<T>(what: string, stop: AbortSignal, log: Logger, ask: () => Promise<T>): Promise<T> {
  for (let waitMs = RETRY_MS; ; waitMs = Math.min(RETRY_CAP_MS, waitMs * 2)) {
    try {
      return await ask();
    } catch (error) {
      const message = databaseFault(error)?.message ?? (error instanceof Error ? error.message : 'unknown');
      log.warn({ error: message, retryInMs: waitMs }, `${what} is not to be worked with yet; trying again`);
      await delay(waitMs, undefined, { signal: stop }).catch(() => process.exit(0));
    }
  }
}

await main();

import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { Client } from '@temporalio/client';
import { NativeConnection, Runtime, type Worker } from '@temporalio/worker';
import type { Logger } from 'pino';
import { createTransport } from '../anthropic/transport.ts';
import type { Config } from '../config/config.ts';
import { placesOf, warningsOf } from '../config/database-url.ts';
import { loadEnvironment } from '../config/environment.ts';
import { openLog } from '../runtime/log.ts';
import { warningOf } from '../domain/base-url.ts';
import { announceReady, configuredSoon, exitWith, onStop } from '../runtime/process.ts';
import { databaseFailure, openDatabase, type Db } from '../db/core/database.ts';
import { adviceOn } from '../db/core/failures.ts';
import { createKeyRing, type KeyRing } from '../db/keys/key-ring.ts';
import { NEWER_SCHEMA, checkSchema } from '../db/core/schema-state.ts';
import { checkStoredKeys, describeStoredKeysCheck } from '../db/keys/stored-keys.ts';
import { HealthPortError, healthOf, serveHealth, type Doing, type Health } from './health.ts';
import { startKeeper, type KeeperDependencies } from './keeper.ts';
import { temporalLogger } from './logger.ts';
import { Outages, reasonOf } from './outages.ts';
import { searchAttributeRegistry } from './search-attributes.ts';
import { POOL_SIZE, createWorker } from './worker.ts';

const RETRY_MS = 1_000;
const RETRY_CAP_MS = 15_000;
/** A server that says nothing for this long is told of. */
const SILENCE_MS = 5_000;

// A large page leaves as much garbage as the process has memory otherwise; it is collected before it has doubled that.
setFlagsFromString('--heap-growing-percent=30');

/** Core's warnings, but not of each call that it tries again: several a second, as long as Temporal is down. */
const CORE_LOG = 'WARN,temporalio_client::retry=OFF';

/** `npm run worker`: carries workflows and activities until it is asked to stop. */
async function main(): Promise<void> {
  const listens = (process.env['METERLINE_WORKER_HEALTH_PORT'] ?? '') !== '';
  const { config, temporal } = await configuredSoon(
    loadEnvironment(process.env, ['DATABASE_URL', 'TEMPORAL_ADDRESS', 'METERLINE_ENCRYPTION_KEYS'], { listens }),
  );
  const { connectionOptions, namespace } = temporal;
  const { log, flush } = openLog(config.logLevel, 'worker');
  Runtime.install({
    logger: temporalLogger(log),
    telemetryOptions: { logging: { filter: CORE_LOG, forward: {} } },
    shutdownSignals: [],
  });
  const stop = new AbortController();
  onStop(() => {
    log.info('stopping');
    stop.abort();
  });
  const outages = outagesOf(config, connectionOptions.address, log);
  let doing: Doing = { waitsFor: 'Postgres' };
  const health = await tellHealth(config, () => healthOf(doing), log);

  const databaseUrl = config.databaseUrl ?? '';
  for (const warning of warningsOf(databaseUrl)) log.warn(warning);
  const database = openDatabase(databaseUrl, { max: POOL_SIZE, name: 'meterline worker' });
  const ring = createKeyRing(config.encryptionKeys);
  const prepare = async (): Promise<void> => {
    if ((await checkSchema(database.db)) === 'newer') log.warn(NEWER_SCHEMA);
    await tellOfStoredKeys(database.db, ring, log);
  };
  // What is no fault of the database is one of ours.
  await untilItServes(outages.postgres, stop.signal, prepare, () => false);
  doing = { waitsFor: 'Temporal' };
  const transport = createTransport({ baseUrl: config.anthropicBaseUrl, maxReplyBytes: config.maxReplyBytes });
  const { taskQueue } = config.temporal;
  const { syncHourUtc, restatementDays } = config;
  const open = async (): Promise<Served> => {
    const connection = await reach(connectionOptions, namespace);
    const attributes = searchAttributeRegistry(connection, namespace, log);
    const { registered: registeredAttributes } = attributes;
    const dependencies = { db: database.db, ring, transport, syncHourUtc, restatementDays, registeredAttributes };
    try {
      const worker = await createWorker({ connection, namespace, taskQueue, dependencies });
      return { connection, attributes, worker };
    } catch (error) {
      // Whatever else fails here would fail again. A connection has room for one worker, also for one that failed.
      if (!(error instanceof Error && error.name === 'TransportError'))
        throw new OwnFault('no worker', { cause: error });
      await connection.close();
      throw error;
    }
  };
  const isOutage = (error: unknown): boolean => !(error instanceof OwnFault);
  const { connection, attributes, worker } = await untilItServes(outages.temporal, stop.signal, open, isOutage);
  await attributes.register();
  doing = { status: () => worker.getStatus() };
  const client = new Client({ connection, namespace });
  const { register: registerAttributes } = attributes;
  const stopKeeper = startKeeper({ db: database.db, client, taskQueue, log, registerAttributes, outages });
  stop.signal.addEventListener('abort', () => {
    worker.shutdown();
  });
  announceReady();
  const warning = warningOf(config.anthropicBaseUrl);
  if (warning !== null) log.warn(warning);
  log.info({ namespace, taskQueue, anthropic: config.anthropicBaseUrl }, 'the worker serves');
  if (stop.signal.aborted) worker.shutdown();
  await worker.run().catch(async (error: unknown) => {
    log.fatal({ error: error instanceof Error ? error.message : 'unknown' }, `the worker ends: ${reasonOf(error)}`);
    await flush();
    process.exit(1);
  });

  stopKeeper();
  health?.close();
  await transport.close();
  await connection.close();
  await database.close();
  await flush();
  // A line that nobody takes would keep the process alive.
  process.exit(0);
}

/** What a worker is, once Temporal serves it. */
interface Served {
  readonly connection: NativeConnection;
  readonly attributes: ReturnType<typeof searchAttributeRegistry>;
  readonly worker: Worker;
}

/** What no waiting mends. */
class OwnFault extends Error {
  override readonly name = 'OwnFault';
}

/** Connects to Temporal, and asks whether it has the namespace. */
async function reach(
  options: Parameters<typeof NativeConnection.connect>[0],
  namespace: string,
): Promise<NativeConnection> {
  const connection = await NativeConnection.connect(options);
  try {
    await connection.workflowService.describeNamespace({ namespace });
    return connection;
  } catch (error) {
    await connection.close();
    throw error;
  }
}

function outagesOf(config: Config, temporalAddress: string | undefined, log: Logger): KeeperDependencies['outages'] {
  const { databaseUrl, temporal } = config;
  // The address alone: the rest of DATABASE_URL is a secret.
  const postgres = placesOf(databaseUrl ?? '');
  const address = temporalAddress ?? temporal.address ?? 'TEMPORAL_ADDRESS';
  return {
    postgres: new Outages({ name: 'Postgres', address: postgres, advice: 'Start it, or check DATABASE_URL.' }, log),
    temporal: new Outages(
      { name: 'Temporal', address, advice: 'Start it, or check TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE.' },
      log,
    ),
  };
}

async function tellHealth(
  { host, workerHealthPort }: Config,
  look: () => Health,
  log: Logger,
): Promise<{ close: () => void } | null> {
  if (workerHealthPort === null) return null;
  try {
    const server = await serveHealth({ host, port: workerHealthPort }, look);
    log.info({ host, port: server.port }, 'the health of this worker is told at /healthz');
    return server;
  } catch (error) {
    if (error instanceof HealthPortError) exitWith(error.message);
    throw error;
  }
}

/** A key that does not open stops its own connection only: whoever lost an encryption key is told before all of them. */
async function tellOfStoredKeys(db: Db, ring: KeyRing, log: Logger): Promise<void> {
  const { level, message } = describeStoredKeysCheck(await checkStoredKeys(db, ring), ring);
  log[level](message);
}

/** A server that is down is waited for, with lines that say so: it is not for us to end because of it. */
async function untilItServes<T>(
  outages: Outages,
  stop: AbortSignal,
  ask: () => Promise<T>,
  isOutage: (error: unknown) => boolean = () => true,
): Promise<T> {
  // Nothing is under way that would have to be finished, and a server that is silent keeps `ask` for half a minute.
  const end = (): never => process.exit(0);
  stop.addEventListener('abort', end);
  if (stop.aborted) end();
  for (let waitMs = RETRY_MS; ; waitMs = Math.min(RETRY_CAP_MS, waitMs * 2)) {
    const silence = setInterval(() => {
      outages.failed('it does not answer');
    }, SILENCE_MS);
    try {
      const answer = await ask();
      outages.answered();
      stop.removeEventListener('abort', end);
      return answer;
    } catch (error) {
      const failure = databaseFailure(error);
      if (failure !== null) outages.failed(failure.message, adviceOn(failure));
      else if (isOutage(error)) outages.failed(reasonOf(error));
      else throw error;
    } finally {
      clearInterval(silence);
    }
    await delay(waitMs);
  }
}

await main();

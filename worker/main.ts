import { setFlagsFromString } from 'node:v8';
import { Client } from '@temporalio/client';
import { Runtime } from '@temporalio/worker';
import type { Logger } from 'pino';
import { createTransport } from '../anthropic/transport.ts';
import { loadWorkerConfig, type WorkerConfig } from '../config/config.ts';
import { serverNames, warningsAbout } from '../config/database-url.ts';
import { openDoor, type Door } from '../notify/door.ts';
import { askHeartbeat } from '../notify/http/heartbeat.ts';
import { PageThread } from '../pages/page-reader.ts';
import { openLog } from '../runtime/log.ts';
import { announceReady, configured, exitWith, onStop } from '../runtime/process.ts';
import { databaseFailure, openDatabase, type Db } from '../db/core/database.ts';
import { adviceOn } from '../db/core/failures.ts';
import { createKeyRing, type KeyRing } from '../db/keys/key-ring.ts';
import { NEWER_SCHEMA, checkSchema } from '../db/core/schema-state.ts';
import { checkStoredKeys, describeStoredKeysCheck } from '../db/keys/stored-keys.ts';
import { warningOf } from '../domain/base-url.ts';
import { VERSION } from '../domain/version.ts';
import { anomaliesInThreads } from './anomalies.ts';
import { Heartbeat } from './heartbeat.ts';
import { HealthPortError, healthOf, serveHealth, type Health, type WorkerPhase } from './health.ts';
import { startKeeper, type KeeperDependencies } from './keeper-rounds.ts';
import { temporalLogger } from './logger.ts';
import { Outages, reasonOf, untilItServes } from './outages.ts';
import { WorkerCreationError, connectWorker } from './connect.ts';
import { POOL_SIZE } from './worker.ts';

// Without it the process grows by as much garbage as a large page leaves; this collects it before the heap has doubled.
setFlagsFromString('--heap-growing-percent=30');

/** Core's warnings, without those of each retried call: as long as Temporal is down, they come several times a second. */
const CORE_LOG = 'WARN,temporalio_client::retry=OFF';

const USER_AGENT = `Meterline/${VERSION}`;

await main();

/** `npm run worker`: runs workflows and activities until it is asked to stop. */
async function main(): Promise<void> {
  const config = await configured(() => loadWorkerConfig(process.env));
  const { log, flush } = openLog(config.logLevel, 'worker');
  installRuntime(log);
  const stop = new AbortController();
  onStop(() => {
    log.info('stopping');
    stop.abort();
  });
  const outages = outagesOf(config, log);
  let phase: WorkerPhase = { waitsFor: 'Postgres' };
  const health = await reportHealth(config, () => healthOf(phase), log);

  for (const warning of warningsAbout(config.databaseUrl)) log.warn(warning);
  const database = openDatabase(config.databaseUrl, { max: POOL_SIZE, name: 'meterline worker' });
  const ring = createKeyRing(config.encryptionKeys);
  await untilItServes(outages.postgres, stop.signal, () => checkDatabase(database.db, ring, log), postgresOutage);

  phase = { waitsFor: 'Temporal' };
  const { anthropicBaseUrl: baseUrl, maxReplyBytes, proxy } = config;
  const transport = createTransport({ baseUrl, maxReplyBytes, proxy });
  const pages = new PageThread(new URL('../pages/thread.js', import.meta.url));
  const findAnomalies = anomaliesInThreads(new URL('./anomalies-thread.js', import.meta.url));
  const door = doorOf(config);
  const connect = (): ReturnType<typeof connectWorker> =>
    connectWorker(config, { db: database.db, ring, transport, pages, door, findAnomalies }, log);
  const served = await untilItServes(outages.temporal, stop.signal, connect, temporalOutage);
  const { connection, attributes, workers } = served;
  await attributes.register();

  phase = { status: () => workers.getStatus() };
  const { namespace, taskQueue } = config.temporal;
  const client = new Client({ connection, namespace });
  const registerAttributes = attributes.register;
  const stopKeeper = keep(config, { db: database.db, client, taskQueue, log, registerAttributes, outages });
  stop.signal.addEventListener('abort', () => {
    workers.shutdown();
  });
  announceReady();
  const warning = warningOf(baseUrl);
  if (warning !== null) log.warn(warning);
  log.info({ namespace, taskQueue, anthropic: baseUrl }, 'the worker serves');
  if (stop.signal.aborted) workers.shutdown();
  await workers.run().catch(async (error: unknown) => {
    log.fatal({ error: error instanceof Error ? error.message : 'unknown' }, `the worker ends: ${reasonOf(error)}`);
    await flush();
    process.exit(1);
  });

  stopKeeper();
  health?.close();
  await transport.close();
  await pages.close();
  await connection.close();
  await database.close();
  await flush();
  // A line that nobody takes would keep the process alive.
  process.exit(0);
}

/** Starts the keeper, and lets the heart beat after its good rounds. Returns a function that stops both. */
function keep(config: WorkerConfig, deps: KeeperDependencies): () => void {
  const heartbeat = heartbeatOf(config, deps.log);
  const afterGoodRound = (): void => {
    heartbeat?.beat();
  };
  const stopKeeper = startKeeper({ ...deps, afterGoodRound });
  return () => {
    stopKeeper();
    heartbeat?.stop();
  };
}

function heartbeatOf({ heartbeatUrl, notifyAllow: allow, proxy }: WorkerConfig, log: Logger): Heartbeat | null {
  if (heartbeatUrl === null) return null;
  const route = { allow, proxy, userAgent: USER_AGENT };
  const ask = (signal: AbortSignal): Promise<string | null> => askHeartbeat(heartbeatUrl, route, signal);
  return new Heartbeat({ host: new URL(heartbeatUrl).hostname, ask, log });
}

function doorOf({ mail, notifyAllow: allow, proxy }: WorkerConfig): Door {
  const smtp = mail === null ? null : { url: mail.smtpUrl };
  return openDoor({ smtp, mailFrom: mail?.from ?? null, allow, proxy, userAgent: USER_AGENT });
}

function installRuntime(log: Logger): void {
  Runtime.install({
    logger: temporalLogger(log),
    telemetryOptions: { logging: { filter: CORE_LOG, forward: {} } },
    shutdownSignals: [],
  });
}

function outagesOf({ databaseUrl, temporal }: WorkerConfig, log: Logger): KeeperDependencies['outages'] {
  return {
    postgres: new Outages(
      { name: 'Postgres', address: serverNames(databaseUrl), advice: 'Start it, or check DATABASE_URL.' },
      log,
    ),
    temporal: new Outages(
      {
        name: 'Temporal',
        address: temporal.address,
        advice: 'Start it, or check TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE.',
      },
      log,
    ),
  };
}

async function reportHealth(
  { host, workerHealthPort }: WorkerConfig,
  look: () => Health,
  log: Logger,
): Promise<{ close: () => void } | null> {
  if (workerHealthPort === null) return null;
  try {
    const server = await serveHealth({ host, port: workerHealthPort }, look);
    log.info({ host, port: server.port }, 'this worker reports its health at /healthz');
    return server;
  } catch (error) {
    if (error instanceof HealthPortError) exitWith(error.message);
    throw error;
  }
}

/** Logs stored keys that do not open. Each stops its own connection only, so the worker starts all the same. */
async function checkDatabase(db: Db, ring: KeyRing, log: Logger): Promise<void> {
  if ((await checkSchema(db)) === 'newer') log.warn(NEWER_SCHEMA);
  const { level, message } = describeStoredKeysCheck(await checkStoredKeys(db, ring), ring);
  log[level](message);
}

function postgresOutage(error: unknown): { reason: string; advice: string } | null {
  const failure = databaseFailure(error);
  return failure === null ? null : { reason: failure.message, advice: adviceOn(failure) };
}

function temporalOutage(error: unknown): { reason: string } | null {
  return error instanceof WorkerCreationError ? null : { reason: reasonOf(error) };
}

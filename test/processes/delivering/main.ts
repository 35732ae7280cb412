import { Client } from '@temporalio/client';
import { NativeConnection, Runtime } from '@temporalio/worker';
import { pino } from 'pino';
import { z } from 'zod';
import { createTransport } from '../../../anthropic/transport.ts';
import { openDatabase } from '../../../db/core/database.ts';
import { createKeyRing } from '../../../db/keys/key-ring.ts';
import { findAnomaliesHere } from '../../../domain/anomalies/settled.ts';
import type { Door } from '../../../notify/door.ts';
import { pageReaderHere } from '../../../pages/page-reader.ts';
import { startKeeper } from '../../../worker/keeper-rounds.ts';
import { temporalLogger } from '../../../worker/logger.ts';
import { Outages } from '../../../worker/outages.ts';
import { createWorkers } from '../../../worker/worker.ts';

/** A worker whose door leads to a server of the test that counts what arrives. The test kills it whenever it likes. */
const env = z
  .object({
    DATABASE_URL: z.string(),
    TEMPORAL_ADDRESS: z.string(),
    TASK_QUEUE: z.string(),
    RING_KEY: z.string(),
    BUNDLE: z.string(),
    SINK: z.string(),
  })
  .parse(process.env);

const door: Door = {
  async tell(target, { deliveryId }, { beforeBody, signal }) {
    await beforeBody();
    const response = await fetch(`${env.SINK}/${target.kind}/${deliveryId}`, { method: 'POST', signal });
    if (response.status === 503) return { state: 'retry', reason: 'busy', retryAfterMs: null };
    return { state: 'sent', reply: await response.text() };
  },
};

const log = pino({ level: 'silent' });
Runtime.install({
  logger: temporalLogger(log),
  telemetryOptions: { logging: { filter: 'OFF', forward: {} } },
});
const connection = await NativeConnection.connect({ address: env.TEMPORAL_ADDRESS });
const { db } = openDatabase(env.DATABASE_URL, { max: 20, name: 'meterline worker' });
const workers = await createWorkers({
  connection,
  namespace: 'default',
  taskQueue: env.TASK_QUEUE,
  bundle: { codePath: env.BUNDLE },
  dependencies: {
    db,
    ring: createKeyRing([{ id: 'test', key: Buffer.from(env.RING_KEY, 'base64') }]),
    transport: createTransport({ baseUrl: 'http://127.0.0.1:1', maxReplyBytes: 1 }),
    pages: pageReaderHere(),
    door,
    findAnomalies: findAnomaliesHere,
    publicUrl: 'http://127.0.0.1:8080',
    syncHourUtc: 6,
    restatementDays: 3,
    registeredAttributes: () => Promise.resolve([]),
  },
});
const outage = new Outages({ name: 'Temporal', address: 'there', advice: 'None.' }, log);
startKeeper({
  db,
  client: new Client({ connection }),
  taskQueue: env.TASK_QUEUE,
  log,
  registerAttributes: () => Promise.resolve(),
  outages: { postgres: outage, temporal: outage },
});
await workers.run();

import { randomBytes, randomUUID } from 'node:crypto';
import { Client, Connection } from '@temporalio/client';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { NativeConnection, Runtime } from '@temporalio/worker';
import { pino } from 'pino';
import { inject } from 'vitest';
import type { Door } from '../../notify/door.ts';
import { createTransport } from '../../anthropic/transport.ts';
import { createConnection } from '../../db/connections/connections.ts';
import { createKeyRing, type KeyRing } from '../../db/keys/key-ring.ts';
import { addCandidate } from '../../db/keys/candidates.ts';
import { findAnomaliesHere } from '../../domain/anomalies/settled.ts';
import { addDays, dayOf, type Day } from '../../domain/days.ts';
import { pageReaderHere } from '../../pages/page-reader.ts';
import { startSimulator, type Simulator, type SimulatorOptions } from '../../simulator/simulator.ts';
import { temporalLogger } from '../../worker/logger.ts';
import { searchAttributeRegistry } from '../../worker/search-attributes.ts';
import { createWorkers, type TaskWorkers } from '../../worker/worker.ts';
import {
  CONNECTION_WORKFLOW,
  connectionWorkflowId,
  type ConnectionInput,
  type signals,
} from '../../workflows/messages.ts';
import { testDatabase, type TestDatabase } from './postgres.ts';
import { adminKey } from './admin-key.ts';

/** Everything that a connection lives in, real but for Anthropic: Postgres, Temporal, a worker, and the simulator. */
export interface World {
  readonly database: TestDatabase;
  readonly simulator: Simulator;
  readonly client: Client;
  readonly ring: KeyRing;
  readonly taskQueue: string;
  /** The simulator's first good key. */
  readonly key: string;
  /** Stores a connection and starts its workflow. Returns its id. */
  connect(options?: { id?: string; key?: string; backfillDays?: number; name?: string; today?: Day }): Promise<string>;
  /** Stores a candidate. Returns its id. */
  stage(connectionId: string, key: string): Promise<string>;
  signal(connectionId: string, name: keyof typeof signals, input?: unknown): Promise<void>;
  /** The instant it is for workflows, in milliseconds. */
  now(): Promise<number>;
  /** Lets time pass. On a real server that is not possible. */
  pass(duration: string): Promise<void>;
  stopWorker(): Promise<void>;
  startWorker(): Promise<void>;
  close(): Promise<void>;
}

const OPEN_DOOR: Door = {
  async tell(_target, _message, { beforeBody }) {
    await beforeBody();
    return { state: 'sent', reply: 'taken' };
  },
};

let installed = false;

/** Sets the Temporal runtime of this process up, once. */
export function installRuntime(): void {
  if (installed) return;
  installed = true;
  Runtime.install({
    logger: temporalLogger(pino({ level: process.env['LOG_LEVEL'] ?? 'silent' })),
    telemetryOptions: { logging: { filter: { core: 'ERROR', other: 'ERROR' }, forward: {} } },
  });
}

/** Makes a world. `timeSkipping` lets days pass in milliseconds; without it, the server is the real one. */
export async function createWorld(options: {
  timeSkipping: boolean;
  simulator?: SimulatorOptions;
  restatementDays?: number;
  /** In place of a database of its own. */
  database?: TestDatabase;
  /** By default one that takes every message. */
  door?: Door;
}): Promise<World> {
  installRuntime();
  const [database, simulator, temporal] = await Promise.all([
    options.database ?? testDatabase(),
    startSimulator({ seed: 7, organizations: [{ daysOff: false }], ...options.simulator }),
    options.timeSkipping ? skippingTemporal() : realTemporal(),
  ]);
  const ring = createKeyRing([{ id: 'test', key: randomBytes(32) }]);
  const transport = createTransport({ baseUrl: simulator.url, maxReplyBytes: 64 * 1024 * 1024 });
  const taskQueue = `test-${randomUUID()}`;
  const attributes = searchAttributeRegistry(temporal.native, 'default', pino({ level: 'silent' }));
  if (!options.timeSkipping) await attributes.register();
  const registeredAttributes = options.timeSkipping
    ? (): Promise<string[]> => Promise.resolve([])
    : attributes.registered;
  const newWorker = (): Promise<TaskWorkers> =>
    createWorkers({
      connection: temporal.native,
      namespace: 'default',
      taskQueue,
      dependencies: {
        db: database.db,
        ring,
        transport,
        pages: pageReaderHere(),
        syncHourUtc: 6,
        restatementDays: options.restatementDays ?? 3,
        registeredAttributes,
        door: options.door ?? OPEN_DOOR,
        findAnomalies: findAnomaliesHere,
        publicUrl: 'http://127.0.0.1:8080',
      },
      bundle: { codePath: inject('workflowBundlePath') },
    });
  let stopWorker = await run(await newWorker());
  const [first] = simulator.control.keys();
  if (first === undefined) throw new Error('the simulator has no key');
  const { client } = temporal;

  return {
    database,
    simulator,
    client,
    ring,
    taskQueue,
    key: first.key,
    async connect({
      id = randomUUID(),
      key = first.key,
      backfillDays = 31,
      name = 'Test',
      today = dayOf(Date.now()),
    } = {}) {
      const began = addDays(today, 1 - backfillDays);
      const keyId = randomUUID();
      await createConnection(database.db, ring, {
        id,
        name,
        began,
        backfillTo: today,
        keyId,
        adminKey: adminKey(key),
        actor: 'test',
      });
      const input: ConnectionInput = { connectionId: id };
      await client.workflow.start(CONNECTION_WORKFLOW, {
        workflowId: connectionWorkflowId(id),
        taskQueue,
        args: [input],
      });
      return id;
    },
    async stage(connectionId, text) {
      const keyId = randomUUID();
      await addCandidate(database.db, ring, {
        connectionId,
        keyId,
        adminKey: adminKey(text),
        requested: false,
        actor: 'test',
      });
      return keyId;
    },
    async signal(connectionId, name, input) {
      await client.workflow
        .getHandle(connectionWorkflowId(connectionId))
        .signal(name, ...(input === undefined ? [] : [input]));
    },
    now: temporal.now,
    pass: temporal.pass,
    stopWorker: () => stopWorker(),
    async startWorker() {
      stopWorker = await run(await newWorker());
    },
    async close() {
      await stopWorker();
      await temporal.close();
      await transport.close();
      await simulator.close();
      await database.close();
    },
  };
}

function run(workers: TaskWorkers): Promise<() => Promise<void>> {
  const ended = workers.run();
  return Promise.resolve(async () => {
    workers.shutdown();
    await ended;
  });
}

interface Temporal {
  readonly client: Client;
  readonly native: NativeConnection;
  readonly now: () => Promise<number>;
  readonly pass: (duration: string) => Promise<void>;
  readonly close: () => Promise<void>;
}

async function realTemporal(): Promise<Temporal> {
  const address = inject('temporalAddress');
  const [connection, native] = await Promise.all([
    Connection.connect({ address }),
    NativeConnection.connect({ address }),
  ]);
  return {
    client: new Client({ connection }),
    native,
    now: () => Promise.resolve(Date.now()),
    pass: () => Promise.reject(new Error('time passes by itself on a real server')),
    close: async () => {
      await connection.close();
      await native.close();
    },
  };
}

async function skippingTemporal(): Promise<Temporal> {
  const env = await withoutPings(() =>
    TestWorkflowEnvironment.createTimeSkipping({
      server: { executable: { type: 'existing-path', path: inject('testServerPath') } },
    }),
  );
  return {
    client: env.client,
    native: env.nativeConnection,
    now: () => env.currentTimeMs(),
    pass: (duration) => env.sleep(duration),
    close: () => env.teardown(),
  };
}

/**
 * The server that skips time ends a connection that pings more often than every five minutes, as a Java server of gRPC does by
 * default, and the client pings twice a minute. A call that is under way fails then.
 */
async function withoutPings<T>(connecting: () => Promise<T>): Promise<T> {
  const connect = Connection.connect.bind(Connection);
  Connection.connect = (options) => connect({ ...options, channelArgs: { 'grpc.keepalive_time_ms': 3_600_000 } });
  try {
    return await connecting();
  } finally {
    Connection.connect = connect;
  }
}

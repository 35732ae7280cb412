import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { copyFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { createKeyRing } from '../../db/keys/key-ring.ts';
import { writeNotice } from '../../db/notices/outbox.ts';
import { findTemporalCli } from '../../local/temporal/find.ts';
import { startTemporal } from '../../local/temporal/temporal.ts';
import { compileRooms, type CompiledRooms } from '../support/compiled.ts';
import { channelOf } from '../support/fake-door.ts';
import { testDatabase, type TestDatabase } from '../support/postgres.ts';
import { row, rows } from '../support/rows.ts';
import { until } from '../support/wait.ts';

const ROOMS = ['domain', 'config', 'runtime', 'pages', 'anthropic', 'db', 'workflows', 'activities', 'worker'];
const NOTICES = 250;
const ADDRESSES = ['a@example.com', 'b@example.com', 'c@example.com'];
const KILLS = 8;

const key = randomBytes(32);
const taskQueue = `test-${randomUUID()}`;
let database: TestDatabase;
let rooms: CompiledRooms;
let sink: Server;
/** How often each delivery arrived. */
const arrived = new Map<string, number>();
let worker: ChildProcess | null = null;

beforeAll(async () => {
  [database, rooms] = await Promise.all([testDatabase(), compileRooms([...ROOMS, 'test/processes/delivering'])]);
  const converter = 'workflows/payload-converter.cjs';
  copyFileSync(join(import.meta.dirname, '../..', converter), join(rooms.directory, converter));
  sink = createServer((request, response) => {
    const [, , id = ''] = request.url?.split('/') ?? [];
    const busy = Math.random() < 0.05;
    if (!busy) arrived.set(id, (arrived.get(id) ?? 0) + 1);
    setTimeout(
      () => {
        response.writeHead(busy ? 503 : 200).end('taken');
      },
      Math.random() * (Math.random() < 0.02 ? 2_000 : 50),
    );
  });
  sink.listen(0, '127.0.0.1');
  await once(sink, 'listening');
});
afterAll(async () => {
  await kill();
  sink.closeAllConnections();
  sink.close();
  await rooms.remove();
  await database.close();
});

async function kill(): Promise<void> {
  if (worker?.exitCode !== null) return;
  const exited = once(worker, 'exit');
  worker.kill('SIGKILL');
  await exited;
  worker = null;
}

function startWorker(temporalAddress: string): void {
  const address = sink.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  worker = spawn(process.execPath, [join(rooms.directory, 'test/processes/delivering/main.js')], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: {
      PATH: process.env['PATH'],
      DATABASE_URL: database.url,
      TEMPORAL_ADDRESS: temporalAddress,
      TASK_QUEUE: taskQueue,
      RING_KEY: key.toString('base64'),
      BUNDLE: inject('workflowBundlePath'),
      SINK: `http://127.0.0.1:${port}`,
    },
  });
}

async function ended(): Promise<number> {
  const { done } = await row<{ done: number }>(
    database.db,
    sql`select count(*)::int as done from deliveries where state not in ('pending', 'sending')`,
  );
  return done;
}

it('1,000 deliveries over killed workers and a Temporal that loses its state: none is lost, none is doubled but those that say so', async () => {
  const { db } = database;
  const ring = createKeyRing([{ id: 'test', key }]);
  await channelOf(db, ring, { kind: 'email', to: ADDRESSES });
  await channelOf(db, ring, { kind: 'webhook', url: 'https://example.com/', secrets: ['whsec_x'] });
  for (let n = 0; n < NOTICES; n += 1) {
    const data = { channel: 'Here', asked_by: 'test' };
    await writeNotice(db, { kind: 'test', dedupeKey: `test:${n}`, connectionId: null, data });
  }
  const all = NOTICES * (ADDRESSES.length + 1);
  const cli = await findTemporalCli();
  let temporal = await startTemporal({ cli, dataDir: ':memory:' });
  try {
    for (let kills = 0; kills < KILLS; kills += 1) {
      startWorker(temporal.address);
      const before = await ended();
      await until('some to be delivered', async () => (await ended()) > before, 240_000);
      await delay(Math.random() * 1_500);
      await kill();
      if (kills !== KILLS / 2) continue;
      expect(await ended()).toBeLessThan(all);
      await temporal.stop();
      temporal = await startTemporal({ cli, dataDir: ':memory:' });
    }
    startWorker(temporal.address);
    await until('all to end', async () => (await ended()) === all, 900_000);
  } finally {
    await kill();
    await temporal.stop();
  }
  const stored = await rows<{ id: string; state: string; kind: string }>(
    db,
    sql`select d.id, d.state, c.kind from deliveries d join channels c on c.id = d.channel_id`,
  );
  const wrong = stored.filter(({ id, state, kind }) => {
    const times = arrived.get(id) ?? 0;
    if (kind === 'webhook') return state !== 'sent' || times === 0;
    return state === 'sent' ? times !== 1 : state !== 'unknown' || times > 1;
  });
  expect(wrong).toEqual([]);
  expect(stored).toHaveLength(all);
}, 2_400_000);

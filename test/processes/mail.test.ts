import { Client, Connection } from '@temporalio/client';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { startSimulator, type Simulator } from '../../simulator/simulator.ts';
import { FROM, smtpSink, type Sink } from '../notify/smtp.ts';
import { channelOf, writeTo } from '../support/fake-door.ts';
import { testDatabase, type TestDatabase } from '../support/postgres.ts';
import { row } from '../support/rows.ts';
import { until } from '../support/wait.ts';
import { PATIENCE_MS, createPlace, prepare, type Place } from './support.ts';

let database: TestDatabase;
let simulator: Simulator;
let connection: Connection;
let sink: Sink;
let place: Place;

beforeAll(async () => {
  await prepare();
  const temporalAddress = inject('temporalAddress');
  [database, simulator, connection, sink] = await Promise.all([
    testDatabase(),
    startSimulator({ seed: 14, now: Date.now(), ticking: false, days: 3, workspaces: 1, models: 1 }),
    Connection.connect({ address: temporalAddress }),
    smtpSink(),
  ]);
  const { db, url: databaseUrl } = database;
  place = createPlace({ db, databaseUrl, temporalAddress, client: new Client({ connection }), simulator });
}, 6 * PATIENCE_MS);
afterAll(async () => {
  await place.close();
  await sink.close();
  await connection.close();
  await simulator.close();
  await database.close();
});

it(
  'a worker sends mail by the mail server of its settings, and posts to no private address they do not name',
  async () => {
    const { db, ring } = place;
    await place.startWorker({
      METERLINE_SMTP_URL: sink.url,
      METERLINE_MAIL_FROM: FROM,
      METERLINE_PUBLIC_URL: 'https://costs.example.com',
    });
    const mail = await writeTo(db, await channelOf(db, ring, { kind: 'email', to: ['ops@example.com'] }));
    const post = await writeTo(db, await channelOf(db, ring, { kind: 'slack', url: 'https://127.0.0.1:1/CANARY' }));
    const ended = (id: string): Promise<{ state: string; words: string | null; hasEnded: boolean }> =>
      row(db, sql`select state, words, ended_at is not null as "hasEnded" from deliveries where id = ${id}`);
    await until('both to end', async () => (await ended(mail)).hasEnded && (await ended(post)).hasEnded, PATIENCE_MS);
    expect(await ended(mail)).toMatchObject({
      state: 'sent',
      words: expect.stringContaining('queued as 4f1c') as string,
    });
    expect(await ended(post)).toMatchObject({
      state: 'failed',
      words: expect.stringContaining('METERLINE_NOTIFY_ALLOW') as string,
    });
    expect(sink.mails.map(({ to }) => to)).toEqual([['ops@example.com']]);
    expect(sink.mails[0]?.source).toMatch(/^List-Unsubscribe:\s+<https:\/\/costs\.example\.com\/unsubscribe\//m);
  },
  3 * PATIENCE_MS,
);

import { randomUUID } from 'node:crypto';
import { Client, Connection } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import type { Activities } from '../../activities/activities.ts';
import { addDays, dayOf } from '../../domain/days.ts';
import type { CandidateFacts, Facts } from '../../domain/connection/decide.ts';
import { PAYLOAD_CONVERTER } from '../../worker/worker.ts';
import { CONNECTION_WORKFLOW, connectionWorkflowId, signals } from '../../workflows/messages.ts';
import { until } from '../support/wait.ts';
import { installRuntime } from '../support/world.ts';

let native: NativeConnection;
let connection: Connection;
beforeAll(async () => {
  installRuntime();
  const address = inject('temporalAddress');
  [native, connection] = await Promise.all([NativeConnection.connect({ address }), Connection.connect({ address })]);
});
afterAll(async () => {
  await connection.close();
  await native.close();
});

function factsOf(connectionId: string, candidates: CandidateFacts[]): Facts {
  const today = dayOf(Date.now());
  return {
    connectionId,
    status: 'active',
    syncHourUtc: 6,
    began: addDays(today, -3),
    backfillTo: today,
    discovered: true,
    activeKeyId: randomUUID(),
    hasSupersededKey: false,
    candidates,
    oldestMissing: null,
    newestMissing: null,
    oldestUnfinished: null,
    lastSyncFailed: false,
    owed: null,
    syncedAtMs: Date.now(),
    failure: null,
    hasFutureDays: false,
  };
}

it('a key that is staged and signalled while Postgres is being read is not judged by what was read before', async () => {
  const client = new Client({ connection });
  const [connectionId, keyId, taskQueue] = [randomUUID(), randomUUID(), randomUUID()];
  const workflowId = connectionWorkflowId(connectionId);
  const handle = client.workflow.getHandle(workflowId);
  const done: string[] = [];
  let candidates: CandidateFacts[] = [];
  const activities: Pick<Activities, 'loadConnection' | 'tryKey' | 'recordSignal'> = {
    async loadConnection() {
      const facts = factsOf(connectionId, candidates);
      if (done.length === 0) {
        done.push('staged');
        candidates = [{ keyId, requested: false, tries: 0, triedAtMs: null }];
        await handle.signal(signals.rotateKey, { keyId });
      }
      return { facts, outlook: null, searchAttributesExist: false, nameAttributeExists: false };
    },
    tryKey(input) {
      done.push(`tried ${input.keyId}`);
      candidates = [];
      return Promise.resolve('accepted');
    },
    recordSignal(input) {
      done.push(JSON.stringify(input));
      return Promise.resolve();
    },
  };
  const worker = await Worker.create({
    connection: native,
    taskQueue,
    activities,
    workflowBundle: { codePath: inject('workflowBundlePath') },
    dataConverter: { payloadConverterPath: PAYLOAD_CONVERTER },
  });
  await worker.runUntil(async () => {
    await client.workflow.start(CONNECTION_WORKFLOW, { workflowId, taskQueue, args: [{ connectionId }] });
    await until('the signal to be answered', () => done.length > 1);
    await handle.terminate();
  });
  expect(done).toEqual(['staged', `tried ${keyId}`]);
});

it('a status that Postgres does not take is not set over and over', async () => {
  const client = new Client({ connection });
  const [connectionId, taskQueue] = [randomUUID(), randomUUID()];
  const workflowId = connectionWorkflowId(connectionId);
  let [loaded, set] = [0, 0];
  const activities: Pick<Activities, 'loadConnection' | 'setStatus'> = {
    loadConnection() {
      loaded += 1;
      const facts: Facts = { ...factsOf(connectionId, []), status: 'backfilling' };
      return Promise.resolve({ facts, outlook: null, searchAttributesExist: false, nameAttributeExists: false });
    },
    setStatus() {
      set += 1;
      return Promise.resolve(false);
    },
  };
  const worker = await Worker.create({
    connection: native,
    taskQueue,
    activities,
    workflowBundle: { codePath: inject('workflowBundlePath') },
    dataConverter: { payloadConverterPath: PAYLOAD_CONVERTER },
  });
  const handle = client.workflow.getHandle(workflowId);
  await worker.runUntil(async () => {
    await client.workflow.start(CONNECTION_WORKFLOW, { workflowId, taskQueue, args: [{ connectionId }] });
    await until('it to wait', async () => {
      const { events } = await handle.fetchHistory();
      return events?.some((event) => event.timerStartedEventAttributes != null);
    });
    await handle.terminate();
  });
  expect([loaded, set]).toEqual([2, 1]);
});

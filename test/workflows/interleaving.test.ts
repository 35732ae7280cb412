import { randomUUID } from 'node:crypto';
import { Client, Connection } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import type { Activities } from '../../activities/activities.ts';
import type { LoadedConnection } from '../../activities/connection.ts';
import { addDays, dayOf } from '../../domain/days.ts';
import type { CandidateFacts, Facts } from '../../domain/connection/facts.ts';
import { PAYLOAD_CONVERTER } from '../../worker/worker.ts';
import { CONNECTION_WORKFLOW, connectionWorkflowId, readingsQueue, signals } from '../../workflows/messages.ts';
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
    openSince: null,
    nextSync: 1,
    activeKeyId: randomUUID(),
    hasSupersededKey: false,
    candidates,
    oldestMissing: null,
    newestMissing: null,
    oldestUnconfirmed: null,
    oldestUnfinished: null,
    lastSyncFailed: false,
    requestedDays: null,
    recentDaysRequested: false,
    syncedAtMs: Date.now(),
    failure: null,
    hasFutureDays: false,
  };
}

function loaded(facts: Facts): LoadedConnection {
  return { facts, view: null, searchAttributesExist: false, nameAttributeExists: false };
}

function candidateOf(keyId: string): CandidateFacts {
  return { keyId, requested: false, tries: 0, triedAtMs: null };
}

/** Runs a connection's workflow on activities of the test until a condition holds. */
async function runUntil(
  workflow: { connectionId: string; taskQueue: string },
  activities: Partial<Activities>,
  isDone: () => boolean | Promise<boolean>,
): Promise<void> {
  const { connectionId, taskQueue } = workflow;
  const shared = { connection: native, activities, dataConverter: { payloadConverterPath: PAYLOAD_CONVERTER } };
  const readings = await Worker.create({ ...shared, taskQueue: readingsQueue(taskQueue) });
  const worker = await Worker.create({
    ...shared,
    taskQueue,
    workflowBundle: { codePath: inject('workflowBundlePath') },
  });
  const { workflow: client } = new Client({ connection });
  const workflowId = connectionWorkflowId(connectionId);
  const isOver = worker.runUntil(async () => {
    await client.start(CONNECTION_WORKFLOW, { workflowId, taskQueue, args: [{ connectionId }] });
    await until('the workflow to do what the test waits for', isDone);
    await client.getHandle(workflowId).terminate();
  });
  await readings.runUntil(isOver);
}

async function isWaiting(connectionId: string): Promise<boolean> {
  const handle = new Client({ connection }).workflow.getHandle(connectionWorkflowId(connectionId));
  const { events } = await handle.fetchHistory();
  return events?.some((event) => event.timerStartedEventAttributes != null) ?? false;
}

function rotateTo(connectionId: string, keyId: string): Promise<void> {
  const handle = new Client({ connection }).workflow.getHandle(connectionWorkflowId(connectionId));
  return handle.signal(signals.rotateKey, { keyId });
}

it('a candidate that is stored and signalled while the workflow reads Postgres is not judged by an older read', async () => {
  const [connectionId, keyId, taskQueue] = [randomUUID(), randomUUID(), randomUUID()];
  const done: string[] = [];
  let candidates: CandidateFacts[] = [];
  await runUntil(
    { connectionId, taskQueue },
    {
      async loadConnection() {
        const facts = factsOf(connectionId, candidates);
        if (done.length === 0) {
          done.push('stored');
          candidates = [candidateOf(keyId)];
          await rotateTo(connectionId, keyId);
        }
        return loaded(facts);
      },
      tryKey(input) {
        done.push(`tried ${input.keyId}`);
        candidates = [];
        return Promise.resolve(loaded(factsOf(connectionId, candidates)));
      },
      recordRotation(input) {
        done.push(JSON.stringify(input));
        return Promise.resolve(loaded(factsOf(connectionId, candidates)));
      },
    },
    () => done.length > 1,
  );
  expect(done).toEqual(['stored', `tried ${keyId}`]);
});

it('a candidate that is stored and signalled during a step is not judged by the result of that step', async () => {
  const [connectionId, first, second, taskQueue] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()];
  const done: string[] = [];
  let candidates: CandidateFacts[] = [{ ...candidateOf(first), requested: true }];
  await runUntil(
    { connectionId, taskQueue },
    {
      loadConnection() {
        done.push('loaded');
        return Promise.resolve(loaded(factsOf(connectionId, candidates)));
      },
      async tryKey({ keyId }) {
        done.push(`tried ${keyId}`);
        candidates = [];
        const after = loaded(factsOf(connectionId, candidates));
        if (keyId === first) {
          candidates = [candidateOf(second)];
          await rotateTo(connectionId, second);
        }
        return after;
      },
      recordRotation(input) {
        done.push(JSON.stringify(input));
        return Promise.resolve(loaded(factsOf(connectionId, candidates)));
      },
    },
    () => isWaiting(connectionId),
  );
  expect(done).toEqual(['loaded', `tried ${first}`, 'loaded', `tried ${second}`]);
});

it('a step returns the connection as it stands then, so that nothing is loaded between two steps', async () => {
  const [connectionId, keyId, taskQueue] = [randomUUID(), randomUUID(), randomUUID()];
  const done: string[] = [];
  const accepted: Facts = { ...factsOf(connectionId, []), status: 'validating' };
  await runUntil(
    { connectionId, taskQueue },
    {
      loadConnection() {
        done.push('loaded');
        const candidates = [{ ...candidateOf(keyId), requested: true }];
        return Promise.resolve(loaded({ ...accepted, activeKeyId: null, candidates }));
      },
      tryKey() {
        done.push('tryKey');
        return Promise.resolve(loaded({ ...accepted, discovered: false }));
      },
      setStatus({ to }) {
        done.push(to);
        const connection = loaded({ ...accepted, status: to, discovered: to === 'active' });
        return Promise.resolve({ moved: true, connection });
      },
      discoverWorkspaces() {
        done.push('discoverWorkspaces');
        return Promise.resolve(loaded({ ...accepted, status: 'discovering' }));
      },
    },
    () => isWaiting(connectionId),
  );
  expect(done).toEqual(['loaded', 'tryKey', 'discovering', 'discoverWorkspaces', 'active']);
});

it('a status that the connection cannot move to is not set over and over', async () => {
  const [connectionId, taskQueue] = [randomUUID(), randomUUID()];
  const stuck: Facts = { ...factsOf(connectionId, []), status: 'backfilling' };
  const done: string[] = [];
  await runUntil(
    { connectionId, taskQueue },
    {
      loadConnection() {
        done.push('loaded');
        return Promise.resolve(loaded(stuck));
      },
      setStatus({ to }) {
        done.push(to);
        return Promise.resolve({ moved: false, connection: loaded(stuck) });
      },
    },
    () => isWaiting(connectionId),
  );
  expect(done).toEqual(['loaded', 'active']);
});

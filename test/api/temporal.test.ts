import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, expect, inject, it, vi } from 'vitest';
import { loadTemporalSettings } from '../../config/temporal.ts';
import { TemporalUnavailableError } from '../../api/http/temporal.ts';
import { openTemporal, type OpenedTemporal } from '../../api/temporal.ts';

let temporal: OpenedTemporal;
let connection: Connection;
let client: Client;
const taskQueue = `api-test-${randomUUID()}`;

beforeAll(async () => {
  const env = { TEMPORAL_ADDRESS: inject('temporalAddress'), TEMPORAL_API_KEY: '' };
  temporal = openTemporal({ temporal: loadTemporalSettings(env), taskQueue });
  connection = await Connection.connect({ address: inject('temporalAddress') });
  client = new Client({ connection });
});
afterAll(async () => {
  await temporal.close();
  await connection.close();
});

it('starts the workflow of a connection once, and shows the name of the connection', async () => {
  const id = randomUUID();
  await temporal.startConnection(id, 'Acme');
  await temporal.startConnection(id, 'Acme');
  const description = await client.workflow.getHandle(`connection-${id}`).describe();
  expect(description).toMatchObject({ type: 'connection', taskQueue, status: { name: 'RUNNING' } });
  expect(await description.staticSummary()).toBe('Acme');
});

it('signals a workflow, and starts it if it does not run', async () => {
  const id = randomUUID();
  await temporal.signalConnection(id, 'disconnect', { purge: true });
  await temporal.signalConnection(id, 'pause');
  const { events } = await client.workflow.getHandle(`connection-${id}`).fetchHistory();
  const inputs = (events ?? []).flatMap((event) => {
    const { workflowExecutionStartedEventAttributes: start, workflowExecutionSignaledEventAttributes: signal } = event;
    const data = (start ?? signal)?.input?.payloads?.map((payload) => Buffer.from(payload.data ?? []).toString());
    return data === undefined ? [] : [[signal?.signalName ?? 'start', ...data]];
  });
  expect(inputs).toEqual([
    ['start', JSON.stringify({ connectionId: id })],
    ['disconnect', '{"purge":true}'],
    ['pause', '{}'],
  ]);
});

it('wakes a workflow, and starts it if it does not run', async () => {
  const id = randomUUID();
  await temporal.wakeConnection(id);
  await temporal.wakeConnection(id);
  const handle = client.workflow.getHandle(`connection-${id}`);
  expect(await handle.describe()).toMatchObject({ type: 'connection', taskQueue, status: { name: 'RUNNING' } });
  const signalled = ((await handle.fetchHistory()).events ?? []).flatMap((event) => {
    const signal = event.workflowExecutionSignaledEventAttributes;
    return signal == null ? [] : [[signal.signalName, signal.input?.payloads?.length ?? 0]];
  });
  expect(signalled).toEqual([
    ['wake', 0],
    ['wake', 0],
  ]);
});

it('answers a check', async () => {
  await expect(temporal.check()).resolves.toBeUndefined();
});

it('connects to Temporal directly, even if the environment names proxies', async () => {
  let asked = 0;
  const proxy = createServer((socket) => {
    asked += 1;
    socket.destroy();
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  for (const name of ['grpc_proxy', 'http_proxy', 'https_proxy', 'all_proxy']) {
    vi.stubEnv(name, url).stubEnv(name.toUpperCase(), url);
  }
  for (const name of ['no_proxy', 'NO_PROXY', 'no_grpc_proxy']) vi.stubEnv(name, '');
  const env = { TEMPORAL_ADDRESS: inject('temporalAddress') };
  const direct = openTemporal({ temporal: loadTemporalSettings(env), taskQueue });
  await expect(direct.check()).resolves.toBeUndefined();
  await direct.close();
  vi.unstubAllEnvs();
  expect(asked).toBe(0);
  proxy.close();
});

it('fails within seconds if nobody answers', async () => {
  const down = openTemporal({
    temporal: loadTemporalSettings({ TEMPORAL_ADDRESS: '127.0.0.1:1' }),
    taskQueue,
  });
  const began = Date.now();
  await expect(down.check()).rejects.toThrow(TemporalUnavailableError);
  await expect(down.startConnection(randomUUID(), 'x')).rejects.toThrow(TemporalUnavailableError);
  expect(Date.now() - began).toBeLessThan(8_000);
  await down.close();
});

it('takes another namespace from the environment, and says which', async () => {
  const env = { TEMPORAL_ADDRESS: inject('temporalAddress'), TEMPORAL_NAMESPACE: 'nowhere' };
  const elsewhere = openTemporal({ temporal: loadTemporalSettings(env), taskQueue });
  expect(elsewhere.namespace).toBe('nowhere');
  await expect(elsewhere.startConnection(randomUUID(), 'x')).rejects.toThrow(TemporalUnavailableError);
  await elsewhere.close();
});

it('is closed only after its calls in progress, whose retries would throw on a closed channel', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  const env = { TEMPORAL_ADDRESS: `127.0.0.1:${port}` };
  const away = openTemporal({ temporal: loadTemporalSettings(env), taskQueue });
  let isOver = false;
  const checked = away
    .check()
    .catch((error: unknown) => error)
    .finally(() => {
      isOver = true;
    });
  await away.close();
  expect(isOver).toBe(true);
  expect(await checked).toBeInstanceOf(TemporalUnavailableError);
});

import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import type { WorkerStatus } from '@temporalio/worker';
import { expect, it } from 'vitest';
import { HealthPortError, healthOf, serveHealth, type Health } from '../../worker/health.ts';

const POLLING = { workflowPollerState: 'POLLING', activityPollerState: 'POLLING' } as const;
const status = (changed: Partial<WorkerStatus>): { status: () => WorkerStatus } => ({
  status: () => ({ runState: 'RUNNING', ...POLLING, ...changed }) as WorkerStatus,
});

it.each([
  [{ waitsFor: 'Temporal' }, 'ok', 'waits for Temporal'],
  [status({ runState: 'INITIALIZED' }), 'ok', 'serves'],
  [status({}), 'ok', 'serves'],
  [status({ runState: 'STOPPING', workflowPollerState: 'SHUTDOWN' }), 'ok', 'stops'],
  [status({ runState: 'FAILED' }), 'failing', /^takes no work: worker FAILED/],
  [status({ workflowPollerState: 'FAILED' }), 'failing', /workflows FAILED/],
  [status({ activityPollerState: 'FAILED' }), 'failing', /activities FAILED/],
] as const)('a worker is well unless it takes no work: %#', (doing, expected, what) => {
  const health = healthOf(doing);
  expect(health.status).toBe(expected);
  expect(health.doing).toMatch(what);
});

it('shows by its status whether the worker is well, and serves nothing else', async () => {
  let health: Health = { status: 'ok', doing: 'serves' };
  const server = await serveHealth({ host: '127.0.0.1', port: 0 }, () => health);
  const ask = (path: string, method = 'GET'): Promise<Response> =>
    fetch(`http://127.0.0.1:${server.port}${path}`, { method });
  const well = await ask('/healthz');
  expect([well.status, await well.json()]).toEqual([200, health]);
  expect((await ask('/healthz', 'HEAD')).status).toBe(200);
  health = { status: 'failing', doing: 'takes no work' };
  expect((await ask('/healthz')).status).toBe(503);
  for (const path of ['/', '/healthz/x', '/metrics']) expect((await ask(path)).status).toBe(404);
  expect((await ask('/healthz', 'POST')).status).toBe(404);
  server.close();
});

it('names the setting if it cannot listen', async () => {
  const other = createServer();
  other.listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  const look = (): Health => ({ status: 'ok', doing: 'serves' });
  const refused = serveHealth({ host: '127.0.0.1', port }, look);
  await expect(refused).rejects.toThrow(HealthPortError);
  await expect(refused).rejects.toThrow(
    `port ${port} of 127.0.0.1 (another program has it). Set METERLINE_WORKER_HEALTH_PORT`,
  );
  other.close();
});

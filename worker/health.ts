import { createServer } from 'node:http';
import type { WorkerStatus } from '@temporalio/worker';

const REQUEST_WITHIN_MS = 5_000;
const CONNECTIONS = 20;

/** The phase of a worker's life: it waits for a server, or has begun to run workflows and activities. */
export type WorkerPhase = { readonly waitsFor: string } | { readonly status: () => WorkerStatus };

/** The health of a worker, as it is served. A worker is failing only if a restart would help. */
export interface Health {
  readonly status: 'ok' | 'failing';
  readonly doing: string;
}

/**
 * The health of a worker. One that waits for Postgres or Temporal is well, since a restart would not bring them back. A
 * frozen one cannot answer at all, so whoever checks needs a time limit.
 */
export function healthOf(phase: WorkerPhase): Health {
  if ('waitsFor' in phase) return { status: 'ok', doing: `waits for ${phase.waitsFor}` };
  const { runState, workflowPollerState, activityPollerState } = phase.status();
  if (runState === 'STOPPING' || runState === 'DRAINING' || runState === 'DRAINED')
    return { status: 'ok', doing: 'stops' };
  const polls = workflowPollerState === 'POLLING' && activityPollerState === 'POLLING';
  if (runState === 'INITIALIZED' || (runState === 'RUNNING' && polls)) return { status: 'ok', doing: 'serves' };
  const states = `worker ${runState}, workflows ${workflowPollerState}, activities ${activityPollerState}`;
  return { status: 'failing', doing: `takes no work: ${states}` };
}

/** The health port cannot be opened. The message says why, and what to do. */
export class HealthPortError extends Error {
  override readonly name = 'HealthPortError';
}

/** Serves `GET /healthz` with 200 or 503. Throws {@link HealthPortError} if it cannot listen. */
export async function serveHealth(
  { host, port }: { host: string; port: number },
  look: () => Health,
): Promise<{ port: number; close: () => void }> {
  const limits = { requestTimeout: REQUEST_WITHIN_MS, headersTimeout: REQUEST_WITHIN_MS, keepAliveTimeout: 1 };
  const server = createServer(limits, ({ method, url }, response) => {
    if (url !== '/healthz' || (method !== 'GET' && method !== 'HEAD')) {
      response.writeHead(404, { connection: 'close' }).end();
      return;
    }
    const health = look();
    const head = { 'content-type': 'application/json', 'cache-control': 'no-store', connection: 'close' };
    response.writeHead(health.status === 'ok' ? 200 : 503, head).end(`${JSON.stringify(health)}\n`);
  });
  server.maxConnections = CONNECTIONS;
  // The worker alone decides how long its process lives.
  server.unref();
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(new HealthPortError(whyNot(error.code ?? 'unknown', host, port)));
    });
    server.listen(port, host, resolve);
  });
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : port,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

function whyNot(code: string, host: string, port: number): string {
  const why = code === 'EADDRINUSE' ? 'another program has it' : code;
  return (
    `The worker cannot report its health on port ${port} of ${host} (${why}). ` +
    'Set METERLINE_WORKER_HEALTH_PORT and HOST to a port and an address where it can listen.'
  );
}

import { createServer } from 'node:http';
import type { WorkerStatus } from '@temporalio/worker';

const REQUEST_WITHIN_MS = 5_000;
const CONNECTIONS = 20;

/** What a worker is at: it waits for a server, or has begun to carry workflows and activities. */
export type Doing = { readonly waitsFor: string } | { readonly status: () => WorkerStatus };

/** What a worker's health is told as. Only one that is started again would be better off is not well. */
export interface Health {
  readonly status: 'ok' | 'failing';
  readonly doing: string;
}

/**
 * The health of a worker. One that waits for Postgres or Temporal is well, since another start would not bring them back.
 * A frozen one cannot answer at all, which is what a check with a time limit notices.
 */
export function healthOf(doing: Doing): Health {
  if ('waitsFor' in doing) return { status: 'ok', doing: `waits for ${doing.waitsFor}` };
  const { runState, workflowPollerState, activityPollerState } = doing.status();
  if (runState === 'STOPPING' || runState === 'DRAINING' || runState === 'DRAINED')
    return { status: 'ok', doing: 'stops' };
  const polls = workflowPollerState === 'POLLING' && activityPollerState === 'POLLING';
  if (runState === 'INITIALIZED' || (runState === 'RUNNING' && polls)) return { status: 'ok', doing: 'serves' };
  const states = `worker ${runState}, workflows ${workflowPollerState}, activities ${activityPollerState}`;
  return { status: 'failing', doing: `takes no work: ${states}` };
}

/** A worker's health cannot be told where it was told to. The message says why, and what to do. */
export class HealthPortError extends Error {
  override readonly name = 'HealthPortError';
}

/** Answers `GET /healthz`: 200 or 503. Throws {@link HealthPortError} where it cannot listen. */
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
  // Only the worker keeps its process alive.
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
    `The worker cannot tell its health on port ${port} of ${host} (${why}). ` +
    'Set METERLINE_WORKER_HEALTH_PORT and HOST to where it can listen.'
  );
}

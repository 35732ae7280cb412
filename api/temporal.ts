import {
  Client,
  Connection,
  ServiceError,
  defaultGrpcRetryOptions,
  isGrpcServiceError,
  makeGrpcRetryInterceptor,
} from '@temporalio/client';
import { NamespaceNotFoundError } from '@temporalio/common';
import type { Logger } from 'pino';
import type { TemporalSettings } from '../config/temporal.ts';
import type { SignalName } from '../domain/connection/messages.ts';
import { CONNECTION_WORKFLOW, connectionStart, wake } from '../workflows/messages.ts';

/** What the API asks of Temporal: to start a connection's workflow, and to signal it. Nothing else. */
export interface Temporal {
  /** Starts the workflow of a connection; one that runs already goes on. `summary` is what the Temporal UI shows. */
  startConnection(connectionId: string, summary: string): Promise<void>;
  /** Signals the workflow of a connection, starting it where it does not run. */
  signalConnection(connectionId: string, signal: SignalName, input?: object): Promise<void>;
  /** Makes the workflow of a connection look at Postgres, starting it where it does not run. */
  wakeConnection(connectionId: string): Promise<void>;
  /** Resolves when Temporal answers. */
  check(): Promise<void>;
}

/** Temporal did not do what it was asked: it is down, slow, or lets this client do nothing. `reason` is for the log. */
export class TemporalUnavailableError extends Error {
  override readonly name = 'TemporalUnavailableError';
  constructor(readonly reason: string) {
    super('Temporal does not answer');
  }
}

/** A client of Temporal that connects when it is first needed, and the namespace that it works in. */
export interface OpenedTemporal extends Temporal {
  readonly namespace: string;
  close(): Promise<void>;
}

const CALL_DEADLINE_MS = 4_000;
const CHECK_DEADLINE_MS = 2_000;
/** Over a hiccup, but not for long: somebody waits, and what is stored is acted on later anyhow. About two seconds. */
const RETRIES = defaultGrpcRetryOptions({ maxAttempts: 8, factor: 1.2, initialIntervalMs: () => 150 });

/**
 * Opens Temporal as its own environment variables said: address, namespace, TLS, API key. Nothing is sent before the
 * first call, so that the API starts, and serves what is in Postgres, while Temporal is down.
 */
export function openTemporal(settings: { temporal: TemporalSettings; taskQueue: string }): OpenedTemporal {
  const { connectionOptions, namespace } = settings.temporal;
  const connection = Connection.lazy({
    ...connectionOptions,
    // By default gRPC takes HTTPS_PROXY and even HTTP_PROXY, in small letters. That is the way out, and no way to Temporal;
    // the worker's client takes neither.
    channelArgs: { 'grpc.enable_http_proxy': 0 },
    interceptors: [makeGrpcRetryInterceptor(RETRIES)],
  });
  const client = new Client({ connection, namespace });
  const within = async (deadlineMs: number, call: () => Promise<unknown>): Promise<void> => {
    try {
      await connection.withDeadline(Date.now() + deadlineMs, call);
    } catch (error) {
      throw unavailable(error) ?? error;
    }
  };
  return {
    namespace,
    startConnection: (connectionId, summary) =>
      within(CALL_DEADLINE_MS, () =>
        client.workflow.start(CONNECTION_WORKFLOW, {
          ...connectionStart(settings.taskQueue, connectionId),
          workflowIdConflictPolicy: 'USE_EXISTING',
          staticSummary: summary,
        }),
      ),
    signalConnection: (connectionId, signal, input = {}) =>
      within(CALL_DEADLINE_MS, () =>
        client.workflow.signalWithStart(CONNECTION_WORKFLOW, {
          ...connectionStart(settings.taskQueue, connectionId),
          signal,
          signalArgs: [input],
        }),
      ),
    wakeConnection: (connectionId) =>
      within(CALL_DEADLINE_MS, () =>
        client.workflow.signalWithStart(CONNECTION_WORKFLOW, {
          ...connectionStart(settings.taskQueue, connectionId),
          signal: wake,
          signalArgs: [],
        }),
      ),
    check: () => within(CHECK_DEADLINE_MS, () => connection.workflowService.getSystemInfo({})),
    close: () => connection.close(),
  };
}

function unavailable(error: unknown): TemporalUnavailableError | null {
  if (error instanceof NamespaceNotFoundError) return new TemporalUnavailableError(error.message);
  const cause = error instanceof ServiceError ? error.cause : error;
  if (isGrpcServiceError(cause)) return new TemporalUnavailableError(`gRPC ${cause.code}: ${cause.details}`);
  return error instanceof ServiceError ? new TemporalUnavailableError(error.message) : null;
}

/**
 * Tells Temporal about a change that Postgres has already, and returns whether Temporal answered. If it did not, the
 * worker finds the change in Postgres later and acts on it.
 */
export async function tellOrDefer(log: Logger, connectionId: string, tell: () => Promise<void>): Promise<boolean> {
  try {
    await tell();
    return true;
  } catch (error) {
    if (!(error instanceof TemporalUnavailableError)) throw error;
    log.warn({ connectionId, reason: error.reason }, 'Temporal does not answer: the worker acts on the change later');
    return false;
  }
}

import {
  Client,
  Connection,
  ServiceError,
  defaultGrpcRetryOptions,
  isGrpcServiceError,
  makeGrpcRetryInterceptor,
} from '@temporalio/client';
import { NamespaceNotFoundError, WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import type { Logger } from 'pino';
import type { TemporalSettings } from '../config/temporal.ts';
import { CONNECTION_WORKFLOW, DELIVERY_WORKFLOW, connectionStart, deliveryStart, wake } from '../workflows/messages.ts';
import { deleteSchedule, findSchedule, listSchedules, putSchedule } from './schedules.ts';
import { TemporalUnavailableError, type Temporal } from './http/temporal.ts';

/** A client of Temporal in one namespace. It connects on its first call. */
export interface OpenedTemporal extends Temporal {
  readonly namespace: string;
  /** Waits for the calls in progress, each of which has a deadline of a few seconds, and closes the connection. */
  close(): Promise<void>;
}

const CALL_DEADLINE_MS = 4_000;
const SUMMARY_LENGTH = 150;
const CHECK_DEADLINE_MS = 2_000;
/** About two seconds: enough for a hiccup, and short because somebody waits. The worker acts on stored changes anyway. */
const RETRIES = defaultGrpcRetryOptions({ maxAttempts: 8, factor: 1.2, initialIntervalMs: () => 150 });

/** Sends nothing before the first call, so the API starts and serves what is in Postgres while Temporal is down. */
export function openTemporal(settings: { temporal: TemporalSettings; taskQueue: string }): OpenedTemporal {
  const { connectionOptions, namespace } = settings.temporal;
  const connection = Connection.lazy({
    ...connectionOptions,
    // By default gRPC uses http_proxy and https_proxy. Those lead to the internet and not to Temporal; the worker's client
    // ignores them too.
    channelArgs: { 'grpc.enable_http_proxy': 0 },
    interceptors: [makeGrpcRetryInterceptor(RETRIES)],
  });
  const client = new Client({ connection, namespace });
  const inProgress = new Set<Promise<unknown>>();
  const within = async <Answer>(deadlineMs: number, call: () => Promise<Answer>): Promise<Answer> => {
    const answer = connection.withDeadline(Date.now() + deadlineMs, call);
    inProgress.add(answer);
    try {
      return await answer;
    } catch (error) {
      throw unavailable(error) ?? error;
    } finally {
      inProgress.delete(answer);
    }
  };
  return {
    namespace,
    ...callsOf(client, settings.taskQueue, within),
    check: async () => {
      await within(CHECK_DEADLINE_MS, () => connection.workflowService.getSystemInfo({}));
    },
    async close() {
      // A retry on a closed channel throws from a timer, which would end the process.
      await Promise.allSettled(inProgress);
      await connection.close();
    },
  };
}

type Within = <Answer>(deadlineMs: number, call: () => Promise<Answer>) => Promise<Answer>;

/** What the API tells and asks Temporal. */
function callsOf(
  client: Client,
  taskQueue: string,
  within: Within,
): Omit<OpenedTemporal, 'namespace' | 'check' | 'close'> {
  const told = async (call: () => Promise<unknown>): Promise<void> => {
    await within(CALL_DEADLINE_MS, call);
  };
  return {
    startConnection: (connectionId, summary) =>
      told(() =>
        client.workflow.start(CONNECTION_WORKFLOW, {
          ...connectionStart(taskQueue, connectionId),
          workflowIdConflictPolicy: 'USE_EXISTING',
          staticSummary: summary,
        }),
      ),
    signalConnection: (connectionId, signal, input = {}) =>
      told(() =>
        client.workflow.signalWithStart(CONNECTION_WORKFLOW, {
          ...connectionStart(taskQueue, connectionId),
          signal,
          signalArgs: [input],
        }),
      ),
    wakeConnection: (connectionId) =>
      told(() =>
        client.workflow.signalWithStart(CONNECTION_WORKFLOW, {
          ...connectionStart(taskQueue, connectionId),
          signal: wake,
          signalArgs: [],
        }),
      ),
    startDelivery: (delivery) => told(() => startDelivery(client, taskQueue, delivery)),
    putSchedule: (report) => told(() => putSchedule(client, taskQueue, report)),
    deleteSchedule: (reportId) => told(() => deleteSchedule(client, reportId)),
    findSchedule: (reportId) => within(CHECK_DEADLINE_MS, () => findSchedule(client, reportId)),
    listSchedules: () => within(CHECK_DEADLINE_MS, () => listSchedules(client)),
  };
}

async function startDelivery(
  client: Client,
  taskQueue: string,
  delivery: { id: string; isAnew: boolean; summary: string },
): Promise<void> {
  try {
    const staticSummary = delivery.summary.slice(0, SUMMARY_LENGTH);
    await client.workflow.start(DELIVERY_WORKFLOW, { ...deliveryStart(taskQueue, delivery), staticSummary });
  } catch (error) {
    // A worker started it first.
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
  }
}

function unavailable(error: unknown): TemporalUnavailableError | null {
  if (error instanceof NamespaceNotFoundError) return new TemporalUnavailableError(error.message);
  const cause = error instanceof ServiceError ? error.cause : error;
  if (isGrpcServiceError(cause)) return new TemporalUnavailableError(`gRPC ${cause.code}: ${cause.details}`);
  return error instanceof ServiceError ? new TemporalUnavailableError(error.message) : null;
}

/**
 * Tells Temporal about a change that Postgres has already, and returns whether Temporal answered. If it did not, the
 * worker finds the change in Postgres later and acts on it. `about` is for the log.
 */
export async function tellOrDefer(
  log: Logger,
  about: string | Readonly<Record<string, string>>,
  tell: () => Promise<void>,
): Promise<boolean> {
  try {
    await tell();
    return true;
  } catch (error) {
    if (!(error instanceof TemporalUnavailableError)) throw error;
    log.warn(
      { ...(typeof about === 'string' ? { connectionId: about } : about), reason: error.reason },
      'Temporal does not answer: the worker acts on the change later',
    );
    return false;
  }
}

import { NativeConnection } from '@temporalio/worker';
import type { Logger } from 'pino';
import type { Dependencies } from '../activities/dependencies.ts';
import type { WorkerConfig } from '../config/config.ts';
import { addressOn } from '../config/public-url.ts';
import { searchAttributeRegistry, type SearchAttributeRegistry } from './search-attributes.ts';
import { createWorkers, type TaskWorkers } from './worker.ts';

/** Workers that Temporal accepted, and what they work with. */
export interface ConnectedWorker {
  readonly connection: NativeConnection;
  readonly attributes: SearchAttributeRegistry;
  readonly workers: TaskWorkers;
}

/** The worker cannot be made. Waiting for Temporal would not help. */
export class WorkerCreationError extends Error {
  override readonly name = 'WorkerCreationError';
}

/** Connects to Temporal and makes a worker. Throws {@link WorkerCreationError}, or why Temporal does not serve. */
export async function connectWorker(
  { temporal, syncHourUtc, restatementDays, publicUrl, host, port }: WorkerConfig,
  parts: Pick<Dependencies, 'db' | 'ring' | 'transport' | 'pages' | 'door' | 'findAnomalies'>,
  log: Logger,
): Promise<ConnectedWorker> {
  const { namespace, taskQueue } = temporal;
  const connection = await connect(temporal);
  const attributes = searchAttributeRegistry(connection, namespace, log);
  const dependencies = {
    ...parts,
    syncHourUtc,
    restatementDays,
    publicUrl: publicUrl ?? addressOn(host, port),
    registeredAttributes: attributes.registered,
  };
  try {
    const workers = await createWorkers({ connection, namespace, taskQueue, dependencies });
    return { connection, attributes, workers };
  } catch (error) {
    if (!(error instanceof Error && error.name === 'TransportError'))
      throw new WorkerCreationError('no worker could be made', { cause: error });
    // A connection has room for one worker, even for one that failed, so the next try needs another connection.
    await connection.close();
    throw error;
  }
}

/** Fails if Temporal lacks the namespace, too: a worker would poll in vain. */
async function connect({ connectionOptions, namespace }: WorkerConfig['temporal']): Promise<NativeConnection> {
  const connection = await NativeConnection.connect(connectionOptions);
  try {
    await connection.workflowService.describeNamespace({ namespace });
    return connection;
  } catch (error) {
    await connection.close();
    throw error;
  }
}

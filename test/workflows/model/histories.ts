import { isGrpcServiceError, type Client, type WorkflowHandle } from '@temporalio/client';
import { Worker } from '@temporalio/worker';
import { PAYLOAD_CONVERTER } from '../../../worker/worker.ts';
import { connectionWorkflowId, syncWorkflowId } from '../../../workflows/messages.ts';
import { failedTasksIn } from '../../support/failed-tasks.ts';

type History = Awaited<ReturnType<WorkflowHandle['fetchHistory']>>;

/** No run's history comes near to this: a connection's goes on as a new run each day. */
export const MAX_EVENTS = 500;
/** While Anthropic fails, a sync is tried again every minute. */
export const MAX_EVENTS_OF_AN_OUTAGE = 2_000;

/** The history of one run, and why those of its workflow tasks failed that did. */
export interface RunHistory {
  readonly workflowId: string;
  readonly history: History;
  readonly events: number;
  readonly failedTasks: readonly string[];
}

/** The histories of every run of a connection's workflow, and of all its syncs. */
export async function historiesOf(client: Client, connectionId: string): Promise<RunHistory[]> {
  const found: RunHistory[] = [];
  const workflowId = connectionWorkflowId(connectionId);
  for (let runId: string | undefined; ;) {
    const history = await client.workflow.getHandle(workflowId, runId).fetchHistory();
    found.push(toldBy(workflowId, history));
    const started = history.events?.[0]?.workflowExecutionStartedEventAttributes;
    runId = started?.continuedExecutionRunId ?? '';
    if (runId === '') break;
  }
  for (let n = 1; ; n += 1) {
    const history = await historyOfSync(client, syncWorkflowId(connectionId, n));
    if (history === null) return found;
    found.push(toldBy(syncWorkflowId(connectionId, n), history));
  }
}

async function historyOfSync(client: Client, workflowId: string): Promise<History | null> {
  try {
    return await client.workflow.getHandle(workflowId).fetchHistory();
  } catch (error) {
    if (isGrpcServiceError(error) && error.message.includes('NOT_FOUND')) return null;
    throw error;
  }
}

function toldBy(workflowId: string, history: History): RunHistory {
  const events = history.events ?? [];
  const failedTasks = failedTasksIn(history);
  return { workflowId, history, events: events.length, failedTasks };
}

/** Decides everything again by the histories. Fails where another decision comes out. */
export async function replay(bundlePath: string, histories: readonly RunHistory[]): Promise<void> {
  const code = { workflowBundle: { codePath: bundlePath } };
  const replays = Worker.runReplayHistories(
    { ...code, dataConverter: { payloadConverterPath: PAYLOAD_CONVERTER } },
    histories.map(({ workflowId, history }) => ({ workflowId, history })),
  );
  for await (const { workflowId, error } of replays) {
    if (error !== undefined) throw new Error(`the history of ${workflowId} is not replayed`, { cause: error });
  }
}

import type { WorkflowHandle } from '@temporalio/client';

type History = Awaited<ReturnType<WorkflowHandle['fetchHistory']>>;

/** Temporal's number of the cause. */
const UNHANDLED_COMMAND = 1;

/**
 * Why workflow tasks of a run failed: code that does not replay, or that throws. A message that came while the run was
 * ending is no such failure: Temporal has the task done again with it, so that nothing is lost.
 */
export function failedTasksIn({ events }: History): string[] {
  return (events ?? []).flatMap(({ workflowTaskFailedEventAttributes: failed }) =>
    failed == null || Number(failed.cause) === UNHANDLED_COMMAND
      ? []
      : [`${String(failed.cause)}: ${failed.failure?.message ?? ''}`],
  );
}

import { setDefaultSignalHandler } from '@temporalio/workflow';

/** The most signals that Temporal accepts for one run by default (`history.maximumSignalsPerExecution`). */
const MOST_SIGNALS = 10_000;

/**
 * Takes the buffered signals that have no handler, in their order. `take` gets an empty name for a signal whose name the SDK
 * reserves.
 *
 * Written against @temporalio/workflow 1.24.0, and held by two tests: "signals that came before their run began are taken
 * in their order, whatever their names" in test/workflows/server.test.ts, and "names that no signal has" in
 * test/workflows/lifecycle.test.ts. There,
 * - a signal without a handler is buffered. Setting a handler for its name dispatches only signals of that name, so of a
 *   resume that is followed by a pause the pause could come first. Setting the default handler dispatches all in order.
 * - while a default handler is set, a signal with a reserved name (`__temporal_…`) fails the workflow task, again and again,
 *   which wedges the workflow. So the default handler is removed at once.
 * - setting the default handler throws if such a signal is buffered, after it has removed that signal from the buffer. So
 *   each throw is one signal less, and trying again comes to an end.
 */
export function takeStraySignals(take: (name: string, input?: unknown) => void): void {
  for (let reserved = 0; reserved <= MOST_SIGNALS; reserved += 1) {
    try {
      setDefaultSignalHandler(take);
      break;
    } catch (error) {
      if (reserved === MOST_SIGNALS) throw error;
      take('');
    }
  }
  setDefaultSignalHandler(undefined);
}

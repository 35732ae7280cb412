import { setDefaultSignalHandler } from '@temporalio/workflow';

/** The most signals that Temporal accepts for one run by default (`history.maximumSignalsPerExecution`). */
const MOST_SIGNALS = 10_000;

/**
 * Takes the buffered signals that have no handler, in their order. For a signal whose name the SDK reserves, `take`
 * gets an empty name.
 *
 * This relies on the behaviour of @temporalio/workflow 1.24.0:
 * - It buffers a signal without a handler. A handler for one name then dispatches only the signals of that name, so it
 *   might take a resume after the pause that followed it. The default handler dispatches all of them in order.
 * - While a default handler is set, a signal with a reserved name (`__temporal_…`) fails the workflow task over and
 *   over. So the default handler is removed at once.
 * - Setting the default handler throws if it meets such a signal in the buffer, and has removed the signal by then. So
 *   each throw leaves one signal less.
 *
 * Two tests fail if that changes: "signals that came before their run began are taken in their order, whatever their
 * names" in test/workflows/server.test.ts, and "a signal by an unknown name, or by one that Temporal reserves, changes
 * nothing and leaves an event" in test/workflows/lifecycle.test.ts.
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

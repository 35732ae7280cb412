/** Npm, its shell and scripts/run.mjs each pass a Ctrl-C on. All that arrive within this time are one request. */
const SAME_REQUEST_MS = 300;

interface Stoppable {
  stop(): Promise<void>;
  kill(): void;
}

/**
 * Stops everything in order at SIGINT, SIGTERM, SIGHUP or the death of the launcher, and ends the process with status 0.
 * A second request kills everything at once, with status 1.
 */
export function stopOnRequest(target: Stoppable, print: (line: string) => void): void {
  let requestedAt: number | null = null;
  const request = (): void => {
    if (requestedAt === null) {
      requestedAt = Date.now();
      print('Stopping …');
      void target.stop().then(
        () => process.exit(0),
        (error: unknown) => {
          print(`Not everything stopped: ${String(error)}`);
          target.kill();
          process.exit(1);
        },
      );
      return;
    }
    if (Date.now() - requestedAt < SAME_REQUEST_MS) return;
    print('Killed.');
    target.kill();
    process.exit(1);
  };
  process.on('uncaughtException', (error) => {
    print(`Stopping after an internal error: ${error.stack ?? error.message}`);
    void target.stop().finally(() => process.exit(1));
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, request);
  if (process.send !== undefined) process.on('disconnect', request);
}

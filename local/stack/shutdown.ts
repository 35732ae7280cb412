/** A second Ctrl-C that comes sooner than this is the first one, passed on by the shell, by npm and by the launcher. */
const SAME_REQUEST_MS = 300;

export interface Stoppable {
  stop(): Promise<void>;
  kill(): void;
}

/**
 * SIGINT, SIGTERM, SIGHUP and the death of the launcher stop everything in order, and the process ends with status 0:
 * it did what it was asked to. A second request kills at once (status 1).
 */
export function stopOnRequest(target: Stoppable, say: (line: string) => void): void {
  let askedAt: number | null = null;
  const ask = (): void => {
    if (askedAt === null) {
      askedAt = Date.now();
      say('Stopping …');
      void target.stop().then(
        () => process.exit(0),
        (error: unknown) => {
          say(`Not everything stopped: ${String(error)}`);
          target.kill();
          process.exit(1);
        },
      );
      return;
    }
    if (Date.now() - askedAt < SAME_REQUEST_MS) return;
    say('Killed.');
    target.kill();
    process.exit(1);
  };
  process.on('uncaughtException', (error) => {
    say(`Stopping because of an error of our own: ${error.stack ?? error.message}`);
    void target.stop().finally(() => process.exit(1));
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, ask);
  if (process.send !== undefined) process.on('disconnect', ask);
}

import { ConfigError } from '../config/config.ts';

/**
 * Tells the supervisor, where there is one, that this process serves now. `address` is where it listens, if it does.
 */
export function announceReady(address?: string): void {
  process.send?.({ type: 'ready', ...(address === undefined ? {} : { address }) });
}

/**
 * Calls `stop` once when this process is asked to end: by SIGINT, SIGTERM, or by the death of its supervisor, so that
 * nothing lingers without one.
 */
export function onStop(stop: () => void): void {
  let asked = false;
  const once = (): void => {
    if (asked) return;
    asked = true;
    stop();
    // An open channel to the supervisor would keep this process alive after its work is done.
    if (process.connected) process.disconnect();
  };
  process.on('SIGINT', once);
  process.on('SIGTERM', once);
  if (process.send !== undefined) process.on('disconnect', once);
}

/** Ends the process with a sentence instead of a stack: for failures that a person is to mend. */
export function exitWith(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(2);
}

/** What `read` gives. A fault of the configuration ends the process with its sentences. */
export function configured<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    return endOn(error);
  }
}

/** As {@link configured}, for what takes a while to read. */
export function configuredSoon<T>(reading: Promise<T>): Promise<T> {
  return reading.catch(endOn);
}

function endOn(error: unknown): never {
  if (error instanceof ConfigError) exitWith(error.message);
  throw error;
}

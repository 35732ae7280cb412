import { ConfigError } from '../config/config.ts';

/** Tells the supervisor, if there is one, that this process serves now, and the address where it listens, if it does. */
export function announceReady(address?: string): void {
  process.send?.({ type: 'ready', ...(address === undefined ? {} : { address }) });
}

/**
 * Calls `stop` once when this process is asked to end: by SIGINT, by SIGTERM, or by the death of its supervisor, which
 * no process should outlive.
 */
export function onStop(stop: () => void): void {
  let isStopping = false;
  const stopOnce = (): void => {
    if (isStopping) return;
    isStopping = true;
    stop();
    // An open channel to the supervisor would keep this process alive after its work is done.
    if (process.connected) process.disconnect();
  };
  process.on('SIGINT', stopOnce);
  process.on('SIGTERM', stopOnce);
  if (process.send !== undefined) process.on('disconnect', stopOnce);
}

/** Ends the process with a sentence instead of a stack: for mistakes that the user can mend. */
export function exitWith(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(2);
}

/** Loads the configuration. If it has problems, the process ends and names them. */
export async function configured<T>(load: () => T | Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (error) {
    if (error instanceof ConfigError) exitWith(error.message);
    throw error;
  }
}

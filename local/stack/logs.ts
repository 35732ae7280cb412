import { mkdirSync } from 'node:fs';
import { copyFile, rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../errors.ts';
import { ROLES, type Role } from './run-file.ts';

const MAX_LOG_BYTES = 10 * 1024 * 1024;
const CHECK_EVERY_MS = 10_000;
const LOGS: readonly (Role | 'migrate')[] = [...ROLES, 'migrate'];

export function logDirOf(dataDir: string): string {
  return join(dataDir, 'logs');
}

export function logFileOf(dataDir: string, name: Role | 'migrate'): string {
  return join(logDirOf(dataDir), `${name}.log`);
}

/**
 * Caps each log at 10 MB, plus as much again in `<name>.log.1`. A problem such as a full disk is reported once and
 * retried, and stops nothing. Returns a function that ends the capping.
 */
export function capLogs(dataDir: string, warn: (line: string) => void): () => void {
  mkdirSync(logDirOf(dataDir), { recursive: true, mode: 0o700 });
  let reported = '';
  let isBusy = false;
  const cap = async (): Promise<void> => {
    if (isBusy) return;
    isBusy = true;
    try {
      for (const name of LOGS) await capLog(logFileOf(dataDir, name));
      reported = '';
    } catch (error) {
      const message = messageOf(error);
      if (message !== reported) warn(`the logs could not be capped: ${message}`);
      reported = message;
    }
    isBusy = false;
  };
  void cap();
  const timer = setInterval(() => void cap(), CHECK_EVERY_MS).unref();
  return () => {
    clearInterval(timer);
  };
}

/**
 * Copies a log that is too large to `<path>.1`, and empties it. The processes append to the open file, so it cannot be
 * renamed. If the disk has no room for a copy, the content is lost.
 */
export async function capLog(path: string, maxBytes = MAX_LOG_BYTES): Promise<void> {
  const size = await stat(path).then(
    (found) => found.size,
    () => 0,
  );
  if (size <= maxBytes) return;
  try {
    await copyFile(path, `${path}.1`);
  } catch {
    // An incomplete copy would keep the disk full.
    await rm(`${path}.1`, { force: true });
  }
  await truncate(path);
}

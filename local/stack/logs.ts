import { mkdirSync } from 'node:fs';
import { copyFile, rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../processes/processes.ts';
import { ROLES, type Role } from './run-file.ts';

const LARGEST_BYTES = 10 * 1024 * 1024;
const CHECKED_EVERY_MS = 10_000;

export function logFileOf(dataDir: string, role: Role | 'migrate'): string {
  return join(dataDir, 'logs', `${role}.log`);
}

/**
 * Keeps each log at twice 10 MB. The writers append to an open file, so the file stays and its content moves. What goes
 * wrong with it, such as a full disk, is said and tried again: it is no reason to stop anything. Returns how to end it.
 */
export function capLogs(dataDir: string, say: (line: string) => void): () => void {
  mkdirSync(join(dataDir, 'logs'), { recursive: true, mode: 0o700 });
  let said = '';
  let isUnderWay = false;
  const cap = async (): Promise<void> => {
    if (isUnderWay) return;
    isUnderWay = true;
    try {
      for (const role of [...ROLES, 'migrate' as const]) await capLog(logFileOf(dataDir, role));
      said = '';
    } catch (error) {
      const message = messageOf(error);
      if (message !== said) say(`the logs could not be kept small: ${message}`);
      said = message;
    }
    isUnderWay = false;
  };
  void cap();
  const timer = setInterval(() => void cap(), CHECKED_EVERY_MS).unref();
  return () => {
    clearInterval(timer);
  };
}

/** Moves the content of a log that is too large beside it, or drops it where the disk has no room for both. */
export async function capLog(path: string, largestBytes = LARGEST_BYTES): Promise<void> {
  const size = await stat(path).then(
    (found) => found.size,
    () => 0,
  );
  if (size <= largestBytes) return;
  try {
    await copyFile(path, `${path}.1`);
  } catch {
    // Part of a copy would fill the disk for good.
    await rm(`${path}.1`, { force: true });
  }
  await truncate(path);
}

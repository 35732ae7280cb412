import { copyFileSync, mkdirSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { ROLES, type Role } from './run-file.ts';

const LARGEST_BYTES = 10 * 1024 * 1024;
const CHECKED_EVERY_MS = 10_000;

export function logFileOf(dataDir: string, role: Role | 'migrate'): string {
  return join(dataDir, 'logs', `${role}.log`);
}

/**
 * Keeps each log at twice 10 MB. The writers append to an open file, so the file stays and its content moves.
 * Returns how to end it.
 */
export function capLogs(dataDir: string): () => void {
  mkdirSync(join(dataDir, 'logs'), { recursive: true, mode: 0o700 });
  const cap = (): void => {
    for (const role of [...ROLES, 'migrate' as const]) capLog(logFileOf(dataDir, role));
  };
  cap();
  const timer = setInterval(cap, CHECKED_EVERY_MS).unref();
  return () => {
    clearInterval(timer);
  };
}

export function capLog(path: string, largestBytes = LARGEST_BYTES): void {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size <= largestBytes) return;
  copyFileSync(path, `${path}.1`);
  truncateSync(path, 0);
}

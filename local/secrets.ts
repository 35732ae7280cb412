import { linkSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { isErrno } from './processes/processes.ts';

/**
 * A secret of the embedded stack: made once, kept in a file only its owner can read. `created` says whether it was made
 * just now. Two starts at the same time get the same one: the file appears whole, and only once.
 */
export function keptSecret(path: string, make: () => string): { value: string; created: boolean } {
  const kept = readSecret(path);
  if (kept !== null) return { value: kept, created: false };
  const value = make();
  const whole = `${path}.${process.pid}`;
  writeFileSync(whole, `${value}\n`, { mode: 0o600, flush: true });
  try {
    linkSync(whole, path);
    return { value, created: true };
  } catch (error) {
    const others = isErrno(error, 'EEXIST') ? readSecret(path) : null;
    if (others === null) throw error;
    return { value: others, created: false };
  } finally {
    unlinkSync(whole);
  }
}

function readSecret(path: string): string | null {
  let text: string;
  try {
    text = readFileSync(path, 'utf8').trim();
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return null;
    throw error;
  }
  if (text === '') throw new Error(`${path} is empty. Restore it from a backup, or delete it to have a new one made.`);
  return text;
}

import { linkSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { StackError, isErrno } from './errors.ts';

export interface Secret {
  readonly value: string;
  /** False if an earlier start made it. */
  readonly isNew: boolean;
}

/**
 * Reads a secret of the embedded stack from a file, or makes it and writes the file, readable for its owner alone. Two
 * starts at the same time get the same secret, because the file appears whole and only once. Throws StackError for an
 * empty file.
 */
export function readOrMakeSecret(path: string, make: () => string): Secret {
  const existing = readSecret(path);
  if (existing !== null) return { value: existing, isNew: false };
  const value = make();
  const whole = `${path}.${process.pid}`;
  writeFileSync(whole, `${value}\n`, { mode: 0o600, flush: true });
  try {
    linkSync(whole, path);
    return { value, isNew: true };
  } catch (error) {
    const others = isErrno(error, 'EEXIST') ? readSecret(path) : null;
    if (others === null) throw error;
    return { value: others, isNew: false };
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
  if (text === '') {
    throw new StackError(
      `${path} is empty. Restore it from a backup, or delete it, and the next start makes a new one.`,
    );
  }
  return text;
}

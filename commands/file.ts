import { constants, rmSync } from 'node:fs';
import { access, lstat, open, realpath, rename, rm, stat, writeFile, type FileHandle } from 'node:fs/promises';

/** A file cannot be written. The message names it. */
export class FileError extends Error {
  override readonly name = 'FileError';
}

/** Throws {@link FileError} if one of these files exists. */
export async function refuseExisting(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    const exists = await access(path, constants.F_OK).then(
      () => true,
      () => false,
    );
    if (exists) throw new FileError(`${path} exists. Add --force to replace it.`);
  }
}

/**
 * Writes a file whole or not at all: under a temporary name beside it, which takes its place at the end. A symbolic link
 * stays, and the file that it leads to is replaced. Throws {@link FileError} where the disk or the folder does not let it, and
 * leaves nothing behind then, nor where the process is asked to end. Only a process that is killed leaves what it wrote, under
 * the temporary name.
 */
export async function writeWhole(path: string, write: (handle: FileHandle) => Promise<void>): Promise<void> {
  const target = await targetOf(path);
  const temporary = `${target}.${process.pid}.part`;
  const end = (signal: NodeJS.Signals): void => {
    rmSync(temporary, { force: true });
    console.error(`Stopped by ${signal}. ${path} is not written.`);
    process.exit(signal === 'SIGINT' ? 130 : 143);
  };
  for (const signal of SIGNALS) process.on(signal, end);
  try {
    const handle = await open(temporary, 'wx');
    try {
      await write(handle);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    if (isOfSystem(error)) throw new FileError(`Cannot write ${path}: ${error.message}`);
    throw error;
  } finally {
    for (const signal of SIGNALS) process.off(signal, end);
  }
}

/** Where a path leads. Devices and folders are no place for a file, nor is a link to nothing. */
async function targetOf(path: string): Promise<string> {
  const link = await lstat(path).catch(() => null);
  if (link === null) return path;
  const target = await realpath(path).catch(() => null);
  if (target === null) throw new FileError(`${path} is a symbolic link that leads to nothing.`);
  if (!(await stat(target)).isFile()) throw new FileError(`${path} is not a file.`);
  return target;
}

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** As {@link writeWhole}, for a text. */
export function writeText(path: string, text: string): Promise<void> {
  return writeWhole(path, (handle) => writeFile(handle, text));
}

/** Errors of Postgres have a code as well, and no name of a system call. */
function isOfSystem(error: unknown): error is NodeJS.ErrnoException {
  return (
    error instanceof Error &&
    'syscall' in error &&
    ['open', 'write', 'fsync', 'rename', 'close'].includes(String(error.syscall))
  );
}

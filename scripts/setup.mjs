/**
 * What stands between a bare clone and a running program: the right Node, the packages, the build. Each is skipped when
 * nothing changed since it was done. Plain JavaScript without packages, because there may be none yet.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync, linkSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));

/** The npm that runs this, or else the one on the PATH: other package managers name themselves in the same variable. */
export const npm = process.env.npm_execpath?.endsWith('npm-cli.js')
  ? [process.execPath, process.env.npm_execpath]
  : ['npm'];

const OLDEST_NODE = [20, 19];
const INSTALL_STAMP = join(root, 'node_modules', '.meterline-installed');
const BUILD_STAMP = join(root, 'dist', '.meterline-built');
const LOCK = join(root, '.meterline', 'setup.lock');
/** Everything that ends up in dist/. */
const ROOMS = [
  ...['activities', 'anthropic', 'api', 'bench', 'commands', 'config', 'db', 'domain'],
  ...['local', 'simulator', 'worker', 'workflows'],
];

/**
 * An environment in which nobody goes to this machine itself through a proxy: the servers are on it, and several
 * libraries would. Small and capital letters say the same afterwards, since some read only one of them.
 */
export function withoutProxyOnLoopback(env) {
  const named = env.no_proxy || env.NO_PROXY;
  const hosts = named === '*' ? named : [named, 'localhost', '127.0.0.1', '::1'].filter(Boolean).join(',');
  return { ...env, no_proxy: hosts, NO_PROXY: hosts };
}

export function requireNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  const [oldestMajor, oldestMinor] = OLDEST_NODE;
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return;
  fail(
    `Meterline needs Node ${OLDEST_NODE.join('.')} or newer; this is ${process.versions.node} (${process.execPath}).`,
  );
}

/** What the programs beneath cannot work with is said first, and in their place: they say it in riddles. */
function requirePlace() {
  const odd = [...new Set(root.match(/["$`!?\n]/g))];
  if (odd.length > 0) {
    fail(
      `Meterline cannot run in ${root}: Postgres and the bundler stumble over ${odd.join(' ')} in the name of a ` +
        'directory. Move or rename it.',
    );
  }
  if (process.platform === 'linux' && process.report.getReport().header.glibcVersionRuntime === undefined) {
    fail("Meterline's Temporal and Postgres need glibc, as Debian and most others have it; this Linux has none.");
  }
}

/** Packages and build, as far as they are not there. Two at once in one clone wait for each other. */
export async function setUp({ build = true } = {}) {
  requireNode();
  requirePlace();
  const needsBuild = () => build && readText(BUILD_STAMP) !== sourcesHash();
  if (isInstalled() && !needsBuild()) return;
  await withLock(async () => {
    if (!isInstalled()) await install();
    if (needsBuild()) await progress('Building', [process.execPath, join('scripts', 'build.mjs')]);
  });
}

/** What the packages depend on: the lock file, and for their native parts Node and the machine. */
function installHash() {
  const major = process.versions.node.split('.')[0];
  return digest([readFileSync(join(root, 'package-lock.json')), major, process.platform, process.arch]);
}

function isInstalled() {
  const wanted = installHash();
  if (readText(INSTALL_STAMP) === wanted) return true;
  if (!isInstalledByHand()) return false;
  writeFileSync(INSTALL_STAMP, wanted);
  return true;
}

/** Somebody ran `npm ci` already: npm's own record of what it installed agrees with the lock file. */
function isInstalledByHand() {
  if (existsSync(INSTALL_STAMP)) return false;
  const record = readText(join(root, 'node_modules', '.package-lock.json'));
  if (record === null) return false;
  const installed = JSON.parse(record).packages;
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  return Object.entries(wanted).every(
    ([path, { version, integrity, optional }]) =>
      path === '' ||
      (optional === true && !(path in installed)) ||
      (installed[path]?.version === version && installed[path]?.integrity === integrity),
  );
}

async function install() {
  rmSync(INSTALL_STAMP, { force: true });
  // Whatever the person's own settings of npm say.
  const whole = [
    '--include=dev',
    '--include=optional',
    '--install-strategy=hoisted',
    '--no-global',
    '--location=project',
  ];
  const command = [...npm, 'ci', ...whole, '--no-audit', '--no-fund', ...(await ownCache())];
  await progress('Installing packages', command);
  writeFileSync(INSTALL_STAMP, installHash());
}

/** Where npm cannot write to its cache, as under a home that is read-only or not there, it gets one in the clone. */
async function ownCache() {
  const { output: cache } = await run([...npm, 'config', 'get', 'cache']);
  try {
    mkdirSync(cache, { recursive: true });
    accessSync(cache, constants.W_OK | constants.X_OK);
    return [];
  } catch {
    return [`--cache=${join(root, '.meterline', 'npm-cache')}`];
  }
}

export function sourcesHash() {
  const files = ROOMS.flatMap((room) => filesIn(join(root, room)));
  return hashOf([
    ...files.filter((file) => /\.(ts|cjs)$/.test(file) || file.includes('migrations')),
    ...['package-lock.json', 'tsconfig.json', 'tsconfig.build.json', join('scripts', 'build.mjs')].map((name) =>
      join(root, name),
    ),
  ]);
}

/** What the workflow bundle is made of, so that it is not made again for a change elsewhere. */
export function workflowsHash() {
  const files = ['workflows', 'domain'].flatMap((room) => filesIn(join(root, room)));
  return hashOf([...files, join(root, 'package-lock.json'), join(root, 'scripts', 'build.mjs')]);
}

export function markBuilt(directory, hash) {
  writeFileSync(join(directory, relative(join(root, 'dist'), BUILD_STAMP)), hash);
}

export function filesIn(directory) {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

function hashOf(files) {
  return digest(files.flatMap((file) => [relative(root, file), readFileSync(file)]));
}

function digest(parts) {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${Buffer.byteLength(part)}:`).update(part);
  return hash.digest('hex');
}

export function readText(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return null;
    throw error;
  }
}

/** One line while it runs and how long it took; its output only when it fails. */
async function progress(title, command) {
  const startedAt = Date.now();
  process.stderr.write(`${title} … `);
  const { code, output } = await run(command);
  process.stderr.write(`${code === 0 ? seconds(startedAt) : 'failed'}\n`);
  if (code === 0) {
    for (const line of output.split('\n').filter((text) => text.startsWith('warning:')))
      process.stderr.write(`${line}\n`);
    return;
  }
  process.stderr.write(`${output}\n`);
  fail(`${title} failed: ${command.map((word) => relative(root, word) || word).join(' ')} (exit status ${code}).`);
}

export function seconds(since) {
  return `${((Date.now() - since) / 1000).toFixed(1)} s`;
}

/** Runs a command, in the project's root unless told otherwise, to its end and keeps what it wrote. */
export async function run([command, ...args], { env = process.env, cwd = root } = {}) {
  const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const chunks = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => chunks.push(chunk));
  const code = await new Promise((resolve) => {
    child.once('error', (error) => {
      chunks.push(Buffer.from(`${command}: ${error.message}\n`));
      resolve(127);
    });
    child.once('close', (status, signal) => resolve(status ?? statusOf(signal)));
  });
  return { code, output: Buffer.concat(chunks).toString('utf8').trimEnd() };
}

const SIGNAL_NUMBERS = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGKILL: 9, SIGTERM: 15 };

/** The exit status by which a shell names a signal. */
export function statusOf(signal) {
  return 128 + (SIGNAL_NUMBERS[signal] ?? 0);
}

async function withLock(work) {
  mkdirSync(join(root, '.meterline'), { recursive: true, mode: 0o700 });
  const own = `${LOCK}.${process.pid}`;
  writeFileSync(own, JSON.stringify({ pid: process.pid, started: startOf(process.pid) }));
  let held = false;
  const release = () => {
    rmSync(own, { force: true });
    if (held) rmSync(LOCK, { force: true });
    held = false;
  };
  // Also when a step fails and ends the process.
  process.once('exit', release);
  for (let waited = 0; !(held = takeLock(own)); waited += 1) {
    if (waited === 1) process.stderr.write('Waiting for another start in this directory …\n');
    await delay(200);
  }
  await work();
  release();
}

/** A hard link appears whole or not at all, and only once. */
function takeLock(own) {
  try {
    linkSync(own, LOCK);
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
  const holder = readText(LOCK);
  if (holder !== null && !isHeld(holder)) {
    // Moved away first and looked at again: somebody else may have replaced the stale one meanwhile.
    const stale = `${own}.stale`;
    try {
      renameSync(LOCK, stale);
    } catch (error) {
      if (error.code !== 'ENOENT') throw error;
      return false;
    }
    if (readText(stale) !== holder) linkSync(stale, LOCK);
    rmSync(stale, { force: true });
  }
  return false;
}

function isHeld(holder) {
  const { pid, started } = JSON.parse(holder);
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (error.code === 'ESRCH') return false;
  }
  return started === startOf(pid);
}

/** When a process started, where the system tells: a pid alone may have gone to another one since. */
function startOf(pid) {
  const stat = readText(`/proc/${pid}/stat`);
  return stat === null ? null : stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
}

export function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

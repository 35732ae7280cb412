/**
 * Takes a bare clone to a running program: checks Node, installs the packages, builds. Skips each step if nothing changed
 * since it last ran. Plain JavaScript without packages, because none may be installed yet.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync, linkSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));

/** The npm that runs this program, or else the one on the PATH. Other package managers set the same variable to themselves. */
export const npm = process.env.npm_execpath?.endsWith('npm-cli.js')
  ? [process.execPath, process.env.npm_execpath]
  : ['npm'];

const OLDEST_NODE = [20, 19];
const INSTALL_STAMP = join(root, 'node_modules', '.meterline-installed');
const BUILD_STAMP = join(root, 'dist', '.meterline-built');
const LOCK = join(root, '.meterline', 'setup.lock');
/** The folders that are compiled into dist/. */
export const ROOMS = [
  ...['activities', 'anthropic', 'api', 'backtest', 'bench', 'commands', 'config', 'db', 'domain', 'exports'],
  ...['forecasting', 'local', 'notify', 'pages', 'runtime', 'simulator', 'worker', 'workflows'],
];

/**
 * Excludes this machine from the environment's proxies: our servers run on it, and several libraries would connect to
 * them through the proxy. Sets both spellings, since some libraries read only one of them.
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

/** Checks what the programs that we start cannot work with. Their own messages would not name the cause. */
function requirePlace() {
  const odd = [...new Set(root.match(/["$`!?\n]/g))];
  if (odd.length > 0) {
    fail(
      `Meterline cannot run in ${root}: Postgres and the bundler misread ${odd.join(' ')} in the name of a ` +
        'directory. Move or rename it.',
    );
  }
  if (process.platform === 'linux' && process.report.getReport().header.glibcVersionRuntime === undefined) {
    fail("Meterline's Temporal and Postgres need glibc, which Debian and most others have, and this Linux has not.");
  }
}

/** Installs and builds what is missing. Of two processes in one clone, one waits for the other. */
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

/** The packages depend on the lock file, and their native parts on Node and the machine. */
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

/** Whether somebody ran `npm ci`: npm's own record of the installed packages agrees with the lock file. */
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
  // These override the user's own npm settings.
  const settings = [
    '--include=dev',
    '--include=optional',
    '--install-strategy=hoisted',
    '--no-global',
    '--location=project',
  ];
  const command = [...npm, 'ci', ...settings, '--no-audit', '--no-fund', ...(await ownCache())];
  await progress('Installing packages', command);
  writeFileSync(INSTALL_STAMP, installHash());
}

/** A cache in the clone, if npm cannot write to its own: the home directory may be read-only or missing. */
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
    ...filesIn(join(root, 'console')),
    ...['package-lock.json', 'tsconfig.json', 'tsconfig.build.json', join('scripts', 'build.mjs')].map((name) =>
      join(root, name),
    ),
  ]);
}

/** A hash of the sources of the workflow bundle, so that other changes do not rebuild it. */
export function workflowsHash() {
  const files = ['workflows', 'domain'].flatMap((room) => filesIn(join(root, room)));
  return hashOf([...files, join(root, 'package-lock.json'), join(root, 'scripts', 'build.mjs')]);
}

/** A hash of the sources of the console, so that other changes do not rebuild it. */
export function consoleHash() {
  const others = ['package-lock.json', join('scripts', 'console.mjs')].map((name) => join(root, name));
  return hashOf([...filesIn(join(root, 'console')), ...others]);
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

/** Runs a command and prints one line with its time. Prints its output only if it fails. */
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

/** Runs a command to its end. Returns its exit status, and what it wrote to both outputs. */
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

/** The exit status that shells use for a process ended by this signal. */
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
  // A failing step ends the process.
  process.once('exit', release);
  for (let waited = 0; !(held = takeLock(own)); waited += 1) {
    if (waited === 1) process.stderr.write('Another process is setting up this directory; waiting for it …\n');
    await delay(200);
  }
  await work();
  release();
}

/** Creating a hard link is atomic, and fails if the file exists. */
function takeLock(own) {
  try {
    linkSync(own, LOCK);
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
  const holder = readText(LOCK);
  if (holder !== null && !isHeld(holder)) {
    // Read it again after moving it: another process may have replaced the stale lock meanwhile.
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

/** When a process started, if the system says so. Its pid alone may belong to a newer process. */
function startOf(pid) {
  const stat = readText(`/proc/${pid}/stat`);
  return stat === null ? null : stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
}

export function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

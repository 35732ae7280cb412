/**
 * npm run check:nodes [-- <version> …]: runs the demo with each Node that the README names, from `npm ci` on, in a fresh
 * copy of this clone with its own home and data directory. Prints a table, and exits with 0 only if all of them worked.
 * It installs each Node from the npm package for this platform, with the npm that this Node ships.
 */
import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, relative } from 'node:path';
import { fail, npm, root, run, seconds } from './setup.mjs';

/** The npm that each Node ships. */
const NODES = { 20.19: '10.8.2', 22: '10.9.4', 24: '11.6.2', 26: '11.19.1' };
const PLATFORMS = ['linux-x64', 'linux-arm64'];
/** Files that a fresh clone does not have. */
const MADE = new Set(['.git', '.meterline', 'node_modules', 'dist', 'dist.next', 'dist.last', 'secrets']);
/** Settings of another Meterline, or of the npm that runs this program. */
const OTHERS = /^(?:npm_|INIT_CWD$|NODE|METERLINE_|TEMPORAL_|DATABASE_URL$|PG|HOST$|PORT$|XDG_)/i;

const platform = `${process.platform}-${process.arch}`;
if (!PLATFORMS.includes(platform)) {
  fail(
    `There are no npm packages of every Node for ${platform}, only for ${PLATFORMS.join(' and ')}. ` +
      'Install each Node in another way, and run "npm run demo -- --once" with it in a fresh clone.',
  );
}
const asked = process.argv.slice(2);
const unknown = asked.filter((version) => !(version in NODES));
if (unknown.length > 0) fail(`Usage: npm run check:nodes [-- ${Object.keys(NODES).sort().join(' | ')} …]`);

const { output: registry } = await run([...npm, 'config', 'get', 'registry']);
const rows = [];
for (const version of Object.keys(NODES).sort()) {
  if (asked.length > 0 && !asked.includes(version)) continue;
  process.stderr.write(`Node ${version} … `);
  const row = await tryOut(version);
  process.stderr.write(`${row.result}\n`);
  if (row.said !== undefined) process.stderr.write(`${row.said}\n`);
  rows.push(row);
}
printTable(['node', 'npm', 'result', 'seconds'], rows);
process.exitCode = rows.every(({ result }) => result === 'matched') ? 0 : 1;

async function tryOut(version) {
  // On some systems the temporary directory is a link.
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'meterline-node-')));
  try {
    const fetched = await fetch(version, join(directory, 'node'));
    if (fetched.failure !== undefined) return { node: version, npm: '', result: 'not fetched', said: fetched.failure };
    const env = environment(directory, fetched.bin);
    const clone = join(directory, 'clone');
    cpSync(root, clone, { recursive: true, filter: (path) => !MADE.has(relative(root, path)) });
    const [node, itsNpm] = await Promise.all([run(['node', '--version'], { env }), run(['npm', '--version'], { env })]);
    const startedAt = Date.now();
    const { code, output } = await run(['npm', 'run', 'demo', '--', '--once'], { cwd: clone, env });
    const row = { node: node.output, npm: itsNpm.output, seconds: seconds(startedAt).replace(' s', '') };
    if (code === 0 && output.includes('Every line equals the ledger')) return { ...row, result: 'matched' };
    return { ...row, result: `failed (exit status ${code})`, said: output };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Installs Node and its npm into a directory for the PATH. */
async function fetch(version, to) {
  mkdirSync(to);
  writeFileSync(join(to, 'package.json'), '{}');
  const packages = [`node-${platform}@${version}`, `npm@${NODES[version]}`];
  const { code, output } = await run([...npm, 'install', '--no-audit', '--no-fund', '--ignore-scripts', ...packages], {
    cwd: to,
  });
  return code === 0 ? { bin: join(to, 'node_modules', '.bin') } : { failure: output };
}

function environment(directory, bin) {
  const home = join(directory, 'home');
  mkdirSync(home);
  const kept = Object.entries(process.env).filter(([name]) => !OTHERS.test(name) || name === 'NODE_EXTRA_CA_CERTS');
  return {
    ...Object.fromEntries(kept),
    HOME: home,
    METERLINE_DATA_DIR: join(directory, 'data'),
    PATH: `${bin}${delimiter}${process.env.PATH}`,
    npm_config_registry: registry,
  };
}

function printTable(columns, lines) {
  const cells = [columns, ...lines.map((line) => columns.map((column) => line[column] ?? ''))];
  const widths = columns.map((_, index) => Math.max(...cells.map((row) => row[index].length)));
  for (const row of cells) {
    process.stdout.write(
      `${row
        .map((cell, index) => cell.padEnd(widths[index]))
        .join('   ')
        .trimEnd()}\n`,
    );
  }
}

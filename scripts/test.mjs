/**
 * npm test: everything that CI runs. With arguments (`npm test -- test/domain`) it runs only the tests that they name. The
 * steps after a failed one run too. The last line is the count of tests, and nothing else.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readText, root, run, seconds, setUp, withoutProxyOnLoopback } from './setup.mjs';

const filters = process.argv.slice(2);
const failed = [];
const CONSOLE = 'test/console';

await setUp({ build: false });
if (filters.length === 0) {
  // Linting takes the longest, so the other checks run beside it.
  await Promise.all([
    step('lint', bin('eslint', 'bin', 'eslint.js'), '.'),
    (async () => {
      await step('types', bin('typescript', 'bin', 'tsc'), '--noEmit', '-p', 'tsconfig.json');
      await step('console', bin('typescript', 'bin', 'tsc'), '--noEmit', '-p', join('console', 'tsconfig.json'));
      await step('format', bin('prettier', 'bin', 'prettier.cjs'), '--check', '.');
    })(),
  ]);
}
await step('build', join('scripts', 'run.mjs'));
const { passed, failures, skipped } = await tests();
if (failed.length > 0) print(`Failed: ${failed.join(', ')}`);
if (skipped > 0) print(`skipped  ${skipped} tests: no Chromium found`);
print(`${passed} passed, ${failures} failed`);
process.exitCode = failed.length === 0 && failures === 0 ? 0 : 1;

function bin(...path) {
  return join(root, 'node_modules', ...path);
}

async function step(name, ...command) {
  const startedAt = Date.now();
  const { code, output } = await run([process.execPath, ...command]);
  print(`${code === 0 ? 'ok    ' : 'FAILED'} ${name.padEnd(8)} ${seconds(startedAt)}`);
  if (code === 0) return;
  failed.push(name);
  print(output);
}

async function tests() {
  const startedAt = Date.now();
  const directory = mkdtempSync(join(tmpdir(), 'meterline-test-'));
  try {
    const report = join(directory, 'report.json');
    const code = await vitest(report);
    const counts = countsOf(readText(report));
    print(`${code === 0 ? 'ok    ' : 'FAILED'} tests    ${seconds(startedAt)}`);
    if (code !== 0) failed.push(counts.failures === 0 ? 'tests (an error outside of any test)' : 'tests');
    return counts;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function vitest(report) {
  const args = ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`, ...filters];
  const child = spawn(process.execPath, [bin('vitest', 'vitest.mjs'), ...args], {
    cwd: root,
    env: { ...withoutProxyOnLoopback(process.env), ...browserSettings() },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
  return new Promise((resolve) => {
    child.once('error', () => resolve(127));
    child.once('exit', (code) => resolve(code ?? 1));
  });
}

/** Tests of the console need a browser: the run fetches one if the machine has none. Fetching is not for a run without them. */
function browserSettings() {
  const isNeeded = filters.length === 0 || filters.some((filter) => filter.includes(CONSOLE));
  return isNeeded ? { METERLINE_TEST_BROWSER: 'fetch' } : {};
}

/** A file that fails before its first test counts as a failure, and so does a missing report. */
function countsOf(json) {
  if (json === null) return { passed: 0, failures: 1, skipped: 0 };
  const report = JSON.parse(json);
  const broken = report.testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
  );
  // Nothing but the lack of a browser skips a test of the console.
  const skipped = report.testResults
    .filter(({ name }) => name.includes(CONSOLE))
    .flatMap(({ assertionResults }) => assertionResults.filter(({ status }) => status === 'skipped'));
  return {
    passed: report.numPassedTests,
    failures: report.numFailedTests + broken.length,
    skipped: skipped.length,
  };
}

function print(line) {
  process.stdout.write(`${line}\n`);
}

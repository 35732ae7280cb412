/** Builds TypeScript, migrations, the workflow bundle and the console into dist/. A failing build leaves the last good one in place. */
import { cpSync, existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildConsole } from './console.mjs';
import { consoleHash, fail, markBuilt, readText, root, run, sourcesHash, workflowsHash } from './setup.mjs';

const dist = join(root, 'dist');
const next = join(root, 'dist.next');
const BUNDLE = 'workflow-bundle.js';
const BUNDLE_STAMP = '.workflow-bundle';
const CONSOLE_STAMP = '.console';
const CONVERTER = join('workflows', 'payload-converter.cjs');

const hash = sourcesHash();
rmSync(next, { recursive: true, force: true });
await compile();
copyOtherFiles();
await bundleWorkflows();
await page();
markBuilt(next, hash);
replace();

async function compile() {
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const { code, output } = await run([process.execPath, tsc, '-p', 'tsconfig.build.json', '--outDir', next]);
  if (code !== 0) fail(output);
}

function copyOtherFiles() {
  for (const path of [join('db', 'migrations'), CONVERTER]) {
    cpSync(join(root, path), join(next, path), { recursive: true });
  }
}

async function page() {
  const made = consoleHash();
  const place = join(next, 'console');
  if (readText(join(dist, CONSOLE_STAMP)) === made) {
    cpSync(join(dist, 'console'), place, { recursive: true });
  } else {
    await buildConsole(place).catch((error) => fail(error.message));
  }
  writeFileSync(join(next, CONSOLE_STAMP), made);
}

async function bundleWorkflows() {
  const workflowsPath = join(next, 'workflows', 'index.js');
  const made = workflowsHash();
  if (readText(join(dist, BUNDLE_STAMP)) === made && existsSync(join(dist, BUNDLE))) {
    cpSync(join(dist, BUNDLE), join(next, BUNDLE));
  } else {
    writeFileSync(join(next, BUNDLE), await bundle(workflowsPath));
  }
  writeFileSync(join(next, BUNDLE_STAMP), made);
}

async function bundle(workflowsPath) {
  const { bundleWorkflowCode, DefaultLogger } = await import('@temporalio/worker');
  const logger = new DefaultLogger('WARN', ({ level, message }) => process.stderr.write(`${level}: ${message}\n`));
  const { code } = await bundleWorkflowCode({
    workflowsPath,
    payloadConverterPath: join(next, CONVERTER),
    logger,
  });
  // Stack traces must name the final place of the files.
  return code.replaceAll('dist.next/', 'dist/');
}

function replace() {
  const last = join(root, 'dist.last');
  rmSync(last, { recursive: true, force: true });
  if (existsSync(dist)) renameSync(dist, last);
  renameSync(next, dist);
  rmSync(last, { recursive: true, force: true });
}

/**
 * npm run sbom [-- <file>]: writes the packages of an image as CycloneDX, to standard output or into a file. It removes
 * the development part from the lock file first: `npm sbom --omit=dev` would omit packages that development and the image share.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fail, npm, root, run } from './setup.mjs';

const [file] = process.argv.slice(2);
const { devDependencies: _unused, ...manifest } = json('package.json');
const lock = json('package-lock.json');
const shipped = Object.entries(lock.packages).filter(([, { dev }]) => dev !== true);
const { devDependencies: _alsoUnused, ...rootPackage } = lock.packages[''];
const packages = { ...Object.fromEntries(shipped), '': rootPackage };

const temporary = mkdtempSync(join(tmpdir(), 'meterline-sbom-'));
try {
  // npm takes the name of the directory as the name of the product.
  const directory = join(temporary, manifest.name);
  mkdirSync(directory);
  writeFileSync(join(directory, 'package.json'), JSON.stringify(manifest));
  writeFileSync(join(directory, 'package-lock.json'), JSON.stringify({ ...lock, packages }));
  const format = ['--package-lock-only', '--sbom-format=cyclonedx', '--sbom-type=application'];
  const { code, output } = await run([...npm, 'sbom', ...format], { cwd: directory });
  if (code !== 0) fail(output);
  if (file === undefined) process.stdout.write(`${output}\n`);
  else writeFileSync(file, `${output}\n`);
} finally {
  rmSync(temporary, { recursive: true });
}

function json(name) {
  return JSON.parse(readFileSync(join(root, name), 'utf8'));
}

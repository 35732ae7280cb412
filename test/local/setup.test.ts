import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { temporaryFolder } from './fakes.ts';

const ROOT = join(import.meta.dirname, '../..');

/** Runs code with the exports of scripts/setup.mjs as `setup`, in a clone at `place` that holds only the scripts. */
function inClone(place: string, code: string): { status: number | null; out: string; err: string } {
  mkdirSync(place, { recursive: true });
  cpSync(join(ROOT, 'scripts'), join(place, 'scripts'), { recursive: true });
  const program = `import * as setup from './scripts/setup.mjs'; ${code}`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
    cwd: place,
    encoding: 'utf8',
    timeout: 120_000,
  });
  return { status, out: stdout, err: stderr };
}

describe('a clone', () => {
  test.each(['a?b', 'a!b', 'a"b', 'a$b', 'a`b'])(
    'in a directory whose name other programs misread (%s) says so at once, and does nothing',
    (name) => {
      const place = join(temporaryFolder(), name);
      const { status, err } = inClone(place, 'await setup.setUp();');
      expect([status, err]).toEqual([1, expect.stringContaining(`Meterline cannot run in ${realpathSync(place)}`)]);
      expect(existsSync(join(place, '.meterline'))).toBe(false);
    },
  );

  test.each(["it's here", 'é #1 (2) [3] {4} 100%20 &', 'plain'])('in any other directory (%s) continues', (name) => {
    const { err } = inClone(join(temporaryFolder(), name), 'await setup.setUp();');
    // Next it looks for a lock file, and this clone has none.
    expect(err).toContain('package-lock.json');
  });
});

test('every folder with TypeScript except test/ counts for the build, so that a change in it builds anew', () => {
  const { stdout } = spawnSync('git', ['ls-files', '*/*.ts'], { cwd: ROOT, encoding: 'utf8' });
  const rooms = new Set(stdout.split('\n').flatMap((file) => file.split('/').slice(0, -1).slice(0, 1)));
  rooms.delete('test');
  // Another tool builds the page; its sources are hashed as they are.
  expect(rooms.delete('console')).toBe(true);
  expect(rooms.size).toBeGreaterThan(5);
  const { out } = inClone(temporaryFolder(), 'console.log(JSON.stringify(setup.ROOMS));');
  expect(JSON.parse(out)).toEqual([...rooms].sort());
});

describe('the environment of a program', () => {
  const proxies = (env: Record<string, string>): unknown => {
    const code = `console.log(JSON.stringify(setup.withoutProxyOnLoopback(${JSON.stringify(env)})));`;
    return JSON.parse(inClone(temporaryFolder(), code).out);
  };

  test('excludes this machine from every proxy, and keeps other exceptions', () => {
    const loopback = 'localhost,127.0.0.1,::1';
    const both = (hosts: string): object => ({ no_proxy: hosts, NO_PROXY: hosts });
    expect(proxies({ https_proxy: 'http://p:1' })).toEqual({ https_proxy: 'http://p:1', ...both(loopback) });
    expect(proxies({ NO_PROXY: 'a.example' })).toEqual(both(`a.example,${loopback}`));
    expect(proxies({ NO_PROXY: 'a.example', no_proxy: 'b.example' })).toEqual(both(`b.example,${loopback}`));
    expect(proxies({ NO_PROXY: '*' })).toEqual(both('*'));
  });
});

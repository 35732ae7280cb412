import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findChromium, type Found } from './chromium.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'meterline-chromium-'));
  mkdirSync(join(directory, 'bin'));
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

/** A program of a few lines of shell, on the PATH of these searches. */
function program(name: string, script: string): string {
  const path = join(directory, 'bin', name);
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return path;
}

/** A search on a machine that has only these programs and an empty cache. */
function find(env: Record<string, string> = {}, mayFetch = false): Promise<Found> {
  const path = { PATH: join(directory, 'bin'), XDG_CACHE_HOME: join(directory, 'cache') };
  return findChromium({ env: { ...path, ...env }, mayFetch, places: [] });
}

describe('a browser', () => {
  it('is the one that METERLINE_CHROMIUM names, or else one on the PATH', async () => {
    const onPath = program('google-chrome', 'echo "Google Chrome 140.0.1.2"');
    const named = program('mine', 'echo "Chromium 141.0.7390.0 of mine"');
    expect(await find()).toEqual({ chromium: { path: onPath, version: 'Google Chrome 140.0.1.2', env: {} } });
    expect(await find({ METERLINE_CHROMIUM: named })).toEqual({
      chromium: { path: named, version: 'Chromium 141.0.7390.0', env: {} },
    });
  });

  it('is another one if the first does not work', async () => {
    program('chromium', 'echo "chromium: error while loading shared libraries: libnss3.so" >&2; exit 127');
    const works = program('google-chrome-stable', 'echo "Google Chrome 140.0.1.2"');
    expect(await find({ METERLINE_CHROMIUM: '/nowhere/chromium' })).toMatchObject({ chromium: { path: works } });
  });

  it('is none where there is none, with the reason of each program', async () => {
    expect(await find()).toEqual({ problem: 'none on this machine' });
    const broken = program('chromium', 'echo "no libnss3.so" >&2; exit 127');
    expect(await find()).toEqual({ problem: `${broken}: no libnss3.so` });
  });

  it('is not fetched if npm cannot, or if the package is not the one that is known', async () => {
    program('npm', 'echo "npm error code ENOTFOUND" >&2; exit 1');
    expect(await find({}, true)).toEqual({
      problem: 'none on this machine; npm pack @sparticuz/chromium@141.0.0: npm error code ENOTFOUND',
    });
    program('npm', 'for each; do case $each in --pack-destination=*) echo other > "${each#*=}/other.tgz";; esac; done');
    const isKnown = `${process.platform}-${process.arch}` === 'linux-x64';
    const reason: unknown = expect.stringMatching(isKnown ? /has the SHA-512 \S+, not / : /has no browser for/);
    expect(await find({}, true)).toEqual({ problem: reason });
  });
});

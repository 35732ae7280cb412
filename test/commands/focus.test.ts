import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { lstat, mkdtemp, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { z } from 'zod';
import { addDays } from '../../domain/days.ts';
import { TODAY, seedConnection, seedCostDay } from '../api/support.ts';
import { readCsv, readParquet } from '../focus/files.ts';
import { prepare } from '../processes/support.ts';
import { testDatabase, type TestDatabase } from '../support/postgres.ts';
import { command, type Outcome } from './support.ts';

const ROOT = join(import.meta.dirname, '../..');

let database: TestDatabase;
let connection: string;
let folder: string;
beforeAll(async () => {
  await prepare();
  database = await testDatabase();
  connection = await seedConnection(database.db);
  await seedCostDay(database.db, connection, TODAY, [
    { description: '=cmd', amount: '1.5' },
    { description: 'two\r\nlines', amount: '-2' },
  ]);
}, 600_000);
afterAll(() => database.close());
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'focus-'));
  return () => rm(folder, { recursive: true });
});

const RANGE = ['--from', TODAY, '--to', TODAY];
const focus = (...args: string[]): Promise<Outcome> =>
  command('focus', [...RANGE, ...args], { DATABASE_URL: database.url });

/** The command as a line of a shell. */
function focusLine(...args: string[]): string {
  const range = args.includes('--from') ? ['--to', TODAY] : RANGE;
  return [process.execPath, 'dist/commands/focus.js', ...range, ...args].join(' ');
}

function inShell(line: string): ChildProcessByStdio<null, Readable, Readable> {
  const env = { PATH: process.env['PATH'], DATABASE_URL: database.url };
  return spawn('/bin/sh', ['-c', line], { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Runs a line in a shell. */
async function shell(line: string): Promise<Outcome> {
  const child = inShell(line);
  const [closed, out, err] = await Promise.all([once(child, 'close'), text(child.stdout), text(child.stderr)]);
  return { status: z.number().nullable().parse(closed[0]), out, err };
}

it('a file and its metadata are written, with the same values in both formats', async () => {
  const [csv, parquet] = [join(folder, 'a.csv'), join(folder, 'a.parquet')];
  expect(await focus('--out', csv)).toEqual({ status: 0, out: '', err: '2 rows written.\n' });
  expect((await focus('--out', parquet, '--format', 'parquet', '--connection', connection)).status).toBe(0);
  const bytes = await readFile(parquet);
  const read = await readParquet(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
  expect(read).toEqual(readCsv(await readFile(csv, 'utf8')));
  expect(read.rows.map((row) => [row['ChargeDescription'], row['BilledCost']])).toEqual([
    ['=cmd', '1.5'],
    ['two\r\nlines', '-2.0'],
  ]);
  const metadata = JSON.parse(await readFile(`${csv}.metadata.json`, 'utf8')) as {
    Schema: { FocusVersion: string; ColumnDefinition: { ColumnName: string }[] }[];
  };
  expect(metadata.Schema[0]?.FocusVersion).toBe('1.4');
  expect(metadata.Schema[0]?.ColumnDefinition.map(({ ColumnName }) => ColumnName)).toEqual(read.columns);
  expect((await readdir(folder)).sort()).toEqual(
    ['a.csv', 'a.csv.metadata.json', 'a.parquet', 'a.parquet.metadata.json'].sort(),
  );
});

it('standard output gets CSV alone', async () => {
  const { status, out } = await focus('--out', '-', '--version', '1.3');
  expect([status, readCsv(out).rows.length]).toEqual([0, 2]);
});

it('a file that exists is replaced with --force alone', async () => {
  const file = join(folder, 'a.csv');
  await writeFile(file, 'mine');
  const refused = await focus('--out', file);
  expect([refused.status, refused.err]).toEqual([1, `${file} exists. Add --force to replace it.\n`]);
  expect(await readFile(file, 'utf8')).toBe('mine');
  expect((await focus('--out', file, '--force')).status).toBe(0);
  expect(readCsv(await readFile(file, 'utf8')).rows).toHaveLength(2);
});

it('a folder that is not there is named, and nothing is left', async () => {
  const file = join(folder, 'none', 'a.csv');
  const refused = await focus('--out', file);
  expect(refused.status).toBe(1);
  expect(refused.err).toContain(`Cannot write ${file}: ENOENT`);
  expect(await readdir(folder)).toEqual([]);
});

it('--force replaces the file that a symbolic link leads to, and keeps the link', async () => {
  const [file, link] = [join(folder, 'a.csv'), join(folder, 'link.csv')];
  await writeFile(file, 'mine');
  await symlink(file, link);
  expect((await focus('--out', link, '--force')).status).toBe(0);
  expect((await lstat(link)).isSymbolicLink()).toBe(true);
  expect(readCsv(await readFile(file, 'utf8')).rows).toHaveLength(2);
});

it('a link to nothing and a device are refused, and stay', async () => {
  const link = join(folder, 'link.csv');
  await symlink(join(folder, 'none'), link);
  expect(await focus('--out', link, '--force')).toMatchObject({
    status: 1,
    err: `${link} is a symbolic link that leads to nothing.\n`,
  });
  expect(await focus('--out', '/dev/null', '--force')).toMatchObject({ status: 1, err: '/dev/null is not a file.\n' });
  expect((await lstat('/dev/null')).isCharacterDevice()).toBe(true);
});

it('a disk that is full is named, and nothing is left', async () => {
  const file = join(folder, 'a.csv');
  // Node ignores the signal of the limit, and the write fails as on a full disk. One block is less than the file.
  const refused = await shell(`ulimit -f 1; exec ${focusLine('--out', file)}`);
  expect(refused.status).toBe(1);
  expect(refused.err).toContain(`Cannot write ${file}: EFBIG`);
  expect(await readdir(folder)).toEqual([]);
});

it('SIGTERM in the middle of a file leaves nothing behind, and says so', async () => {
  const file = join(folder, 'a.csv');
  await database.db.transaction(async (tx) => {
    // Its first line waits for the names of workspaces.
    await tx.execute('lock table workspace_names in access exclusive mode');
    const child = inShell(`exec ${focusLine('--out', file)}`);
    const ended = Promise.all([once(child, 'close'), text(child.stderr)]);
    await expect.poll(() => readdir(folder), { timeout: 30_000 }).toEqual([expect.stringMatching(/\.part$/)]);
    child.kill('SIGTERM');
    const [closed, err] = await ended;
    expect([closed[0], err]).toEqual([143, `Stopped by SIGTERM. ${file} is not written.\n`]);
  });
  expect(await readdir(folder)).toEqual([]);
});

it('a reader of standard output that ends early ends the command without a word', async () => {
  const long = addDays(TODAY, -1);
  // Far more than a pipe holds.
  await seedCostDay(database.db, connection, long, [{ description: 'x'.repeat(2 ** 20), amount: '1' }]);
  const ended = await shell(
    `{ ${focusLine('--out', '-', '--from', long)}; echo "$?" > ${folder}/status; } | head -c 10`,
  );
  expect(ended).toEqual({ status: 0, out: 'BilledCost', err: '' });
  expect(await readFile(join(folder, 'status'), 'utf8')).toBe('0\n');
});

it.each([
  [['--out', 'x', '--out', 'y'], '--out is given more than once'],
  [['--out', 'x', '--force', '--force'], '--force is given more than once'],
  [['--out', 'x', '--version', '1.2'], '--version'],
  [['--out', 'x', '--format', 'xlsx'], '--format'],
  [['--out', '-', '--format', 'parquet'], '--out'],
  [['--out', 'x', '--connection', 'me'], '--connection'],
  [['--out', 'x', '--connection', '00000000-0000-4000-8000-000000000000'], '--connection'],
  [['--out', 'x', '--allocated'], '--allocated'],
  [['--out', 'x', '--from', '2026-02-30'], '--from'],
  [['--out', 'x', '--to', '2020-01-01'], '--from'],
  [[], '--out'],
  [['--out'], 'options'],
])('%j is refused with the usage and status 2', async (args, name) => {
  const refused = await focus(...args);
  expect([refused.status, refused.out]).toEqual([2, '']);
  expect(refused.err).toContain(name);
  expect(refused.err).toContain('Usage: npm run focus');
});

import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { TODAY, seedConnection, seedCostDay } from '../api/support.ts';
import { readCsv, readParquet } from '../focus/files.ts';
import { prepare } from '../processes/support.ts';
import { testDatabase, type TestDatabase } from '../support/postgres.ts';
import { command, type Outcome } from './support.ts';

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

it.each([
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

import { randomBytes } from 'node:crypto';
import postgres from 'postgres';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { prepare } from '../processes/support.ts';
import { onServer } from '../support/databases.ts';
import { testDatabase, type TestDatabase } from '../support/postgres.ts';
import { command, type Outcome } from './support.ts';

const ROLE = `reader_${randomBytes(5).toString('hex')}`;

let database: TestDatabase;
beforeAll(async () => {
  await prepare();
  database = await testDatabase();
}, 600_000);
afterAll(async () => {
  await database.close();
  await onServer(inject('postgresUrl'), `drop role if exists ${ROLE}`);
});

const reader = (...args: string[]): Promise<Outcome> => command('reader', args, { DATABASE_URL: database.url });

/** The names of the columns of a view, as the role reads them with this password. */
async function columnsAs(password: string): Promise<readonly string[]> {
  const url = new URL(database.url);
  const [host, port, name] = [url.hostname, Number(url.port), url.pathname.slice(1)];
  const client = postgres({ host, port, database: name, user: ROLE, password, max: 1 });
  try {
    return (await client`select * from daily_costs`).columns.map((column) => column.name);
  } finally {
    await client.end({ timeout: 5 });
  }
}

it('the role is made, its password alone is on standard output, and it reads; again keeps it, anew replaces it, and it goes', async () => {
  const made = await reader(ROLE);
  expect([made.status, made.out]).toEqual([0, expect.stringMatching(/^[\w-]{32}\n$/)]);
  const password = made.out.trim();
  expect(made.err).toContain(`Made the role "${ROLE}".`);
  expect(made.err).not.toContain(password);
  const { hostname, port, pathname } = new URL(database.url);
  expect(made.err).toContain(`psql "host=${hostname} port=${port} dbname=${pathname.slice(1)} user=${ROLE}"`);
  expect(made.err).toContain(`host ${hostname}:${port}, database ${pathname.slice(1)}, user ${ROLE}`);
  expect(await columnsAs(password)).toContain('amount');

  const again = await reader(ROLE);
  expect([again.status, again.out]).toEqual([0, '']);
  expect(again.err).toContain('It keeps its password');
  expect(await columnsAs(password)).toContain('amount');

  const anew = await reader(ROLE, '--new-password');
  expect([anew.status, anew.out]).toEqual([0, expect.stringMatching(/^[\w-]{32}\n$/)]);
  expect(await columnsAs(anew.out.trim())).toContain('amount');
  await expect(columnsAs(password)).rejects.toMatchObject({ code: '28P01' });

  expect(await reader(ROLE, '--remove')).toEqual({ status: 0, out: `The role "${ROLE}" is dropped.\n`, err: '' });
  expect(await reader(ROLE, '--remove')).toEqual({ status: 1, out: '', err: `There is no role "${ROLE}".\n` });
});

it('a name that is no name for a reader ends with a sentence and status 1', async () => {
  const { status, out, err } = await reader('pg_reader');
  expect([status, out, err]).toEqual([
    1,
    '',
    'The name "pg_reader" begins with pg_, as the roles of Postgres itself do.\n',
  ]);
});

it.each([[[]], [['a', 'b']], [['a', '--remove', '--new-password']], [['a', '--password', 'x']], [['--remove']]])(
  '%j changes nothing, and ends with the usage and status 2',
  async (args) => {
    const { status, out, err } = await reader(...args);
    expect([status, out]).toEqual([2, '']);
    expect(err).toContain('Usage: npm run reader');
  },
);

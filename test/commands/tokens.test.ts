import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { hashToken, isWholeToken } from '../../db/tokens/secret.ts';
import { findToken } from '../../db/tokens/tokens.ts';
import { prepare } from '../processes/support.ts';
import { testDatabase, type TestDatabase } from '../support/postgres.ts';
import { command, type Outcome } from './support.ts';

let database: TestDatabase;
beforeAll(async () => {
  await prepare();
  database = await testDatabase();
}, 600_000);
afterAll(() => database.close());

const tokens = (...args: string[]): Promise<Outcome> => command('tokens', args, { DATABASE_URL: database.url });

it('a token is created, shown once and alone on standard output, listed without its text, and revoked', async () => {
  const made = await tokens('create', '--name', 'grafana', '--role', 'viewer', '--expires', '90d');
  expect(made.status).toBe(0);
  const token = made.out.trim();
  expect(isWholeToken(token)).toBe(true);
  expect(made.err).toMatch(/the token "grafana" \([\da-f-]{36}\), viewer, expires on \d{4}-\d\d-\d\d/);
  expect(made.err).not.toContain(token);
  const found = await findToken(database.db, hashToken(token));
  expect(found).toMatchObject({ name: 'grafana', role: 'viewer' });

  const listed = await tokens('list');
  expect(listed.out).toMatch(/grafana +viewer +\d{4}-\d\d-\d\d +command +never +expires on/);
  expect(listed.out + listed.err).not.toContain(token);

  const revoked = await tokens('revoke', found?.id ?? '');
  expect([revoked.status, revoked.out]).toEqual([0, expect.stringMatching(/"grafana" is revoked on .* by command/)]);
  expect(await findToken(database.db, hashToken(token))).toBeNull();
  expect((await tokens('list')).out).toMatch(/grafana .* revoked on \d{4}-\d\d-\d\d by command/);
});

it('a taken name and an unknown id end with a sentence and status 1', async () => {
  expect((await tokens('create', '--name', 'ci', '--role', 'admin')).status).toBe(0);
  const again = await tokens('create', '--name', 'ci', '--role', 'admin');
  expect(again).toEqual({ status: 1, out: '', err: 'Another token has this name and is not revoked.\n' });
  const unknown = await tokens('revoke', '00000000-0000-4000-8000-000000000000');
  expect(unknown).toEqual({ status: 1, out: '', err: 'There is no token with this id.\n' });
});

it.each([
  [[]],
  [['make']],
  [['create']],
  [['create', '--name', 'a']],
  [['create', '--name', 'a', '--role', 'owner']],
  [['create', '--name', 'bootstrap', '--role', 'viewer']],
  [['create', '--name', 'a', '--role', 'viewer', '--expires', '0d']],
  [['create', '--name', 'a', '--role', 'viewer', '--expires', '90']],
  [['create', '--name', 'a', '--role', 'viewer', '--token', 'x']],
  [['create', '--name', 'a', '--role', 'viewer', 'more']],
  [['list', 'more']],
  [['revoke']],
  [['revoke', 'x']],
])('%j changes nothing, and ends with the usage and status 2', async (args) => {
  const { status, out, err } = await tokens(...args);
  expect([status, out]).toEqual([2, '']);
  expect(err).toContain('Usage: npm run tokens');
  expect(err).not.toMatch(/^\s+at /m);
  expect(await database.db.execute(sql`select from tokens where name = 'a'`)).toHaveLength(0);
});

it('without a database, or with one that does not answer, it says so with status 2', async () => {
  const none = await command('tokens', ['list'], { METERLINE_DATA_DIR: '/no/such' });
  expect([none.status, none.err]).toEqual([
    2,
    expect.stringContaining('set DATABASE_URL, or let "npm start" run on /no/such'),
  ]);
  const dead = await command('tokens', ['list'], { DATABASE_URL: 'postgres://u:hunter2@127.0.0.1:1/d' });
  expect([dead.status, dead.err]).toEqual([2, expect.stringContaining('Postgres does not answer')]);
  expect(dead.err).not.toContain('hunter2');
});

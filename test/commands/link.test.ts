import { afterAll, beforeAll, expect, it } from 'vitest';
import { links } from '../../db/schema.ts';
import { listDeploymentEvents } from '../../db/deployment/events.ts';
import { beginSession } from '../../db/sessions/sessions.ts';
import { hashToken } from '../../db/tokens/secret.ts';
import { prepare } from '../processes/support.ts';
import { testDatabase, type TestDatabase } from '../support/postgres.ts';
import { command, type Outcome } from './support.ts';

let database: TestDatabase;
beforeAll(async () => {
  await prepare();
  database = await testDatabase();
}, 600_000);
afterAll(() => database.close());

const link = (env: NodeJS.ProcessEnv, ...args: string[]): Promise<Outcome> =>
  command('link', args, { DATABASE_URL: database.url, METERLINE_DATA_DIR: '/no/such', ...env });

it('a link is printed alone on standard output, and the database that it was made in takes it once', async () => {
  const made = await link({});
  expect([made.status, made.err]).toEqual([
    0,
    '\nOpen it in a browser. It works once, for 5 minutes, and whoever opens it is an admin.\n',
  ]);
  const [, linkToken = ''] =
    /^http:\/\/127\.0\.0\.1:8080\/#\/enter\/(meterline-link_[\w-]{38})\n$/.exec(made.out) ?? [];
  expect((await database.db.select().from(links)).map(({ hash }) => hash)).toEqual([hashToken(linkToken)]);
  expect(await beginSession(database.db, { link: hashToken(linkToken) })).not.toBeNull();
  expect(await beginSession(database.db, { link: hashToken(linkToken) })).toBeNull();
  const events = await listDeploymentEvents(database.db, { type: null, after: null, limit: 10 });
  expect(events.map(({ type, actor }) => [type, actor])).toEqual([
    ['session_begun', 'console'],
    ['link_created', 'command'],
  ]);
  expect(JSON.stringify(events)).not.toContain(linkToken);
});

it.each([
  [{ METERLINE_PUBLIC_URL: 'https://meterline.example/' }, 'https://meterline.example/#/enter/'],
  [{ HOST: '0.0.0.0', PORT: '8090' }, 'http://127.0.0.1:8090/#/enter/'],
  [{ HOST: '::', PORT: '8090' }, 'http://127.0.0.1:8090/#/enter/'],
])('with %j it begins with %s', async (env, beginning) => {
  expect((await link(env)).out).toContain(beginning);
});

it('an argument, no database or one that does not answer ends with a sentence and status 2', async () => {
  const more = await link({}, 'more');
  expect([more.status, more.out, more.err]).toEqual([2, '', expect.stringContaining('Usage: npm run link')]);
  const none = await link({ DATABASE_URL: '' });
  expect([none.status, none.err]).toEqual([2, expect.stringContaining('There is no database: set DATABASE_URL')]);
  const dead = await link({ DATABASE_URL: 'postgres://u:hunter2@127.0.0.1:1/d' });
  expect([dead.status, dead.out, dead.err]).toEqual([2, '', expect.stringContaining('Postgres does not answer')]);
  expect(dead.err).not.toContain('hunter2');
});

import { randomBytes } from 'node:crypto';
import { sql } from 'drizzle-orm';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { databaseFailure, openDatabase, type DatabaseFailure } from '../../db/core/database.ts';
import { databaseUrl, onServer } from '../support/databases.ts';

const suffix = randomBytes(6).toString('hex');
const [NO_LOGIN, NO_CONNECT] = [`no_login_${suffix}`, `no_connect_${suffix}`];
const SHUT = `shut_${suffix}`;

beforeAll(async () => {
  const server = inject('postgresUrl');
  await onServer(server, `create role ${NO_LOGIN} nologin password 'hunter2'`);
  await onServer(server, `create role ${NO_CONNECT} login password 'hunter2'`);
  await onServer(server, `create database ${SHUT}`);
  await onServer(server, `revoke connect on database ${SHUT} from public`);
});
afterAll(async () => {
  const server = inject('postgresUrl');
  await onServer(server, `drop database ${SHUT}`);
  for (const role of [NO_LOGIN, NO_CONNECT]) await onServer(server, `drop role ${role}`);
});

async function failureOf(change: (url: URL) => void): Promise<DatabaseFailure | null> {
  const url = new URL(databaseUrl(inject('postgresUrl'), 'postgres'));
  change(url);
  const database = openDatabase(url.href, { max: 1, name: 'meterline test' });
  try {
    await database.db.execute(sql`select 1`);
    return null;
  } catch (error) {
    return databaseFailure(error);
  } finally {
    await database.close();
  }
}

const as =
  (user: string, name = 'postgres') =>
  (url: URL): void => {
    url.username = user;
    url.password = 'hunter2';
    url.pathname = `/${name}`;
  };

it('a statement that the role has no right to run is reported as a missing right, not as an internal failure', async () => {
  const database = openDatabase(databaseUrl(inject('postgresUrl'), 'postgres'), { max: 1, name: 'meterline test' });
  const refused: unknown = await database.db
    .transaction(async (tx) => {
      await tx.execute(sql.raw(`set local role ${NO_LOGIN}`));
      await tx.execute(sql`select from pg_authid`);
    })
    .catch((error: unknown) => error);
  await database.close();
  expect(databaseFailure(refused)).toMatchObject({ code: '42501', unavailable: true, isOfContent: false });
  expect(databaseFailure(refused)?.message).toMatch(
    /^The user in DATABASE_URL lacks a right in the database: grant it/,
  );
});

describe('a refused connection to Postgres', () => {
  it.each<[string, string, (url: URL) => void, RegExp]>([
    [
      'a wrong password',
      '28P01',
      (url) => (url.password = 'hunter2'),
      /^Postgres refuses the password: the user or the password/,
    ],
    ['a user that there is not', '28P01', as('hunter2'), /^Postgres refuses the password: the user or the password/],
    ['a user who may not log in', '28000', as(NO_LOGIN), /^The user in DATABASE_URL may not log in: give it LOGIN/],
    ['a database that there is not', '3D000', (url) => (url.pathname = '/hunter2'), /does not exist: create it/],
    [
      'a user without the right to connect',
      '42501',
      as(NO_CONNECT, SHUT),
      /may not connect to this database: grant it/,
    ],
    [
      'a setting that Postgres does not know',
      '42704',
      (url) => (url.search = '?options=-c%20hunter=2'),
      /^Postgres does not know hunter, which options in DATABASE_URL sets: remove it/,
    ],
    [
      'a host that cannot be resolved',
      'ENOTFOUND',
      (url) => (url.hostname = 'no-such-host.invalid'),
      /this machine cannot resolve the host in DATABASE_URL/,
    ],
    [
      'a Unix socket that is not there',
      'ENOENT',
      (url) => (url.search = '?host=/no/such/folder'),
      /the Unix socket in DATABASE_URL does not exist/,
    ],
  ])('has a message that names the cause: %s', async (_, code, change, words) => {
    const failure = await failureOf(change);
    expect(failure).toMatchObject({
      unavailable: true,
      isOfContent: false,
      message: expect.stringMatching(words) as unknown,
    });
    expect([code, 'EAI_AGAIN']).toContain(failure?.code);
    if (code !== '42704') expect(failure?.message).not.toContain('hunter');
  });

  it('accepts the known options of the address', async () => {
    expect(await failureOf((url) => (url.search = '?options=-c%20work_mem%3D8MB'))).toBeNull();
  });
});

describe('a server that refuses this user or client', () => {
  const refusal = (code: string, message: string): unknown =>
    Object.assign(new postgres.PostgresError(''), { message, code, severity_local: 'FATAL' });

  it.each([
    [
      '28000',
      'no pg_hba.conf entry for host "10.0.0.1", user "hunter2", database "d", no encryption',
      'only connections with TLS',
    ],
    ['28000', 'no pg_hba.conf entry for host "10.0.0.1", user "hunter2", database "d", SSL encryption', 'pg_hba.conf'],
    ['28000', 'connection requires a valid client certificate', 'client certificate'],
    ['28000', 'role "hunter2" does not exist', 'does not know the user'],
    ['08P01', 'unsupported startup parameter: search_path', 'ignore_startup_parameters'],
    ['08P01', 'server login has been failing, try again later (server_login_retry)', 'cannot reach Postgres'],
    ['08P01', 'no such database: hunter2', 'does not know the database'],
    ['08P01', 'SSL required', 'only connections with TLS'],
    ['XX000', 'Tenant or user not found', 'refuses the user or the password'],
    ['XX000', 'something else', 'Postgres is unavailable'],
  ])('with the code %s and "%s" gets a message that names the cause', (code, message, words) => {
    const failure = databaseFailure(refusal(code, message));
    expect(failure?.message).toContain(words);
    expect(failure?.message).not.toContain('hunter2');
    expect(failure?.message).toContain(code);
  });
});

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConfigError, loadConfig } from '../../config/config.ts';
import { parseDatabaseUrl, serverNames, warningsAbout, type DatabaseUrl } from '../../config/database-url.ts';

function read(text: string): DatabaseUrl {
  const parsed = parseDatabaseUrl(text);
  if ('problems' in parsed) throw new Error(parsed.problems.join());
  return parsed;
}

function problemsOf(text: string, env: Record<string, string> = {}): readonly string[] {
  try {
    loadConfig({ ...env, DATABASE_URL: text });
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems;
  }
}

describe('an address as consoles give it', () => {
  it.each<[string, string, Partial<DatabaseUrl>, string[]]>([
    [
      'Neon, pooled',
      'postgresql://owner:npg_x@ep-cool-name-123-pooler.eu-central-1.aws.neon.tech/neondb?sslmode=require&channel_binding=require',
      { sslMode: 'require', database: 'neondb', isPooled: false },
      ['channel_binding'],
    ],
    [
      'Neon, with its endpoint among the options',
      'postgres://u:p@ep-cool.neon.tech/neondb?options=endpoint%3Dep-cool&sslmode=verify-full',
      { options: 'endpoint=ep-cool', sslMode: 'verify-full' },
      [],
    ],
    [
      'Supabase, transaction mode',
      'postgres://postgres.abcdef:p@aws-0-eu-central-1.pooler.supabase.com:6543/postgres?pgbouncer=true&connection_limit=1',
      {
        user: 'postgres.abcdef',
        isPooled: true,
        servers: [{ host: 'aws-0-eu-central-1.pooler.supabase.com', port: 6543 }],
      },
      ['connection_limit'],
    ],
    [
      'Supabase, by way of Vercel',
      'postgres://u:p@aws-0.pooler.supabase.com:6543/postgres?sslmode=require&supa=base-pooler.x',
      { sslMode: 'require' },
      ['supa'],
    ],
    [
      'RDS',
      'postgresql://meterline:p@db.c1.eu-west-1.rds.amazonaws.com:5432/meterline?sslmode=verify-full&sslrootcert=system',
      { sslMode: 'verify-full', sslRootCert: 'system' },
      [],
    ],
    [
      'Cloud SQL, by its socket',
      'postgres://u:p@/meterline?host=/cloudsql/project:region:instance',
      { servers: [{ host: '/cloudsql/project:region:instance', port: 5432 }], database: 'meterline' },
      [],
    ],
    [
      'a socket in the place of the host',
      'postgres://u@%2Fvar%2Frun%2Fpostgresql:5433/d',
      { servers: [{ host: '/var/run/postgresql', port: 5433 }] },
      [],
    ],
    [
      'a cluster of several hosts',
      'postgres://u:p@one.example,two.example:5433/d?target_session_attrs=read-write&connect_timeout=3',
      {
        servers: [
          { host: 'one.example', port: 5432 },
          { host: 'two.example', port: 5433 },
        ],
        connectTimeoutSeconds: 3,
      },
      [],
    ],
    [
      'several hosts as parameters',
      'postgres:///d?host=one,two&port=5433,5434&user=u&password=p%20w',
      {
        servers: [
          { host: 'one', port: 5433 },
          { host: 'two', port: 5434 },
        ],
        user: 'u',
        password: 'p w',
      },
      [],
    ],
    [
      'an IPv6 address',
      'postgres://u:p@[2001:db8::1]:5433/d',
      { servers: [{ host: '[2001:db8::1]', port: 5433 }] },
      [],
    ],
    ['Prisma', 'postgresql://u:p@h:5432/d?schema=public&pool_timeout=5', { database: 'd' }, ['pool_timeout']],
    ['wishes that are fulfilled anyway', 'postgres://u:p@h/d?channel_binding=prefer&gssencmode=disable', {}, []],
    [
      'what Meterline sets by itself',
      'postgres://u:p@h/d?application_name=x&statement_timeout=0&keepalives_idle=30',
      {},
      ['application_name', 'statement_timeout', 'keepalives_idle'],
    ],
    [
      'limits of time',
      'postgres://u:p@h/d?statement_timeout=5s&lock_timeout=50&idle_in_transaction_session_timeout=1min',
      { limitsMs: { statement_timeout: 5_000, lock_timeout: 50, idle_in_transaction_session_timeout: 60_000 } },
      [],
    ],
  ])('is understood, and the ignored parameters are named: %s', (_, text, expected, ignored) => {
    expect(read(text)).toMatchObject(expected);
    expect(warningsAbout(text).map((warning) => warning.split(' ')[0])).toEqual(ignored);
    expect(loadConfig({ DATABASE_URL: `${text}\n` }).databaseUrl).toBe(text);
  });

  it.each([
    ['p%40ss%2Fw%3Ar%23d%25%3F', 'p@ss/w:r#d%?'],
    ['p@ss', 'p@ss'],
    ['pa:ss', 'pa:ss'],
    ['pa+ss', 'pa+ss'],
    ['%C3%A9', 'é'],
    ['', null],
  ])('may have a password written as %s', (written, password) => {
    expect(read(`postgres://user:${written}@h/d`)).toMatchObject({ user: 'user', password, servers: [{ host: 'h' }] });
  });
});

describe('an address that asks for something unsupported', () => {
  it.each([
    ['u:hunter/2@h/d', 'has @, /, ?, #, % or a space in its user or password'],
    ['u:hunter#2@h/d', 'has @, /, ?, #, % or a space in its user or password'],
    ['u:hunter?2&x=3@h/d', 'has @, /, ?, #, % or a space in its user or password'],
    ['u:hunter%2@h/d', 'has @, /, ?, #, % or a space in its user or password'],
    ['u:hunter 2@h/d', 'has @, /, ?, #, % or a space in its user or password'],
    ['u:p@h:0/d', 'must be a postgres:// address'],
    ['u:p@h:70000/d', 'must be a postgres:// address'],
    ['u:p@h,/d', 'must be a postgres:// address'],
    ['u:p@/d', 'names no host'],
    ['u:p@h/d?search_path=hunter2', 'has the parameter search_path, which Meterline does not know'],
    ['u:p@h/d?constructor=x', 'has the parameter constructor, which Meterline does not know'],
    ['u:p@h/d?__proto__=x', 'has the parameter __proto__, which Meterline does not know'],
    ['u:p@h/d?replication=true', 'has the parameter replication, which Meterline does not know'],
    ['u:p@h/d?schema=hunter2', 'names a schema other than public'],
    ['u:p@h/d?target_session_attrs=standby', 'must have target_session_attrs=read-write, primary or any'],
    ['u:p@h/d?gssencmode=require', 'has gssencmode=require'],
    ['u:p@h/d?connect_timeout=soon', 'must have a number of seconds as connect_timeout'],
    ['u:p@h/d?pgbouncer=maybe', 'must have pgbouncer=true or pgbouncer=false'],
    ['u:p@h/d?sslmode=require&sslmode=disable', 'has sslmode twice'],
    ['u:p@h/d?hunter2', 'must have only name=value pairs after its question mark'],
    [
      'u:p@h/d?sslnegotiation=direct',
      'must have sslnegotiation=postgres, or sslnegotiation=direct with sslmode=require',
    ],
  ])('is refused by the name of the problem, and no value is quoted: %s', (rest, problem) => {
    const [found, ...others] = problemsOf(`postgres://${rest}`);
    expect(found).toContain(`DATABASE_URL ${problem}`);
    expect(others).toEqual([]);
    expect(found).not.toContain('hunter');
  });

  it('has all its problems listed at once', () => {
    expect(problemsOf('postgres://u:p@h/d?foo=1&bar=2&sslmode=on')).toHaveLength(3);
  });
});

it('the servers of an address are named by host and port, without anything else of it', () => {
  expect(serverNames('postgres://u:secret@one,two:1/d?sslmode=disable')).toBe('one:5432, two:1');
});

describe('TLS to Postgres', () => {
  let folder: string;
  let rootCert: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'meterline-config-'));
    rootCert = join(folder, 'root.crt');
    writeFileSync(rootCert, '-----BEGIN CERTIFICATE-----\n');
    writeFileSync(join(folder, 'empty.crt'), '');
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  it.each([
    ['sslmode=verify_full', 'must have one of these as sslmode: disable, prefer, require, verify-ca, verify-full'],
    ['sslmode=allow', 'must have one of these as sslmode: disable, prefer, require, verify-ca, verify-full'],
    ['sslmode=', 'must have one of these as sslmode: disable, prefer, require, verify-ca, verify-full'],
    ['ssl=true', 'has ssl, but Meterline knows only sslmode, sslrootcert, sslnegotiation for TLS'],
    ['sslcert=/x', 'has sslcert, but Meterline knows only sslmode, sslrootcert, sslnegotiation for TLS'],
    ['sslmode=verify-full&sslrootcert=/no/such', 'has an sslrootcert that is not a readable file of PEM certificates'],
    ['sslmode=prefer&sslrootcert=system', 'has sslrootcert, which needs sslmode=verify-full, verify-ca or require'],
    ['sslrootcert=system', 'has sslrootcert, which needs sslmode=verify-full, verify-ca or require'],
  ])('stops the start if Meterline cannot do what %s asks for', (query, problem) => {
    expect(problemsOf(`postgres://u:secret@h/d?${query}`)).toEqual([`DATABASE_URL ${problem}`]);
  });

  it('is never asked for with a root certificate that cannot be read', () => {
    const url = 'postgres://h/d?sslmode=verify-full';
    const empty = join(folder, 'empty.crt');
    expect(problemsOf(`${url}&sslrootcert=${empty}`)).toHaveLength(1);
    expect(problemsOf(url, { PGSSLROOTCERT: empty })).toEqual([
      'PGSSLROOTCERT must be a readable file of PEM certificates',
    ]);
  });

  it("is as libpq's own variables say where the address does not", () => {
    const urlFrom = (query: string, env: Record<string, string>): string | undefined =>
      loadConfig({ DATABASE_URL: `postgres://u:p%40@h:1/d${query}`, ...env }).databaseUrl?.replace(
        'postgres://u:p%40@h:1/d',
        '',
      );
    const encoded = encodeURIComponent(rootCert);
    expect(urlFrom('', {})).toBe('');
    expect(urlFrom('', { PGSSLMODE: 'verify-full' })).toBe('?sslmode=verify-full');
    expect(urlFrom('', { PGSSLMODE: 'verify-full', PGSSLROOTCERT: rootCert })).toBe(
      `?sslmode=verify-full&sslrootcert=${encoded}`,
    );
    expect(urlFrom('?sslmode=disable', { PGSSLMODE: 'verify-full', PGSSLROOTCERT: rootCert })).toBe('?sslmode=disable');
    expect(urlFrom('?sslmode=verify-full&sslrootcert=system', { PGSSLROOTCERT: rootCert })).toBe(
      '?sslmode=verify-full&sslrootcert=system',
    );
    expect(problemsOf('postgres://h/d', { PGSSLMODE: 'on' })).toEqual([
      'PGSSLMODE must be one of disable, prefer, require, verify-ca, verify-full',
    ]);
  });
});

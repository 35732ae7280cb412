import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  copyFileSync,
  mkdtempSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PeerCertificate } from 'node:tls';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { databaseFailure, openDatabase } from '../../db/core/database.ts';
import { migrateDatabase } from '../../db/core/migrate.ts';
import { readAddress } from '../../db/core/tls.ts';
import { startPostgres, type RunningPostgres } from '../../local/postgres/postgres.ts';
import { row } from '../support/rows.ts';

const folder = mkdtempSync(join(tmpdir(), 'meterline-tls-'));
const file = (name: string): string => join(folder, name);
/** Our authority, and one that signed nothing here. */
const [OURS, OTHERS] = [file('ours.crt'), file('others.crt')];

let server: RunningPostgres;
let plain: RunningPostgres;

beforeAll(async () => {
  makeAuthority('ours');
  makeAuthority('others');
  makeCertificate('localhost', 'DNS:localhost');
  [server, plain] = await Promise.all([
    startWithTls('localhost'),
    startPostgres({ dataDir: file('plain'), durable: false }),
  ]);
});

afterAll(async () => {
  await Promise.all([server.stop(), plain.stop()]);
  rmSync(folder, { recursive: true });
});

function openssl(...args: string[]): void {
  execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
}

const EC = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

function makeAuthority(name: string): void {
  const files = ['-keyout', `${name}.key`, '-out', `${name}.crt`];
  openssl('req', '-x509', ...EC, ...files, '-days', '2', '-subj', `/CN=${name}`);
}

function makeCertificate(name: string, hosts: string): void {
  openssl('req', ...EC, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', '/CN=database');
  writeFileSync(file(`${name}.ext`), `subjectAltName=${hosts}\n`);
  const authority = ['-CA', 'ours.crt', '-CAkey', 'ours.key', '-CAcreateserial'];
  openssl(
    'x509',
    '-req',
    '-in',
    `${name}.csr`,
    ...authority,
    '-out',
    `${name}.crt`,
    '-days',
    '2',
    '-extfile',
    `${name}.ext`,
  );
}

/** A Postgres as it is made for tests, started again with a certificate. It is asked for TLS, and does not insist. */
async function startWithTls(certificate: string): Promise<RunningPostgres> {
  const dataDir = file('tls');
  await (await startPostgres({ dataDir, durable: false })).stop();
  const cluster = join(dataDir, 'postgres');
  const { uid, gid } = statSync(join(cluster, 'PG_VERSION'));
  for (const kind of ['crt', 'key']) {
    const place = join(cluster, `server.${kind}`);
    copyFileSync(file(`${certificate}.${kind}`), place);
    chownSync(place, uid, gid);
    chmodSync(place, 0o600);
  }
  appendFileSync(join(cluster, 'postgresql.conf'), 'ssl = on\n');
  return startPostgres({ dataDir, durable: false });
}

function address(query: string, host = 'localhost', to = server): string {
  return `${to.url.replace('127.0.0.1', host)}?${query}`;
}

/** Whether a connection is encrypted, or why there is none. */
async function outcome(url: string): Promise<string> {
  const database = openDatabase(url, { max: 1, name: 'test' });
  try {
    const query = sql`select ssl::text as encrypted from pg_stat_ssl where pid = pg_backend_pid()`;
    const { encrypted } = await row<{ encrypted: string }>(database.db, query);
    return encrypted === 'true' ? 'encrypted' : 'plain';
  } catch (error) {
    const failure = databaseFailure(error);
    expect(failure).toMatchObject({ unavailable: true });
    return failure?.message ?? '';
  } finally {
    await database.close();
  }
}

const OTHER_HOST =
  'Meterline refuses the certificate of Postgres (ERR_TLS_CERT_ALTNAME_INVALID): it is not for the host in DATABASE_URL';
const UNTRUSTED =
  /^Meterline refuses the certificate of Postgres \([A-Z_]+\): .* no authority that this machine trusts signed it/;

describe('sslmode=verify-full', () => {
  it('takes the server that our authority vouches for', async () => {
    expect(await outcome(address(`sslmode=verify-full&sslrootcert=${OURS}`))).toBe('encrypted');
    await migrateDatabase(address(`sslmode=verify-full&sslrootcert=${OURS}`));
  });

  it.each([
    ['of another authority', `&sslrootcert=${OTHERS}`],
    ['of an authority that Node does not know', ''],
    ['of an authority that Node does not know, as system says', '&sslrootcert=system'],
  ])('refuses a certificate %s, and says so', async (_, rootCert) => {
    expect(await outcome(address(`sslmode=verify-full${rootCert}`))).toMatch(UNTRUSTED);
    await expect(migrateDatabase(address(`sslmode=verify-full${rootCert}`))).rejects.toThrow();
  });

  it('refuses a certificate of another host, an address among them, and says so', async () => {
    expect(await outcome(address(`sslmode=verify-full&sslrootcert=${OURS}`, '127.0.0.1'))).toBe(OTHER_HOST);
  });

  it.each([
    ['127.0.0.1', 'IP Address:127.0.0.1'],
    ['[::1]', 'IP Address:0:0:0:0:0:0:0:1'],
    ['pg.db.example', 'DNS:*.db.example'],
  ])(
    'takes a certificate that is made out to the host of the address, %s, whatever host the driver names',
    (host, to) => {
      const [{ ssl } = { ssl: false }] = readAddress(`postgres://u@${host}:1/d?sslmode=verify-full`).servers;
      const check = typeof ssl === 'object' ? ssl.checkServerIdentity : undefined;
      const certificate = { subject: {}, subjectaltname: to } as PeerCertificate;
      expect(check?.('localhost', certificate)).toBeUndefined();
      expect(check?.(host, { ...certificate, subjectaltname: 'DNS:localhost' })).toBeInstanceOf(Error);
    },
  );

  it('refuses it also where the environment tells Node not to', async () => {
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
    try {
      expect(await outcome(address(`sslmode=verify-full&sslrootcert=${OTHERS}`))).toMatch(UNTRUSTED);
    } finally {
      delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
    }
  });
});

describe('another sslmode', () => {
  it.each([
    ['verify-ca, whatever the host', `sslmode=verify-ca&sslrootcert=${OURS}`, 'encrypted'],
    ['require with a root certificate, whatever the host', `sslmode=require&sslrootcert=${OURS}`, 'encrypted'],
    ['require, without a look at the certificate', 'sslmode=require', 'encrypted'],
    ['prefer', 'sslmode=prefer', 'encrypted'],
    ['disable', 'sslmode=disable', 'plain'],
  ])('connects: %s', async (_, query, expected) => {
    expect(await outcome(address(query, '127.0.0.1'))).toBe(expected);
  });

  it.each(['verify-ca', 'require'])(
    '%s refuses a certificate of another authority than the one that is named',
    async (mode) => {
      expect(await outcome(address(`sslmode=${mode}&sslrootcert=${OTHERS}`))).toMatch(UNTRUSTED);
    },
  );
});

describe('a server without TLS', () => {
  it.each(['require', 'verify-ca', 'verify-full'])('is not talked to with sslmode=%s, which says so', async (mode) => {
    expect(await outcome(address(`sslmode=${mode}`, 'localhost', plain))).toMatch(/^Postgres does not support TLS/);
  });

  it('is with sslmode=prefer', async () => {
    expect(await outcome(address('sslmode=prefer', 'localhost', plain))).toBe('plain');
  });
});

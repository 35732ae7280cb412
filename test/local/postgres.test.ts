import { chmodSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import postgres from 'postgres';
import { afterEach, describe, expect, test } from 'vitest';
import { startPostgres, type RunningPostgres } from '../../local/postgres/postgres.ts';
import { isAlive } from '../../local/processes/pids.ts';
import { temporaryFolder } from './fakes.ts';

const isRoot = process.getuid?.() === 0;
const servers: RunningPostgres[] = [];

async function start(dataDir: string, durable = false): Promise<RunningPostgres> {
  const server = await startPostgres({ dataDir, durable });
  servers.push(server);
  return server;
}

afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
});

async function query(url: string, text: string): Promise<readonly Record<string, unknown>[]> {
  const sql = postgres(url, { max: 1, onnotice: () => undefined });
  try {
    return [...(await sql.unsafe(text))];
  } finally {
    await sql.end({ timeout: 1 });
  }
}

describe('the embedded Postgres', () => {
  test('serves the database meterline in UTF-8 and UTC, on loopback only', async () => {
    const { url } = await start(temporaryFolder());
    const [row] = await query(
      url,
      `select current_database() as name, current_setting('server_encoding') as encoding,
         current_setting('TimeZone') as zone, current_setting('listen_addresses') as host,
         current_setting('unix_socket_directories') as sockets`,
    );
    expect(row).toEqual({ name: 'meterline', encoding: 'UTF8', zone: 'UTC', host: '127.0.0.1', sockets: '' });
  });

  test('keeps a password that only its owner can read, and opens to no other', async () => {
    const folder = temporaryFolder();
    const { url } = await start(folder);
    expect(statSync(join(folder, 'postgres-password')).mode & 0o777).toBe(0o600);
    expect(url).toContain(readFileSync(join(folder, 'postgres-password'), 'utf8').trim());
    const wrong = new URL(url);
    wrong.password = 'wrong';
    await expect(query(wrong.href, 'select 1')).rejects.toMatchObject({ code: '28P01' });
  });

  test('keeps committed data when it is killed with SIGKILL and started again', async () => {
    const folder = temporaryFolder();
    const first = await start(folder, true);
    await query(first.url, 'create table kept (n int); insert into kept values (42)');
    process.kill(first.pid, 'SIGKILL');
    await first.exited;
    const second = await start(folder, true);
    expect(await query(second.url, 'select n from kept')).toEqual([{ n: 42 }]);
  });

  test('left running by a dead supervisor is stopped before a new one starts', async () => {
    const folder = temporaryFolder();
    const orphan = await start(folder);
    const next = await start(folder);
    expect(isAlive(orphan.pid)).toBe(false);
    expect(await query(next.url, 'select 1 as one')).toEqual([{ one: 1 }]);
  });

  test('starts although its old pid belongs to another process now, and leaves that one alone', async () => {
    const folder = temporaryFolder();
    const first = await start(folder);
    await first.stop();
    writeFileSync(join(folder, 'postgres', 'postmaster.pid'), `${process.pid}\n${folder}/postgres\n1\n5432\n\n\n\n`);
    const second = await start(folder);
    expect(await query(second.url, 'select 1 as one')).toEqual([{ one: 1 }]);
  });

  test('begins anew where its making was interrupted', async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'postgres.unfinished', 'base'), { recursive: true });
    const { url } = await start(folder);
    expect(await query(url, 'select 1 as one')).toEqual([{ one: 1 }]);
  });

  test.skipIf(!isRoot)('runs as root in a folder that only root may enter (needs root)', async () => {
    const closed = temporaryFolder();
    chmodSync(closed, 0o700);
    const folder = join(closed, 'data');
    const server = await start(folder);
    expect(await query(server.url, 'select 1 as one')).toEqual([{ one: 1 }]);
    expect(statSync(`/proc/${server.pid}`).uid).not.toBe(0);
    await server.stop();
    rmSync(folder, { recursive: true });
  });

  test('on a port that is taken fails naming it', async () => {
    const first = await start(temporaryFolder());
    const second = startPostgres({ dataDir: temporaryFolder(), port: first.port, durable: false });
    await expect(second).rejects.toThrow(`127.0.0.1:${first.port}`);
  });
});

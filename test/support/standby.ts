import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, statSync, writeFileSync, chownSync } from 'node:fs';
import { join } from 'node:path';
import postgres from 'postgres';
import { anyFreePort } from '../../local/processes/ports.ts';
import { asPostgresUser } from '../../local/postgres/user.ts';
import type { RunningPostgres } from '../../local/postgres/postgres.ts';
import { until } from './wait.ts';

/** A standby: it may be read from, and is read-only until it is promoted. */
export interface Standby {
  readonly url: string;
  promote(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts a standby on a copy of the files that a stopped server left in `primaryDir`; it takes a folder of its own. */
export async function startStandby(
  primary: Pick<RunningPostgres, 'url'>,
  command: readonly string[],
  primaryDir: string,
  dataDir: string,
): Promise<Standby> {
  execFileSync('cp', ['-a', primaryDir, dataDir]);
  const cluster = join(dataDir, 'postgres');
  const { uid, gid } = statSync(join(cluster, 'PG_VERSION'));
  const signal = join(cluster, 'standby.signal');
  writeFileSync(signal, '');
  chownSync(signal, uid, gid);
  const port = await anyFreePort();
  const [executable = '', ...given] = command;
  const args = given.map((word, index) => {
    if (given[index - 1] === '-D') return cluster;
    return word.startsWith('port=') ? `port=${port}` : word;
  });
  const launcher = await asPostgresUser({ executable, dataDir });
  const [file, words] = launcher.command(executable, args);
  const child = spawn(file, words, { ...launcher.spawn, cwd: '/', stdio: 'ignore', env: { LC_ALL: 'C', TZ: 'UTC' } });
  const url = new URL(primary.url);
  url.port = String(port);
  const ask = async (statement: string): Promise<unknown> => {
    const sql = postgres(url.href, { max: 1, onnotice: () => undefined });
    try {
      return await sql.unsafe(statement);
    } finally {
      await sql.end({ timeout: 1 });
    }
  };
  await until('the standby to answer', () => ask('select 1').catch(() => null));
  return {
    url: url.href,
    promote: async () => {
      await ask('select pg_promote()');
    },
    stop: async () => {
      const exit = once(child, 'exit');
      child.kill('SIGINT');
      await exit;
    },
  };
}

/** The words that a running process was started with. */
export function commandOf(pid: number): string[] {
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
}

import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { inject } from 'vitest';
import { compileRooms } from '../support/compiled.ts';
import { testDatabase, type TestDatabase } from '../support/postgres.ts';
import { ADMIN_TOKEN } from './support.ts';

/** A real API in a process of its own. */
export interface ApiProcess {
  readonly child: ChildProcess;
  readonly address: string;
}

/** What processes of the API are started from, with a database that they share. */
export interface ApiProcesses {
  readonly database: TestDatabase;
  /** Where the compiled rooms are. */
  readonly directory: string;
  /** Starts one with its standard output as given, after a command of the shell where there is one. */
  start(output: 'pipe' | 'ignore' | number, shell?: string): Promise<ApiProcess>;
  /** Kills those that run. */
  kill(): void;
  close(): Promise<void>;
}

/** Compiles the API, and makes its database. */
export async function apiProcesses(): Promise<ApiProcesses> {
  const [database, built] = await Promise.all([
    testDatabase(),
    compileRooms(['api', 'config', 'db', 'domain', 'exports', 'forecasting', 'runtime', 'workflows']),
  ]);
  const started: ChildProcess[] = [];
  const kill = (): void => {
    for (const child of started.splice(0)) child.kill('SIGKILL');
  };
  return {
    database,
    directory: built.directory,
    async start(output, shell) {
      const main = join(built.directory, 'api/main.js');
      const stdio: StdioOptions = ['ignore', output, 'ignore', 'ipc'];
      const env = {
        PATH: process.env['PATH'],
        DATABASE_URL: database.url,
        TEMPORAL_ADDRESS: inject('temporalAddress'),
        METERLINE_ENCRYPTION_KEYS: `test:${randomBytes(32).toString('base64')}`,
        METERLINE_API_TOKEN: ADMIN_TOKEN,
        PORT: '0',
      };
      const child =
        shell === undefined
          ? spawn(process.execPath, [main], { stdio, env })
          : spawn('sh', ['-c', `${shell}; exec "$0" "$1"`, process.execPath, main], { stdio, env });
      started.push(child);
      const [message] = (await once(child, 'message')) as [{ address: string }];
      return { child, address: message.address };
    },
    kill,
    async close() {
      kill();
      await built.remove();
      await database.close();
    },
  };
}

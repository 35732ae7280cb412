import { mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { withEmbedded } from '../../config/embedded.ts';
import { JsonClient } from '../../local/http.ts';
import { runToEnd, spawnService, stopChild, terminate, type Finished } from '../../local/processes/child.ts';
import { startService, type RunningService } from '../../local/processes/service.ts';
import { findTemporalCli } from '../../local/temporal/find.ts';
import type { FaultInput } from '../../simulator/faults/faults.ts';
import type { KeyState } from '../../simulator/organization/organization.ts';
import { until } from '../support/wait.ts';

const ROOT = join(import.meta.dirname, '../..');
const READY_WITHIN_MS = 90_000;
const runFile = z.object({
  processes: z.array(z.object({ role: z.string(), pid: z.int(), address: z.string().optional() })),
});

/** What `npm start` runs, in processes and a data directory of its own, before a simulator that is a process, too. */
export interface Stack {
  readonly dataDir: string;
  readonly apiUrl: string;
  readonly databaseUrl: string;
  readonly temporalAddress: string;
  /** What it wrote to the terminal so far. */
  terminal(): string;
  /** A file of the data directory. */
  kept(name: string): string;
  pidOf(role: string): number | undefined;
  /** The processes that it consists of, itself first. */
  pids(): number[];
  /** Runs a command on this data directory, as `npm run` does. */
  command(program: string, ...args: string[]): Promise<Finished>;
  stop(): Promise<void>;
}

/** Starts the stack with everything logged, and with these settings; the programs must be compiled. */
export async function startStack(anthropicUrl: string, settings: Readonly<Record<string, string>>): Promise<Stack> {
  const folder = mkdtempSync(join(tmpdir(), 'meterline-canary-'));
  const [dataDir, logFile] = [join(folder, 'data'), join(folder, 'terminal')];
  const env = {
    ...settings,
    PATH: process.env['PATH'],
    TEMPORAL_CLI_PATH: await findTemporalCli(),
    METERLINE_DATA_DIR: dataDir,
    ANTHROPIC_BASE_URL: anthropicUrl,
    LOG_LEVEL: 'debug',
    // Half a day away, so that no daily sync comes due meanwhile.
    METERLINE_SYNC_HOUR_UTC: String((new Date().getUTCHours() + 12) % 24),
  };
  const program = (path: string): string => join(ROOT, 'dist', path);
  const started = await spawnService(process.execPath, [program('local/start.js')], { env, logFile });
  const terminal = (): string => readFileSync(logFile, 'utf8');
  const stop = async (): Promise<void> => {
    await stopChild(started, terminate(20_000));
    rmSync(folder, { recursive: true, force: true });
  };
  const parts = (): z.output<typeof runFile>['processes'] =>
    runFile.parse(JSON.parse(readFileSync(join(dataDir, 'run.json'), 'utf8'))).processes;
  const addressOf = (role: string): string => parts().find((part) => part.role === role)?.address ?? '';
  try {
    await until(
      'the stack to be up',
      () => {
        if (started.child.exitCode !== null) throw new Error(`the stack did not start:\n${terminal()}`);
        return terminal().includes('Ctrl-C stops everything');
      },
      READY_WITHIN_MS,
    );
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    dataDir,
    apiUrl: addressOf('api'),
    databaseUrl: withEmbedded({}, dataDir)['DATABASE_URL'] ?? '',
    temporalAddress: addressOf('temporal'),
    terminal,
    kept: (name) => readFileSync(join(dataDir, name), 'utf8').trim(),
    pids: () => [started.pid, ...parts().map(({ pid }) => pid)],
    pidOf: (role) => parts().find((part) => part.role === role)?.pid,
    command: (name, ...args) =>
      runToEnd(process.execPath, [program(`commands/${name}.js`), ...args], { env, timeoutMs: 30_000 }),
    stop,
  };
}

/** A simulator in a process of its own. */
export interface SimulatorProcess {
  readonly url: string;
  addOrganization(name: string, keys: readonly { key: string; state?: KeyState }[]): Promise<void>;
  setKeyState(key: string, state: KeyState): Promise<void>;
  fault(fault: FaultInput): Promise<void>;
  /** How many requests the faults that are armed have harmed, by kind. */
  fired(): Promise<Readonly<Record<string, number>>>;
  clearFaults(): Promise<void>;
  stop: RunningService['stop'];
}

const faultList = z.array(z.object({ fault: z.object({ kind: z.string() }), fired: z.int() }));

/** Starts a small one; the programs must be compiled. */
export async function startSimulatorProcess(): Promise<SimulatorProcess> {
  const folder = mkdtempSync(join(tmpdir(), 'meterline-canary-simulator-'));
  const service = await startService({
    name: 'The simulator',
    script: join(ROOT, 'dist/simulator/main.js'),
    args: ['--port', '0', '--days', '40', '--workspaces', '2', '--models', '2'],
    env: { PATH: process.env['PATH'] },
    logFile: join(folder, 'simulator.log'),
  });
  const url = service.address ?? '';
  const control = new JsonClient(url);
  return {
    url,
    async addOrganization(name, keys) {
      await control.post('/_control/organizations', { name, keys }, z.unknown());
    },
    async setKeyState(key, state) {
      await control.post('/_control/keys/state', { key, state }, z.unknown());
    },
    async fault(fault) {
      await control.post('/_control/faults', fault, z.unknown());
    },
    async fired() {
      const armed = await control.get('/_control/faults', {}, faultList);
      return Object.fromEntries(armed.map(({ fault, fired }) => [fault.kind, fired]));
    },
    async clearFaults() {
      await fetch(`${url}/_control/faults`, { method: 'DELETE' });
    },
    async stop() {
      await service.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Reads what every process of this machine says of itself to all users, until it is asked for what it saw. */
export function watchCommandLines(): () => string {
  const seen = new Set<string>();
  const look = (): void => {
    for (const pid of readdirSync('/proc')) {
      if (!/^\d+$/.test(pid)) continue;
      try {
        seen.add(readFileSync(`/proc/${pid}/cmdline`, 'latin1'));
      } catch {
        // It has ended meanwhile.
      }
    }
  };
  const timer = setInterval(look, 50);
  return () => {
    look();
    clearInterval(timer);
    return [...seen].join('\n');
  };
}

const LISTENS = '0A';
const LOOPBACK = ['0100007F', '00000000000000000000000001000000', '0000000000000000FFFF00000100007F'];

/** The ports that processes listen on, and whether each can be reached from this machine alone. */
export function portsOf(pids: readonly number[]): { port: number; isLoopback: boolean }[] {
  const sockets = new Set(
    pids.flatMap((pid) =>
      readdirSync(`/proc/${pid}/fd`).map((file) => {
        try {
          return readlinkSync(`/proc/${pid}/fd/${file}`);
        } catch {
          return 'closed meanwhile';
        }
      }),
    ),
  );
  return ['tcp', 'tcp6'].flatMap((table) =>
    readFileSync(`/proc/net/${table}`, 'utf8')
      .split('\n')
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter(([, , , state, , , , , , inode]) => state === LISTENS && sockets.has(`socket:[${inode ?? ''}]`))
      .map(([, local = '']) => {
        const [address = '', port = ''] = local.split(':');
        return { port: Number.parseInt(port, 16), isLoopback: LOOPBACK.includes(address) };
      }),
  );
}

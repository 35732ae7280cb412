import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { Config } from '../../config/config.ts';
import { addressOn } from '../../config/public-url.ts';
import { StackError } from '../errors.ts';
import { startPostgres } from '../postgres/postgres.ts';
import { nextFreePort, onFreePort } from '../processes/ports.ts';
import { runOnce, startService, type RunningService } from '../processes/service.ts';
import { findTemporalCli } from '../temporal/find.ts';
import { startTemporal } from '../temporal/temporal.ts';
import type { Console } from '../terminal/console.ts';
import { mailFolderOf } from '../mail/store.ts';
import { logFileOf } from './logs.ts';
import type { Supervisor } from './supervisor.ts';

/** The ports that are tried first; the next free one is taken. */
const PREFERRED_PORTS = {
  postgres: 5432,
  temporal: 7233,
  temporalUi: 8233,
  simulator: 9400,
  mail: 2525,
  anyApi: 20_000,
};
const PROGRAMS = {
  api: { name: 'The API', script: 'api/main.js' },
  worker: { name: 'The worker', script: 'worker/main.js' },
  simulator: { name: 'The simulator', script: 'simulator/main.js' },
  mail: { name: 'The mail sink', script: 'local/mail/main.js' },
} as const;

const simulatorAddress = z.object({
  url: z.string(),
  organization: z.object({ id: z.string(), name: z.string() }),
  admin_api_key: z.string(),
});
/** What the simulator prints once it listens, see simulator/main.ts. */
export type SimulatorAddress = z.output<typeof simulatorAddress>;

export interface TemporalAddress {
  address: string;
  namespace: string;
  uiUrl: string | null;
  isEmbedded: boolean;
}

interface PartsOptions {
  config: Config;
  env: NodeJS.ProcessEnv;
  dataDir: string;
  console: Console;
  supervisor: Supervisor;
}

/** Starts the parts of a stack, each under the supervisor, with one line in the terminal when it is ready. */
export class Parts {
  readonly #config: Config;
  readonly #env: NodeJS.ProcessEnv;
  readonly #dataDir: string;
  readonly #console: Console;
  readonly #supervisor: Supervisor;
  readonly #log = (line: string): void => {
    this.#console.line(`    ${line}`);
  };

  constructor(options: PartsOptions) {
    this.#config = options.config;
    this.#env = options.env;
    this.#dataDir = options.dataDir;
    this.#console = options.console;
    this.#supervisor = options.supervisor;
  }

  /** Starts the embedded Postgres, and returns its address. */
  async postgres(): Promise<string> {
    const { url } = await this.#console.step(
      'Postgres',
      () =>
        onFreePort(PREFERRED_PORTS.postgres, (port) =>
          this.#supervisor.start({
            role: 'postgres',
            start: (onSpawn) =>
              startPostgres({
                dataDir: this.#dataDir,
                port,
                log: this.#log,
                logFile: this.#logFile('postgres'),
                onSpawn,
              }),
          }),
        ),
      ({ port }) => `127.0.0.1:${port}`,
    );
    // PGSSLMODE may be set for another Postgres, so the address says that this one has no TLS.
    return `${url}?sslmode=disable`;
  }

  /** Starts the mail sink unless METERLINE_SMTP_URL names a mail server. Returns its address, or null. */
  async mail(): Promise<string | null> {
    if (this.#config.mail !== null) return null;
    const { address = '' } = await this.#console.step(
      'Mail',
      () =>
        onFreePort(PREFERRED_PORTS.mail, (port) =>
          this.#service('mail', this.#env, ['--port', String(port), '--folder', mailFolderOf(this.#dataDir)]),
        ),
      (started) => started.address ?? '',
    );
    return address;
  }

  async migrate(databaseUrl: string): Promise<void> {
    await this.#console.step('Migrations', () =>
      runOnce({
        name: 'The migration of the database',
        script: programFile('db/main.js'),
        env: { ...this.#env, DATABASE_URL: databaseUrl },
        logFile: this.#logFile('migrate'),
      }),
    );
  }

  /** Starts the embedded Temporal unless TEMPORAL_ADDRESS names one. */
  async temporal(): Promise<TemporalAddress> {
    const { address, namespace, uiUrl } = this.#config.temporal;
    if (address !== null) return { address, namespace, uiUrl, isEmbedded: false };
    const running = await this.#console.step(
      'Temporal',
      async () => {
        const cli = await findTemporalCli({ env: this.#env, dataDir: this.#dataDir, log: this.#log });
        return await onFreePort(PREFERRED_PORTS.temporal, (port) => this.#startTemporal(cli, port));
      },
      (started) => started.address,
    );
    return { address: running.address, namespace: running.namespace, uiUrl: running.uiUrl, isEmbedded: true };
  }

  /** Starts the simulator with the arguments of `simulator/main.ts`. */
  async simulator(args: readonly string[]): Promise<SimulatorAddress> {
    const service = await this.#console.step(
      'Simulator',
      () =>
        onFreePort(PREFERRED_PORTS.simulator, (port) =>
          this.#service('simulator', this.#env, ['--port', String(port), ...args]),
        ),
      ({ address = '' }) => address,
    );
    const line = service
      .lastLines(100)
      .split('\n')
      .findLast((text) => text.startsWith('{"event":"listening"'));
    if (line === undefined) throw new StackError('The simulator did not print where it listens.');
    return simulatorAddress.parse(JSON.parse(line));
  }

  /** Starts the API on PORT, or on the first free port if PORT is unset. Returns its address. */
  async api(env: NodeJS.ProcessEnv): Promise<string> {
    const { host, port: preferred, portWasAskedFor } = this.#config;
    const startOn = async (port: number): Promise<string> => {
      await this.#service('api', { ...env, HOST: host, PORT: String(port) });
      return addressOn(host, port);
    };
    return await this.#console.step(
      'API',
      () =>
        portWasAskedFor && preferred !== 0
          ? startOn(preferred)
          : onFreePort(preferred === 0 ? PREFERRED_PORTS.anyApi : preferred, startOn, host),
      (url) => url,
    );
  }

  async worker(env: NodeJS.ProcessEnv): Promise<void> {
    await this.#console.step('Worker', () => this.#service('worker', env));
  }

  #logFile(name: Parameters<typeof logFileOf>[1]): string {
    return logFileOf(this.#dataDir, name);
  }

  async #startTemporal(cli: string, port: number): ReturnType<typeof startTemporal> {
    const uiPort = await nextFreePort(PREFERRED_PORTS.temporalUi);
    return await this.#supervisor.start({
      role: 'temporal',
      start: (onSpawn) =>
        startTemporal({ cli, dataDir: this.#dataDir, port, uiPort, logFile: this.#logFile('temporal'), onSpawn }),
    });
  }

  #service(role: keyof typeof PROGRAMS, env: NodeJS.ProcessEnv, args: readonly string[] = []): Promise<RunningService> {
    const { name, script } = PROGRAMS[role];
    return this.#supervisor.start({
      role,
      start: (onSpawn) =>
        startService({
          name,
          script: programFile(script),
          args,
          env,
          logFile: this.#logFile(role),
          onSpawn,
        }),
    });
  }
}

/** A compiled program of this project. This file is compiled to dist/local/stack/. */
function programFile(path: string): string {
  return fileURLToPath(new URL(`../../${path}`, import.meta.url));
}

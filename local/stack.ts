import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { Config } from '../config/config.ts';
import { EMBEDDED_FILES } from '../config/embedded.ts';
import { openDatabase, row } from '../db/core/database.ts';
import { mintToken } from '../db/tokens/secret.ts';
import { sql } from 'drizzle-orm';
import type { Console } from './console.ts';
import { capLogs, logFileOf } from './logs.ts';
import { isFree, nextFreePort } from './ports.ts';
import { startPostgres } from './postgres.ts';
import { isErrno, messageOf } from './processes.ts';
import { keptSecret } from './secrets.ts';
import { runOnce, startService, type RunningService } from './service.ts';
import { stopOnRequest } from './shutdown.ts';
import { Supervisor, type Part } from './supervisor.ts';
import { findTemporalCli, startTemporal } from './temporal.ts';

/** Real money and simulated money are kept in different data directories. */
export type Kind = 'live' | 'demo';

export interface StackOptions {
  kind: Kind;
  config: Config;
  env: NodeJS.ProcessEnv;
  dataDir: string;
  console: Console;
}

export interface Stack {
  dataDir: string;
  apiUrl: string;
  token: Token;
  temporalUiUrl: string | null;
  databaseUrl: string;
  /** Which servers are our own: the address of Postgres, and whether Temporal is. */
  embedded: { postgres: string | null; temporal: boolean };
  /** Only in the demo. */
  simulator: SimulatorListening | null;
  stop(): Promise<void>;
}

interface Token {
  value: string;
  /** Where it is kept; null when it came from the environment. */
  file: string | null;
  /** It was made by this start. */
  created: boolean;
}

/** What the simulator says about itself when it listens. */
export interface SimulatorListening {
  url: string;
  organization: { id: string; name: string };
  admin_api_key: string;
}

/** Brings the whole stack up, or throws, having stopped what had started already. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const { kind, console, config } = options;
  const dataDir = resolve(options.dataDir);
  await refuseTakenPort(config);
  const warn = (line: string): void => {
    console.line(`  ${console.style('yellow', '!')} ${line}`);
  };
  const supervisor = await Supervisor.take({ dataDir, log: warn });
  stopOnRequest(supervisor, (line) => {
    console.line(line);
  });
  const uncap = capLogs(dataDir, warn);
  const stop = async (): Promise<void> => {
    uncap();
    await supervisor.stop();
  };
  try {
    refuseOtherKind(dataDir, kind);
    return await new Starter({ ...options, dataDir }, supervisor).start(stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The steps of one start, with what they share. */
class Starter {
  readonly #options: StackOptions;
  readonly #supervisor: Supervisor;
  readonly #console: Console;
  readonly #dataDir: string;

  constructor(options: StackOptions, supervisor: Supervisor) {
    this.#options = options;
    this.#supervisor = supervisor;
    this.#console = options.console;
    this.#dataDir = options.dataDir;
  }

  async start(stop: () => Promise<void>): Promise<Stack> {
    const token = this.#token();
    // Nothing in the first row needs another of it; what comes after needs them all.
    const simulating = this.#options.kind === 'demo' ? this.#simulator() : Promise.resolve(null);
    const [databaseUrl, temporal, simulator] = await allOrFirstFailure(
      this.#database(simulating),
      this.#temporal(),
      simulating,
    );
    const env = this.#environment({ databaseUrl, temporal, simulator, token });
    const [apiUrl] = await allOrFirstFailure(this.#api(env), this.#worker(env));
    const postgres = this.#options.config.databaseUrl === null ? new URL(databaseUrl).host : null;
    const embedded = { postgres, temporal: temporal.embedded };
    return {
      ...{ dataDir: this.#dataDir, apiUrl, token, databaseUrl, embedded, simulator, stop },
      temporalUiUrl: temporal.uiUrl,
    };
  }

  async #database(simulating: Promise<SimulatorListening | null>): Promise<string> {
    const given = this.#options.config.databaseUrl;
    if (given !== null) {
      const simulator = await simulating;
      if (simulator !== null) await refuseRealData(given, simulator.organization.id);
    }
    const databaseUrl = given ?? (await this.#postgres());
    await this.#console.step('Migrations', () =>
      runOnce({
        name: 'The migration of the database',
        script: programFile('db/main.js'),
        env: { ...this.#options.env, DATABASE_URL: databaseUrl },
        logFile: logFileOf(this.#dataDir, 'migrate'),
      }),
    );
    return databaseUrl;
  }

  async #postgres(): Promise<string> {
    const log = (line: string): void => {
      this.#console.line(`    ${line}`);
    };
    const startOn = (port: number, onSpawn: (pid: number) => void): ReturnType<typeof startPostgres> =>
      startPostgres({ dataDir: this.#dataDir, port, log, logFile: logFileOf(this.#dataDir, 'postgres'), onSpawn });
    const running = await this.#console.step(
      'Postgres',
      () => onFreePort(5432, (port) => this.#supervise('postgres', (onSpawn) => startOn(port, onSpawn))),
      ({ port }) => `127.0.0.1:${port}`,
    );
    // In so many words, since PGSSLMODE may be set for another Postgres.
    return `${running.url}?sslmode=disable`;
  }

  async #temporal(): Promise<{ address: string; namespace: string; uiUrl: string | null; embedded: boolean }> {
    const { address, namespace, uiUrl } = this.#options.config.temporal;
    if (address !== null) return { address, namespace, uiUrl, embedded: false };
    const log = (line: string): void => {
      this.#console.line(`    ${line}`);
    };
    const running = await this.#console.step(
      'Temporal',
      async () => {
        const cli = await findTemporalCli({ env: this.#options.env, dataDir: this.#dataDir, log });
        return await onFreePort(7233, async (port) => {
          const uiPort = await nextFreePort(8233);
          return await this.#supervise('temporal', (onSpawn) =>
            startTemporal({
              cli,
              dataDir: this.#dataDir,
              port,
              uiPort,
              logFile: logFileOf(this.#dataDir, 'temporal'),
              onSpawn,
            }),
          );
        });
      },
      ({ address: listening }) => listening,
    );
    return { ...running, embedded: true };
  }

  async #simulator(): Promise<SimulatorListening> {
    const running = await this.#console.step(
      'Simulator',
      () => onFreePort(9400, (port) => this.#service('simulator', this.#options.env, ['--port', String(port)])),
      ({ address = '' }) => address,
    );
    const said = running
      .lastLines(100)
      .split('\n')
      .findLast((line) => line.startsWith('{"event":"listening"'));
    if (said === undefined) throw new Error('The simulator did not say where it listens.');
    return parseListening(said);
  }

  async #api(env: NodeJS.ProcessEnv): Promise<string> {
    const { host, port, portWasAskedFor } = this.#options.config;
    const reachable = host.includes(':') ? `[${host}]` : host === '0.0.0.0' ? '127.0.0.1' : host;
    const startOn = (chosen: number): Promise<RunningService> =>
      this.#service('api', { ...env, HOST: host, PORT: String(chosen) });
    let listening = port;
    await this.#console.step(
      'API',
      () =>
        portWasAskedFor && port !== 0
          ? startOn(port)
          : onFreePort(
              port === 0 ? 20_000 : port,
              (chosen) => {
                listening = chosen;
                return startOn(chosen);
              },
              host,
            ),
      () => `http://${reachable}:${listening}`,
    );
    return `http://${reachable}:${listening}`;
  }

  async #worker(env: NodeJS.ProcessEnv): Promise<void> {
    await this.#console.step('Worker', () => this.#service('worker', env));
  }

  #service(role: 'api' | 'worker' | 'simulator', env: NodeJS.ProcessEnv, args: string[] = []): Promise<RunningService> {
    return this.#supervise(role, (onSpawn) =>
      startService({
        name: NAMES[role],
        script: programFile(`${role}/main.js`),
        args,
        env,
        logFile: logFileOf(this.#dataDir, role),
        onSpawn,
      }),
    );
  }

  #supervise<T extends Awaited<ReturnType<Part['start']>>>(role: Part['role'], start: Part<T>['start']): Promise<T> {
    return this.#supervisor.start({ role, start });
  }

  #token(): Token {
    const { apiToken } = this.#options.config;
    if (apiToken !== null) return { value: apiToken, file: null, created: false };
    const file = join(this.#dataDir, 'api-token');
    return { ...keptSecret(file, mintToken), file };
  }

  /** In place of the user's own configuration file, whose TLS and API key are meant for another Temporal as well. */
  #emptyTemporalConfig(): string {
    const file = join(this.#dataDir, 'temporal.toml');
    writeFileSync(file, '[profile.default]\n', { mode: 0o600 });
    return file;
  }

  /** What the parts are told. Secrets travel here and never in arguments, which every user of the machine can read. */
  #environment(known: {
    databaseUrl: string;
    temporal: { address: string; namespace: string; uiUrl: string | null; embedded: boolean };
    simulator: SimulatorListening | null;
    token: Token;
  }): NodeJS.ProcessEnv {
    const { config, env, kind } = this.#options;
    const { databaseUrl, temporal, simulator, token } = known;
    const ring =
      config.encryptionKeys.length > 0
        ? env['METERLINE_ENCRYPTION_KEYS']
        : keptSecret(
            join(this.#dataDir, EMBEDDED_FILES.encryptionKeys),
            () => `local:${randomBytes(32).toString('base64')}`,
          ).value;
    // Settings meant for another Temporal (its TLS, its API key) would not open the embedded one.
    const base = temporal.embedded ? withoutPrefix(env, 'TEMPORAL_') : env;
    return {
      ...base,
      DATABASE_URL: databaseUrl,
      TEMPORAL_ADDRESS: temporal.address,
      TEMPORAL_NAMESPACE: temporal.namespace,
      ...(temporal.embedded ? { TEMPORAL_CONFIG_FILE: this.#emptyTemporalConfig() } : {}),
      ...(temporal.uiUrl === null ? {} : { TEMPORAL_UI_URL: temporal.uiUrl }),
      METERLINE_TASK_QUEUE: taskQueue(config, env, kind),
      METERLINE_ENCRYPTION_KEYS: ring,
      METERLINE_API_TOKEN: token.value,
      METERLINE_DATA_DIR: this.#dataDir,
      ANTHROPIC_BASE_URL: simulator?.url ?? config.anthropicBaseUrl,
      LOG_LEVEL: config.logLevel,
    };
  }
}

const NAMES = { api: 'The API', worker: 'The worker', simulator: 'The simulator' } as const;

/** On a Temporal that is shared with a real Meterline, the demo's work must not reach the real one's workers. */
function taskQueue(config: Config, env: NodeJS.ProcessEnv, kind: Kind): string {
  const { taskQueue: configured } = config.temporal;
  return kind === 'demo' && (env['METERLINE_TASK_QUEUE'] ?? '') === '' ? `${configured}-demo` : configured;
}

function withoutPrefix(env: NodeJS.ProcessEnv, prefix: string): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith(prefix)));
}

/** A compiled program of this project, from where this file is compiled to. */
function programFile(path: string): string {
  return fileURLToPath(new URL(`../${path}`, import.meta.url));
}

/** Starts on the first free port; when another program takes it in the same moment, on the next one. */
async function onFreePort<T>(preferred: number, start: (port: number) => Promise<T>, host = '127.0.0.1'): Promise<T> {
  for (let from = preferred; ;) {
    const port = await nextFreePort(from, host);
    try {
      return await start(port);
    } catch (error) {
      if (port >= preferred + 200 || (await isFree(port, host))) throw error;
      from = port + 1;
    }
  }
}

/** Before anything is started: neither an address of another machine nor a port that is not to be had. */
async function refuseTakenPort({ host, port, portWasAskedFor }: Config): Promise<void> {
  const asked = portWasAskedFor && port !== 0;
  let why = 'is in use by another program';
  try {
    if (await isFree(asked ? port : 0, host)) return;
  } catch (error) {
    why = `cannot be listened on (${messageOf(error)})`;
  }
  throw new Error(
    asked
      ? `Port ${port} on ${host} was asked for (PORT) and ${why}. ` +
          'Set PORT to a free port from 1024 on, or leave PORT unset to have one chosen.'
      : `${host} (HOST) ${why}. Set HOST to an address of this machine, or leave it unset.`,
  );
}

/** The first start marks the data directory as real or simulated; the other kind does not run on it. */
function refuseOtherKind(dataDir: string, kind: Kind): void {
  const file = join(dataDir, 'kind');
  let found: string;
  try {
    found = readFileSync(file, 'utf8').trim();
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
    writeFileSync(file, `${kind}\n`, { mode: 0o600 });
    return;
  }
  if (found === kind) return;
  throw new Error(
    found === 'demo'
      ? `${dataDir} holds the demo's simulated data. Set METERLINE_DATA_DIR to another directory.`
      : `${dataDir} holds real data, and the demo does not run there. Set METERLINE_DATA_DIR to another directory.`,
  );
}

/**
 * A database that was named for the demo may be the real one: there the demo's worker would try real keys on the
 * simulator. So it takes only one that is empty or holds the sample organization alone.
 */
async function refuseRealData(databaseUrl: string, sampleOrganization: string): Promise<void> {
  const database = openDatabase(databaseUrl, { max: 1, name: 'meterline demo' });
  try {
    const { present } = await row(
      database.db,
      z.object({ present: z.boolean() }),
      sql`select to_regclass('connections') is not null as present`,
    );
    if (!present) return;
    const others = await database.db.execute(
      sql`select 1 from connections where organization_id is distinct from ${sampleOrganization} limit 1`,
    );
    if (others.length === 0) return;
  } finally {
    await database.close();
  }
  throw new Error(
    "The database that DATABASE_URL names holds connections that are not the demo's, and the demo leaves it alone. " +
      'Unset DATABASE_URL to have one started, or name an empty one.',
  );
}

function parseListening(line: string): SimulatorListening {
  const said: unknown = JSON.parse(line);
  if (isListening(said)) return said;
  throw new Error('The simulator did not say its address, its organization and its key.');
}

function isListening(said: unknown): said is SimulatorListening {
  if (typeof said !== 'object' || said === null) return false;
  return 'url' in said && 'organization' in said && 'admin_api_key' in said && typeof said.url === 'string';
}

/** Waits for all, also when one fails, so that everything that started can be stopped; then throws the first failure. */
async function allOrFirstFailure<T extends readonly Promise<unknown>[]>(
  ...work: T
): Promise<{ [K in keyof T]: Awaited<T[K]> }> {
  await Promise.allSettled(work);
  return await Promise.all(work);
}

import type { z } from 'zod';
import { ALLOW_NOTHING, type AllowList } from '../domain/notices/allow-list.ts';
import { ConfigError } from './config-error.ts';
import { withTlsFrom } from './database-url.ts';
import type { EncryptionKey } from './encryption-keys.ts';
import { problemWithHost } from './host.ts';
import { loadTemporalSettings, type TemporalSettings } from './temporal.ts';
import { readVariables, setIn, variables, type Environment, type Variables } from './variables.ts';

export { ConfigError } from './config-error.ts';
export type { EncryptionKey } from './encryption-keys.ts';

/** The settings that have a value in every process, by default if not by the environment. */
export interface Settings {
  readonly temporal: {
    readonly namespace: string;
    readonly uiUrl: string | null;
    readonly taskQueue: string;
  };
  readonly anthropicBaseUrl: string;
  /** The proxy on the way out, and the hosts to reach directly, with commas between. */
  readonly proxy: { readonly url: string | null; readonly noProxy: string };
  /** Places in private networks that notices may go to. */
  readonly notifyAllow: AllowList;
  /** Larger replies of Anthropic are refused. */
  readonly maxReplyBytes: number;
  readonly host: string;
  readonly port: number;
  /** Whether PORT is set. If so, no other port may be used instead. */
  readonly portWasAskedFor: boolean;
  /** The address at which browsers reach the API, as an origin; null for that of `host` and `port`. */
  readonly publicUrl: string | null;
  /** The port at `host` where the worker reports its health; null for no such port. */
  readonly workerHealthPort: number | null;
  /**
   * The proxies in front of the API that may name a client's address: how many there are, or their own addresses and
   * ranges. None by default.
   */
  readonly trustProxy: number | readonly string[];
  readonly dataDir: string;
  readonly syncHourUtc: number;
  readonly restatementDays: number;
  readonly logLevel: Variables['LOG_LEVEL'];
}

/** How mail goes out. */
export interface MailSettings {
  /** The address of the mail server, perhaps with its password. */
  readonly smtpUrl: string;
  /** Who mails come from: an address, or a name and an address. */
  readonly from: string;
}

/** The settings of a process that starts what is not set: null, or no key, stands for what is missing. */
export interface Config extends Settings {
  readonly databaseUrl: string | null;
  readonly temporal: Settings['temporal'] & { readonly address: string | null };
  readonly encryptionKeys: readonly EncryptionKey[];
  readonly apiToken: string | null;
  /** Null if no mail server is set. */
  readonly mail: MailSettings | null;
}

/** The settings of a process that works with Postgres alone. */
export interface DatabaseConfig extends Settings {
  readonly databaseUrl: string;
}

/** The settings of a process that works with stored Admin API keys, too. */
export interface KeysConfig extends DatabaseConfig {
  /** At least one. */
  readonly encryptionKeys: readonly EncryptionKey[];
}

/** The settings of a process that works with Temporal, too. */
interface ServiceConfig extends KeysConfig {
  readonly temporal: Settings['temporal'] & TemporalSettings & { readonly address: string };
}

/** The settings of the worker. */
export interface WorkerConfig extends ServiceConfig {
  /** Null if no mail server is set: then no mail is sent. */
  readonly mail: MailSettings | null;
  /** Is asked while all is well; null for none. Whoever knows it may ask it, too, so it is not logged. */
  readonly heartbeatUrl: string | null;
}

/** The settings of the API. */
export interface ApiConfig extends ServiceConfig {
  readonly apiToken: string;
}

const databaseVariables = variables.required({ DATABASE_URL: true });
const keysVariables = databaseVariables.required({ METERLINE_ENCRYPTION_KEYS: true });
const workerVariables = keysVariables.required({ TEMPORAL_ADDRESS: true });
const apiVariables = workerVariables.required({ METERLINE_API_TOKEN: true });

/** Reads what is set, and requires nothing. Throws {@link ConfigError}. */
export function loadConfig(env: Environment): Config {
  const read = readVariables(variables, env);
  const { DATABASE_URL: databaseUrl } = read;
  const settings = settingsOf(read);
  return {
    ...settings,
    databaseUrl: databaseUrl === undefined ? null : databaseUrlOf({ ...read, DATABASE_URL: databaseUrl }),
    temporal: { ...settings.temporal, address: read.TEMPORAL_ADDRESS ?? null },
    encryptionKeys: read.METERLINE_ENCRYPTION_KEYS ?? [],
    apiToken: read.METERLINE_API_TOKEN ?? null,
    mail: mailOf(read),
  };
}

/** For the migration, and for commands. Throws {@link ConfigError}. */
export function loadDatabaseConfig(env: Environment): DatabaseConfig {
  const read = readVariables(databaseVariables, env);
  return { ...settingsOf(read), databaseUrl: databaseUrlOf(read) };
}

/** For commands that open stored keys. Throws {@link ConfigError}. */
export function loadKeysConfig(env: Environment): KeysConfig {
  const read = readVariables(keysVariables, env);
  return {
    ...settingsOf(read),
    databaseUrl: databaseUrlOf(read),
    encryptionKeys: read.METERLINE_ENCRYPTION_KEYS,
  };
}

/** Throws {@link ConfigError} with every problem: of Meterline's variables, of Temporal's, and with HOST. */
export async function loadWorkerConfig(env: Environment): Promise<WorkerConfig> {
  const listens = 'METERLINE_WORKER_HEALTH_PORT' in setIn(env);
  const [read, temporal] = loadTogether(
    () => readVariables(workerVariables, env),
    () => loadTemporalSettings(env),
    listens ? await problemWithHost(env['HOST']) : null,
  );
  return {
    ...serviceConfigOf(read, temporal),
    mail: mailOf(read),
    heartbeatUrl: read.METERLINE_HEARTBEAT_URL ?? null,
  };
}

/** Throws {@link ConfigError} with every problem: of Meterline's variables, of Temporal's, and with HOST. */
export async function loadApiConfig(env: Environment): Promise<ApiConfig> {
  const [read, temporal] = loadTogether(
    () => readVariables(apiVariables, env),
    () => loadTemporalSettings(env),
    await problemWithHost(env['HOST']),
  );
  return { ...serviceConfigOf(read, temporal), apiToken: read.METERLINE_API_TOKEN };
}

/**
 * For a stack that starts the servers that are not set. Without TEMPORAL_ADDRESS it starts a Temporal of its own, so
 * Temporal's other variables are meant for another one and are not read. Throws {@link ConfigError}.
 */
export async function loadStackConfig(env: Environment): Promise<Config> {
  const [config] = loadTogether(
    () => loadConfig(env),
    () => ('TEMPORAL_ADDRESS' in setIn(env) ? loadTemporalSettings(env) : null),
    await problemWithHost(env['HOST']),
  );
  return config;
}

/** Runs both loaders even if one finds problems, so that one start shows all of them. */
function loadTogether<O, T>(loadOurs: () => O, loadTemporal: () => T, problemOfHost: string | null): readonly [O, T] {
  const ours = attempt(loadOurs);
  const temporal = attempt(loadTemporal);
  if (!(ours instanceof ConfigError) && !(temporal instanceof ConfigError) && problemOfHost === null) {
    return [ours, temporal];
  }
  const problems = [ours, temporal].flatMap((loaded) => (loaded instanceof ConfigError ? loaded.problems : []));
  throw new ConfigError(problemOfHost === null ? problems : [...problems, problemOfHost]);
}

function attempt<T>(load: () => T): T | ConfigError {
  try {
    return load();
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
}

function settingsOf(read: Variables): Settings {
  return {
    temporal: {
      namespace: read.TEMPORAL_NAMESPACE,
      uiUrl: read.TEMPORAL_UI_URL?.replace(/\/+$/, '') ?? null,
      taskQueue: read.METERLINE_TASK_QUEUE,
    },
    anthropicBaseUrl: read.ANTHROPIC_BASE_URL,
    proxy: { url: read.https_proxy ?? read.HTTPS_PROXY ?? null, noProxy: read.no_proxy ?? read.NO_PROXY ?? '' },
    notifyAllow: read.METERLINE_NOTIFY_ALLOW ?? ALLOW_NOTHING,
    maxReplyBytes: read.METERLINE_MAX_REPLY_MB * 1024 * 1024,
    host: read.HOST,
    port: read.PORT ?? 8080,
    portWasAskedFor: read.PORT !== undefined,
    publicUrl: read.METERLINE_PUBLIC_URL ?? null,
    workerHealthPort: read.METERLINE_WORKER_HEALTH_PORT ?? null,
    trustProxy: read.METERLINE_TRUST_PROXY,
    dataDir: read.METERLINE_DATA_DIR,
    syncHourUtc: read.METERLINE_SYNC_HOUR_UTC,
    restatementDays: read.METERLINE_RESTATEMENT_DAYS,
    logLevel: read.LOG_LEVEL,
  };
}

function mailOf(read: Variables): MailSettings | null {
  const { METERLINE_SMTP_URL: smtpUrl, METERLINE_MAIL_FROM: from } = read;
  return smtpUrl === undefined || from === undefined ? null : { smtpUrl, from };
}

function serviceConfigOf(read: z.output<typeof workerVariables>, temporal: TemporalSettings): ServiceConfig {
  const settings = settingsOf(read);
  return {
    ...settings,
    databaseUrl: databaseUrlOf(read),
    temporal: { ...settings.temporal, ...temporal, address: read.TEMPORAL_ADDRESS },
    encryptionKeys: read.METERLINE_ENCRYPTION_KEYS,
  };
}

function databaseUrlOf(read: z.output<typeof databaseVariables>): string {
  return withTlsFrom({ mode: read.PGSSLMODE, rootCert: read.PGSSLROOTCERT }, read.DATABASE_URL);
}

import { z } from 'zod';
import { toBaseUrl } from '../domain/base-url.ts';
import { trustProxy } from './trust-proxy.ts';
import { SSL_MODES, databaseUrl, holdsCertificates, withTlsFrom } from './database-url.ts';

/** What the product is set up with. Made once from the environment by {@link loadConfig}, then passed on. */
export interface Config {
  readonly databaseUrl: string | null;
  readonly temporal: {
    readonly address: string | null;
    readonly namespace: string;
    readonly uiUrl: string | null;
    readonly taskQueue: string;
  };
  readonly anthropicBaseUrl: string;
  /** The largest reply of Anthropic that is taken, in bytes. */
  readonly maxReplyBytes: number;
  readonly encryptionKeys: readonly EncryptionKey[];
  readonly apiToken: string | null;
  readonly host: string;
  readonly port: number;
  /** Whether PORT was set, so that another port must not be taken instead. */
  readonly portWasAskedFor: boolean;
  /** Where the worker tells its health, at `host`; null for nowhere. */
  readonly workerHealthPort: number | null;
  /**
   * Which proxies before the API are believed when they name an address: how many of them there are, or their own
   * addresses and ranges. None by default.
   */
  readonly trustProxy: number | readonly string[];
  readonly dataDir: string;
  readonly syncHourUtc: number;
  readonly restatementDays: number;
  readonly logLevel: LogLevel;
}

/** A key that encrypts the data keys of stored Admin API keys. */
export interface EncryptionKey {
  readonly id: string;
  /** 32 bytes. */
  readonly key: Buffer;
}

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
type LogLevel = (typeof LOG_LEVELS)[number];

/** The environment is wrong. The message lists every fault at once, one a line, and quotes no secret. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  constructor(readonly faults: readonly string[]) {
    super(`The configuration is wrong:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`);
  }
}

const whole = (min: number, max: number): z.ZodType<number> =>
  z
    .string()
    .regex(/^\d{1,9}$/, `must be a whole number from ${min} to ${max}`)
    .transform(Number)
    .refine((value) => value >= min && value <= max, `must be a whole number from ${min} to ${max}`);

const baseUrl = z.string().transform((text, context): string => {
  const url = toBaseUrl(text);
  if (url === null) {
    context.addIssue(
      'must be an https address, or http on loopback, without credentials, query or fragment, that ends before /v1',
    );
    return z.NEVER;
  }
  return url.origin + url.pathname.replace(/\/+$/, '');
});

/** Without a scheme it would be taken for one: `proxy:3128` is an address of the scheme "proxy". */
const proxyUrl = z.url({ protocol: /^https?$/, hostname: /./, error: 'must be an http:// or https:// address' });

const ring = z.string().transform((text, context): EncryptionKey[] => {
  const keys = text.split(',').map((entry) => {
    const [, id = '', base64 = ''] = /^([A-Za-z0-9_.-]{1,32}):([A-Za-z0-9+/]+={0,2})$/.exec(entry.trim()) ?? [];
    return { id, key: Buffer.from(base64, 'base64') };
  });
  if (keys.some(({ id }) => id === '')) context.addIssue('must be id:base64, or several of these with commas between');
  else if (keys.some(({ key }) => key.length !== 32)) context.addIssue('each key must be 32 bytes in base64');
  else if (keys.some(({ key }) => isGuessable(key)))
    context.addIssue('each key must be random, as "npm run keys -- new" makes it');
  else if (new Set(keys.map(({ id }) => id)).size < keys.length) context.addIssue('names an id twice');
  else return keys;
  return z.NEVER;
});

const DISTINCT_BYTES_AT_LEAST = 16;

/**
 * Whether somebody wrote this key, or took it from an example: 32 random bytes have fewer than 16 different ones, are
 * all printable, or each a step from the one before, less often than once in ten thousand million tries.
 */
function isGuessable(key: Buffer): boolean {
  const steps = [...key.subarray(1)].map((byte, index) => (byte - (key[index] ?? 0)) & 0xff);
  return (
    new Set(key).size < DISTINCT_BYTES_AT_LEAST ||
    new Set(steps).size === 1 ||
    key.every((byte) => byte >= 0x20 && byte <= 0x7e)
  );
}

function isPort(digits: string | undefined): boolean {
  return Number(digits) >= 1 && Number(digits) <= 65_535;
}

const environment = z.object({
  DATABASE_URL: databaseUrl.optional(),
  PGSSLMODE: z.enum(SSL_MODES, `must be one of ${SSL_MODES.join(', ')}`).optional(),
  PGSSLROOTCERT: z.string().refine(holdsCertificates, 'names no file of certificates').optional(),
  TEMPORAL_ADDRESS: z
    .string()
    .refine((text) => isPort(/^[^\s/]+:(\d{1,5})$/.exec(text)?.[1]), 'must be host:port')
    .optional(),
  TEMPORAL_NAMESPACE: z.string().min(1).default('default'),
  TEMPORAL_UI_URL: z.url({ protocol: /^https?$/, error: 'must be an http or https address' }).optional(),
  METERLINE_TASK_QUEUE: z
    .string()
    .regex(/^[\w.:/-]{1,200}$/, 'must be 1 to 200 letters, digits or any of . _ : / -')
    .default('meterline'),
  ANTHROPIC_BASE_URL: baseUrl.default('https://api.anthropic.com'),
  // Read by the transport itself, which takes the name in small letters first.
  HTTPS_PROXY: proxyUrl.optional(),
  https_proxy: proxyUrl.optional(),
  METERLINE_MAX_REPLY_MB: whole(1, 1024).default(64),
  METERLINE_ENCRYPTION_KEYS: ring.default([]),
  METERLINE_API_TOKEN: z
    .string()
    .regex(/^[\x21-\x7e]{16,200}$/, 'must be at least 16 printable characters without spaces')
    .optional(),
  HOST: z.string().min(1).default('127.0.0.1'),
  PORT: whole(0, 65_535).optional(),
  METERLINE_WORKER_HEALTH_PORT: whole(0, 65_535).optional(),
  METERLINE_TRUST_PROXY: trustProxy.default(0),
  METERLINE_DATA_DIR: z.string().min(1).default('.meterline'),
  METERLINE_SYNC_HOUR_UTC: whole(0, 23).default(6),
  METERLINE_RESTATEMENT_DAYS: whole(0, 30).default(3),
  LOG_LEVEL: z.enum(LOG_LEVELS).default('info'),
});

/**
 * Reads the configuration from the environment. An empty variable counts as unset. Throws {@link ConfigError} naming
 * every fault at once, among them the variables in `required` that are missing.
 */
export function loadConfig(
  env: Readonly<Record<string, string | undefined>>,
  required: readonly (keyof z.input<typeof environment>)[] = [],
): Config {
  const set = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''));
  const parsed = environment.safeParse(set);
  const faults = required.filter((name) => set[name] === undefined).map((name) => `${name} must be set`);
  if (!parsed.success) {
    faults.push(...parsed.error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`));
  }
  if (!parsed.success || faults.length > 0) throw new ConfigError(faults.sort());
  const read = parsed.data;
  return {
    databaseUrl:
      read.DATABASE_URL === undefined
        ? null
        : withTlsFrom({ mode: read.PGSSLMODE, rootCert: read.PGSSLROOTCERT }, read.DATABASE_URL),
    temporal: {
      address: read.TEMPORAL_ADDRESS ?? null,
      namespace: read.TEMPORAL_NAMESPACE,
      uiUrl: read.TEMPORAL_UI_URL?.replace(/\/+$/, '') ?? null,
      taskQueue: read.METERLINE_TASK_QUEUE,
    },
    anthropicBaseUrl: read.ANTHROPIC_BASE_URL,
    maxReplyBytes: read.METERLINE_MAX_REPLY_MB * 1024 * 1024,
    encryptionKeys: read.METERLINE_ENCRYPTION_KEYS,
    apiToken: read.METERLINE_API_TOKEN ?? null,
    host: read.HOST,
    port: read.PORT ?? 8080,
    portWasAskedFor: read.PORT !== undefined,
    workerHealthPort: read.METERLINE_WORKER_HEALTH_PORT ?? null,
    trustProxy: read.METERLINE_TRUST_PROXY,
    dataDir: read.METERLINE_DATA_DIR,
    syncHourUtc: read.METERLINE_SYNC_HOUR_UTC,
    restatementDays: read.METERLINE_RESTATEMENT_DAYS,
    logLevel: read.LOG_LEVEL,
  };
}

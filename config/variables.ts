import { z } from 'zod';
import { toBaseUrl } from '../domain/base-url.ts';
import { ConfigError } from './config-error.ts';
import { SSL_MODES, databaseUrl, holdsCertificates } from './database-url.ts';
import { encryptionKeys } from './encryption-keys.ts';
import { mailFrom, notifyAllow, problemsBetween, smtpUrl } from './notify.ts';
import { publicUrl } from './public-url.ts';
import { trustProxy } from './trust-proxy.ts';

/** Environment variables by name, as `process.env` has them. */
export type Environment = Readonly<Record<string, string | undefined>>;

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

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

const httpUrl = z.url({ protocol: /^https?$/, error: 'must be an http:// or https:// address' });
/** `proxy:3128` parses too, as an address with the scheme "proxy:" and no host. */
const proxyUrl = z.url({ protocol: /^https?$/, hostname: /./, error: 'must be an http:// or https:// address' });

const hostAndPort = z.string().refine((text) => {
  const port = Number(/^[^\s/]+:(\d{1,5})$/.exec(text)?.[1]);
  return port >= 1 && port <= 65_535;
}, 'must be host:port');

/** Every variable of Meterline. Temporal's others (TLS, API key, profile) have a reader of their own. */
export const variables = z.object({
  DATABASE_URL: databaseUrl.optional(),
  PGSSLMODE: z.enum(SSL_MODES, `must be one of ${SSL_MODES.join(', ')}`).optional(),
  PGSSLROOTCERT: z.string().refine(holdsCertificates, 'must be a readable file of PEM certificates').optional(),
  TEMPORAL_ADDRESS: hostAndPort.optional(),
  TEMPORAL_NAMESPACE: z.string().min(1).default('default'),
  TEMPORAL_UI_URL: httpUrl.optional(),
  METERLINE_TASK_QUEUE: z
    .string()
    .regex(/^[\w.:/-]{1,200}$/, 'must be 1 to 200 letters, digits or any of . _ : / -')
    .default('meterline'),
  ANTHROPIC_BASE_URL: baseUrl.default('https://api.anthropic.com'),
  // As in other programs, the lower-case name wins.
  HTTPS_PROXY: proxyUrl.optional(),
  https_proxy: proxyUrl.optional(),
  NO_PROXY: z.string().optional(),
  no_proxy: z.string().optional(),
  METERLINE_MAX_REPLY_MB: whole(1, 1024).default(64),
  METERLINE_ENCRYPTION_KEYS: encryptionKeys.optional(),
  METERLINE_API_TOKEN: z
    .string()
    .regex(/^[\x21-\x7e]{16,200}$/, 'must be at least 16 printable characters without spaces')
    .optional(),
  HOST: z.string().min(1).default('127.0.0.1'),
  PORT: whole(0, 65_535).optional(),
  METERLINE_PUBLIC_URL: publicUrl.optional(),
  METERLINE_SMTP_URL: smtpUrl.optional(),
  METERLINE_MAIL_FROM: mailFrom.optional(),
  METERLINE_NOTIFY_ALLOW: notifyAllow.optional(),
  METERLINE_HEARTBEAT_URL: z.string().optional(),
  METERLINE_WORKER_HEALTH_PORT: whole(0, 65_535).optional(),
  METERLINE_TRUST_PROXY: trustProxy.default(0),
  METERLINE_DATA_DIR: z.string().min(1).default('.meterline'),
  METERLINE_SYNC_HOUR_UTC: whole(0, 23).default(6),
  METERLINE_RESTATEMENT_DAYS: whole(0, 30).default(3),
  LOG_LEVEL: z.enum(LOG_LEVELS, `must be one of ${LOG_LEVELS.join(', ')}`).default('info'),
});

/** The values of {@link variables}, once they are read. */
export type Variables = z.output<typeof variables>;

/** Reads {@link variables}, or a stricter version of them. Throws {@link ConfigError} with every problem. */
export function readVariables<T>(schema: z.ZodType<T>, env: Environment): T {
  const parsed = schema.safeParse(setIn(env), {
    error: ({ code, input }) => (code === 'invalid_type' && input === undefined ? 'must be set' : undefined),
  });
  const between = problemsBetween(setIn(env));
  if (parsed.success && between.length === 0) return parsed.data;
  const issues = parsed.success ? [] : parsed.error.issues;
  throw new ConfigError([...issues.map(({ path, message }) => `${path.join('.')} ${message}`), ...between]);
}

/** The variables that are set. An empty one counts as unset. */
export type SetVariables = Readonly<Record<string, string>>;

/** Drops what is unset. */
export function setIn(env: Environment): SetVariables {
  return Object.fromEntries(
    Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== ''),
  );
}

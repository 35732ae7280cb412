import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../../config/config.ts';
import { EMBEDDED_FILES } from '../../config/embedded.ts';
import { mintToken } from '../../db/tokens/secret.ts';
import { readOrMakeSecret } from '../secrets.ts';
import type { TemporalAddress } from './parts.ts';
import type { StackKind, StackOptions } from './stack.ts';

/** The file of the API's first token in the data directory. */
export const TOKEN_FILE = 'api-token';

/** The API's first token. */
export interface Token {
  value: string;
  /** Null if the token comes from METERLINE_API_TOKEN. */
  file: string | null;
  /** Whether this start made the token. */
  isNew: boolean;
}

export function tokenOf({ apiToken }: Config, dataDir: string): Token {
  if (apiToken !== null) return { value: apiToken, file: null, isNew: false };
  const file = join(dataDir, TOKEN_FILE);
  return { ...readOrMakeSecret(file, mintToken), file };
}

/**
 * The environment of the API and the worker. Secrets travel in it and never in arguments, which every user of the
 * machine can read.
 */
export function environmentOf(
  { config, env, kind, dataDir }: StackOptions,
  parts: {
    databaseUrl: string;
    temporal: TemporalAddress;
    anthropicBaseUrl: string | null;
    smtpUrl: string | null;
    token: Token;
  },
): NodeJS.ProcessEnv {
  const { databaseUrl, temporal, anthropicBaseUrl, smtpUrl, token } = parts;
  // Settings for another Temporal (its TLS, its API key) would not open the embedded one.
  const base = temporal.isEmbedded ? withoutPrefix(env, 'TEMPORAL_') : env;
  return {
    ...base,
    DATABASE_URL: databaseUrl,
    TEMPORAL_ADDRESS: temporal.address,
    TEMPORAL_NAMESPACE: temporal.namespace,
    ...(temporal.isEmbedded ? { TEMPORAL_CONFIG_FILE: emptyTemporalConfig(dataDir) } : {}),
    ...(temporal.uiUrl === null ? {} : { TEMPORAL_UI_URL: temporal.uiUrl }),
    METERLINE_TASK_QUEUE: taskQueueOf(config, env, kind),
    METERLINE_ENCRYPTION_KEYS:
      config.encryptionKeys.length > 0 ? env['METERLINE_ENCRYPTION_KEYS'] : embeddedKeyRing(dataDir),
    METERLINE_API_TOKEN: token.value,
    METERLINE_DATA_DIR: dataDir,
    ANTHROPIC_BASE_URL: anthropicBaseUrl ?? config.anthropicBaseUrl,
    ...(smtpUrl === null ? {} : { METERLINE_SMTP_URL: smtpUrl, METERLINE_MAIL_FROM: senderIn(env) }),
    LOG_LEVEL: config.logLevel,
  };
}

/** Who mails to the sink come from. */
function senderIn({ METERLINE_MAIL_FROM: named = '' }: NodeJS.ProcessEnv): string {
  return named === '' ? 'Meterline <meterline@localhost>' : named;
}

function embeddedKeyRing(dataDir: string): string {
  const file = join(dataDir, EMBEDDED_FILES.encryptionKeys);
  return readOrMakeSecret(file, () => `local:${randomBytes(32).toString('base64')}`).value;
}

/** Replaces the user's own configuration file for Temporal, whose TLS and API key belong to another server. */
function emptyTemporalConfig(dataDir: string): string {
  const file = join(dataDir, 'temporal.toml');
  writeFileSync(file, '[profile.default]\n', { mode: 0o600 });
  return file;
}

/** A Temporal may be shared with a real Meterline. Its workers must not get the demo's work, so the demo has a queue. */
function taskQueueOf({ temporal }: Config, env: NodeJS.ProcessEnv, kind: StackKind): string {
  const isNamed = (env['METERLINE_TASK_QUEUE'] ?? '') !== '';
  return kind === 'demo' && !isNamed ? `${temporal.taskQueue}-demo` : temporal.taskQueue;
}

function withoutPrefix(env: NodeJS.ProcessEnv, prefix: string): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith(prefix)));
}

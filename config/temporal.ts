import { X509Certificate, createPrivateKey } from 'node:crypto';
import { accessSync, constants } from 'node:fs';
import { loadClientConfigProfile, toClientOptions, type ClientConnectConfig } from '@temporalio/envconfig';
import { ConfigError } from './config-error.ts';
import { setIn, type Environment, type SetVariables } from './variables.ts';

/** How to reach Temporal, and the namespace to work in. */
export interface TemporalSettings {
  readonly connectionOptions: NonNullable<ClientConnectConfig['connectionOptions']>;
  readonly namespace: string;
}

const FILES = [
  'TEMPORAL_CONFIG_FILE',
  'TEMPORAL_TLS_CLIENT_CERT_PATH',
  'TEMPORAL_TLS_CLIENT_KEY_PATH',
  'TEMPORAL_TLS_SERVER_CA_CERT_PATH',
];

/**
 * Reads Temporal's own variables and files, so that TLS, API keys and Temporal Cloud work in the standard way. Throws
 * {@link ConfigError} for mistakes that Temporal's reader ignores, after which it would connect with less protection
 * than was asked for.
 */
export function loadTemporalSettings(env: Environment): TemporalSettings {
  const set = setIn(env);
  const problems = [...problemsWithFiles(set), ...problemsWithSwitch(set)];
  if (problems.length > 0) throw new ConfigError(problems);
  const { connectionOptions, namespace } = readProfile(set);
  return { connectionOptions, namespace: namespace ?? 'default' };
}

function readProfile(set: SetVariables): ClientConnectConfig {
  try {
    const profile = loadClientConfigProfile({ overrideEnvVars: { ...set } });
    const problems = problemsWithCredentials(profile);
    if (problems.length > 0) throw new ConfigError(problems);
    const settings = toClientOptions(profile);
    const { tls } = settings.connectionOptions;
    if (typeof tls === 'object' && tls?.clientCertPair !== undefined) checkPair(tls.clientCertPair);
    return settings;
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    if (error instanceof Error && 'path' in error) {
      throw new ConfigError([`Temporal's configuration names ${String(error.path)}, which cannot be read`]);
    }
    // Never the reader's own message: it may quote the file, and with it a key.
    throw new ConfigError([
      "Temporal's configuration file is not TOML, or lacks the profile that TEMPORAL_PROFILE names",
    ]);
  }
}

function problemsWithFiles(set: SetVariables): string[] {
  return FILES.flatMap((name) => {
    const path = set[name];
    return path === undefined || isReadable(path) ? [] : [`${name} names ${path}, which cannot be read`];
  });
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

/** Temporal's reader takes any other word for "false", and connects without TLS. */
function problemsWithSwitch({ TEMPORAL_TLS: given }: SetVariables): string[] {
  return given === undefined || /^(?:true|false|1|0)$/.test(given) ? [] : ['TEMPORAL_TLS must be true or false'];
}

function problemsWithCredentials({ apiKey, tls }: ReturnType<typeof loadClientConfigProfile>): string[] {
  const { clientCert, clientKey, disabled } = tls ?? {};
  const problems: string[] = [];
  if ((clientCert === undefined) !== (clientKey === undefined)) {
    problems.push('TEMPORAL_TLS_CLIENT_CERT and TEMPORAL_TLS_CLIENT_KEY go together, and one of them is missing');
  }
  if (disabled === true && (apiKey !== undefined || clientCert !== undefined)) {
    problems.push('TEMPORAL_TLS is false, but an API key or a client certificate may go to Temporal over TLS only');
  }
  return problems;
}

/** Without this check a wrong pair fails only on connecting, with a message that does not name the cause. */
function checkPair({ crt, key }: { crt: Uint8Array; key: Uint8Array }): void {
  let isPair: boolean;
  try {
    isPair = new X509Certificate(crt).checkPrivateKey(createPrivateKey(Buffer.from(key)));
  } catch {
    throw new ConfigError(["Temporal's client certificate or its key is not PEM"]);
  }
  if (!isPair) throw new ConfigError(["Temporal's client certificate does not belong to the client key"]);
}

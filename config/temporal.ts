import { X509Certificate, createPrivateKey } from 'node:crypto';
import { accessSync, constants } from 'node:fs';
import { loadClientConfigProfile, toClientOptions, type ClientConnectConfig } from '@temporalio/envconfig';
import { ConfigError } from './config.ts';

/** How to reach Temporal, and in which namespace to work. */
export interface TemporalSettings {
  readonly connectionOptions: NonNullable<ClientConnectConfig['connectionOptions']>;
  readonly namespace: string;
}

type Environment = Readonly<Record<string, string>>;

/**
 * Reads Temporal's own configuration, so that TLS, API keys and Temporal Cloud work by its standard variables and
 * files. An empty variable counts as unset. `defaultNamespace` serves where none is named. Throws {@link ConfigError}
 * where Temporal's own reader would pass a mistake over, and connect with less than was asked for.
 */
export function loadTemporalSettings(
  env: Readonly<Record<string, string | undefined>>,
  defaultNamespace: string,
): TemporalSettings {
  const entries = Object.entries(env).filter((entry): entry is [string, string] => (entry[1] ?? '') !== '');
  const set: Environment = Object.fromEntries(entries);
  const faults = [...faultsOfFiles(set), ...faultsOfSwitch(set)];
  if (faults.length > 0) throw new ConfigError(faults);
  const { connectionOptions, namespace } = read(set);
  return { connectionOptions, namespace: namespace ?? defaultNamespace };
}

function read(set: Environment): ClientConnectConfig {
  try {
    const profile = loadClientConfigProfile({ overrideEnvVars: set });
    const { clientCert, clientKey, disabled } = profile.tls ?? {};
    const faults: string[] = [];
    if ((clientCert === undefined) !== (clientKey === undefined)) {
      faults.push('a client certificate for Temporal and its key belong together; one of them is missing');
    }
    if (disabled === true && (profile.apiKey !== undefined || clientCert !== undefined)) {
      faults.push('an API key or a certificate goes to Temporal over TLS only; TEMPORAL_TLS is false');
    }
    if (faults.length > 0) throw new ConfigError(faults);
    const settings = toClientOptions(profile);
    const { tls } = settings.connectionOptions;
    if (typeof tls === 'object' && tls?.clientCertPair !== undefined) checkPair(tls.clientCertPair);
    return settings;
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    if (error instanceof Error && 'path' in error) {
      throw new ConfigError([`${String(error.path)}, a file of the configuration of Temporal, cannot be read`]);
    }
    // A message of the reader may quote the file, and with it a key.
    throw new ConfigError(['the configuration file of Temporal is no TOML, or has not the profile that is asked for']);
  }
}

const FILES = [
  'TEMPORAL_CONFIG_FILE',
  'TEMPORAL_TLS_CLIENT_CERT_PATH',
  'TEMPORAL_TLS_CLIENT_KEY_PATH',
  'TEMPORAL_TLS_SERVER_CA_CERT_PATH',
];

function faultsOfFiles(set: Environment): string[] {
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

/** Temporal's reader takes any other word for "false", and leaves TLS out. */
function faultsOfSwitch({ TEMPORAL_TLS: given }: Environment): string[] {
  return given === undefined || /^(?:true|false|1|0)$/.test(given) ? [] : ['TEMPORAL_TLS must be true or false'];
}

/** Otherwise it is only found out, and told in riddles, when the connection is made. */
function checkPair({ crt, key }: { crt: Uint8Array; key: Uint8Array }): void {
  let isPair: boolean;
  try {
    isPair = new X509Certificate(crt).checkPrivateKey(createPrivateKey(Buffer.from(key)));
  } catch {
    throw new ConfigError(['the client certificate for Temporal, or its key, is no PEM']);
  }
  if (!isPair) throw new ConfigError(['the client certificate for Temporal is not of the key that is given with it']);
}

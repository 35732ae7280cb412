import { loadClientConnectConfig, type ClientConnectConfig } from '@temporalio/envconfig';

/** How to reach Temporal, and in which namespace to work. */
export interface TemporalSettings {
  readonly connectionOptions: NonNullable<ClientConnectConfig['connectionOptions']>;
  readonly namespace: string;
}

/**
 * Reads Temporal's own configuration, so that TLS, API keys and Temporal Cloud work by its standard variables and
 * files. An empty variable counts as unset. `defaultNamespace` serves where none is named.
 */
export function loadTemporalSettings(
  env: Readonly<Record<string, string | undefined>>,
  defaultNamespace: string,
): TemporalSettings {
  const set = Object.entries(env).filter((entry): entry is [string, string] => (entry[1] ?? '') !== '');
  const { connectionOptions, namespace } = loadClientConnectConfig({ overrideEnvVars: Object.fromEntries(set) });
  return { connectionOptions, namespace: namespace ?? defaultNamespace };
}

import { createServer } from 'node:net';
import { ConfigError, loadConfig, type Config } from './config.ts';
import { loadTemporalSettings, type TemporalSettings } from './temporal.ts';

/** What a process that works with Temporal is set up with. */
export interface Environment {
  readonly config: Config;
  readonly temporal: TemporalSettings;
}

/**
 * Reads the whole environment of a process, once: the configuration, Temporal's own, and for one that `listens`, whether
 * HOST is an address of this machine. Throws {@link ConfigError} naming every fault of all of them at once.
 */
export async function loadEnvironment(
  env: Variables,
  required: Parameters<typeof loadConfig>[1],
  { listens }: { listens: boolean },
): Promise<Environment> {
  const { config, temporal } = await gather(env, { required, listens, usesTemporal: true });
  if (temporal === null) throw new Error('Temporal is used, and its settings were not read');
  return { config, temporal };
}

/**
 * As {@link loadEnvironment}, for a stack that starts what is not named: what is said of Temporal is meant for another one
 * where TEMPORAL_ADDRESS is not set, and not looked at.
 */
export async function loadStackConfig(env: Variables): Promise<Config> {
  const usesTemporal = (env['TEMPORAL_ADDRESS'] ?? '') !== '';
  const { config } = await gather(env, { required: [], listens: true, usesTemporal });
  return config;
}

type Variables = Readonly<Record<string, string | undefined>>;

async function gather(
  env: Variables,
  wanted: { required: Parameters<typeof loadConfig>[1]; listens: boolean; usesTemporal: boolean },
): Promise<{ config: Config; temporal: TemporalSettings | null }> {
  const faults: string[] = [];
  const config = orFaults(faults, () => loadConfig(env, wanted.required));
  const namespace = config?.temporal.namespace ?? 'default';
  const temporal = wanted.usesTemporal ? orFaults(faults, () => loadTemporalSettings(env, namespace)) : null;
  const host = config?.host ?? env['HOST'] ?? '';
  const faultOfHost = wanted.listens && host !== '' ? await whyNotAt(host) : null;
  if (faultOfHost !== null) faults.push(faultOfHost);
  if (config === null || faults.length > 0) throw new ConfigError(faults.sort());
  return { config, temporal };
}

function orFaults<T>(faults: string[], load: () => T): T | null {
  try {
    return load();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    faults.push(...error.faults);
    return null;
  }
}

/** Why nobody can listen at a host of this machine, whatever the port; null where one can. */
async function whyNotAt(host: string): Promise<string | null> {
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ port: 0, host, exclusive: true }, resolve);
    });
    return null;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
    const why = ['ENOTFOUND', 'EAI_AGAIN'].includes(code) ? 'cannot be resolved here' : 'is no address of this machine';
    const named = /^[\w.:%[\]-]{1,253}$/.test(host) ? `names ${host}, which` : 'names something that';
    return `HOST ${named} ${why} (${code}): set it to one that is, such as 127.0.0.1 or 0.0.0.0`;
  } finally {
    server.close();
  }
}

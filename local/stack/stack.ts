import { resolve } from 'node:path';
import type { Config } from '../../config/config.ts';
import { dayOf } from '../../domain/days.ts';
import { sampleArguments } from '../demo/organization.ts';
import { mailFolderOf } from '../mail/store.ts';
import type { Console } from '../terminal/console.ts';
import { environmentOf, tokenOf, type Token } from './environment.ts';
import { refuseOtherKind, refuseRealData, refuseTakenPort } from './guards.ts';
import { capLogs } from './logs.ts';
import { Parts, type SimulatorAddress } from './parts.ts';
import { stopOnRequest } from './shutdown.ts';
import { Supervisor } from './supervisor.ts';

/** Real data and simulated data are kept in different data directories. */
export type StackKind = 'live' | 'demo';

export interface StackOptions {
  kind: StackKind;
  config: Config;
  env: NodeJS.ProcessEnv;
  dataDir: string;
  console: Console;
}

export interface Stack {
  dataDir: string;
  apiUrl: string;
  /** Where browsers reach the API: METERLINE_PUBLIC_URL, or `apiUrl`. */
  publicUrl: string;
  token: Token;
  temporalUiUrl: string | null;
  databaseUrl: string;
  /** The servers that the stack started itself: `host:port` of Postgres or null, and whether Temporal is one. */
  embedded: { postgres: string | null; temporal: boolean };
  /** Where the mail sink keeps mails; null if METERLINE_SMTP_URL names a mail server. */
  mailFolder: string | null;
  /** Null except in the demo. */
  simulator: SimulatorAddress | null;
  stop(): Promise<void>;
}

/**
 * Starts the whole stack. If one part fails, stops the others and throws. From then on the process ends with the stack,
 * see shutdown.ts.
 */
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
  const stopCapping = capLogs(dataDir, warn);
  const stop = async (): Promise<void> => {
    stopCapping();
    await supervisor.stop();
  };
  try {
    refuseOtherKind(dataDir, kind);
    const parts = new Parts({ config, env: options.env, dataDir, console, supervisor });
    return { ...(await startParts({ ...options, dataDir }, parts)), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startParts(options: StackOptions, parts: Parts): Promise<Omit<Stack, 'stop'>> {
  const { kind, config, dataDir } = options;
  const token = tokenOf(config, dataDir);
  // The simulator, the database, Temporal and the mail sink start side by side. The API and the worker need all of them.
  const starting = kind === 'demo' ? parts.simulator(sampleArguments(dayOf(Date.now()))) : Promise.resolve(null);
  const [databaseUrl, temporal, smtpUrl, simulator] = await allOrFirstError(
    startDatabase(config.databaseUrl, parts, starting),
    parts.temporal(),
    parts.mail(),
    starting,
  );
  const env = environmentOf(options, {
    databaseUrl,
    temporal,
    anthropicBaseUrl: simulator?.url ?? null,
    smtpUrl,
    token,
  });
  const api = parts.api(env);
  const [apiUrl] = await allOrFirstError(api, startWorker(parts, env, config.publicUrl ?? api));
  const postgres = config.databaseUrl === null ? new URL(databaseUrl).host : null;
  return {
    dataDir,
    apiUrl,
    publicUrl: config.publicUrl ?? apiUrl,
    token,
    temporalUiUrl: temporal.uiUrl,
    databaseUrl,
    embedded: { postgres, temporal: temporal.isEmbedded },
    mailFolder: smtpUrl === null ? null : mailFolderOf(dataDir),
    simulator,
  };
}

/** The links in its messages lead to the API, whose port is known once that listens. */
async function startWorker(parts: Parts, env: NodeJS.ProcessEnv, publicUrl: string | Promise<string>): Promise<void> {
  await parts.worker({ ...env, METERLINE_PUBLIC_URL: await publicUrl });
}

async function startDatabase(
  given: string | null,
  parts: Parts,
  starting: Promise<SimulatorAddress | null>,
): Promise<string> {
  if (given !== null) {
    const simulator = await starting;
    if (simulator !== null) await refuseRealData(given, simulator.organization.id);
  }
  const databaseUrl = given ?? (await parts.postgres());
  await parts.migrate(databaseUrl);
  return databaseUrl;
}

/** Waits for all, so that everything that started can be stopped. Then throws the first error, if any. */
async function allOrFirstError<T extends readonly Promise<unknown>[]>(
  ...work: T
): Promise<{ [K in keyof T]: Awaited<T[K]> }> {
  await Promise.allSettled(work);
  return await Promise.all(work);
}

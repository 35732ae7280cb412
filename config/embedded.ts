import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { setIn, type Environment } from './variables.ts';

/** Files in the data directory of the embedded stack. */
export const EMBEDDED_FILES = {
  encryptionKeys: 'encryption-keys',
  postgresPassword: 'postgres-password',
  run: 'run.json',
} as const;

/** The role and the database of the embedded Postgres. */
export const EMBEDDED_DATABASE = { role: 'meterline', name: 'meterline' } as const;

const runFile = z.object({ processes: z.array(z.object({ role: z.string(), address: z.string().optional() })) });

/**
 * Adds the addresses of the embedded Postgres and of the API, while they run, and the encryption keys of the data directory,
 * unless the environment names others. So a command works with the database and the keys of the stack on that directory.
 */
export function withEmbedded(env: Environment, dataDir: string): Environment {
  const file = (name: string): string | null => read(join(dataDir, name));
  const run = file(EMBEDDED_FILES.run);
  const addresses = run === null ? null : addressesIn(run);
  const password = file(EMBEDDED_FILES.postgresPassword);
  const found = {
    DATABASE_URL: databaseUrlOf(addresses?.postgres, password),
    METERLINE_PUBLIC_URL: addresses?.api,
    METERLINE_ENCRYPTION_KEYS: file(EMBEDDED_FILES.encryptionKeys) ?? undefined,
  };
  return { ...found, ...setIn(env) };
}

function addressesIn(run: string): { postgres: string | undefined; api: string | undefined } {
  const { processes } = runFile.parse(JSON.parse(run));
  const addressOf = (wanted: string): string | undefined => processes.find(({ role }) => role === wanted)?.address;
  return { postgres: addressOf('postgres'), api: addressOf('api') };
}

function databaseUrlOf(address: string | undefined, password: string | null): string | undefined {
  if (address === undefined || password === null) return undefined;
  const { role, name } = EMBEDDED_DATABASE;
  return `postgres://${role}:${encodeURIComponent(password)}@${address}/${name}?sslmode=disable`;
}

function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}

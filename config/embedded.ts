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
 * Adds the address of the embedded Postgres, while it runs, and the encryption keys of the data directory, unless the
 * environment names others. So a command works with the database and the keys of the stack on that directory.
 */
export function withEmbedded(env: Environment, dataDir: string): Environment {
  const file = (name: string): string | null => read(join(dataDir, name));
  const found = {
    DATABASE_URL: databaseUrlOf(file) ?? undefined,
    METERLINE_ENCRYPTION_KEYS: file(EMBEDDED_FILES.encryptionKeys) ?? undefined,
  };
  return { ...found, ...setIn(env) };
}

function databaseUrlOf(file: (name: string) => string | null): string | null {
  const [run, password] = [file(EMBEDDED_FILES.run), file(EMBEDDED_FILES.postgresPassword)];
  if (run === null || password === null) return null;
  const { processes } = runFile.parse(JSON.parse(run));
  const address = processes.find(({ role }) => role === 'postgres')?.address;
  if (address === undefined) return null;
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

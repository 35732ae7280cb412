import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

/** What the embedded stack keeps in its data directory. */
export const EMBEDDED_FILES = {
  encryptionKeys: 'encryption-keys',
  postgresPassword: 'postgres-password',
  run: 'run.json',
} as const;

/** The role and the database of the embedded Postgres. */
export const EMBEDDED_DATABASE = { role: 'meterline', name: 'meterline' } as const;

const runFile = z.object({ processes: z.array(z.object({ role: z.string(), address: z.string().optional() })) });

type Env = Readonly<Record<string, string | undefined>>;

/**
 * The environment as the embedded stack on a data directory gives it to its parts, so that a command reaches the same
 * database with the same encryption keys: `DATABASE_URL` is that of its Postgres while it runs, the keys are those of
 * its file. What is set stays.
 */
export function withEmbedded(env: Env, dataDir: string): Env {
  const file = (name: string): string | null => read(join(dataDir, name));
  const made = {
    DATABASE_URL: databaseUrlOf(file) ?? undefined,
    METERLINE_ENCRYPTION_KEYS: file(EMBEDDED_FILES.encryptionKeys) ?? undefined,
  };
  return { ...made, ...Object.fromEntries(Object.entries(env).filter(([, value]) => value !== '')) };
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
